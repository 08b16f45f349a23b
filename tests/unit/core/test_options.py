"""Options: the API rejects the same values as the command line, and options without effect are reported."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import run
from tools.testing import wheels
from wheel_uploader.core.errors import ReleaseError, UsageError
from wheel_uploader.core.models import AttestationPolicy, CheckProfile, Options, Stage, option_effects
from wheel_uploader.core.models.option_effects import find_ineffective_options
from wheel_uploader.core.models.option_rules import (
    NUMBER_RANGES,
    REQUIRED_OPTIONS,
    option_flag,
    split_smoke_command,
)
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.facts import listing_page
from wheel_uploader.listing import expected_files
from wheel_uploader.pipeline import run as pipeline_run

SOURCE_URL = "https://staging.example.com/wheels/"
REQUIRED: Mapping[str, Any] = {"project": "dipy", "version": "1.11.0", "urls": (SOURCE_URL,)}
NUMBERS = {
    "jobs": ("0", "65"),
    "retries": ("0", "21"),
    "upload_jobs": ("0", "17"),
    "keep_releases": ("0", "-1"),
}

#: Fields of Options, the equivalent command line, and a part of the message of both.
REJECTED: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"urls": ()}, ("dipy", "1.11.0"), "no source given"),
    ({"urls": ("",)}, ("-u", "", "dipy", "1.11.0"), "--url: a value is empty"),
    ({"project": "", "version": ""}, ("-u", SOURCE_URL), "no project given"),
    (
        {"project": "", "until": Stage.CHECK},
        ("-u", SOURCE_URL, "--until", "check", "", "1.11.0"),
        "was given without a project",
    ),
    ({"project": "di py"}, ("-u", SOURCE_URL, "di py", "1.11.0"), "'di py' is not a project name (PEP 508)"),
    ({"project": "demo!"}, ("-u", SOURCE_URL, "demo!", "1.11.0"), "'demo!' is not a project name (PEP 508)"),
    ({"version": "1.11.x"}, ("-u", SOURCE_URL, "dipy", "1.11.x"), "'1.11.x' is not a version (PEP 440)"),
    (
        {"compare_with": "old"},
        ("-u", SOURCE_URL, "--compare-with", "old", "dipy", "1.11.0"),
        "'old' is not a version (PEP 440)",
    ),
    (
        {"compare_with": "1.11"},
        ("-u", SOURCE_URL, "--compare-with", "1.11", "dipy", "1.11.0"),
        "--compare-with: 1.11 is the version being released",
    ),
    (
        {"compare_with": "1.10", "no_compare": True},
        ("-u", SOURCE_URL, "--compare-with", "1.10", "--no-compare", "dipy", "1.11.0"),
        "--compare-with and --no-compare are mutually exclusive",
    ),
    (
        {"compare_index": SOURCE_URL, "no_compare": True},
        ("-u", SOURCE_URL, "--compare-index", SOURCE_URL, "--no-compare", "dipy", "1.11.0"),
        "--compare-index and --no-compare are mutually exclusive",
    ),
    (
        {"repository": "testpypi", "repository_url": "https://index.example.com/"},
        (
            "-u",
            SOURCE_URL,
            "-r",
            "testpypi",
            "--repository-url",
            "https://index.example.com/",
            "dipy",
            "1.11.0",
        ),
        "--repository and --repository-url are mutually exclusive",
    ),
    (
        {"identity": "KEY"},
        ("-u", SOURCE_URL, "-i", "KEY", "dipy", "1.11.0"),
        "--identity: nothing would be signed without --sign",
    ),
    (
        {"sign_with": "gpg2", "until": Stage.SIGN},
        ("-u", SOURCE_URL, "--sign-with", "gpg2", "-n", "dipy", "1.11.0"),
        "--sign-with: nothing would be signed without --sign",
    ),
    (
        {"smoke_env": ("X",)},
        ("-u", SOURCE_URL, "--smoke-env", "X", "dipy", "1.11.0"),
        "--smoke-env: nothing would be installed and tried without --smoke",
    ),
    (
        {"smoke_index": True},
        ("-u", SOURCE_URL, "--smoke-index", "dipy", "1.11.0"),
        "--smoke-index: nothing would be installed and tried without --smoke",
    ),
    (
        {"attest": True, "attestations": AttestationPolicy.NONE},
        ("-u", SOURCE_URL, "--attest", "--attestations", "none", "dipy", "1.11.0"),
        "--attest and --attestations none are mutually exclusive",
    ),
    (
        {"wait": 60.0, "version": "latest"},
        ("-u", SOURCE_URL, "--wait", "60", "dipy", "latest"),
        "--wait requires an explicit version",
    ),
    (
        {"wait": 60.0, "version": ""},
        ("-u", SOURCE_URL, "--wait", "60", "dipy"),
        "--wait requires an explicit version",
    ),
    ({"smoke": ""}, ("-u", SOURCE_URL, "--smoke", "", "dipy", "1.11.0"), "--smoke: the value is empty"),
    (
        {"smoke": "#\n'"},
        ("-u", SOURCE_URL, "--smoke", "#\n'", "dipy", "1.11.0"),
        "--smoke: it is not a valid command",
    ),
    (
        {"sign": True, "identity": ""},
        ("-u", SOURCE_URL, "-s", "-i", "", "dipy", "1"),
        "--identity: the value is",
    ),
    (
        {"repository_url": ""},
        ("-u", SOURCE_URL, "--repository-url", "", "dipy", "1.11.0"),
        "--repository-url: the value is empty",
    ),
    (
        {"repository_url": "ftp://index.example.com/"},
        ("-u", SOURCE_URL, "--repository-url", "ftp://index.example.com/", "dipy", "1.11.0"),
        "the upload URL is not valid: its scheme is ftp, not https",
    ),
    (
        {"index_url": "index.example.com/simple"},
        ("-u", SOURCE_URL, "--index-url", "index.example.com/simple", "dipy", "1.11.0"),
        "the index URL is not valid: its scheme is missing, not https",
    ),
    (
        {"expect": 0},
        ("-u", SOURCE_URL, "--expect", "0", "dipy", "1.11.0"),
        "cannot expect a release of 0 files",
    ),
    (
        {"timeout": float("nan")},
        ("-u", SOURCE_URL, "--timeout", "nan", "dipy", "1"),
        "--timeout: nan is not in the",
    ),
    (
        {"timeout": 1e300},
        ("-u", SOURCE_URL, "--timeout", "1e300", "dipy", "1"),
        "--timeout: 1e+300 is not in the",
    ),
    (
        {"lock_timeout": -1.0},
        ("-u", SOURCE_URL, "--lock-timeout", "-1", "dipy", "1"),
        "--lock-timeout: -1 is not",
    ),
    (
        {"confirm_timeout": float("inf")},
        ("-u", SOURCE_URL, "--confirm-timeout", "inf", "dipy", "1"),
        "inf is not in",
    ),
    (
        {"keep_days": 10**9},
        ("-u", SOURCE_URL, "--keep-days", f"{10**9}", "dipy", "1"),
        "--keep-days: 1000000000 is",
    ),
    *(
        (
            {name: int(text)},
            ("-u", SOURCE_URL, option_flag(name), text, "dipy", "1.11.0"),
            f"{option_flag(name)}: {text} is not in",
        )
        for name, values in NUMBERS.items()
        for text in values
    ),
    (
        {"ignore": {"metadata/thinn": ""}},
        ("-u", SOURCE_URL, "--ignore", "metadata/thinn", "dipy", "1"),
        "unknown check",
    ),
]


def _api_error(fields: Mapping[str, Any]) -> ReleaseError | None:
    try:
        options = Options(**{**REQUIRED, **fields})
    except UsageError as error:
        return error
    return pipeline_run.run(options, SilentProgress()).error


@pytest.mark.parametrize(("fields", "arguments", "message"), REJECTED)
def test_the_api_rejects_what_the_command_line_rejects(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    error = _api_error(fields)
    assert isinstance(error, UsageError)
    typed = run(*arguments)
    assert typed.exit_code == error.exit_code == 2
    assert message in typed.stderr
    assert f"error: {error.message}\n" in typed.stderr
    assert f"next: {error.hint}\n" in typed.stderr
    assert "Traceback" not in typed.output


@pytest.mark.parametrize("name", ["allow_hosts", "allow_insecure_hosts"])
def test_rejects_a_host_that_no_url_has(name: str) -> None:
    """It would permit nothing, without a word."""
    for text in (
        *("https://h.example", "h.example/x", "me@h.example", "*.h.example", "a.example,b.example"),
        *("h.example:", "h.example:0", "h.example:65536", "h.example:8_0", "h.example:\u0668\u0660", ":80"),
        *("[::1]:99999", "h.example:" + "9" * 5000),
    ):
        with pytest.raises(UsageError, match="is not a host") as caught:
            Options(**{**REQUIRED, name: (text,)})
        assert len(str(caught.value)) < 500
    good = (
        "h.example",
        "h.example:8443",
        "10.0.0.1",
        "::1",
        "[::1]",
        "[::1]:5",
        "b\u00fccher.example",
        " h ",
    )
    assert getattr(Options(**{**REQUIRED, name: good}), name) == good


@pytest.mark.parametrize(
    "fields",
    [
        {"until": "check"},
        {"profile": "pypi"},
        {"attestations": "none"},
        {"urls": SOURCE_URL},
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
def test_rejects_values_that_only_the_api_can_pass(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Options(**{**REQUIRED, **fields})


def test_every_number_has_a_minimum_and_a_maximum() -> None:
    numbers = {
        field.name
        for field in dataclasses.fields(Options)
        if {"int", "float"} & {*str(field.type).replace("|", " ").split()}
    }
    assert numbers - {"verbose", "expect"} == {*NUMBER_RANGES}
    for name, bounds in NUMBER_RANGES.items():
        for value in bounds:
            options = Options(**{**REQUIRED, name: value})
            assert getattr(options, name) == value
        for value in (bounds[0] - 1, bounds[1] + 1):
            with pytest.raises(UsageError, match=f"{option_flag(name)}: .* is not in the range"):
                Options(**{**REQUIRED, name: value})


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("urls", "--url"),
        ("types", "--type"),
        ("skip_existing", "--no-skip-existing"),
        ("allow_hosts", "--allow-host"),
        ("allow_insecure_hosts", "--allow-insecure-host"),
        ("labels", "--label"),
        ("more_repositories", "--repository"),
        ("index_url", "--index-url"),
    ],
)
def test_names_an_option_as_on_the_command_line(name: str, spelling: str) -> None:
    assert option_flag(name) == spelling
    assert spelling.removeprefix("--no") in run("--help").stdout


@pytest.mark.parametrize("command", ["", " \t\n"])
def test_rejects_an_empty_smoke_command(command: str) -> None:
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
def test_accepts_the_range_of_each_number(
    name: str, least: int, most: int, whole: bool, may_be_none: bool
) -> None:
    def is_accepted(value: object) -> bool:
        try:
            Options(**{**REQUIRED, name: value})
        except UsageError:
            return False
        return True

    assert (is_accepted(least), is_accepted(most)) == (True, True)
    assert (is_accepted(least - 1), is_accepted(most + 1)) == (False, False)
    assert is_accepted(least + 0.5) is not whole
    assert is_accepted(None) is may_be_none
    assert not is_accepted(float("nan"))


@pytest.mark.parametrize(
    "parse",
    [lambda count: Options(**REQUIRED, expect=count).expect, lambda n: expected_files.expect_count(n).count],
    ids=["option", "expectation"],
)
def test_accepts_as_many_expected_files_as_a_listing_can_have(parse: Callable[[int], object]) -> None:
    most = listing_page.MAX_LINKS
    for count in (1, most):
        assert parse(count) == count
    for count, problem in ((-1, "-1 files"), (0, "0 files"), (most + 1, f"more than {most} files")):
        with pytest.raises(UsageError, match=f"cannot expect a release of {problem}"):
            parse(count)


def test_limits_the_length_of_a_project_name() -> None:
    assert Options(**{**REQUIRED, "project": "d" * 1000}).project == "d" * 1000
    with pytest.raises(UsageError, match="is not a project name"):
        Options(**{**REQUIRED, "project": "d" * 1001})


def test_a_run_validates_its_options_again() -> None:
    """The caller may have bypassed the constructor."""
    options = Options.unchecked(**{**REQUIRED, "urls": ()})
    error = pipeline_run.run(options, SilentProgress()).error
    assert error is not None
    assert (error.exit_code, error.message) == (2, "no source given")


def test_accepts_valid_combinations_of_options() -> None:
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
        assert Options(**{**REQUIRED, **fields}).urls == (SOURCE_URL,)


# --- options without effect ------------------------------------------------------------------------

LOCAL = ("-u", "staged")
URL = ("-u", "http://127.0.0.1:9/")
INEFFECTIVE: list[tuple[tuple[str, ...], str]] = [
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


@pytest.mark.parametrize(("arguments", "line"), INEFFECTIVE)
def test_reports_an_option_without_effect_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    result = run(*arguments)
    assert result.exit_code in (0, 6), result.output  # The checks may find something in these wheels.
    assert [line in printed for printed in result.stderr.splitlines()].count(True) == 1, result.stderr


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
def test_finds_options_without_effect_in_a_rehearsal_and_a_dry_run(
    fields: dict[str, Any], names: set[str]
) -> None:
    ineffective = find_ineffective_options(Options(**{**REQUIRED, **fields}))
    assert {name for effect in ineffective for name in effect.field_names} == names


@pytest.mark.parametrize(
    ("fields", "names", "because"),
    [
        ({"smoke_env": ("X",), "until": Stage.CHECK}, "--smoke-env has", "without --smoke"),
        (
            {"allow_missing": ("cp310",), "no_compare": True},
            "--allow-missing has",
            "with --no-compare",
        ),
        (
            {"cert": Path("ca.pem"), "client_cert": Path("me.pem"), "until": Stage.SIGN},
            "--cert, --client-cert have",
            "without an index (set --repository, --repository-url or --index-url)",
        ),
        ({"cert": Path("ca.pem"), "until": Stage.CHECK, "index_url": SOURCE_URL}, "", ""),
        (
            {"config_file": Path("pypirc"), "repository_url": SOURCE_URL},
            "--config-file has",
            "with --repository-url, which replaces the repositories of .pypirc",
        ),
        ({"config_file": Path("pypirc")}, "", ""),
        (
            {"allow_insecure_hosts": ("h",), "urls": ("folder",), "until": Stage.CHECK},
            "--allow-insecure-host has",
            "without a remote source or an index",
        ),
        ({"allow_insecure_hosts": ("h",), "urls": ("folder",)}, "", ""),
        (
            {"clobber": True, "lock_timeout": 3.0, "urls": ("folder",), "until": Stage.CHECK},
            "--clobber, --lock-timeout have",
            "if local files are checked in place (set --wheelhouse to copy them)",
        ),
        ({"clobber": True, "until": Stage.CHECK}, "", ""),
        ({"smoke_env": ("X",), "smoke": "x"}, "", ""),
        (
            {"smoke_index": True, "smoke": "x", "dry_run": True},
            "--smoke-index has",
            "with --dry-run, which uploads nothing",
        ),
        ({"smoke_index": True, "until": Stage.CHECK}, "--smoke-index has", "with --until check"),
        ({"pre": True}, "--pre has", "without the version 'latest'"),
        ({"pre": True, "version": "latest"}, "", ""),
        ({"netrc": True, "urls": ("folder",)}, "--netrc has", "without a remote source"),
        ({"netrc": True, "urls": ("folder", "FILE:///x")}, "--netrc has", "without a remote source"),
        ({"netrc": True, "urls": ("folder", SOURCE_URL)}, "", ""),
        (
            {"compare_with": "1.10", "allow_missing": ("x",), "until": Stage.SIGN},
            "--compare-with, --allow-missing have",
            "without an index to compare with (set --repository or --index-url)",
        ),
        ({"compare_with": "1.10", "until": Stage.SIGN, "repository": "testpypi"}, "", ""),
        ({"compare_with": "1.10", "until": Stage.SIGN, "repository_url": SOURCE_URL}, "", ""),
        ({"compare_with": "1.10", "until": Stage.SIGN, "index_url": SOURCE_URL}, "", ""),
        ({"compare_with": "1.10", "until": Stage.UPLOAD}, "", ""),
        ({"dry_run": True, "keep_going": True}, "--keep-going has", "with --dry-run, which uploads nothing"),
        (
            {"rehearse": True, "keep_going": True},
            "--keep-going has",
            "with --rehearse, which publishes to a local index only",
        ),
        ({"keep_releases": 3, "until": Stage.UPLOAD}, "--keep-releases has", "with --until upload"),
        (
            {"verify": True, "strict": True, "smoke": "x"},
            "--strict, --smoke have",
            "with --verify, which only compares files with the index",
        ),
    ],
)
def test_explains_why_an_option_has_no_effect(fields: dict[str, Any], names: str, because: str) -> None:
    lines = [str(effect) for effect in find_ineffective_options(Options(**{**REQUIRED, **fields}))]
    assert lines == ([f"{names} no effect {because}"] if names else [])


def test_every_option_is_in_a_table_of_effects() -> None:
    """A new option says when it has an effect."""
    needy = {name for need in option_effects.NEEDS for name in need.field_names}
    staged = {*option_effects.FIRST_STAGE, *needy}
    always = option_effects.ALWAYS_EFFECTIVE
    assert staged | always == {field.name for field in dataclasses.fields(Options)}
    assert not staged & always
    assert {*REQUIRED_OPTIONS} <= staged


def test_a_file_may_have_settings_for_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nsmoke-env = ["X"]\n')
    result = run(*LOCAL, "--until", "list", "dipy")
    assert (result.exit_code, "smoke" in result.stderr) == (0, False)
    with_upload = run(*LOCAL, "--dry-run", "--non-interactive", "dipy", "0.1")
    assert "--smoke" not in with_upload.stderr


def test_no_upload_contradicts_a_later_last_stage() -> None:
    result = run(*URL, "-n", "--until", "upload", "dipy", "1.11.0")
    assert (result.exit_code, "--no-upload and --until upload are mutually exclusive" in result.stderr) == (
        2,
        True,
    )
    general = run(*URL, "-n", "--retries", "0", "dipy", "1.11.0", env={"WHEEL_UPLOADER_UNTIL": "upload"})
    assert "mutually exclusive" not in general.stderr


#: Options by the first stage that uses them, each with a value that is not its default.
FIRST_STAGE: dict[Stage, dict[str, Any]] = {
    Stage.DOWNLOAD: {"clobber": True, "jobs": 2, "lock_timeout": 3.0, "wheelhouse": Path("w")},
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
        "ask": True,
        "keep_going": True,
        "upload_jobs": 2,
        "skip_existing": False,
        "username": "me",
    },
    Stage.CONFIRM: {"confirm_timeout": 3.0, "keep_releases": 3, "keep_days": 3, "smoke_index": True},
}


@pytest.mark.parametrize(
    ("first", "name", "value"),
    [(first, name, value) for first, values in FIRST_STAGE.items() for name, value in values.items()],
)
def test_an_option_has_an_effect_from_its_first_stage_on(first: Stage, name: str, value: Any) -> None:
    fields = {**REQUIRED, "index_url": "https://index.example.com/simple/", name: value}
    fields |= {"smoke": "x"} if name in {"smoke_env", "smoke_index"} else {}
    fields |= {"sign": True} if name in {"identity", "sign_with"} else {}
    for until in Stage:
        ineffective = {
            field
            for effect in find_ineffective_options(Options(**fields, until=until))
            for field in effect.field_names
        }
        assert (name in ineffective) is (until < first), until


def test_does_not_report_settings_that_a_run_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    Path("pyproject.toml").write_text(
        "[tool.wheel-uploader]\nkeep-releases = 3\nsign = true\nno-compare = true\n"
    )
    result = run(*LOCAL, "--until", "list", "dipy", env={"WHEEL_UPLOADER_UPLOAD_JOBS": "2"})
    assert (result.exit_code, "no effect" in result.stderr) == (0, False)
    # An option on the command line replaces a setting that excludes it.
    other = run(*LOCAL, "--until", "list", "--compare-with", "1.10", "dipy")
    assert (other.exit_code, "--compare-with has no effect" in other.stderr) == (0, True)


def test_names_the_origin_of_a_rejected_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nidentity = "KEY"\n')
    result = run(*URL, "dipy", "1.11.0")
    assert result.exit_code == 2
    assert f"error: identity in {tmp_path / 'pyproject.toml'} [tool.wheel-uploader]: nothing" in result.stderr
    by_variable = run(*URL, "dipy", "1.11.0", env={"WHEEL_UPLOADER_JOBS": "99"})
    assert "error: WHEEL_UPLOADER_JOBS: 99 is not in the range from 1 to 64\n" in by_variable.stderr
