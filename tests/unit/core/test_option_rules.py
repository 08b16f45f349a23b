"""The message and the hint for each value and combination of options that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wheel_uploader.core.errors import OptionError, UsageError
from wheel_uploader.core.models import AttestationPolicy, CheckProfile, Options, Stage
from wheel_uploader.core.models.option_rules import MUTUALLY_EXCLUSIVE, option_flag, strip_blanks
from wheel_uploader.core.models.target_settings import TargetSettings

URL = "https://staging.example.com/wheels/"
REQUIRED: Mapping[str, Any] = {"project": "dipy", "version": "1.11.0", "urls": (URL,)}
DEFAULT = "Run 'wheel-uploader --help' for the options."
UNSET = "Check that the variable it comes from is set."
NO_PROJECT = "Give PROJECT and VERSION as the last arguments, or only check the files: --until check -u FILE."
VERSION = "Give a version such as 1.11.0, or 'latest'."
EXPLICIT = "Give the version after the project name: the newest listed version may be an older one."
LETTERS = "Use letters, digits, '.', '_' and '-'; start and end with a letter or digit."
ABSOLUTE = "Give an absolute URL that begins with https://."
HOST = (
    "Give the host alone, without scheme, path, login or wildcard: files.example.org, "
    "files.example.org:8443 or [fd00::1]:8443."
)
SECTION = (
    "Put it into the section of the target, in .pypirc or in [tool.wheel-uploader.targets.NAME], "
    "or name one target."
)
RANGE, REMOVE = "Give a number in that range.", "Remove one of the two."
THREE = {"repository": "a", "more_repositories": ("b", "c")}
COUNT = "Give the number of files in the release."
#: Fields that hold a text.
TEXTS = (
    *("identity", "sign_with", "compare_with", "built_by", "smoke", "repository", "repository_url"),
    *("index_url", "compare_index"),
)
TUPLES = (
    *("urls", "types", "exclude", "allow_hosts", "allow_insecure_hosts", "allow_missing"),
    *("smoke_env", "labels", "more_repositories"),
)
POLICIES = ("AttestationPolicy.AUTO", "AttestationPolicy.REQUIRE", "AttestationPolicy.NONE")
PORT = "its port is not a number up to 65535; a password in a URL must be percent-encoded"

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"until": "check"},
        f"--until: check is not one of {', '.join(f'Stage.{each.name}' for each in Stage)}",
        DEFAULT,
    ),
    (
        {"profile": "pypi"},
        "--profile: pypi is not one of CheckProfile.PYPI, CheckProfile.ANY",
        DEFAULT,
    ),
    (
        {"attestations": None},
        f"--attestations: None is not one of {', '.join(map(str, POLICIES))}",
        DEFAULT,
    ),
    ({"urls": "x"}, "--url: x is not a tuple of strings", DEFAULT),
    ({"exclude": (1,)}, "--exclude: (1,) is not a tuple of strings", DEFAULT),
    *(
        case
        for name in TUPLES
        for case in (
            ({name: None}, f"{option_flag(name)}: None is not a tuple of strings", DEFAULT),
            ({name: ("x", " ")}, f"{option_flag(name)}: a value is empty", UNSET),
        )
    ),
    ({"ignore": ("x",)}, "--ignore: ('x',) is not a mapping of checks to reasons", DEFAULT),
    ({"targets": ("x",)}, "--targets: it is not a mapping of names to TargetSettings", DEFAULT),
    (
        {"targets": {"x": TargetSettings(), "y": 1}},
        "--targets: it is not a mapping of names to TargetSettings",
        DEFAULT,
    ),
    ({"project": None}, "the project is not a string", "Pass an empty string for none."),
    ({"version": 1}, "the version is not a string", "Pass an empty string for none."),
    *(
        case
        for name in TEXTS
        for case in (
            ({name: 3}, f"{option_flag(name)}: 3 is not a string", DEFAULT),
            ({name: " "}, f"{option_flag(name)}: the value is empty", UNSET),
        )
    ),
    ({"jobs": True}, "--jobs: True is not a whole number", DEFAULT),
    ({"jobs": 2.5}, "--jobs: 2.5 is not a whole number", DEFAULT),
    ({"retries": None}, "--retries: None is not a whole number", DEFAULT),
    ({"timeout": "30"}, "--timeout: 30 is not a number", DEFAULT),
    ({"timeout": 0.5}, "--timeout: 0.5 is not in the range from 1 to 316224000", RANGE),
    ({"max_duration": -1.5}, "--max-duration: -1.5 is not in the range from 0 to 316224000", RANGE),
    ({"release_id": 10**15 + 1}, f"--release-id: {10**15 + 1} is not in the range from 1 to {10**15}", RANGE),
    ({"prune": 0}, "--prune: 0 is not in the range from 1 to 100000", RANGE),
    (
        {"urls": ()},
        "no source given",
        "Give the URL of a listing or index page, or a folder: -u URL (see wheel-uploader --help).",
    ),
    ({"project": "", "version": "", "until": Stage.SIGN}, "no project given", NO_PROJECT),
    (
        {"project": "", "until": Stage.CHECK},
        "the version 1.11.0 was given without a project",
        "Give both PROJECT and VERSION, or neither to infer them from the file names.",
    ),
    ({"project": "di py"}, "'di py' is not a project name (PEP 508)", LETTERS),
    ({"version": "1.x"}, "'1.x' is not a version (PEP 440)", VERSION),
    ({"wait": 1.0, "version": ""}, "--wait requires an explicit version", EXPLICIT),
    ({"wait": 1.0, "version": "latest"}, "--wait requires an explicit version", EXPLICIT),
    ({"more_repositories": ("a",)}, "--repository: one of the names is empty", DEFAULT),
    (
        {"repository": "a", "more_repositories": ("a",)},
        "--repository: a name is given twice",
        "Name each target once.",
    ),
    *(
        (
            {**THREE, name: value},
            f"{option_flag(name)}: it is about one target, and --repository names 3",
            SECTION,
        )
        for name, value in (
            *(("repository_url", URL), ("index_url", URL), ("labels", ("x",)), ("release_id", 3)),
            *(("verify", True), ("write_only", True)),
        )
    ),
    (
        {"compare_with": "1.11"},
        "--compare-with: 1.11 is the version being released",
        "Compare with another version, or turn the comparison off with --no-compare.",
    ),
    ({"compare_with": "x", "version": ""}, "'x' is not a version (PEP 440)", VERSION),
    (
        {"repository_url": "ftp://x/"},
        "the upload URL is not valid: its scheme is ftp, not https",
        ABSOLUTE,
    ),
    (
        {"repository_url": "index.example.com/simple"},
        "the upload URL is not valid: its scheme is missing, not https",
        f"{ABSOLUTE} A folder begins with ./ or /.",
    ),
    ({"index_url": "./x"}, "the index URL is not valid: its scheme is missing, not https", ABSOLUTE),
    ({"compare_index": "https:///x"}, "the index URL is not valid: it has no host", ABSOLUTE),
    ({"index_url": "https://x.example/a b"}, "the index URL is not valid: it has a blank in it", ABSOLUTE),
    (
        {"index_url": "https://x.example:99999/"},
        f"the index URL is not valid: it is not a URL ({PORT})",
        ABSOLUTE,
    ),
    (
        {"allow_hosts": ("h", "https://x")},
        "--allow-host: 'https://x' is not a host, or a host and a port up to 65535",
        HOST,
    ),
    (
        {"allow_insecure_hosts": ("x:0",)},
        "--allow-insecure-host: 'x:0' is not a host, or a host and a port up to 65535",
        HOST,
    ),
    (
        {"verify": True, "until": Stage.UPLOAD},
        "--verify and --until (or --no-upload) are mutually exclusive",
        "Remove one of the two: --verify uploads nothing.",
    ),
    (
        {"attest": True, "attestations": AttestationPolicy.NONE},
        "--attest and --attestations none are mutually exclusive",
        REMOVE,
    ),
    *(
        (
            {name: value, "until": Stage.SIGN},
            f"{option_flag(name)}: nothing would be signed without --sign",
            f"Add -s to sign, or remove {option_flag(name)} to publish unsigned files.",
        )
        for name, value in (("identity", "K"), ("sign_with", "gpg2"))
    ),
    *(
        (
            {name: value, "until": Stage.UPLOAD},
            f"{option_flag(name)}: nothing would be installed and tried without --smoke",
            f"Add --smoke COMMAND, or remove {option_flag(name)} to publish without a smoke test.",
        )
        for name, value in (("smoke_env", ("X",)), ("smoke_index", True))
    ),
    (
        {"built_by": "x"},
        "--built-by: 'x' is not [https://HOST/]OWNER/REPO[/WORKFLOW][@REF]",
        "For example: --built-by dipy/dipy/release.yml@refs/tags/1.11.0",
    ),
    ({"smoke": "'"}, "--smoke: it is not a valid command: No closing quotation", DEFAULT),
    (
        {"smoke": "\t", "until": Stage.CHECK},
        "--smoke: the value is empty",
        UNSET,
    ),
    ({"expect": 0}, "cannot expect a release of 0 files", COUNT),
    ({"expect": 100_001}, "cannot expect a release of more than 100000 files", COUNT),
]


@pytest.mark.parametrize(("fields", "message", "hint"), REFUSED)
def test_explains_a_refused_option_and_the_next_step(fields: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Options(**{**REQUIRED, **fields})
    assert (caught.value.message, caught.value.hint) == (message, hint)
    if isinstance(caught.value, OptionError):
        # The configuration file names the setting instead of the option.
        assert option_flag(caught.value.name) == message.partition(":")[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(("compare_with", "no_compare"), ("diff", "no_compare"), ("compare_index", "no_compare")),
        *(("repository", "repository_url"), ("ask", "non_interactive"), ("verify", "sign")),
        *(("verify", "attest"), ("verify", "ask"), ("verify", "dry_run"), ("verify", "rehearse")),
        *(("verify", "write_only"), ("verify", "replace"), ("write_only", "replace")),
        *(("write_only", "prune"), ("write_only", "prune_days")),
    ],
)
def test_two_options_exclude_each_other(first: str, second: str) -> None:
    assert (first, second) in MUTUALLY_EXCLUSIVE
    texts = {"compare_with": "1.10", "compare_index": URL, "repository": "x", "repository_url": URL}
    values = {name: texts.get(name, 3 if name.startswith("prune") else True) for name in (first, second)}
    with pytest.raises(UsageError) as caught:
        Options(**{**REQUIRED, **values})
    assert caught.value.message == f"{option_flag(first)} and {option_flag(second)} are mutually exclusive"
    assert caught.value.hint == REMOVE
    for name in (first, second):
        assert getattr(Options(**{**REQUIRED, name: values[name]}), name) == values[name]


@pytest.mark.parametrize(
    "fields",
    [
        {"until": Stage.LIST, "project": "", "version": ""},
        {"compare_with": "1.11.0", "version": "latest"},
        {"compare_with": "1.11.0", "version": ""},
        {"compare_with": "1.10"},
        {"repository_url": "./folder"},
        {"repository_url": "s3://bucket/folder"},
        {"repository_url": "http://127.0.0.1:8080/"},
        {"index_url": f" {URL}\n"},
        {"identity": "K", "until": Stage.CHECK},
        {"smoke_env": ("X",), "until": Stage.SIGN},
        {"smoke_index": True, "smoke": "x"},
        {"sign_with": "gpg2", "sign": True},
        {"identity": "K", "verify": True},
        {"smoke_env": ("X",), "verify": True},
        {"attest": True, "attestations": AttestationPolicy.REQUIRE},
        {"profile": None},
        {"profile": CheckProfile.ANY, "targets": {"x": TargetSettings()}},
        {"repository": "a", "more_repositories": ("b",)},
        {"index_url": URL, "labels": ("x",), "release_id": 3, "write_only": True},
        {"types": ["win"], "jobs": None, "timeout": 3},
        {"built_by": "dipy/dipy"},
        {"expect": True},
        {"expect": "names.txt"},
        {"wait": 1.0},
        {"wait": 0.0, "version": ""},
        {"project": "d", "version": "1!1.0.dev3"},
    ],
)
def test_accepts_options_that_fit_together(fields: dict[str, Any]) -> None:
    options = Options(**{**REQUIRED, **fields})
    expected = {name: value.strip() if name == "index_url" else value for name, value in fields.items()}
    assert {name: getattr(options, name) for name in fields} == expected


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        (f" {URL}\n", URL),
        (f'"{URL}"', URL),
        (f"<{URL}>", URL),
        (f"\ufeff'{URL}' ", URL),
        ("s3://bucket", "s3://bucket"),
        (" folder ", " folder "),
        ("'x'", "'x'"),
        (" c://x ", " c://x "),
        ("a b://x ", "a b://x "),
    ],
)
def test_removes_characters_around_a_pasted_url(text: str, stripped: str) -> None:
    assert strip_blanks(text) == stripped
