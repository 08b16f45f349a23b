"""Marks tests as ``server``, ``gpg``, ``slow`` and ``long``.

``server`` and ``gpg`` are found automatically: a test has the marker if it can reach a function that starts
one. A test reaches the names in it, its fixtures, its parameters and the helpers below ``_HELPERS``, also
indirectly. ``slow`` follows from ``server``, or is set by hand, at a test or in the lists here; a run without
slow tests ends with a list of those that should be marked.
"""

from __future__ import annotations

import functools
import gc
import os
import types
from collections.abc import Callable, Generator, Iterable
from typing import Any

import hypothesis
import hypothesis.strategies
import pytest

from tests.support import stores
from tools.testing import gpg, indexes, servers

#: The functions that start a server process, or gpg with a keyring.
STARTERS: dict[str, tuple[Callable[..., object], ...]] = {
    "server": (servers._running, stores.moto, stores.azurite, indexes._running, indexes.devpi_server),
    "gpg": (gpg.keyring,),
}
#: Seconds of CPU, including child processes, that a test may take without being marked as slow.
SLOW = 2.0
#: Names by which tests use the package's own server: the index of a rehearsal and of the demo.
_OWN_SERVERS = frozenset({"--rehearse", "--demo", "local_index", "run_local_index"})
#: The starters by the module from which they are called.
GUARDED = (
    (servers, "_running", "server"),
    (stores, "_running", "server"),
    (stores, "moto", "server"),
    (indexes, "_running", "server"),
    (gpg, "keyring", "gpg"),
)

#: Slow modules and tests that do not have the marker in their own file; all of tests/e2e is slow.
_SLOW_MODULES = frozenset(
    (
        *("test_archive_fuzz", "test_built_wheels", "test_growth", "test_interoperate", "test_polling"),
        *("test_preconnect", "test_pythons", "test_ranges", "test_repaired", "test_startup", "test_upload"),
    )
)
_SLOW_TESTS = frozenset(
    (
        "test_a_megabyte_of_xml_takes_little_time_and_memory",
        "test_agrees_with_packaging_for_every_glibc",
        "test_agrees_with_packaging_for_every_macos",
        "test_both_clients_announce_an_sdist_alike",
        "test_both_libraries_agree_on_every_stream",
        "test_cassettes_match_the_tests",
        "test_cut_without_length_or_hash_is_detected",
        "test_every_expression_is_linear",
        "test_explains_every_rejection_by_pypi",
        "test_few_phrases_read_as_translated",
        "test_is_bounded",
        "test_limits_the_cost_of_thousands_of_native_members",
        "test_reads_hostile_input_in_limited_time_and_memory",
        "test_registers_secrets_while_other_threads_redact",
        "test_reports_an_attack_within_the_limits",
        "test_resumes_after_a_cut_anywhere",
        "test_type_checkers_see_every_name",
    )
)

#: Tests with many parameters, of behaviour that does not depend on the Python: each is fast, all together
#: take a third of the time of the core. The whole suite runs them.
_SWEEPS = frozenset(
    (
        "test_a_failed_listing_is_an_error_only_if_strict",
        "test_a_fault_at_a_step_is_survived_or_told",
        "test_a_fault_of_a_removal_is_repeated",
        "test_a_file_that_cannot_be_downloaded_is_not_confirmed",
        "test_a_listing_that_lacks_files_never_removes_more",
        "test_a_token_that_ends_soon_is_a_warning",
        "test_a_token_that_has_ended_is_a_warning_of_every_run",
        "test_a_tree_gives_the_same_files_in_every_format",
        "test_an_odd_answer_removes_nothing_and_the_release_is_complete",
        "test_both_clients_change_the_site_by_the_same_requests",
        "test_both_halves_follow_the_same_exceptions",
        "test_both_halves_report_a_failure_of_a_proxy_alike",
        "test_every_report_matches_the_standard",
        "test_every_sequence_of_events_keeps_the_properties",
        "test_fault_that_happens_once_to_each_request_is_survived",
        "test_finds_a_line_that_is_missing",
        "test_finds_a_wrong_line_of_the_table",
        "test_lasting_fault_has_its_exit_code_and_the_next_run_completes",
        "test_limits_the_size_of_the_summary",
        "test_never_removes_what_must_stay",
        "test_next_run_completes_a_run_that_was_killed_at_a_write",
        "test_no_sequence_of_failing_answers_about_a_file_leads_to_a_removal",
        "test_no_sequence_of_failing_answers_about_a_file_of_devpi_leads_to_a_removal",
        "test_no_sequence_of_failing_answers_of_devpi_leads_to_a_removal",
        "test_no_sequence_of_failing_answers_to_the_listing_leads_to_a_removal",
        "test_other_bytes_are_not_overwritten",
        "test_survives_a_hostile_value_anywhere_in_json",
        "test_values_are_accepted_or_rejected_as_by_pypi",
        "test_write_that_is_done_and_never_answered_is_not_repeated",
        "test_writes_each_fault_beside_the_file_without_it",
    )
)

