"""Errors: exit codes, the tree of classes, and the hints for the user."""

from __future__ import annotations

import errno
import inspect
import itertools
import re

import pytest

from tests.support import readme
from wheel_uploader.core import errors
from wheel_uploader.core.errors import (
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    PartialError,
    RedirectNotAllowed,
    ReleaseError,
    RunInterrupted,
    UnsupportedVersionError,
    UsageError,
    as_unexpected_error,
    most_important_error,
)

ALL: list[type[ReleaseError]] = [
    error_class
    for error_class in vars(errors).values()
    if isinstance(error_class, type) and issubclass(error_class, ReleaseError)
]
CLASSES = [error_class for error_class in ALL if error_class is not ReleaseError]

#: Scripts rely on these codes; the documentation lists the same ones.
CODES = {
    "ReleaseError": 1,
    "UsageError": 2,
    "NothingFoundError": 3,
    "CredentialsError": 4,
    "NetworkError": 5,
    "FileError": 6,
    "ConflictError": 7,
    "PartialError": 8,
    "DeadlineError": 10,
    "LockedError": 11,
    "SigningError": 12,
    "StorageError": 13,
}

#: Exit codes by priority, for runs that fail in several ways.
PRIORITY = ("128+N", 7, 8, 4, 12, 6, 13, 3, 5, 10, 11)


def make_error(code: int | str) -> ReleaseError:
    """Return an error with this exit code."""
    if code == "128+N":
        return RunInterrupted(15)
    return next(
        error_class
        for error_class in CLASSES
        if error_class.exit_code == code and error_class is not HttpStatusError
    )("a message")


def test_exit_codes_do_not_change() -> None:
    base_classes = [
        error_class
        for error_class in ALL
        if ReleaseError in {error_class, error_class.__base__} and error_class is not RunInterrupted
    ]
    assert {error_class.__name__: error_class.exit_code for error_class in base_classes} == CODES


def test_a_subclass_has_the_exit_code_of_its_parent() -> None:
    subclasses = [error_class for error_class in CLASSES if error_class.__base__ is not ReleaseError]
    assert subclasses
    for error_class in subclasses:
        family = next(parent.__name__ for parent in error_class.mro() if parent.__name__ in CODES)
        assert error_class.exit_code == CODES[family], error_class


def test_errors_that_waiting_cannot_remove() -> None:
    assert not NothingFoundError("x").is_permanent
    assert (NothingFoundError("x").as_permanent().is_permanent, NothingFoundError.exit_code) == (True, 3)
    permanent = [
        ListingError("x").as_permanent(),
        ListingError("x").as_permanent().with_details("y"),
        UnsupportedVersionError("x"),
        RedirectNotAllowed("x"),
    ]
    assert {(error.is_permanent, error.exit_code) for error in permanent} == {(True, 2)}
    assert (ListingError("x").is_permanent, ListingError("x").exit_code) == (False, 5)


