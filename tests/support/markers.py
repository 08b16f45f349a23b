"""The markers ``server`` and ``gpg`` are found, not written: a test that can reach what starts one has it.

A test reaches what it, its fixtures, its parameters and the helpers below ``tests`` name, however indirectly.
``slow`` is written by hand, at a test or in the lists here; the end of a run without slow tests names those
that should have it.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from tests.support import gpg, indexes, servers, stores

#: Whatever starts a server that is a program of its own, and gpg with a keyring.
STARTERS: dict[str, tuple[Callable[..., object], ...]] = {
    "server": (servers._running, stores.moto, stores.azurite, indexes._running, indexes.devpi_server),
    "gpg": (gpg.keyring,),
}
#: Seconds of CPU, children included, that a test may take without being marked as slow.
SLOW = 2.0
#: Names by which the package's own server is reached: the index of a rehearsal and of the demo.
_OWN_SERVERS = frozenset({"--rehearse", "--demo", "throwaway", "index_server"})
#: What starts them, by where it is called from.
GUARDED = (
    (servers, "_running", "server"),
    (stores, "_running", "server"),
    (stores, "moto", "server"),
    (indexes, "_running", "server"),
    (gpg, "keyring", "gpg"),
)

#: Modules and tests that are slow, beside those that say so themselves.
_SLOW_MODULES = frozenset(
    (
        *(
            "test_archive_fuzz",
            "test_completion",
            "test_growth",
            "test_kills",
            "test_payloads",
            "test_pythons",
        ),
        *("test_rehearsal", "test_repaired", "test_report_browser", "test_screen", "test_smoke", "test_soak"),
        *("test_startup", "test_signals", "test_polling", "test_built_wheels"),
    )
)
_SLOW_TESTS = frozenset(
    (
        "test_a_cut_without_any_help_is_never_taken_for_the_end",
        "test_a_full_disk_tears_nothing",
        "test_a_wheelhouse_on_a_read_only_file_system",
        "test_explains_every_rejection_by_pypi",
        "test_both_libraries_agree_on_every_stream",
        "test_cassettes_match_the_tests",
        "test_hostile_bytes_cost_neither_time_nor_memory",
        "test_killed_at_every_call_that_changes_the_disk",
    )
)

_reached: dict[object, frozenset[str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in sorted(_markers(item)):
            item.add_marker(marker)


def _markers(item: pytest.Item) -> set[str]:
    function = getattr(item, "originalname", item.name)
    found = {"slow"} if item.path.stem in _SLOW_MODULES or function in _SLOW_TESTS else set()
    # What answers from a recording starts nothing.
    if item.get_closest_marker("vcr") and item.config.getoption("--record-mode") in {None, "none"}:
        return found
    for thing in _begins(item):
        found |= _reach(thing, set())
    return found


def _begins(item: pytest.Item) -> Iterator[object]:
    yield getattr(item, "function", None)
    fixtures = getattr(item, "_fixtureinfo", None)
    for definitions in fixtures.name2fixturedefs.values() if fixtures else ():
        yield from (definition.func for definition in definitions)
    parameters = getattr(item, "callspec", None)
    yield from parameters.params.values() if parameters else ()


def _reach(thing: object, open_: set[int]) -> frozenset[str]:
    """Return the markers of what can be reached from a function, a class, or a table of them."""
    if isinstance(thing, dict):
        return _of_all(thing.values(), open_)
    if isinstance(thing, list | tuple | set | frozenset):
        return _of_all(thing, open_)
    while hasattr(thing, "__wrapped__") and not _own(thing):
        thing = thing.__wrapped__
    own = _own(thing)
    inner = getattr(thing, "__wrapped__", thing)
    inner = getattr(inner, "__func__", inner)
    if own or not getattr(inner, "__module__", "").startswith("tests") or id(inner) in open_:
        return own
    if not isinstance(inner, type | types.FunctionType):
        return own
    if inner in _reached:
        return _reached[inner]
    open_ = open_ | {id(inner)}
    if isinstance(inner, type):
        found = _of_all((value for value in vars(inner).values() if callable(value)), open_)
    else:
        found = _of_code(inner.__code__, inner.__globals__, open_)
    _reached[inner] = found
    return found


def _own(thing: object) -> frozenset[str]:
    return frozenset(
        marker for marker, starters in STARTERS.items() if any(thing is starter for starter in starters)
    )


def _of_all(things: Iterable[object], open_: set[int]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for thing in things:
        if isinstance(thing, dict | list | tuple | set | frozenset | types.FunctionType | type):
            found |= _reach(thing, open_)
    return found


def _of_code(code: types.CodeType, names: dict[str, object], open_: set[int]) -> frozenset[str]:
    found = _of_words(code.co_names)
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, types.ModuleType) and value.__name__.startswith("tests"):
            found |= _of_all((getattr(value, each, None) for each in code.co_names), open_)
        else:
            found |= _of_all([value], open_)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _of_code(constant, names, open_)
        else:
            found |= _of_words(constant if isinstance(constant, tuple | frozenset) else [constant])
    return found


def _of_words(words: Iterable[object]) -> frozenset[str]:
    return frozenset(
        ("server",) if any(isinstance(word, str) and word in _OWN_SERVERS for word in words) else ()
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """In a run without a marker, let whatever starts what it stands for fail the test that was overlooked."""
    expression = session.config.option.markexpr
    for module, name, marker in GUARDED:
        if f"not {marker}" in expression:
            setattr(module, name, functools.partial(_overlooked, name, marker))


def _overlooked(name: str, marker: str, *_: object, **__: object) -> None:
    pytest.fail(
        f"{name} is called by a test without the marker {marker!r}, "
        "which tests/support/markers.py has to find"
    )


# --- how long a test takes -------------------------------------------------------------------------

_began = pytest.StashKey[float]()


def _seconds() -> float:
    """Return the seconds of CPU of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_began] = _seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "teardown" and _began in item.stash:
        report.user_properties.append(("cpu", round(_seconds() - item.stash[_began], 2)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what took long: with ``--durations``, or in a run that leaves the slow tests out."""
    if "not slow" not in config.option.markexpr and config.option.durations is None:
        return
    took = {
        report.nodeid: seconds
        for reports in terminalreporter.stats.values()
        for report in reports
        for key, seconds in getattr(report, "user_properties", ())
        if key == "cpu" and seconds > SLOW
    }
    if took:
        terminalreporter.section(f"more than {SLOW:g} s of CPU: mark them as slow")
    for nodeid, seconds in sorted(took.items(), key=lambda pair: -pair[1]):
        terminalreporter.line(f"{seconds:7.2f} s  {nodeid}")