#: Tests that take more than about ten seconds of CPU, and large versions of others. They are left out, unless
#: ``-m long`` selects them, as ``python -m tests.soak long`` does.
_LONG_TESTS = frozenset(
    (
        "test_a_fault_leaves_old_or_new_bytes_or_a_way_to_repair",
        "test_a_hostile_mebibyte_takes_little_time_and_memory",
        "test_a_kill_at_each_request_is_repaired_by_the_same_command",
        "test_detects_slow_expressions_only",
        "test_every_python_gives_the_same_results",
        "test_limits_the_cost_of_thousands_of_native_members",
        "test_lists_a_folder_of_50000_files",
        "test_lists_a_release_of_50000_files",
        "test_next_run_completes_a_killed_run",
        "test_reading_time_is_proportional_to_length",
        "test_reads_a_large_json_page",
        "test_reads_a_large_page_of_the_target",
        "test_reads_hostile_input_in_limited_time_and_memory",
        "test_redacts_thousands_of_secrets_in_a_long_text",
        "test_runs_at_the_same_moment_lose_nothing",
        "test_takes_over_a_release_that_the_real_client_began",
        "test_the_next_run_completes_a_killed_run",
        "test_stops_rendering_exponential_text",
        "test_two_runs_at_the_same_moment_publish_one_release",
        "test_starts_no_process_anywhere_else",
        "test_rejects_more_than_100000_links",
        "test_renders_a_hundred_thousand_findings_quickly",
        "test_no_variable_number_has_a_fixed_plural",
        "test_no_sentence_of_the_program_is_masked",
        "test_no_duration_is_formatted_by_hand",
    )
)

#: The packages of the helpers of tests.
_HELPERS = ("tests", "tools.testing")

_markers_cache: dict[object, frozenset[str]] = {}
#: The markers of each test function, which are those of all its parameters.
_function_markers: dict[object, frozenset[str]] = {}


