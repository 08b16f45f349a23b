"""Each option that is set in a situation: whether the run uses it, and the reason if not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wheel_uploader.core.models import AttestationPolicy, CheckProfile, Options, Stage
from wheel_uploader.core.models.option_effects import find_ineffective_options
from wheel_uploader.core.models.target_settings import TargetSettings

SOURCE_URL = "https://staging.example.com/wheels/"
REQUIRED: Mapping[str, Any] = {"project": "dipy", "version": "1.11.0", "urls": (SOURCE_URL,)}
#: A value of each option that is not its default.
VALUES: Mapping[str, Any] = {
    **dict.fromkeys(("wheelhouse", "sha256sums", "config_file", "cert", "client_cert"), Path("x")),
    **dict.fromkeys(("types", "exclude", "allow_hosts", "allow_insecure_hosts", "allow_missing"), ("x",)),
    **dict.fromkeys(("smoke_env", "labels", "more_repositories"), ("x",)),
    **dict.fromkeys(("keep_releases", "keep_days", "jobs", "retries", "prune", "prune_days"), 3),
    **dict.fromkeys(("upload_jobs", "release_id", "verbose", "expect"), 3),
    **dict.fromkeys(("lock_timeout", "timeout", "max_age", "wait", "confirm_timeout", "max_duration"), 3.5),
    **dict.fromkeys(("pre", "dry_run", "clobber", "require_hashes", "netrc", "strict", "no_compare"), True),
    **dict.fromkeys(("diff", "sign", "attest", "non_interactive", "replace", "prune_final"), True),
    **dict.fromkeys(("keep_going", "write_only", "ask", "verify", "rehearse", "smoke_index"), True),
    **dict.fromkeys(("url_token", "compare_with", "compare_index", "sign_with", "identity", "smoke"), "x"),
    **dict.fromkeys(("repository", "repository_url", "index_url", "username", "password"), "x"),
    "built_by": "dipy/dipy",
    "until": Stage.LIST,
    "profile": CheckProfile.ANY,
    "attestations": AttestationPolicy.REQUIRE,
    "ignore": {"metadata/thin": ""},
    "targets": {"x": TargetSettings()},
    "skip_existing": False,
}

COMPARING = "compare_with no_compare diff allow_missing"
AFTER_CHECK = (
    "rehearse sign identity sign_with attest dry_run ask keep_going write_only upload_jobs skip_existing "
    "username replace labels confirm_timeout smoke_index keep_releases keep_days prune prune_days prune_final"
)
NO_INDEX = "without an index (set --repository, --repository-url or --index-url)"
NO_COMPARISON = "without an index to compare with (set --repository or --index-url)"
NO_SMOKE, NO_SOURCE = "without --smoke", "without a remote source"
IN_PLACE = "if local files are checked in place (set --wheelhouse to copy them)"
VERIFY = "with --verify, which only compares files with the index"
REHEARSE = "with --rehearse, which publishes to a local index only"
WRITE_ONLY = "with --write-only, which does not read the index"
NEVER_VERIFIED = (
    "keep_releases keep_days ignore strict compare_with no_compare compare_index diff built_by sign_with "
    "identity skip_existing prune prune_days prune_final upload_jobs keep_going smoke smoke_index smoke_env"
)
NEVER_REHEARSED = (
    "dry_run keep_releases keep_days sign sign_with identity attest labels username skip_existing replace "
    "prune prune_days prune_final upload_jobs keep_going ask confirm_timeout smoke_index"
)
UNTIL_CHECK = {"with --until check": AFTER_CHECK, NO_SMOKE: "smoke_env"}

#: Options of a run, and the names of further options that have no effect there, by reason.
SITUATIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {NO_SMOKE: "smoke_index smoke_env"}),
    ({"smoke": "x"}, {}),
    (
        {"verify": True},
        {
            VERIFY: NEVER_VERIFIED,
            "with --verify, unless --max-age limits the age of each platform's newest file": "allow_missing",
        },
    ),
    ({"verify": True, "max_age": 60.0}, {VERIFY: NEVER_VERIFIED}),
    ({"rehearse": True}, {REHEARSE: f"{NEVER_REHEARSED} write_only", NO_SMOKE: "smoke_env"}),
    ({"rehearse": True, "write_only": True}, {REHEARSE: NEVER_REHEARSED, NO_SMOKE: "smoke_env"}),
    (
        {"write_only": True},
        {
            WRITE_ONLY: f"{COMPARING} index_url skip_existing confirm_timeout keep_releases keep_days "
            "smoke_index",
            NO_SMOKE: "smoke_env",
        },
    ),
    (
        {"write_only": True, "until": Stage.UPLOAD},
        {
            "with --until upload": "confirm_timeout smoke_index keep_releases keep_days prune prune_days "
            "prune_final",
            WRITE_ONLY: f"{COMPARING} index_url skip_existing",
            NO_SMOKE: "smoke_env",
        },
    ),
    (
        {"write_only": True, "until": Stage.SIGN, "index_url": "x"},
        {
            "with --until sign": "dry_run ask keep_going upload_jobs skip_existing username replace labels "
            "confirm_timeout smoke_index keep_releases keep_days prune prune_days prune_final",
            NO_SMOKE: "smoke_env",
        },
    ),
    (
        {"dry_run": True},
        {
            "with --dry-run, which uploads nothing": "attest ask keep_going upload_jobs confirm_timeout "
            "smoke_index",
            NO_SMOKE: "smoke_env",
        },
    ),
    (
        {"until": Stage.LIST},
        {
            "with --until list": f"wheelhouse clobber jobs lock_timeout strict ignore {COMPARING} built_by "
            f"compare_index smoke smoke_env attestations {AFTER_CHECK}",
            NO_INDEX: "config_file cert client_cert",
        },
    ),
    (
        {"until": Stage.CHECK},
        {**UNTIL_CHECK, NO_COMPARISON: COMPARING, NO_INDEX: "config_file cert client_cert"},
    ),
    ({"until": Stage.CHECK, "index_url": "x"}, UNTIL_CHECK),
    ({"until": Stage.CHECK, "repository": "x"}, UNTIL_CHECK),
    ({"until": Stage.CHECK, "compare_index": "x"}, {**UNTIL_CHECK, NO_INDEX: "config_file cert client_cert"}),
    ({"no_compare": True}, {"with --no-compare": "allow_missing", NO_SMOKE: "smoke_index smoke_env"}),
    (
        {"repository_url": "x"},
        {
            "with --repository-url, which replaces the repositories of .pypirc": "config_file",
            NO_SMOKE: "smoke_index smoke_env",
        },
    ),
    ({"urls": ("staged",)}, {NO_SOURCE: "allow_hosts netrc", NO_SMOKE: "smoke_index smoke_env"}),
    (
        {"urls": ("staged",), "until": Stage.CHECK},
        {
            **UNTIL_CHECK,
            IN_PLACE: "clobber lock_timeout",
            NO_SOURCE: "allow_hosts netrc",
            "without a remote source or an index": "allow_insecure_hosts",
            NO_COMPARISON: COMPARING,
            NO_INDEX: "config_file cert client_cert",
        },
    ),
    (
        {"urls": ("staged",), "until": Stage.CHECK, "wheelhouse": Path("w"), "index_url": "x"},
        {**UNTIL_CHECK, NO_SOURCE: "allow_hosts netrc"},
    ),
    (
        {"urls": ("staged",), "verify": True, "max_age": 60.0},
        {VERIFY: NEVER_VERIFIED, NO_SOURCE: "allow_hosts netrc", IN_PLACE: "clobber lock_timeout"},
    ),
    ({"urls": ("FILE:///x", "s3://bucket/"), "until": Stage.CHECK, "repository_url": "x"}, UNTIL_CHECK),
    ({"prune": 3}, {NO_SMOKE: "smoke_index smoke_env"}),
    ({"prune_days": 3}, {NO_SMOKE: "smoke_index smoke_env"}),
    ({"version": "latest"}, {NO_SMOKE: "smoke_index smoke_env"}),
]


@pytest.mark.parametrize(("situation", "expected"), SITUATIONS)
def test_knows_whether_a_run_uses_an_option(situation: dict[str, Any], expected: dict[str, str]) -> None:
    ended_before_confirmation = situation.get("until", Stage.CONFIRM) < Stage.CONFIRM
    reasons = {}
    if situation.get("version") != "latest":
        reasons["pre"] = "without the version 'latest'"
    if not ended_before_confirmation and not {"prune", "prune_days"} & {*situation}:
        reasons["prune_final"] = "without --prune and --prune-days"
    if situation.get("repository_url"):
        reasons["config_file"] = "with --repository-url, which replaces the repositories of .pypirc"
    reasons |= {name: reason for reason, names in expected.items() for name in names.split()}
    found = {}
    for name in [name for name in VALUES if name not in situation]:
        options = Options.unchecked(**{**REQUIRED, **situation, name: VALUES[name]})
        for effect in find_ineffective_options(options):
            if name in effect.field_names:
                found[name] = effect.reason
    assert found == {name: reason for name, reason in reasons.items() if name not in situation}


def test_the_table_has_every_option() -> None:
    assert {*VALUES, *REQUIRED} == {field.name for field in dataclasses.fields(Options)}
    assert find_ineffective_options(Options(**REQUIRED)) == ()


def test_an_option_without_effect_is_reported_once_with_others_of_the_same_reason() -> None:
    options = Options.unchecked(**REQUIRED, until=Stage.CHECK, rehearse=True, sign=True, pre=True, cert="x")
    assert [str(effect) for effect in find_ineffective_options(options)] == [
        "--rehearse, --sign have no effect with --until check",
        "--cert has no effect without an index (set --repository, --repository-url or --index-url)",
        "--pre has no effect without the version 'latest'",
    ]
