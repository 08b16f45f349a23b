"""Options that have no effect in a run, because of its last stage or of another option.

Every option is in one of the tables. Those whose loss would harm the release are refused:
see ``REQUIRED_OPTIONS`` in ``option_rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from wheel_uploader.core.formatting import format_verb
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.enums import Stage
from wheel_uploader.core.models.option_rules import LATEST_VERSION, default_value, option_flag
from wheel_uploader.core.models.run import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class IneffectiveOptions:
    """Options that are set but have no effect in this run, and the reason."""

    field_names: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        flags = ", ".join(map(option_flag, self.field_names))
        return f"{flags} {format_verb(len(self.field_names), 'have')} no effect {self.reason}"


#: Options that every run uses, or that change nothing but its output.
ALWAYS_EFFECTIVE = frozenset(
    {
        *("project", "version", "urls", "url_token", "types", "exclude", "until", "profile", "verify"),
        *("expect", "max_age", "wait", "sha256sums", "require_hashes"),
        # A target also decides the rule set of the checks and, with --wait, the files to wait for.
        *("repository", "more_repositories", "repository_url", "release_id", "targets"),
        *("timeout", "retries", "max_duration", "non_interactive", "verbose"),
        # The password belongs to the user name; the command line has no option for it.
        "password",
    }
)
#: The first stage that uses an option.
FIRST_STAGE: Mapping[str, Stage] = {
    "wheelhouse": Stage.DOWNLOAD,
    "clobber": Stage.DOWNLOAD,
    "jobs": Stage.DOWNLOAD,
    "lock_timeout": Stage.DOWNLOAD,
    "strict": Stage.CHECK,
    "ignore": Stage.CHECK,
    "compare_with": Stage.CHECK,
    "no_compare": Stage.CHECK,
    "compare_index": Stage.CHECK,
    "diff": Stage.CHECK,
    "allow_missing": Stage.CHECK,
    "built_by": Stage.CHECK,
    "smoke": Stage.CHECK,
    "smoke_env": Stage.CHECK,
    "attestations": Stage.CHECK,
    "rehearse": Stage.SIGN,
    "sign": Stage.SIGN,
    "identity": Stage.SIGN,
    "sign_with": Stage.SIGN,
    "attest": Stage.SIGN,
    "dry_run": Stage.UPLOAD,
    "ask": Stage.UPLOAD,
    "keep_going": Stage.UPLOAD,
    "write_only": Stage.UPLOAD,
    "upload_jobs": Stage.UPLOAD,
    "skip_existing": Stage.UPLOAD,
    "username": Stage.UPLOAD,
    "replace": Stage.UPLOAD,
    "labels": Stage.UPLOAD,
    "confirm_timeout": Stage.CONFIRM,
    "smoke_index": Stage.CONFIRM,
    "keep_releases": Stage.CONFIRM,
    "keep_days": Stage.CONFIRM,
    "prune": Stage.CONFIRM,
    "prune_days": Stage.CONFIRM,
    "prune_final": Stage.CONFIRM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A condition that options need to have an effect, in addition to their stage."""

    field_names: tuple[str, ...]
    is_met: Callable[[Options], object]
    #: For the message, when the condition is not met.
    reason: str


def _has_target(options: Options) -> bool:
    named = options.index_url, options.repository, options.repository_url
    return options.until > Stage.SIGN or any(named)


def _has_remote_source(options: Options) -> bool:
    return any("://" in url and not url.lower().startswith("file:") for url in options.urls)


def _uses_wheelhouse(options: Options) -> bool:
    in_place = options.until == Stage.CHECK or options.verify
    return not in_place or options.wheelhouse is not None or _has_remote_source(options)


