"""Options refuse what the command line refuses, in the same words; options without effect are reported."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import wheels
from tests.support.in_process import run
from wheel_uploader.core.errors import ReleaseError, UsageError
from wheel_uploader.core.models import AttestationPolicy, CheckProfile, Options, Stage
from wheel_uploader.core.models.option_effects import find_ineffective_options
from wheel_uploader.core.models.option_rules import NUMBER_RANGES, option_flag, split_smoke_command
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import run as pipeline_run

WHERE = "https://staging.example.com/wheels/"
PUBLISH: Mapping[str, Any] = {"project": "dipy", "version": "1.11.0", "urls": (WHERE,)}
NUMBERS = {
    "jobs": ("0", "65"),
    "retries": ("0", "21"),
    "upload_jobs": ("0", "17"),
    "keep_releases": ("0", "-1"),
}

#: Fields of Options, the command line that stands for them, and what both say.
REFUSED: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"urls": ()}, ("dipy", "1.11.0"), "no source given"),
    ({"urls": ("",)}, ("-u", "", "dipy", "1.11.0"), "--url: a value is empty"),
    ({"project": "", "version": ""}, ("-u", WHERE), "no project given"),
    (
        {"project": "", "until": Stage.CHECK},
        ("-u", WHERE, "--until", "check", "", "1.11.0"),
        "was given without a project",
    ),
    ({"project": "di py"}, ("-u", WHERE, "di py", "1.11.0"), "'di py' is not a project name (PEP 508)"),
    ({"project": "../x"}, ("-u", WHERE, "../x", "1.11.0"), "'../x' is not a project name (PEP 508)"),
    ({"version": "1.11.x"}, ("-u", WHERE, "dipy", "1.11.x"), "'1.11.x' is not a version (PEP 440)"),
    (
        {"compare_with": "old"},
        ("-u", WHERE, "--compare-with", "old", "dipy", "1.11.0"),
        "'old' is not a version (PEP 440)",
    ),
    (
        {"compare_with": "1.11"},
        ("-u", WHERE, "--compare-with", "1.11", "dipy", "1.11.0"),
        "--compare-with: 1.11 is the version being released",
    ),
    (
        {"compare_with": "1.10", "no_compare": True},
        ("-u", WHERE, "--compare-with", "1.10", "--no-compare", "dipy", "1.11.0"),
        "--compare-with and --no-compare are mutually exclusive",
    ),
    (
        {"repository": "testpypi", "repository_url": "https://index.example.com/"},
        ("-u", WHERE, "-r", "testpypi", "--repository-url", "https://index.example.com/", "dipy", "1.11.0"),
        "--repository and --repository-url are mutually exclusive",
    ),
    (
        {"identity": "KEY"},
        ("-u", WHERE, "-i", "KEY", "dipy", "1.11.0"),
        "--identity: nothing would be signed without --sign",
    ),
    (
        {"sign_with": "gpg2", "until": Stage.SIGN},
        ("-u", WHERE, "--sign-with", "gpg2", "-n", "dipy", "1.11.0"),
        "--sign-with: nothing would be signed without --sign",
    ),
    (
        {"attest": True, "attestations": AttestationPolicy.NONE},
        ("-u", WHERE, "--attest", "--attestations", "none", "dipy", "1.11.0"),
        "--attest and --attestations none are mutually exclusive",
    ),
    (
        {"wait": 60.0, "version": "latest"},
        ("-u", WHERE, "--wait", "60", "dipy", "latest"),
        "--wait requires an explicit version",
    ),
    (
        {"wait": 60.0, "version": ""},
        ("-u", WHERE, "--wait", "60", "dipy"),
        "--wait requires an explicit version",
    ),
    ({"smoke": ""}, ("-u", WHERE, "--smoke", "", "dipy", "1.11.0"), "--smoke: the value is empty"),
    (
        {"smoke": "#\n'"},
        ("-u", WHERE, "--smoke", "#\n'", "dipy", "1.11.0"),
        "--smoke: it is not a valid command",
    ),
    ({"sign": True, "identity": ""}, ("-u", WHERE, "-s", "-i", "", "dipy", "1"), "--identity: the value is"),
    (
        {"repository_url": ""},
        ("-u", WHERE, "--repository-url", "", "dipy", "1.11.0"),
        "--repository-url: the value is empty",
    ),
    (
        {"repository_url": "ftp://index.example.com/"},
        ("-u", WHERE, "--repository-url", "ftp://index.example.com/", "dipy", "1.11.0"),
        "the upload URL is not valid: its scheme is ftp, not https",
    ),
    (
        {"index_url": "index.example.com/simple"},
        ("-u", WHERE, "--index-url", "index.example.com/simple", "dipy", "1.11.0"),
        "the index URL is not valid: its scheme is missing, not https",
    ),
    (
        {"expect": 0},
        ("-u", WHERE, "--expect", "0", "dipy", "1.11.0"),
        "cannot expect a release of 0 files",
    ),
    (
        {"timeout": float("nan")},
        ("-u", WHERE, "--timeout", "nan", "dipy", "1"),
        "--timeout: nan is not in the",
    ),
    ({"timeout": 1e300}, ("-u", WHERE, "--timeout", "1e300", "dipy", "1"), "--timeout: 1e+300 is not in the"),
    ({"lock_timeout": -1.0}, ("-u", WHERE, "--lock-timeout", "-1", "dipy", "1"), "--lock-timeout: -1 is not"),
    (
        {"confirm_timeout": float("inf")},
        ("-u", WHERE, "--confirm-timeout", "inf", "dipy", "1"),
        "inf is not in",
    ),
    (
        {"keep_days": 10**9},
        ("-u", WHERE, "--keep-days", f"{10**9}", "dipy", "1"),
        "--keep-days: 1000000000 is",
    ),
    *(
        (
            {name: int(text)},
            ("-u", WHERE, option_flag(name), text, "dipy", "1.11.0"),
            f"{option_flag(name)}: {text} is not in",
        )
        for name, values in NUMBERS.items()
        for text in values
    ),
    (
        {"ignore": {"metadata/thinn": ""}},
        ("-u", WHERE, "--ignore", "metadata/thinn", "dipy", "1"),
        "unknown check",
    ),
]


def _by_the_api(fields: Mapping[str, Any]) -> ReleaseError | None:
    try:
        options = Options(**{**PUBLISH, **fields})
    except UsageError as error:
        return error
    return pipeline_run.run(options, SilentProgress()).error


@pytest.mark.parametrize(("fields", "arguments", "message"), REFUSED)
def test_the_api_refuses_what_the_command_line_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something was asked"))
    error = _by_the_api(fields)
    assert isinstance(error, UsageError)
    typed = run(*arguments)
    assert typed.exit_code == error.exit_code == 2
    assert message in typed.stderr
    assert f"error: {error.message}\n" in typed.stderr
    assert f"next: {error.hint}\n" in typed.stderr
    assert "Traceback" not in typed.output


@pytest.mark.parametrize(
    "fields",
    [
        {"until": "check"},
        {"profile": "pypi"},
        {"attestations": "none"},
        {"urls": WHERE},
        {"types": "win"},
        {"types": ("",)},
        {"allow_missing": ("",)},
        {"jobs": True},
        {"retries": 2.5},
        {"retries": None},
        {"timeout": "30"},
        {"project": None},
        {"version": None},
        {"ignore": ("metadata/thin",)},
        {"compare_with": " "},
        {"index_url": "https://[::1/"},
        {"index_url": "https:///simple/"},
    ],
)
def test_values_that_only_the_api_can_give(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Options(**{**PUBLISH, **fields})


def test_every_number_has_bounds_on_both_sides() -> None:
    numbers = {
        each.name
        for each in dataclasses.fields(Options)
        if {"int", "float"} & {*str(each.type).replace("|", " ").split()}
    }
    assert numbers - {"verbose", "expect"} == {*NUMBER_RANGES}
    for name, bounds in NUMBER_RANGES.items():
        for value in bounds:
            made = Options(**{**PUBLISH, name: value})
            assert getattr(made, name) == value
        for value in (bounds[0] - 1, bounds[1] + 1):
            with pytest.raises(UsageError, match=f"{option_flag(name)}: .* is not in the range"):
                Options(**{**PUBLISH, name: value})


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("urls", "--url"),
        ("types", "--type"),
        ("skip_existing", "--no-skip-existing"),
        ("allow_hosts", "--allow-host"),
        ("allow_insecure_hosts", "--allow-insecure-host"),
        ("index_url", "--index-url"),
    ],
)
def test_an_option_is_named_as_it_is_typed(name: str, spelling: str) -> None:
    assert option_flag(name) == spelling
    assert spelling.removeprefix("--no") in run("--help").stdout


@pytest.mark.parametrize("command", ["", " \t\n"])
def test_a_command_of_no_words(command: str) -> None:
    with pytest.raises(UsageError, match="--smoke: the command is empty"):
        split_smoke_command(command)
    assert split_smoke_command("python -c 'a b'") == ["python", "-c", "a b"]


YEARS = 10 * 366 * 86_400


@pytest.mark.parametrize(
    ("name", "least", "most", "whole", "may_be_none"),
    [
        ("keep_releases", 1, 100_000, True, True),
        ("keep_days", 1, 36_500, True, True),
        ("jobs", 1, 64, True, True),
        ("upload_jobs", 1, 16, True, False),
        ("retries", 1, 20, True, False),
        ("timeout", 1, YEARS, False, False),
        ("lock_timeout", 0, YEARS, False, False),
        ("confirm_timeout", 0, YEARS, False, False),
        ("max_age", 0, YEARS, False, False),
        ("wait", 0, YEARS, False, False),
        ("max_duration", 0, YEARS, False, False),
    ],
)
def test_the_range_of_each_number(name: str, least: int, most: int, whole: bool, may_be_none: bool) -> None:
    def is_taken(value: object) -> bool:
        try:
            Options(**{**PUBLISH, name: value})
        except UsageError:
            return False
        return True

    assert (is_taken(least), is_taken(most)) == (True, True)
    assert (is_taken(least - 1), is_taken(most + 1)) == (False, False)
    assert is_taken(least + 0.5) is not whole
    assert is_taken(None) is may_be_none
    assert not is_taken(float("nan"))


def test_the_numbers_of_files_that_can_be_expected() -> None:
    for count in (1, 1_000_000):
        assert Options(**PUBLISH, expect=count).expect == count
    for count in (-1, 0, 1_000_001):
        with pytest.raises(UsageError, match=f"cannot expect a release of {count} files"):
            Options(**PUBLISH, expect=count)


def test_the_longest_project_name() -> None:
    assert Options(**{**PUBLISH, "project": "d" * 1000}).project == "d" * 1000
    with pytest.raises(UsageError, match="is not a project name"):
        Options(**{**PUBLISH, "project": "d" * 1001})


def test_a_run_judges_its_options_again() -> None:
    """Somebody may have come around the constructor."""
    options = Options.unchecked(**{**PUBLISH, "urls": ()})
    error = pipeline_run.run(options, SilentProgress()).error
    assert error is not None
    assert (error.exit_code, error.message) == (2, "no source given")


def test_what_is_allowed_stays_allowed() -> None:
    allowed: tuple[dict[str, Any], ...] = (
        {},
        {"version": ""},
        {"version": "latest", "pre": True},
        {"project": "", "version": "", "until": Stage.CHECK},
        {"project": "", "version": "", "until": Stage.CHECK, "identity": "KEY"},
        {"sign": True, "identity": "KEY", "sign_with": "gpg2"},
        {"compare_with": "1.10.0"},
        {"profile": CheckProfile.ANY, "attestations": AttestationPolicy.REQUIRE},
        {"expect": {"pythons": ["cp311"]}},
        {"project": "a"},
        {"project": "Foo.bar_baz-1"},
    )
    for fields in allowed:
        assert Options(**{**PUBLISH, **fields}).urls == (WHERE,)


# --- options without effect ------------------------------------------------------------------------

LOCAL = ("-u", "staged")
URL = ("-u", "http://127.0.0.1:9/")
IDLE: list[tuple[tuple[str, ...], str]] = [
    (
        (*LOCAL, "--pre", "--until", "list", "dipy", "1.11.0"),
        "--pre has no effect without the version 'latest'",
    ),
    *(
        (
            (*LOCAL, *option, "--until", "list", "dipy", "1.11.0"),
            f"{option[0]} has no effect with --until list",
        )
        for option in (
            ("--sign",),
            ("--identity", "KEY"),
            ("--sign-with", "gpg2"),
            ("--attest",),
            ("--smoke", "python -V"),
            ("--rehearse",),
            ("--dry-run",),
            ("--keep-releases", "3"),
            ("--keep-days", "3"),
            ("--keep-going",),
            ("--no-skip-existing",),
            ("--upload-jobs", "2"),
            ("--confirm-timeout", "3"),
            ("--username", "me"),
            ("--clobber",),
            ("--strict",),
            ("--no-compare",),
            ("--compare-with", "1.10"),
            ("--ignore", "metadata/thin"),
            ("--allow-missing", "cp310"),
            ("--attestations", "require"),
        )
    ),
    (
        (*LOCAL, "--keep-releases", "3", "--smoke", "x", "--until", "list", "dipy"),
        "--smoke, --keep-releases have no effect with",
    ),
    (
        (*LOCAL, "--confirm-timeout", "3", "-n", "dipy", "1.11.0"),
        "--confirm-timeout has no effect with --until",
    ),
    (
        (*LOCAL, "--rehearse", "--until", "check", "dipy", "1.11.0"),
        "--rehearse has no effect with --until check",
    ),
    (
        (*LOCAL, "--compare-with", "1.10", "--until", "check", "dipy"),
        "--compare-with has no effect without an index to compare",
    ),
    (
        (*LOCAL, "--netrc", "--until", "list", "dipy"),
        "--netrc has no effect without a remote source",
    ),
    (
        (*LOCAL, "--allow-host", "x.org", "--until", "list", "dipy"),
        "--allow-host has no effect without a remote source",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), IDLE)
def test_an_option_without_effect_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    result = run(*arguments)
    assert result.exit_code in (0, 6), result.output  # The checks may find something in these wheels.
    assert [line in each for each in result.stderr.splitlines()].count(True) == 1, result.stderr


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"rehearse": True, "sign": True, "identity": "KEY"}, {"sign", "identity"}),
        ({"rehearse": True, "attest": True, "keep_releases": 3}, {"attest", "keep_releases"}),
        ({"rehearse": True, "confirm_timeout": 3.0, "dry_run": True}, {"dry_run", "confirm_timeout"}),
        ({"dry_run": True, "attest": True, "keep_releases": 3, "upload_jobs": 2}, {"attest", "upload_jobs"}),
        ({"sign": True, "keep_releases": 3, "compare_with": "1.10", "smoke": "x", "strict": True}, set()),
        (
            {"until": Stage.CHECK, "compare_with": "1.10", "index_url": "https://index.example.com/simple/"},
            set(),
        ),
        ({"until": Stage.CHECK, "no_compare": True}, {"no_compare"}),
        ({"netrc": True, "allow_hosts": ("x.org",), "urls": ("s3://bucket/",)}, set()),
    ],
)
def test_what_a_rehearsal_and_a_dry_run_do_not_do(fields: dict[str, Any], names: set[str]) -> None:
    found = find_ineffective_options(Options(**{**PUBLISH, **fields}))
    assert {name for each in found for name in each.field_names} == names


@pytest.mark.parametrize(
    ("fields", "names", "because"),
    [
        ({"smoke_env": ("X",)}, "--smoke-env has", "without --smoke"),
        ({"smoke_env": ("X",), "smoke": "x"}, "", ""),
        ({"pre": True}, "--pre has", "without the version 'latest'"),
        ({"pre": True, "version": "latest"}, "", ""),
        ({"netrc": True, "urls": ("folder",)}, "--netrc has", "without a remote source"),
        ({"netrc": True, "urls": ("folder", "FILE:///x")}, "--netrc has", "without a remote source"),
        ({"netrc": True, "urls": ("folder", WHERE)}, "", ""),
        (
            {"compare_with": "1.10", "allow_missing": ("x",), "until": Stage.SIGN},
            "--compare-with, --allow-missing have",
            "without an index to compare with (set --repository or --index-url)",
        ),
        ({"compare_with": "1.10", "until": Stage.SIGN, "repository": "testpypi"}, "", ""),
        ({"compare_with": "1.10", "until": Stage.SIGN, "repository_url": WHERE}, "", ""),
        ({"compare_with": "1.10", "until": Stage.SIGN, "index_url": WHERE}, "", ""),
        ({"compare_with": "1.10", "until": Stage.UPLOAD}, "", ""),
        ({"dry_run": True, "keep_going": True}, "--keep-going has", "with --dry-run, which uploads nothing"),
        (
            {"rehearse": True, "keep_going": True},
            "--keep-going has",
            "with --rehearse, which publishes to a local index only",
        ),
        ({"keep_releases": 3, "until": Stage.UPLOAD}, "--keep-releases has", "with --until upload"),
    ],
)
def test_the_reason_why_an_option_has_no_effect(fields: dict[str, Any], names: str, because: str) -> None:
    found = [str(each) for each in find_ineffective_options(Options(**{**PUBLISH, **fields}))]
    assert found == ([f"{names} no effect {because}"] if names else [])


#: Each option that a later stage is the first to use, with a value that is not its default.
FIRST_STAGE: dict[Stage, dict[str, Any]] = {
    Stage.DOWNLOAD: {"clobber": True},
    Stage.CHECK: {
        "strict": True,
        "ignore": {"metadata/thin": ""},
        "compare_with": "1.10",
        "no_compare": True,
        "allow_missing": ("cp310",),
        "smoke": "x",
        "smoke_env": ("X",),
        "attestations": AttestationPolicy.REQUIRE,
    },
    Stage.SIGN: {"rehearse": True, "sign": True, "identity": "KEY", "sign_with": "gpg2", "attest": True},
    Stage.UPLOAD: {
        "dry_run": True,
        "keep_going": True,
        "upload_jobs": 2,
        "skip_existing": False,
        "username": "me",
    },
    Stage.CONFIRM: {"confirm_timeout": 3.0, "keep_releases": 3, "keep_days": 3},
}


@pytest.mark.parametrize(
    ("first", "name", "value"),
    [(first, name, value) for first, values in FIRST_STAGE.items() for name, value in values.items()],
)
def test_an_option_has_an_effect_from_its_first_stage_on(first: Stage, name: str, value: Any) -> None:
    known = {**PUBLISH, "index_url": "https://index.example.com/simple/", name: value}
    known |= {"smoke": "x"} if name == "smoke_env" else {}
    known |= {"sign": True} if name in {"identity", "sign_with"} else {}
    for until in Stage:
        found = {
            each
            for line in find_ineffective_options(Options(**known, until=until))
            for each in line.field_names
        }
        assert (name in found) is (until < first), until


def test_general_settings_that_a_run_does_not_use_are_not_worth_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    Path("pyproject.toml").write_text(
        "[tool.wheel-uploader]\nkeep-releases = 3\nsign = true\nno-compare = true\n"
    )
    result = run(*LOCAL, "--until", "list", "dipy", env={"WHEEL_UPLOADER_UPLOAD_JOBS": "2"})
    assert (result.exit_code, "no effect" in result.stderr) == (0, False)
    # What was typed takes the place of a setting that excludes it.
    other = run(*LOCAL, "--until", "list", "--compare-with", "1.10", "dipy")
    assert (other.exit_code, "--compare-with has no effect" in other.stderr) == (0, True)


def test_a_setting_that_is_refused_is_named_by_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nidentity = "KEY"\n')
    result = run(*URL, "dipy", "1.11.0")
    assert result.exit_code == 2
    assert f"error: identity in {tmp_path / 'pyproject.toml'} [tool.wheel-uploader]: nothing" in result.stderr
    by_variable = run(*URL, "dipy", "1.11.0", env={"WHEEL_UPLOADER_JOBS": "99"})
    assert "error: WHEEL_UPLOADER_JOBS: 99 is not in the range from 1 to 64\n" in by_variable.stderr
