"""The setup of a run, and the list stage: find the staged files of the release."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheel_uploader.core.child_processes import environment as child_environment
from wheel_uploader.core.errors import CredentialsError, NetworkError
from wheel_uploader.core.models import (
    CheckProfile,
    Options,
    RemoteFile,
    Report,
    Selection,
    Stage,
    option_effects,
    option_rules,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import open_index
from wheel_uploader.index.target import Target
from wheel_uploader.listing import expectations, freshness, polling, sources
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing.expected_files import Expectation
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.rehearsal import pip_command
from wheel_uploader.signing import attestations, gpg_signer
from wheel_uploader.upload import clients


def open_context(
    options: Options, report: Report, progress: Progress, exit_stack: contextlib.ExitStack
) -> RunContext:
    """Build the context of the run; raise ReleaseError early for mistakes in the configuration."""
    option_rules.validate_options(options)
    _require_known_checks(options)
    for idle_options in option_effects.find_ineffective_options(options):
        progress.info(str(idle_options))
    child_environment.check_extra_names(options.smoke_env)
    requirements = expectations.read_requirements(options)
    if options.smoke and options.until >= Stage.CHECK:
        pip_command.require_pip("--smoke")
    if options.rehearse and options.until > Stage.CHECK:
        from wheel_uploader.rehearsal import rehearsal

        rehearsal.require_rehearsal_tools()
    will_upload = options.until > Stage.SIGN
    target = clients.resolve_target(options) if will_upload or has_comparison_index(options) else None
    needs_signer = options.sign and options.until >= Stage.SIGN
    report.upload_url = strip_url(target.url) if target and will_upload else ""
    report.profile = options.profile or (
        CheckProfile.ANY if target and not target.is_pypi else CheckProfile.PYPI
    )
    signer = gpg_signer.find_gpg_signer(options.sign_with, options.identity) if needs_signer else None
    if signer and signer.ambiguity_warning:
        progress.info(signer.ambiguity_warning)
    return RunContext(
        options=options,
        report=report,
        progress=progress,
        requirements=requirements,
        target=target,
        signer=signer,
        attestation_signer=attestations.create_attestation_signer(options, target if will_upload else None),
        http=exit_stack.enter_context(open_staging_client(options, progress)),
        temp_dir=exit_stack.enter_context(sources.UnpackDirectory()),
    )


def _require_known_checks(options: Options) -> None:
    """Raise UsageError if a check to ignore does not exist."""
    if options.ignore:
        from wheel_uploader import checks

        for check_id in options.ignore:
            checks.validate_check_id(check_id)


def list_release(context: RunContext) -> None:
    """Select the staged files of the release; raise ReleaseError if they do not meet the requirements."""
    report, progress = context.report, context.progress
    selection = report.selection = _select_release(context)
    for refusal in selection.excluded_files:
        report_refusal = progress.info if refusal.is_unavailable else progress.debug
        report_refusal(f"not selected: {refusal.filename}: {refusal.reason}")
    report.expected_cells = context.requirements.list_matrix_cells(selection.version)
    context.requirements.enforce(selection)
    if limit := context.options.max_age:
        built = freshness.require_fresh(selection, context.http, limit=limit, now=datetime.now(UTC))
        progress.debug(f"the newest staged file is dated {built}")
    report.checks_not_run = attestations.unchecked_attestations(
        selection, context.options, context.upload_target
    )


def _select_release(context: RunContext) -> Selection:
    """Read the listing and select the release; with ``--wait``, repeat until it is complete.

    The report always holds the latest selection, so that a run that ends while it waits can show it.
    """
    options = context.options

    def select_once() -> Selection:
        with context.progress.waiting(f"list: reading {', '.join(map(strip_url, options.urls))}"):
            listed = sources.list_staged_files(options.urls, options.project, context.http, context.temp_dir)
        selected_release = release_selection.infer_release(listed, options)
        context.report.selection = release_selection.select_release(
            context.requirements.apply_trusted_hashes(listed), selected_release, _hash_local_file
        )
        return context.report.selection

    if not options.wait:
        return select_once()
    expected = context.requirements.build_expectation(release_selection.parse_version(options.version))
    if expected is None and context.target:
        expected = expectation_for_waiting(options, context.target, context.progress)
    with context.http.polling_mode():
        return polling.poll_until_complete(
            select_once, expected, limit=options.wait, progress=context.progress
        )


def _hash_local_file(remote: RemoteFile) -> str:
    # Importing the download package here keeps it out of the startup time of a run that only lists.
    from wheel_uploader.download import scheduler

    return scheduler.hash_local_file(remote)


if TYPE_CHECKING:
    pass


def expectation_for_waiting(options: Options, target: Target, progress: Progress) -> Expectation | None:
    """Return the files of the previous release on the index, to wait for if no others are declared."""
    from wheel_uploader.pipeline import release_gate

    try:
        with open_index(options, target, progress) as served:
            previous = release_gate.previous_release_expectation(
                served.fetch_project(options.project), options
            )
    except (NetworkError, CredentialsError) as error:
        progress.info(f"waiting for at least one file; the previous release is unknown: {error}")
        return None
    if previous is None:
        return None
    version, expected = previous
    progress.info(f"waiting for the same files as in {options.project} {version} (disable with --no-compare)")
    return expected


def open_staging_client(options: Options, progress: Progress) -> HttpClient:
    """Return an HTTP client for the staging places, limited to the hosts that the user allowed."""
    http = HttpClient(
        user_urls=options.urls,
        allow_hosts=options.allow_hosts,
        allow_insecure_hosts=options.allow_insecure_hosts,
        timeout=options.timeout,
        retries=options.retries,
        preconnect=_extra_connections(options),
        progress=progress,
    )
    for prefix, headers in http_credentials.headers_for_urls(
        options.urls, netrc=options.netrc, token=options.url_token
    ):
        http.add_headers(prefix, headers)
    return http


#: Connections per host, as many as a download of small files uses.
_MAX_CONNECTIONS = 16


def _extra_connections(options: Options) -> dict[str, int]:
    """Return, by URL, the number of connections to open in addition to the first.

    Only for URLs that serve files: files of package indexes and of APIs are mostly on other hosts.
    """
    if options.until < Stage.DOWNLOAD:
        return {}
    extra = min(options.jobs or _MAX_CONNECTIONS, _MAX_CONNECTIONS) - 1
    return {url: extra for url in options.urls if sources.probably_hosts_files(url)}


def has_comparison_index(options: Options) -> bool:
    """Return whether the user selected an index to compare with, even if nothing is uploaded."""
    return any((options.index_url, options.repository, options.repository_url))
