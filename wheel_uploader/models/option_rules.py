"""Rules for the values of Options: which values and combinations are refused.

The command line, the configuration and the API obey these rules and no others. What needs the table of
checks, a file or the environment is judged in ``stages.listing.begin``.
"""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from packaging.version import InvalidVersion, Version

from wheel_uploader import bounded
from wheel_uploader.display import printable
from wheel_uploader.errors import OptionError, UsageError
from wheel_uploader.models.words import Attestations, Profile, Stage
from wheel_uploader.urls import port_of, urlsplit

#: An Options, whose module imports this one.
Options = Any

#: The word that stands for the newest version.
LATEST = "latest"

#: Least and greatest value; the upper bounds are far above what a release needs.
RANGES: Mapping[str, tuple[float, float]] = {
    "keep_releases": (1, 100_000),
    "keep_days": (1, 36_500),
    "jobs": (1, 64),
    "upload_jobs": (1, 16),
    "retries": (1, 20),
    "timeout": (1, bounded.MAX_SECONDS),
    "lock_timeout": (0, bounded.MAX_SECONDS),
    "confirm_timeout": (0, bounded.MAX_SECONDS),
    "max_age": (0, bounded.MAX_SECONDS),
    "wait": (0, bounded.MAX_SECONDS),
    "max_duration": (0, bounded.MAX_SECONDS),
}
_WHOLE = frozenset({"keep_releases", "keep_days", "jobs", "upload_jobs", "retries"})
_MAY_BE_NONE = frozenset({"keep_releases", "keep_days", "jobs"})

#: An empty value would count as no value: the variable of a script that was never set.
_NEVER_EMPTY = (
    "identity",
    "sign_with",
    "compare_with",
    "smoke",
    "repository",
    "repository_url",
    "index_url",
)
_LISTS = ("urls", "types", "allow_hosts", "allow_insecure_hosts", "allow_missing", "smoke_env")
_KINDS: Mapping[str, type[enum.Enum]] = {"until": Stage, "profile": Profile, "attestations": Attestations}
_URLS = ("repository_url", "index_url")

#: Options that exclude each other; of two with different origins (command line, file) the stronger wins.
EXCLUSIVE = (("compare_with", "no_compare"), ("repository", "repository_url"))

#: How an option is written where that differs from the name of its field.
_FLAGS = {"urls": "--url", "types": "--type", "skip_existing": "--no-skip-existing"}
_FLAGS |= {"allow_hosts": "--allow-host", "allow_insecure_hosts": "--allow-insecure-host"}

#: A project's name (PEP 508).
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_LONGEST_PROJECT = 1000


def flag(name: str) -> str:
    """Return the long spelling of the option that sets the field ``name``."""
    return _FLAGS.get(name) or f"--{name.replace('_', '-')}"


def parse_version(text: str) -> Version:
    """Return a version as a user typed it. Raises UsageError."""
    try:
        return bounded.version(text)
    except (InvalidVersion, TypeError):
        raise UsageError(
            f"'{printable(str(text))}' is not a version (PEP 440)", hint="Give one like 1.11.0, or 'latest'."
        ) from None