def pytest_collection(session: pytest.Session) -> None:
    """Pause the garbage collector until ``pytest_collection_finish``."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in sorted(_markers(item)):
            item.add_marker(marker)


def _markers(item: pytest.Item) -> set[str]:
    name = getattr(item, "originalname", item.name)
    is_long = name in _LONG_TESTS
    is_slow = (
        is_long
        or "e2e" in item.path.parts
        or item.path.stem in _SLOW_MODULES
        or name in _SLOW_TESTS | _SWEEPS
    )
    markers = {"long"} if is_long else set()
    markers |= {"slow"} if is_slow else set()
    # Replayed tests start no servers.
    if item.get_closest_marker("vcr") and item.config.getoption("--record-mode") in {None, "none"}:
        return markers
    function = getattr(item, "function", None)
    if function not in _function_markers:
        _function_markers[function] = _markers_of_function(function, getattr(item, "_fixtureinfo", None))
    markers |= _function_markers[function]
    parameters = getattr(item, "callspec", None)
    markers |= _markers_of_all(parameters.params.values() if parameters else (), set())
    # Starting a server takes seconds.
    return markers | {"slow"} if "server" in markers else markers


def _markers_of_function(function: object, fixtures: Any) -> frozenset[str]:
    """Return the markers of a test function and of its fixtures."""
    markers = _reachable_markers(function, set())
    for definitions in fixtures.name2fixturedefs.values() if fixtures else ():
        for definition in definitions:
            markers |= _reachable_markers(definition.func, set())
    return markers


def _reachable_markers(thing: object, visiting: set[int]) -> frozenset[str]:
    """Return the markers of everything reachable from a function, a class, or a collection of them."""
    if isinstance(thing, dict):
        return _markers_of_all(thing.values(), visiting)
    if isinstance(thing, list | tuple | set | frozenset):
        return _markers_of_all(thing, visiting)
    while hasattr(thing, "__wrapped__") and not _starter_markers(thing):
        thing = thing.__wrapped__
    markers = _starter_markers(thing)
    inner = getattr(thing, "__wrapped__", thing)
    inner = getattr(inner, "__func__", inner)
    if markers or not getattr(inner, "__module__", "").startswith(_HELPERS) or id(inner) in visiting:
        return markers
    if not isinstance(inner, type | types.FunctionType):
        return markers
    if inner in _markers_cache:
        return _markers_cache[inner]
    visiting = visiting | {id(inner)}
    if isinstance(inner, type):
        markers = _markers_of_all((value for value in vars(inner).values() if callable(value)), visiting)
    else:
        markers = _markers_of_code(inner.__code__, inner.__globals__, visiting)
    _markers_cache[inner] = markers
    return markers


def _starter_markers(thing: object) -> frozenset[str]:
    return frozenset(
        marker for marker, starters in STARTERS.items() if any(thing is starter for starter in starters)
    )


def _markers_of_all(things: Iterable[object], visiting: set[int]) -> frozenset[str]:
    markers: frozenset[str] = frozenset()
    for thing in things:
        if isinstance(thing, dict | list | tuple | set | frozenset | types.FunctionType | type):
            markers |= _reachable_markers(thing, visiting)
    return markers


def _markers_of_code(code: types.CodeType, names: dict[str, object], visiting: set[int]) -> frozenset[str]:
    markers = _markers_of_words(code.co_names)
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, types.ModuleType) and value.__name__.startswith(_HELPERS):
            markers |= _markers_of_all((getattr(value, each, None) for each in code.co_names), visiting)
        else:
            markers |= _markers_of_all([value], visiting)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            markers |= _markers_of_code(constant, names, visiting)
        else:
            markers |= _markers_of_words(constant if isinstance(constant, tuple | frozenset) else [constant])
    return markers


def _markers_of_words(words: Iterable[object]) -> frozenset[str]:
    return frozenset(
        ("server",) if any(isinstance(word, str) and word in _OWN_SERVERS for word in words) else ()
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the starters of an excluded marker fail, so that an unmarked test is noticed."""
    expression = session.config.option.markexpr
    for module, name, marker in GUARDED:
        if f"not {marker}" in expression:
            setattr(module, name, functools.partial(_fail_unmarked, name, marker))
    # Hypothesis warns of a generator of random numbers without referrers, and the collector does not
    # see those that are frozen. The first test registers that generator.
    _first_test_of_hypothesis()
    # Thousands of tests stay until the end; the garbage collector need not look through them again and again.
    gc.freeze()
    gc.enable()


@hypothesis.settings(max_examples=1, database=None, derandomize=True)
@hypothesis.given(hypothesis.strategies.just(None))
def _first_test_of_hypothesis(_: None) -> None:
    """Do nothing."""


def _fail_unmarked(name: str, marker: str, *_: object, **__: object) -> None:
    pytest.fail(
        f"{name} is called by a test without the marker {marker!r}, which tests/support/markers.py must find"
    )


# --- the CPU time of tests -------------------------------------------------------------------------

_start = pytest.StashKey[float]()


def _seconds() -> float:
    """Return the seconds of CPU of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_start] = _seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "teardown" and _start in item.stash:
        report.user_properties.append(("cpu", round(_seconds() - item.stash[_start], 2)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List slow tests, with ``--durations`` or in a run that excludes the marker ``slow``."""
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
