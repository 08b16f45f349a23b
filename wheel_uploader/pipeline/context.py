"""The context of one run: its options, its open resources, and the builder of its report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from wheel_uploader import targets
from wheel_uploader.core import cancellation
from wheel_uploader.core.child_processes import environment as child_environment
from wheel_uploader.core.errors import OptionError
from wheel_uploader.core.ignored_findings import split_ignore
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import CheckProfile, Options, Report, Stage, option_effects, option_rules
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.http import certificates
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.client import MAX_CONNECTIONS, HttpClient
from wheel_uploader.index.target import is_interactive
from wheel_uploader.listing import expectations, sources
from wheel_uploader.rehearsal import pip_command
from wheel_uploader.signing import attestations, gpg_signer
from wheel_uploader.targets.pruning import find_rule, is_final

if TYPE_CHECKING:
    from packaging.version import Version

    from wheel_uploader.core.cancellation import CancellationToken
    from wheel_uploader.core.progress import Progress
    from wheel_uploader.signing.sigstore_signer import AttestationSigner
    from wheel_uploader.targets.protocol import PublishTarget

#: Connections to a staging place that are opened ahead; large files use fewer.
_CONNECTIONS_AHEAD = 16


class ReportBuilder:
    """Builds the report of a run from the results of its stages.

    ``report`` is a complete report at any moment, so that a run can be ended anywhere and still be reported.
    """

    def __init__(self, options: Options) -> None:
        self.report = Report(options, started_at=datetime.now(UTC))
        #: Called after each change of the report.
        self.on_record: Callable[[], object] = int

    def record(self, **results: Any) -> None:
        """Add results to the report, by the names of its fields."""
        self.report = replace(self.report, **results)
        self.on_record()

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Record how long the stage takes, and that it was reached if it finishes."""
        started_at = time.monotonic()
        try:
            cancellation.raise_if_cancelled()
            yield
            self.record(last_stage=stage)
        finally:
            seconds = time.monotonic() - started_at
            # A stage may have several parts.
            seconds += self.report.stage_seconds.get(stage, 0.0)
            self.record(stage_seconds={**self.report.stage_seconds, stage: seconds})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The options and open resources of a run, and the builder that records its results."""

    options: Options
    builder: ReportBuilder
    progress: Progress
    cancel: CancellationToken
    exit_stack: contextlib.ExitStack
    requirements: expectations.ReleaseRequirements
    profile: CheckProfile
    #: None if nothing is to be uploaded and no index was named to compare with. Of several targets the one
    #: that decides the rule set.
    target: PublishTarget | None
    signer: gpg_signer.GpgSigner | None
    attestation_signer: AttestationSigner | None
    http: HttpClient
    temp_dir: sources.UnpackDirectory
    #: All targets of a run with several, in the order of the uploads; otherwise empty.
    targets: tuple[PublishTarget, ...] = ()

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, options: Options, builder: ReportBuilder, progress: Progress, cancel: CancellationToken
    ) -> Iterator[Self]:
        """Open the resources of a run; raise ReleaseError for mistakes that can be seen before it starts."""
        option_rules.validate_options(options)
        _require_known_checks(options)
        for ineffective_option in option_effects.find_ineffective_options(options):
            progress.info(str(ineffective_option))
        if ignored := certificates.find_ignored_variables():
            progress.info(ignored)
        child_environment.check_extra_names(options.smoke_env)
        requirements = expectations.read_requirements(options)
        _require_tools(options)
        _require_terminal(options)
        with contextlib.ExitStack() as exit_stack:
            opened = _open_targets(options, progress, exit_stack)
            target = _find_strictest(opened)
            upload_info = target.info if target and options.until > Stage.SIGN else None
            signer = _find_signer(options, progress)
            default_profile = target.default_profile if target else CheckProfile.PYPI
            profile = options.profile or default_profile
            url = ", ".join(strip_url(each.info.url) for each in opened)
            builder.record(upload_url=url if upload_info else "", profile=profile)
            for each in opened:
                _prepare_target(options, each)
            if not opened:
                attestations.require_attestation_support(options, None)
            yield cls(
                options=options,
                builder=builder,
                progress=progress,
                cancel=cancel,
                exit_stack=exit_stack,
                requirements=requirements,
                profile=profile,
                target=target,
                signer=signer,
                attestation_signer=attestations.create_attestation_signer(options, upload_info),
                http=exit_stack.enter_context(open_staging_client(options, progress)),
                temp_dir=exit_stack.enter_context(sources.UnpackDirectory()),
                targets=opened if len(opened) > 1 else (),
            )

    @property
    def report(self) -> Report:
        """The report of the results up to now."""
        return self.builder.report

    def record(self, **results: Any) -> None:
        """Add results to the report, by the names of its fields."""
        self.builder.record(**results)

    @property
    def upload_target(self) -> PublishTarget | None:
        """The target to upload to, or to verify; None if the run ends before the upload stage."""
        return self.target if self.options.until > Stage.SIGN else None

    @property
    def uploads(self) -> bool:
        """True if the run may upload files."""
        return self.upload_target is not None and not self.options.verify

    @property
    def all_targets(self) -> tuple[PublishTarget, ...]:
        """The targets of the run: several, one, or none."""
        return self.targets or ((self.target,) if self.target else ())

    def may_replace(self, version: Version) -> bool:
        """Return whether a target of the run may get other bytes under a name that it has.

        Never those of a final release: its users rely on the bytes that they have.
        """
        replaces_files = any(target.replaces_files for target in self.all_targets)
        return self.options.replace and self.uploads and replaces_files and not is_final(version)


def open_staging_client(options: Options, progress: Progress) -> HttpClient:
    """Return an HTTP client for the staging places, limited to the hosts that the user allowed."""
    http = HttpClient(
        user_urls=options.urls,
        allow_hosts=options.allow_hosts,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        max_connections=max(options.jobs or 0, MAX_CONNECTIONS),
        preconnect=_extra_connections(options),
        progress=progress,
    )
    for prefix, headers in http_credentials.headers_for_urls(
        options.urls, netrc=options.netrc, token=options.url_token
    ):
        http.add_headers(prefix, headers)
    return http


def _extra_connections(options: Options) -> dict[str, int]:
    """Return, by URL, the number of connections to open in addition to the first.

    Only for URLs that serve files: files of package indexes and of APIs are mostly on other hosts.
    """
    if options.until < Stage.DOWNLOAD:
        return {}
    extra = min(options.jobs or _CONNECTIONS_AHEAD, _CONNECTIONS_AHEAD) - 1
    return {url: extra for url in options.urls if sources.probably_hosts_files(url)}


def _require_known_checks(options: Options) -> None:
    """Raise UsageError if a check to ignore does not exist."""
    if options.ignore:
        from wheel_uploader import checks

        for check_id in options.ignore:
            checks.validate_check_id(split_ignore(check_id)[0])


def _require_tools(options: Options) -> None:
    """Raise UsageError if a program that a later stage needs is not installed."""
    if options.smoke and options.until >= Stage.CHECK:
        pip_command.require_pip("--smoke")
    if options.built_by and options.until >= Stage.CHECK:
        attestations.require_attestation_extra("--built-by")
    if options.rehearse and options.until > Stage.CHECK:
        from wheel_uploader.rehearsal import rehearsal

        rehearsal.require_rehearsal_tools()


def asks_before_upload(options: Options) -> bool:
    """Return whether the run uploads and asks the user before that."""
    return options.ask and options.until > Stage.SIGN and not (options.dry_run or options.rehearse)


def _require_terminal(options: Options) -> None:
    """Raise UsageError if the run is to ask a question and there is no terminal."""
    if asks_before_upload(options) and not is_interactive(options):
        raise OptionError(
            "ask",
            "there is no terminal to ask on",
            hint="Run the command on a terminal, or without --ask (and without TWINE_NON_INTERACTIVE).",
        )


def _open_targets(
    options: Options, progress: Progress, exit_stack: contextlib.ExitStack
) -> tuple[PublishTarget, ...]:
    """Return the targets to upload to or to compare with, in the order of the uploads.

    PyPI is last: its files cannot be replaced.
    """
    names_index = any((options.index_url, options.repository, options.repository_url))
    if options.until <= Stage.SIGN and not names_index:
        return ()
    opened = []
    for name in (options.repository, *options.more_repositories):
        selected = replace(options, repository=name, more_repositories=())
        target = targets.open_target(selected, progress)
        opened.append(exit_stack.enter_context(contextlib.closing(target)))
    return tuple(sorted(opened, key=lambda target: target.info.is_pypi))


def _find_strictest(opened: Sequence[PublishTarget]) -> PublishTarget | None:
    """Return the target that decides the rule set of the checks; None if there is none."""
    strict = [target for target in opened if target.default_profile is CheckProfile.PYPI]
    return next(iter(strict or opened), None)


def _prepare_target(options: Options, target: PublishTarget) -> None:
    """Raise ReleaseError for options that the target does not support, or if there is no way to log in."""
    if options.until <= Stage.SIGN:
        attestations.require_attestation_support(options, None)
        return
    attestations.require_attestation_support(options, target.info)
    if options.replace:
        target.require_replaceable()
    if options.verify or options.rehearse:
        return
    prunes = options.until is Stage.CONFIRM and not options.write_only and find_rule(options, target.settings)
    if prunes and target.info.is_pypi:
        target.require_prunable()
    target.prepare_login(is_required=not options.dry_run)
    if prunes:
        target.require_prunable()


def _find_signer(options: Options, progress: Progress) -> gpg_signer.GpgSigner | None:
    if not options.sign or options.until < Stage.SIGN:
        return None
    signer = gpg_signer.find_gpg_signer(options.sign_with, options.identity)
    if signer.ambiguity_warning:
        progress.info(signer.ambiguity_warning)
    return signer
