"""Every way to end: its exit code, its place in the tree, and what it tells the person to do."""

from __future__ import annotations

import inspect
import itertools
import re

import pytest

from tests.support.readme import README
from wheel_uploader.core import errors
from wheel_uploader.core.errors import (
    HttpStatusError,
    NetworkError,
    PartialError,
    ReleaseError,
    RunInterrupted,
    UsageError,
    as_unexpected_error,
    most_important_error,
)

ALL: list[type[ReleaseError]] = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ReleaseError)
]
CLASSES = [each for each in ALL if each is not ReleaseError]

#: The codes are a promise to scripts: README and DESIGN have the same.
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

#: "Where several hold, the worst for the person wins."
WORST = ("128+N", 8, 7, 4, 12, 6, 13, 3, 5, 10, 11)


def example(code: int | str) -> ReleaseError:
    """An error that ends with this code."""
    if code == "128+N":
        return RunInterrupted(15)
    return next(each for each in CLASSES if each.exit_code == code and each is not HttpStatusError)(
        "so it is"
    )


def test_the_codes_are_those_that_scripts_know() -> None:
    ends = [each for each in ALL if ReleaseError in {each, each.__base__} and each is not RunInterrupted]
    assert {each.__name__: each.exit_code for each in ends} == CODES


def test_a_finer_class_ends_as_its_parent_does() -> None:
    finer = [each for each in CLASSES if each.__base__ is not ReleaseError]
    assert finer
    for each in finer:
        assert each.exit_code == CODES[each.mro()[1].__name__], each


def drawn_tree() -> dict[str, tuple[str, int | None]]:
    """What the docstring draws: class to parent and code; a class without one has its parent's."""
    drawn: dict[str, tuple[str, int | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:\|   )*)(?:\+-- )?([A-Z]\w+) {2,}(?:(\d+|128\+N) {2,})?\S", line)
        if not found:
            continue
        depth = len(found[1]) // 4 + ("+--" in line)
        path[depth:] = [found[2]]
        code = int(found[3]) if found[3] and found[3].isdecimal() else None
        drawn[found[2]] = (path[depth - 1] if depth else "Exception", code)
    return drawn


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = drawn_tree()
    assert {name: parent for name, (parent, _) in drawn.items()} == {
        each.__name__: each.__base__.__name__ for each in ALL if each.__base__
    }
    assert {name: code for name, (_, code) in drawn.items() if code} == {
        name: code for name, code in CODES.items() if name != "ReleaseError"
    }


def test_the_readme_has_the_same_table() -> None:
    table = README.read_text(encoding="utf-8").partition("\nExit codes\n")[2].partition("\nEvery end")[0]
    rows = {row[1]: row[2] for row in re.finditer(r"(?m)^(\d+(?:\+N)?) {2,}(\S.*)$", table)}
    assert set(rows) == {"0", "128+N", *map(str, CODES.values())}


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_every_end_says_what_it_is_and_what_to_do(each: type[ReleaseError]) -> None:
    assert (inspect.getdoc(each) or "").endswith(".")
    assert each.__doc__ != ReleaseError.__doc__
    assert each.default_hint.endswith(".")
    assert each.default_hint != ReleaseError.default_hint


def test_an_error_is_the_sentence_that_a_person_reads() -> None:
    plain = UsageError("-j 0: at least one")
    assert (str(plain), plain.message) == ("-j 0: at least one", "-j 0: at least one")
    assert (plain.hint, plain.details) == (UsageError.default_hint, ())
    full = UsageError("no", hint="do this", details=(str(number) for number in (1, 2)))
    assert (full.hint, full.details) == ("do this", ("1", "2"))


@pytest.mark.parametrize(("number", "code"), [(1, 129), (2, 130), (15, 143)])
def test_a_signal_has_the_code_that_a_shell_gives_it(number: int, code: int) -> None:
    stopped = RunInterrupted(number)
    assert stopped.exit_code == code
    assert str(stopped) == f"stopped by signal {number}"
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
def test_an_answer_that_was_not_asked_for(status: int, more: dict[str, str], sentence: str) -> None:
    error = HttpStatusError(status, "https://host/x", **more)  # type: ignore[arg-type]
    assert str(error) == sentence
    assert (error.status, error.url, error.retry_after) == (status, "https://host/x", None)
    assert error.hint == NetworkError.default_hint
    assert HttpStatusError(401, "u", hint="log in", retry_after=2.5).hint == "log in"


# --- which one is told -------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", list(itertools.combinations(WORST, 2)), ids=str)
def test_of_two_the_worse_for_the_person_is_told(pair: tuple[int | str, int | str]) -> None:
    worse, better = map(example, pair)
    assert most_important_error([worse, better]) is worse
    assert most_important_error([better, worse]) is worse


def test_every_code_of_a_run_has_a_rank() -> None:
    assert set(CODES.values()) - {1, 2} == set(errors.EXIT_CODE_PRIORITY)
    assert WORST[1:] == errors.EXIT_CODE_PRIORITY


def test_of_two_alike_the_first_is_told() -> None:
    first, second = PartialError("first"), PartialError("second")
    assert most_important_error(iter([first, second])) is first


def test_what_has_no_rank_comes_last() -> None:
    assert most_important_error([ReleaseError("a bug"), example(11)]).exit_code == 11


def test_one_of_none_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="empty"):
        most_important_error([])


def test_a_bug_says_where_it_is() -> None:
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
    assert "test_a_bug_says_where_it_is" in error.details[1]
    assert "report" in error.hint