def parse_docstring_tree() -> dict[str, tuple[str, int | None]]:
    """Parse the tree in the docstring: class to parent and code; a class without a code has its parent's."""
    drawn: dict[str, tuple[str, int | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        row = re.match(r"    ((?:\|   )*)(?:\+-- )?([A-Z]\w+) {2,}(?:(\d+|128\+N) {2,})?\S", line)
        if not row:
            continue
        depth = len(row[1]) // 4 + ("+--" in line)
        path[depth:] = [row[2]]
        code = int(row[3]) if row[3] and row[3].isdecimal() else None
        drawn[row[2]] = (path[depth - 1] if depth else "Exception", code)
    return drawn


def test_the_tree_in_the_docstring_matches_the_classes() -> None:
    drawn = parse_docstring_tree()
    assert {name: parent for name, (parent, _) in drawn.items()} == {
        error_class.__name__: error_class.__base__.__name__ for error_class in ALL if error_class.__base__
    }
    assert {name: code for name, (_, code) in drawn.items() if code} == {
        name: code for name, code in CODES.items() if name != "ReleaseError"
    }


def test_the_documentation_lists_the_same_exit_codes() -> None:
    table = readme.page("reference/exit-codes")
    rows = {row[1]: row[2] for row in re.finditer(r"(?m)^(\d+(?:\+N)?) {2,}(\S.*)$", table)}
    assert set(rows) == {"0", "128+N", *map(str, CODES.values())}


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda error_class: error_class.__name__)
def test_every_error_has_a_description_and_a_hint(error_class: type[ReleaseError]) -> None:
    assert (inspect.getdoc(error_class) or "").endswith(".")
    assert error_class.__doc__ != ReleaseError.__doc__
    assert error_class.default_hint.endswith(".")
    assert error_class.default_hint != ReleaseError.default_hint


def test_an_error_has_a_message_a_hint_and_details() -> None:
    plain = UsageError("-j 0: at least one")
    assert (str(plain), plain.message) == ("-j 0: at least one", "-j 0: at least one")
    assert (plain.hint, plain.details) == (UsageError.default_hint, ())
    full = UsageError("no", hint="do this", details=(str(number) for number in (1, 2)))
    assert (full.hint, full.details) == ("do this", ("1", "2"))


@pytest.mark.parametrize(("number", "code"), [(1, 129), (2, 130), (15, 143)])
def test_a_signal_has_the_same_exit_code_as_in_a_shell(number: int, code: int) -> None:
    stopped = RunInterrupted(number)
    assert stopped.exit_code == code
    assert str(stopped) == ("interrupted (Ctrl-C)" if number == 2 else f"stopped by signal {number}")
    assert stopped.hint == "Run the same command again to continue."


@pytest.mark.parametrize(
    ("status", "more", "sentence"),
    [
        (404, {}, "https://host/x returned 404"),
        (404, {"reason": "Not Found"}, "https://host/x returned 404 Not Found"),
        (503, {"excerpt": "try later"}, "https://host/x returned 503: try later"),
        (503, {"reason": "Busy", "excerpt": "try later"}, "https://host/x returned 503 Busy: try later"),
    ],
)
def test_an_http_status_error_quotes_the_response(status: int, more: dict[str, str], sentence: str) -> None:
    error = HttpStatusError(status, "https://host/x", **more)  # type: ignore[arg-type]
    assert str(error) == sentence
    assert (error.status, error.url, error.retry_after) == (status, "https://host/x", None)
    assert error.hint == NetworkError.default_hint
    assert HttpStatusError(401, "u", hint="log in", retry_after=2.5).hint == "log in"


# --- priority --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", list(itertools.combinations(PRIORITY, 2)), ids=str)
def test_selects_the_more_important_of_two_errors(pair: tuple[int | str, int | str]) -> None:
    worse, better = map(make_error, pair)
    assert most_important_error([worse, better]) is worse
    assert most_important_error([better, worse]) is worse


def test_every_exit_code_of_a_run_has_a_priority() -> None:
    assert set(CODES.values()) - {1, 2} == set(errors.EXIT_CODE_PRIORITY)
    assert PRIORITY[1:] == errors.EXIT_CODE_PRIORITY


def test_selects_the_first_of_two_errors_with_the_same_code() -> None:
    first, second = PartialError("first"), PartialError("second")
    assert most_important_error(iter([first, second])) is first


def test_an_error_without_a_priority_comes_last() -> None:
    assert most_important_error([ReleaseError("a bug"), make_error(11)]).exit_code == 11


def test_rejects_an_empty_list_of_errors() -> None:
    with pytest.raises(ValueError, match="empty"):
        most_important_error([])


@pytest.mark.parametrize(
    ("shortage", "hint"),
    [
        (OSError(errno.EMFILE, "Too many open files", "/x/module.py"), "ulimit -n"),
        (OSError(errno.ENFILE, "Too many open files in system"), "ulimit -n"),
        (MemoryError(), "ulimit -v"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "ulimit -v"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_a_limit_of_the_process_is_not_a_bug(shortage: Exception, hint: str) -> None:
    """It may be hit anywhere, also while another error is handled."""
    for error in (as_unexpected_error(shortage), as_unexpected_error(_raised_from(shortage))):
        assert (error.exit_code, error.details) == (13, ())
        assert hint in error.hint


def _raised_from(cause: Exception) -> Exception:
    try:
        raise ImportError("cannot import name") from cause
    except ImportError as error:
        return error


def test_an_unexpected_error_has_a_traceback() -> None:
    try:
        raise LookupError("odd\nthing")
    except LookupError as bug:
        error = as_unexpected_error(bug)
    assert (type(error), error.exit_code, error.message) == (
        ReleaseError,
        1,
        "unexpected LookupError: odd\nthing",
    )
    assert error.details[0].startswith("Traceback")
    assert "test_an_unexpected_error_has_a_traceback" in error.details[1]
    assert "report" in error.hint
