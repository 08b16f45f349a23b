"""Options that have no effect in a run, because of its last stage or of another option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
        return f"{flags} {'has' if len(self.field_names) == 1 else 'have'} no effect {self.reason}"


#: The first stage that uses an option. Options that apply to every stage are left out.
_FIRST_STAGE: Mapping[str, Stage] = {
    "clobber": Stage.DOWNLOAD,
    "strict": Stage.CHECK,
    "ignore": Stage.CHECK,
    "compare_with": Stage.CHECK,
    "no_compare": Stage.CHECK,
    "compare_index": Stage.CHECK,
    "diff": Stage.CHECK,
    "allow_missing": Stage.CHECK,
    "smoke": Stage.CHECK,
    "smoke_env": Stage.CHECK,
    "attestations": Stage.CHECK,
    "rehearse": Stage.SIGN,
    "sign": Stage.SIGN,
    "identity": Stage.SIGN,
    "sign_with": Stage.SIGN,
    "attest": Stage.SIGN,
    "dry_run": Stage.UPLOAD,
    "keep_going": Stage.UPLOAD,
    "write_only": Stage.UPLOAD,
    "upload_jobs": Stage.UPLOAD,
    "skip_existing": Stage.UPLOAD,
    "username": Stage.UPLOAD,
    "confirm_timeout": Stage.CONFIRM,
    "keep_releases": Stage.CONFIRM,
    "keep_days": Stage.CONFIRM,
}
#: Options that a rehearsal does not use, and options that a dry run does not use.
_UNUSED_BY_REHEARSAL = (
    *("sign", "identity", "sign_with", "attest", "dry_run", "keep_going", "upload_jobs", "skip_existing"),
    *("username", "confirm_timeout", "keep_releases", "keep_days", "write_only"),
)
#: Options that need a look at the index to upload to.
_UNUSED_BY_WRITE_ONLY = (
    *("compare_with", "no_compare", "allow_missing", "diff", "index_url", "skip_existing"),
    *("confirm_timeout", "keep_releases", "keep_days"),
)
_UNUSED_BY_DRY_RUN = ("attest", "keep_going", "upload_jobs", "confirm_timeout")
#: Options that need an index; one is queried if the run uploads or if an index option is set.
_COMPARISON_OPTIONS = ("compare_with", "no_compare", "allow_missing", "diff")


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
    until = options.until
    unreached = tuple(name for name, stage in _FIRST_STAGE.items() if stage > until)
    yield f"with --until {until.name.lower()}", unreached
    # Several reasons may apply: a rehearsal, for example, may also stop early.
    if options.rehearse:
        yield "with --rehearse, which publishes to a local index only", _UNUSED_BY_REHEARSAL
    if options.write_only and until >= Stage.UPLOAD and not options.rehearse:
        yield "with --write-only, which does not read the index", _UNUSED_BY_WRITE_ONLY
    if options.dry_run:
        yield "with --dry-run, which uploads nothing", _UNUSED_BY_DRY_RUN
    indexes = (options.index_url, options.repository, options.repository_url, options.compare_index)
    if until < Stage.UPLOAD and not any(indexes):
        yield "without an index to compare with (set --repository or --index-url)", _COMPARISON_OPTIONS
    if options.smoke is None:
        yield "without --smoke", ("smoke_env",)
    if options.version != LATEST_VERSION:
        yield f"without the version '{LATEST_VERSION}'", ("pre",)
    if not any("://" in url and not url.lower().startswith("file:") for url in options.urls):
        yield "without a remote source", ("netrc", "allow_hosts")