def smoke_words(command: str) -> list[str]:
    """Split the command of ``--smoke`` as a shell would. Raises OptionError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _refused("smoke", f"it cannot be read as a command: {error}") from None
    if not words:
        raise _refused(
            "smoke", "it contains no command", hint="For example: --smoke \"python -c 'import dipy'\""
        )
    return words


# --- what is refused -------------------------------------------------------------------------------


def require_valid(options: Options) -> None:
    """Raise UsageError for the first value, or combination of values, that is not allowed."""
    for rule in _RULES:
        rule(options)


def _kinds(options: Options) -> None:
    """Text in the place of an enumeration would compare unequal to all of its members."""
    for name, kind in _KINDS.items():
        value = getattr(options, name)
        if not isinstance(value, kind) and not (name == "profile" and value is None):
            known = ", ".join(f"{kind.__name__}.{each}" for each in kind.__members__)
            raise _refused(name, f"{_shown(value)} is not one of {known}")
    for name in _LISTS:
        value = getattr(options, name)
        if not isinstance(value, tuple | list) or not all(isinstance(each, str) for each in value):
            raise _refused(name, f"{_shown(value)} is not a tuple of strings")
        if not all(each.strip() for each in value):
            raise _refused(name, "a value is empty", hint="Check the variable that it came from.")
    if not isinstance(options.ignore, Mapping):
        raise _refused("ignore", f"{_shown(options.ignore)} does not map checks to reasons")
    for name in ("project", "version"):
        if not isinstance(getattr(options, name), str):
            raise UsageError(f"the {name} is not a string", hint="An empty string stands for none.")
    for name in _NEVER_EMPTY:
        value = getattr(options, name)
        if isinstance(value, str) and not value.strip():
            raise _refused(name, "the value is empty", hint="Check the variable that it came from.")


def _ranges(options: Options) -> None:
    for name in RANGES:
        require_in_range(name, getattr(options, name))


def require_in_range(name: str, value: object) -> None:
    """Raise OptionError unless ``value`` is a number that the field ``name`` may have."""
    if value is None and name in _MAY_BE_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else int | float):
        raise _refused(name, f"{_shown(value)} is not a {'whole ' * (name in _WHOLE)}number")
    least, most = RANGES[name]
    # Also false for what is not a number (nan).
    if not least <= value <= most:
        raise _refused(
            name,
            f"{_shown(value)} is not in the range from {least:.15g} to {most:.15g}",
            hint="Give a number in that range.",
        )


def _files(options: Options) -> None:
    if not options.urls:
        raise UsageError(
            "no place to take the files from",
            hint="Give a listing, an index page or a folder: -u URL (see 'wheel-uploader --help').",
        )


def _release(options: Options) -> None:
    project, version = options.project, options.version
    if not project and options.until > Stage.CHECK:
        raise UsageError(
            "no project was named",
            hint="Say PROJECT, and its VERSION, at the end; without them, files are only checked: "
            "--until check -u FILE.",
        )
    if project and (len(project) > _LONGEST_PROJECT or not _PROJECT.match(project)):
        raise UsageError(
            f"'{printable(project, limit=200)}' is not a project name (PEP 508)",
            hint="It has letters, digits, '.', '_' and '-', and starts and ends with a letter or digit.",
        )
    if version and version != LATEST:
        parse_version(version)
    if version and not project:
        raise UsageError(
            f"the version {printable(version, limit=200)} needs a project",
            hint="Give both, PROJECT VERSION; or neither: the files then say what they are.",
        )
    if options.wait and version in {"", LATEST}:
        raise UsageError(
            "--wait has to know for which version",
            hint="Say it after the project's name: what is listed now may be the one before.",
        )


def _comparison(options: Options) -> None:
    if options.compare_with is None:
        return
    other = parse_version(options.compare_with)
    if options.version and options.version != LATEST and other == Version(options.version):
        raise _refused(
            "compare_with",
            f"{other} is the release itself",
            hint="A release cannot lack what it has: give another version, or --no-compare.",
        )


def _addresses(options: Options) -> None:
    for name in _URLS:
        if (url := getattr(options, name)) and (why := _not_http(url)):
            what = "the upload URL" if name == "repository_url" else "the URL of the index"
            raise UsageError(
                f"{what} cannot be used: {why}", hint="It is an absolute URL, and begins with https://."
            )


def _not_http(url: str) -> str:
    """Return why a URL is not one of http or https, in one clause; empty when it is."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, port_of(parts)
    except ValueError as error:
        return str(error)
    except AttributeError:
        return "it is not a URL"
    if parts.scheme.lower() not in {"http", "https"}:
        return f"its scheme is {printable(parts.scheme, limit=50) or 'missing'}, not https"
    return "" if host else "it has no host"


def _exclusive(options: Options) -> None:
    for one, other in EXCLUSIVE:
        if getattr(options, one) and getattr(options, other):
            raise UsageError(
                f"{flag(one)} and {flag(other)} exclude each other", hint="Leave out one of the two."
            )


def _signing(options: Options) -> None:
    """Refuse what would publish without the signature or the attestation that was asked for."""
    if options.attest and options.attestations is Attestations.NONE:
        raise UsageError(
            "--attest and --attestations none exclude each other", hint="Leave out one of the two."
        )
    if options.sign or options.until < Stage.SIGN:
        return
    for name in ("identity", "sign_with"):
        if getattr(options, name) != default(options, name):
            raise _refused(
                name,
                "nothing would be signed, because --sign is missing",
                hint=f"Add -s to sign; or leave {flag(name)} out to publish unsigned.",
            )


def _smoke(options: Options) -> None:
    if options.smoke is not None:
        smoke_words(options.smoke)


def _count(options: Options) -> None:
    """Refuse a number of files that no release has; a file or a table is read later."""
    expect = options.expect
    if isinstance(expect, bool):
        return
    if isinstance(expect, int) and not 1 <= expect <= _MOST_FILES:
        raise UsageError(f"a release of {expect} files cannot be expected", hint="--expect 1, or more.")


#: More than any index lists of one release.
_MOST_FILES = 1_000_000

_RULES: tuple[Callable[[Options], None], ...] = (
    _kinds,
    _ranges,
    _files,
    _release,
    _comparison,
    _addresses,
    _exclusive,
    _signing,
    _smoke,
    _count,
)


def _refused(name: str, problem: str, *, hint: str | None = None) -> OptionError:
    return OptionError(name, problem, flag=flag(name), hint=hint)


def _shown(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else printable(str(value), limit=100)


def default(options: Options, name: str) -> Any:
    """Return the value of a field that was not set."""
    found = next(each.default for each in fields(options) if each.name == name)
    return {} if found is MISSING else found
