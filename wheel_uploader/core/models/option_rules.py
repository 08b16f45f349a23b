"""Validation of Options: the values and combinations that are refused.

The command line, the configuration and the API share these rules and have no others. Rules that need the
check registry, a file or the environment are in ``pipeline.list_stage.open_context``.
"""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, builders
from wheel_uploader.core.errors import OptionError, UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.enums import AttestationPolicy, CheckProfile, Stage
from wheel_uploader.core.models.target_settings import TargetSettings
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import is_folder_or_bucket, parse_port, urlsplit

#: models.run.Options; its module imports this one, so the type cannot be imported here.
Options = Any

_MAX_PORT = 65535
#: Characters of a URL around its host, and wildcards.
_NOT_IN_HOST = re.compile(r"[\s/\\@*?#,]")

#: The VERSION argument that selects the newest version.
LATEST_VERSION = "latest"

#: Minimum and maximum of each number; the maximums are far above the needs of a release.
NUMBER_RANGES: Mapping[str, tuple[float, float]] = {
    "keep_releases": (1, 100_000),
    "keep_days": (1, 36_500),
    "prune": (1, 100_000),
    "prune_days": (1, 36_500),
    "jobs": (1, 64),
    "upload_jobs": (1, 16),
    "retries": (1, 20),
    "release_id": (1, 10**15),
    "timeout": (1, bounds.MAX_SECONDS),
    "lock_timeout": (0, bounds.MAX_SECONDS),
    "confirm_timeout": (0, bounds.MAX_SECONDS),
    "max_age": (0, bounds.MAX_SECONDS),
    "wait": (0, bounds.MAX_SECONDS),
    "max_duration": (0, bounds.MAX_SECONDS),
}
_OPTIONAL_FIELDS = frozenset({"keep_releases", "keep_days", "prune", "prune_days", "jobs", "release_id"})
_INTEGER_FIELDS = _OPTIONAL_FIELDS | {"upload_jobs", "retries"}

#: Fields with text, which must not be empty. An empty value usually comes from an unset variable of a script.
_NON_EMPTY_FIELDS = (
    "identity",
    "sign_with",
    "compare_with",
    "built_by",
    "smoke",
    "repository",
    "repository_url",
    "index_url",
    "compare_index",
)
_TUPLE_FIELDS = (
    "urls",
    "types",
    "exclude",
    "allow_hosts",
    "allow_insecure_hosts",
    "allow_missing",
    "smoke_env",
    "labels",
    "more_repositories",
)
_ENUM_FIELDS: Mapping[str, type[enum.Enum]] = {
    "until": Stage,
    "profile": CheckProfile,
    "attestations": AttestationPolicy,
}
_URL_FIELDS = ("repository_url", "index_url", "compare_index")

