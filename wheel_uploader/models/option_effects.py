"""Options that have no effect in a run, because of where it ends or of another option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wheel_uploader.models.option_rules import LATEST, default, flag
from wheel_uploader.models.run import Options
from wheel_uploader.models.words import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Options that are set and change nothing in this run, and why."""

    names: tuple[str, ...]
    because: str

    def __str__(self) -> str:
        flags = ", ".join(map(flag, self.names))
        return f"{flags} {'has' if len(self.names) == 1 else 'have'} no effect {self.because}"


#: The first stage that looks at an option. Those that every stage shares are not here.
_FIRST_STAGE: Mapping[str, Stage] = {
    "clobber": Stage.DOWNLOAD,
    "strict": Stage.CHECK,
    "ignore": Stage.CHECK,
    "compare_with": Stage.CHECK,
    "no_compare": Stage.CHECK,
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
    "upload_jobs": Stage.UPLOAD,
    "skip_existing": Stage.UPLOAD,
    "username": Stage.UPLOAD,
    "confirm_timeout": Stage.CONFIRM,
    "keep_releases": Stage.CONFIRM,
    "keep_days": Stage.CONFIRM,
}
#: What a run does not do that only rehearses, or that posts nothing.
_NOT_REHEARSED = (
    *("sign", "identity", "sign_with", "attest", "dry_run", "keep_going", "upload_jobs", "skip_existing"),
    *("username", "confirm_timeout", "keep_releases", "keep_days"),
)
_NOT_TRIED = ("attest", "keep_going", "upload_jobs", "confirm_timeout")
#: They need an index, which is asked when the run publishes or one is named.
_COMPARE = ("compare_with", "no_compare", "allow_missing")


def idle(options: Options) -> tuple[Idle, ...]:
    """Return the options that are set and change nothing, one Idle for each reason."""
    found: list[Idle] = []
    told: set[str] = set()
    for because, names in _reasons(options):
        given = tuple(name for name in names if name not in told and is_set(options, name))
        if given:
            found.append(Idle(names=given, because=because))
            told.update(given)
    return tuple(found)


def is_set(options: Options, name: str) -> bool:
    """Return whether a field differs from its default, and so from what would be without it."""
    value = getattr(options, name)
    return bool(value) if isinstance(value, Mapping) else bool(value != default(options, name))


def _reasons(options: Options) -> Iterator[tuple[str, tuple[str, ...]]]:
    until = options.until
    late = tuple(name for name, stage in _FIRST_STAGE.items() if stage > until)
    # A rehearsal of a run that ends before the index is still a rehearsal.
    yield f"with --until {until.name.lower()}", late
    if options.rehearse:
        yield "with --rehearse, which publishes to this machine only", _NOT_REHEARSED
    if options.dry_run:
        yield "with --dry-run, which posts nothing", _NOT_TRIED
    if until < Stage.UPLOAD and not any((options.index_url, options.repository, options.repository_url)):
        yield "without an index to compare with (name one with --repository or --index-url)", _COMPARE
    if options.smoke is None:
        yield "without --smoke", ("smoke_env",)
    if options.version != LATEST:
        yield f"without the version '{LATEST}'", ("pre",)
    if not any("://" in url and not url.lower().startswith("file:") for url in options.urls):
        yield "without a URL to take files from", ("netrc", "allow_hosts")