#: Several reasons may apply: a rehearsal, for example, may also stop early. The first one is reported.
NEEDS = (
    Need(
        field_names=(
            *("strict", "ignore", "compare_with", "no_compare", "compare_index", "diff"),
            *("built_by", "smoke", "smoke_env", "identity", "sign_with", "keep_going", "upload_jobs"),
            *("smoke_index", "skip_existing", "keep_releases", "keep_days"),
            *("prune", "prune_days", "prune_final"),
        ),
        is_met=lambda options: not options.verify,
        reason="with --verify, which only compares files with the index",
    ),
    Need(
        field_names=("allow_missing",),
        is_met=lambda options: not options.verify or options.max_age,
        reason="with --verify, unless --max-age limits the age of each platform's newest file",
    ),
    Need(
        field_names=(
            *("sign", "identity", "sign_with", "attest", "dry_run", "ask", "keep_going", "upload_jobs"),
            *("skip_existing", "username", "confirm_timeout", "keep_releases", "keep_days", "write_only"),
            *("smoke_index", "labels", "replace", "prune", "prune_days", "prune_final"),
        ),
        is_met=lambda options: not options.rehearse,
        reason="with --rehearse, which publishes to a local index only",
    ),
    Need(
        field_names=(
            *("compare_with", "no_compare", "allow_missing", "diff", "index_url", "skip_existing"),
            *("confirm_timeout", "keep_releases", "keep_days", "smoke_index"),
        ),
        is_met=lambda options: (
            not (options.write_only and options.until >= Stage.UPLOAD and not options.rehearse)
        ),
        reason="with --write-only, which does not read the index",
    ),
    Need(
        field_names=("attest", "ask", "keep_going", "upload_jobs", "confirm_timeout", "smoke_index"),
        is_met=lambda options: not options.dry_run,
        reason="with --dry-run, which uploads nothing",
    ),
    Need(
        field_names=("compare_with", "no_compare", "allow_missing", "diff"),
        is_met=lambda options: _has_target(options) or options.compare_index,
        reason="without an index to compare with (set --repository or --index-url)",
    ),
    Need(
        field_names=("allow_missing",),
        is_met=lambda options: not options.no_compare,
        reason="with --no-compare",
    ),
    Need(
        field_names=("config_file", "cert", "client_cert"),
        is_met=_has_target,
        reason="without an index (set --repository, --repository-url or --index-url)",
    ),
    Need(
        field_names=("config_file",),
        is_met=lambda options: not options.repository_url,
        reason="with --repository-url, which replaces the repositories of .pypirc",
    ),
    Need(
        field_names=("prune_final",),
        is_met=lambda options: options.prune is not None or options.prune_days is not None,
        reason="without --prune and --prune-days",
    ),
    Need(
        field_names=("smoke_env", "smoke_index"),
        is_met=lambda options: options.smoke is not None,
        reason="without --smoke",
    ),
    Need(
        field_names=("pre",),
        is_met=lambda options: options.version == LATEST_VERSION,
        reason=f"without the version '{LATEST_VERSION}'",
    ),
    Need(
        field_names=("netrc", "allow_hosts"),
        is_met=_has_remote_source,
        reason="without a remote source",
    ),
    Need(
        field_names=("allow_insecure_hosts",),
        is_met=lambda options: _has_remote_source(options) or _has_target(options),
        reason="without a remote source or an index",
    ),
    Need(
        field_names=("clobber", "lock_timeout"),
        is_met=_uses_wheelhouse,
        reason="if local files are checked in place (set --wheelhouse to copy them)",
    ),
)


def find_ineffective_options(options: Options) -> tuple[IneffectiveOptions, ...]:
    """Return the options that are set but have no effect, grouped by reason."""
    groups: list[IneffectiveOptions] = []
    reported: set[str] = set()
    for reason, names in _find_reasons(options):
        unused = tuple(name for name in names if name not in reported and is_option_set(options, name))
        if unused:
            groups.append(IneffectiveOptions(field_names=unused, reason=reason))
            reported.update(unused)
    return tuple(groups)


def is_option_set(options: Options, name: str) -> bool:
    """Return whether a field differs from its default."""
    value = getattr(options, name)
    return bool(value) if isinstance(value, Mapping) else bool(value != default_value(options, name))


def _find_reasons(options: Options) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each reason that applies, and the names of the options that it makes ineffective."""
    unreached = tuple(name for name, stage in FIRST_STAGE.items() if stage > options.until)
    yield f"with --until {options.until.name.lower()}", unreached
    for need in NEEDS:
        if not need.is_met(options):
            yield need.reason, need.field_names