#: Mutually exclusive options. If their origins differ (command line, file), the one with precedence wins.
MUTUALLY_EXCLUSIVE = (
    ("compare_with", "no_compare"),
    ("diff", "no_compare"),
    ("compare_index", "no_compare"),
    ("repository", "repository_url"),
    ("ask", "non_interactive"),
    *(("verify", name) for name in ("sign", "attest", "ask", "dry_run", "rehearse", "write_only")),
    ("verify", "replace"),
    ("write_only", "replace"),
    *(("write_only", name) for name in ("prune", "prune_days")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredOption:
    """An option that another one needs, because files would be published without what the user asked for."""

    #: The option that is needed, and the first stage that uses it.
    needed: str
    stage: Stage
    problem: str
    hint: str
    #: True if a configuration file may hold the option for other runs.
    may_be_general: bool = False


#: By the field that needs the other one.
REQUIRED_OPTIONS: Mapping[str, RequiredOption] = {
    **dict.fromkeys(
        ("identity", "sign_with"),
        RequiredOption(
            needed="sign",
            stage=Stage.SIGN,
            problem="nothing would be signed without --sign",
            hint="Add -s to sign, or remove {flag} to publish unsigned files.",
        ),
    ),
    **dict.fromkeys(
        ("smoke_env", "smoke_index"),
        RequiredOption(
            needed="smoke",
            stage=Stage.UPLOAD,
            problem="nothing would be installed and tried without --smoke",
            hint="Add --smoke COMMAND, or remove {flag} to publish without a smoke test.",
            may_be_general=True,
        ),
    ),
}

#: Field name to option, for options that are not named after their field.
_IRREGULAR_FLAGS = {"urls": "--url", "types": "--type", "skip_existing": "--no-skip-existing"}
_IRREGULAR_FLAGS |= {"labels": "--label", "more_repositories": "--repository"}
_IRREGULAR_FLAGS |= {"allow_hosts": "--allow-host", "allow_insecure_hosts": "--allow-insecure-host"}

#: A project name (PEP 508).
_PROJECT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_MAX_PROJECT_LENGTH = 1000


def option_flag(name: str) -> str:
    """Return the long spelling of the option that sets the field ``name``."""
    return _IRREGULAR_FLAGS.get(name) or f"--{name.replace('_', '-')}"


def parse_version(text: str) -> Version:
    """Parse a version that the user typed. Raises UsageError."""
    try:
        return bounds.parse_pep440_version(text)
    except (InvalidVersion, TypeError):
        raise UsageError(
            f"'{sanitize(str(text))}' is not a version (PEP 440)",
            hint="Give a version such as 1.11.0, or 'latest'.",
        ) from None


def split_smoke_command(command: str) -> list[str]:
    """Split the command of ``--smoke`` like a shell. Raises OptionError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _make_option_error("smoke", f"it is not a valid command: {error}") from None
    if not words:
        raise _make_option_error(
            "smoke", "the command is empty", hint="For example: --smoke \"python -c 'import dipy'\""
        )
    return words


#: The beginning of a URL. A local path may begin or end with a blank.
_URL_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


#: Characters that come with a pasted URL: blanks, quotes, angle brackets, a byte order mark.
_AROUND_URLS = " \t\r\n\"'<>\u00a0\u200b\u200e\u2060\ufeff"


def strip_blanks(text: str) -> str:
    """Return a URL without the blanks, quotes and invisible characters around it; other text unchanged."""
    stripped = text.strip().strip(_AROUND_URLS)
    return stripped if _URL_START.match(stripped) else text


# --- validation ------------------------------------------------------------------------------------


def validate_options(options: Options) -> None:
    """Raise UsageError for the first invalid value or combination of values."""
    for validate in _VALIDATORS:
        validate(options)


def _validate_types(options: Options) -> None:
    """Reject values of the wrong type, such as a string for ``until``, which would equal no Stage."""
    for name, kind in _ENUM_FIELDS.items():
        value = getattr(options, name)
        if not isinstance(value, kind) and not (name == "profile" and value is None):
            allowed = ", ".join(f"{kind.__name__}.{member}" for member in kind.__members__)
            raise _make_option_error(name, f"{_format_value(value)} is not one of {allowed}")
    for name in _TUPLE_FIELDS:
        value = getattr(options, name)
        if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
            raise _make_option_error(name, f"{_format_value(value)} is not a tuple of strings")
        if not all(item.strip() for item in value):
            raise _make_option_error(
                name, "a value is empty", hint="Check that the variable it comes from is set."
            )
    if not isinstance(options.ignore, Mapping):
        raise _make_option_error(
            "ignore", f"{_format_value(options.ignore)} is not a mapping of checks to reasons"
        )
    if not isinstance(options.targets, Mapping) or not all(
        isinstance(settings, TargetSettings) for settings in options.targets.values()
    ):
        raise _make_option_error("targets", "it is not a mapping of names to TargetSettings")
    for name in ("project", "version"):
        if not isinstance(getattr(options, name), str):
            raise UsageError(f"the {name} is not a string", hint="Pass an empty string for none.")
    for name in _NON_EMPTY_FIELDS:
        value = getattr(options, name)
        if value is not None and not isinstance(value, str):
            raise _make_option_error(name, f"{_format_value(value)} is not a string")
        if value is not None and not value.strip():
            raise _make_option_error(
                name, "the value is empty", hint="Check that the variable it comes from is set."
            )


def _validate_ranges(options: Options) -> None:
    for name in NUMBER_RANGES:
        validate_range(name, getattr(options, name))


def validate_range(name: str, value: object) -> None:
    """Raise OptionError unless ``value`` is a number in the range of the field ``name``."""
    if value is None and name in _OPTIONAL_FIELDS:
        return
    if isinstance(value, bool) or not isinstance(value, int if name in _INTEGER_FIELDS else int | float):
        raise _make_option_error(
            name, f"{_format_value(value)} is not a {'whole ' * (name in _INTEGER_FIELDS)}number"
        )
    minimum, maximum = NUMBER_RANGES[name]
    # The comparison is also false for NaN.
    if not minimum <= value <= maximum:
        raise _make_option_error(
            name,
            f"{_format_value(value)} is not in the range from {minimum:.16g} to {maximum:.16g}",
            hint="Give a number in that range.",
        )


def _require_source(options: Options) -> None:
    if not options.urls:
        raise UsageError(
            "no source given",
            hint="Give the URL of a listing or index page, or a folder: -u URL (see wheel-uploader --help).",
        )


def _validate_release(options: Options) -> None:
    project, version = options.project, options.version
    if not project and options.until > Stage.CHECK:
        raise UsageError(
            "no project given",
            hint="Give PROJECT and VERSION as the last arguments, or only check the files: "
            "--until check -u FILE.",
        )
    if project and (len(project) > _MAX_PROJECT_LENGTH or not _PROJECT_NAME.match(project)):
        raise UsageError(
            f"'{sanitize(project, limit=200)}' is not a project name (PEP 508)",
            hint="Use letters, digits, '.', '_' and '-'; start and end with a letter or digit.",
        )
    if version and version != LATEST_VERSION:
        parse_version(version)
    if version and not project:
        raise UsageError(
            f"the version {sanitize(version, limit=200)} was given without a project",
            hint="Give both PROJECT and VERSION, or neither to infer them from the file names.",
        )
    if options.wait and version in {"", LATEST_VERSION}:
        raise UsageError(
            "--wait requires an explicit version",
            hint="Give the version after the project name: the newest listed version may be an older one.",
        )


#: Options that are about one target. With several, the sections of the targets have them.
_ONE_TARGET_FIELDS = ("repository_url", "index_url", "labels", "release_id", "verify", "write_only")


def _validate_targets(options: Options) -> None:
    """Raise UsageError for options of one target in a run with several."""
    if not options.more_repositories:
        return
    names = (options.repository or "", *options.more_repositories)
    if not all(names):
        raise _make_option_error("repository", "one of the names is empty")
    if len(set(names)) < len(names):
        raise _make_option_error("repository", "a name is given twice", hint="Name each target once.")
    for name in _ONE_TARGET_FIELDS:
        if getattr(options, name):
            raise _make_option_error(
                name,
                f"it is about one target, and --repository names {len(names)}",
                hint="Put it into the section of the target, in .pypirc or in "
                "[tool.wheel-uploader.targets.NAME], or name one target.",
            )


def _validate_comparison(options: Options) -> None:
    if options.compare_with is None:
        return
    compared = parse_version(options.compare_with)
    if options.version and options.version != LATEST_VERSION and compared == Version(options.version):
        raise _make_option_error(
            "compare_with",
            f"{compared} is the version being released",
            hint="Compare with another version, or turn the comparison off with --no-compare.",
        )


def _validate_urls(options: Options) -> None:
    for name in _URL_FIELDS:
        url = getattr(options, name)
        if url is None or (name == "repository_url" and is_folder_or_bucket(url)):
            continue
        if problem := _explain_invalid_url(url):
            label = "upload URL" if name == "repository_url" else "index URL"
            raise UsageError(
                f"the {label} is not valid: {problem}",
                hint="Give an absolute URL that begins with https://."
                + (" A folder begins with ./ or /." if name == "repository_url" and "://" not in url else ""),
            )


def _validate_hosts(options: Options) -> None:
    """Reject a host that no URL can have: the option would silently permit nothing."""
    for name in ("allow_hosts", "allow_insecure_hosts"):
        for text in getattr(options, name):
            if not _is_host(text.strip()):
                raise _make_option_error(
                    name,
                    f"'{sanitize(text, limit=100)}' is not a host, or a host and a port up to {_MAX_PORT}",
                    hint="Give the host alone, without scheme, path, login or wildcard: files.example.org, "
                    "files.example.org:8443 or [fd00::1]:8443.",
                )


def _is_host(text: str) -> bool:
    """Return whether a text is ``HOST``, ``HOST:PORT``, ``[IPV6]``, ``[IPV6]:PORT`` or ``IPV6``."""
    is_address = text.count(":") > 1 and not text.startswith("[")
    host, colon, port = ("", "", "") if is_address or text.endswith("]") else text.rpartition(":")
    if _NOT_IN_HOST.search(text) or not text:
        return False
    return not colon or bool(host and bounds.parse_whole_number(port, _MAX_PORT))


def _explain_invalid_url(url: str) -> str:
    """Return the reason, in one clause, why a URL is not a valid http or https URL; empty if it is one."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parse_port(parts)
    except ValueError as error:
        return str(error)
    if parts.scheme.lower() not in {"http", "https"}:
        return f"its scheme is {sanitize(parts.scheme, limit=50) or 'missing'}, not https"
    if len(url.split()) > 1:
        return "it has a blank in it"
    return "" if host else "it has no host"


def _validate_exclusive(options: Options) -> None:
    for first, second in MUTUALLY_EXCLUSIVE:
        if getattr(options, first) and getattr(options, second):
            raise UsageError(
                f"{option_flag(first)} and {option_flag(second)} are mutually exclusive",
                hint="Remove one of the two.",
            )


def _validate_verification(options: Options) -> None:
    if options.verify and options.until is not Stage.CONFIRM:
        raise UsageError(
            "--verify and --until (or --no-upload) are mutually exclusive",
            hint="Remove one of the two: --verify uploads nothing.",
        )


def _validate_signing(options: Options) -> None:
    """Reject options that would publish without the requested attestation."""
    if options.attest and options.attestations is AttestationPolicy.NONE:
        raise UsageError(
            "--attest and --attestations none are mutually exclusive", hint="Remove one of the two."
        )


def _validate_required_options(options: Options) -> None:
    """Reject options that would be ignored because another one is missing, with harm to the release."""
    if options.verify:
        return  # Nothing is published.
    for name, required in REQUIRED_OPTIONS.items():
        is_set = getattr(options, name) != default_value(options, name)
        if is_set and options.until >= required.stage and not getattr(options, required.needed):
            raise _make_option_error(
                name, required.problem, hint=required.hint.format(flag=option_flag(name))
            )


def _validate_builder(options: Options) -> None:
    if options.built_by is None:
        return
    try:
        builders.parse_builder(options.built_by)
    except ValueError:
        raise _make_option_error(
            "built_by",
            f"'{sanitize(options.built_by)}' is not [https://HOST/]OWNER/REPO[/WORKFLOW][@REF]",
            hint="For example: --built-by dipy/dipy/release.yml@refs/tags/1.11.0",
        ) from None


def _validate_smoke(options: Options) -> None:
    if options.smoke is not None:
        split_smoke_command(options.smoke)


def _validate_expected_count(options: Options) -> None:
    """Reject an impossible number of files. Expectations in a file or table are validated when read."""
    expect = options.expect
    if isinstance(expect, int) and not isinstance(expect, bool):
        validate_expected_count(expect)


def validate_expected_count(count: int) -> None:
    """Raise UsageError for a number of files that no release has."""
    hint = "Give the number of files in the release."
    if count > bounds.MAX_RELEASE_FILES:
        raise UsageError(f"cannot expect a release of more than {bounds.MAX_RELEASE_FILES} files", hint=hint)
    if count < 1:
        raise UsageError(f"cannot expect a release of {format_count(count, 'file')}", hint=hint)


_VALIDATORS: tuple[Callable[[Options], None], ...] = (
    _validate_types,
    _validate_ranges,
    _require_source,
    _validate_release,
    _validate_targets,
    _validate_comparison,
    _validate_urls,
    _validate_hosts,
    _validate_exclusive,
    _validate_verification,
    _validate_signing,
    _validate_required_options,
    _validate_builder,
    _validate_smoke,
    _validate_expected_count,
)


def _make_option_error(name: str, problem: str, *, hint: str | None = None) -> OptionError:
    return OptionError(name, problem, flag=option_flag(name), hint=hint)


def _format_value(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else sanitize(str(value), limit=100)


def default_value(options: Options, name: str) -> Any:
    """Return the default value of a field."""
    value = next(field.default for field in fields(options) if field.name == name)
    return {} if value is MISSING else value
