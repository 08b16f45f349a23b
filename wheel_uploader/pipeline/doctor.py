"""The checks of ``--doctor``: everything that a run needs, without posting anything."""

from __future__ import annotations

import contextlib
import dataclasses
import urllib.request
from collections.abc import Callable, Iterator

from packaging.utils import canonicalize_name

from wheel_uploader import targets
from wheel_uploader.core import task_pool
from wheel_uploader.core.errors import NothingFoundError, ReleaseError, UsageError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options, Stage, option_effects
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.core.redaction import sanitize, sanitize_source, sanitize_url, strip_url
from wheel_uploader.http.certificates import TrustedCertificates
from wheel_uploader.http.proxy_settings import ProxySettings
from wheel_uploader.index.target import Target, has_ci_identity, is_interactive
from wheel_uploader.listing import expectations, sources
from wheel_uploader.pipeline.context import open_staging_client
from wheel_uploader.rehearsal import interpreters, pip_command, rehearsal
from wheel_uploader.signing import attestations, gpg_signer
from wheel_uploader.targets.protocol import PublishTarget
from wheel_uploader.upload.credentials import MissingLoginError

#: Attempts for each request: the answer is needed soon, and another run may follow.
_MAX_RETRIES = 2
#: Maximum number of reasons for an empty listing.
_MAX_GAPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of one check: a fact, a warning, or the error that a run would end with."""

    subject: str
    text: str
    is_warning: bool = False
    error: ReleaseError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The settings to examine; a project or source that was not given is not examined."""

    options: Options
    has_project: bool
    has_source: bool


class _LineCollector(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


def diagnose(subject: Subject) -> Iterator[Diagnosis]:
    """Yield the result of each check as soon as it is known. Posts nothing and never prompts."""
    options = dataclasses.replace(subject.options, retries=min(subject.options.retries, _MAX_RETRIES))
    subject = dataclasses.replace(subject, options=options)
    yield from _examine("options", lambda: _check_requirements(options))
    for effect in option_effects.find_ineffective_options(options):
        yield Diagnosis(subject="options", text=str(effect), is_warning=True)
    yield from _diagnose_target(subject)
    yield from _examine("signing", lambda: _describe_key(options))
    yield from _examine("attest", lambda: _describe_attesting(options))
    yield from _examine("extras", lambda: _describe_extras(options))
    yield from _examine("pythons", lambda: _describe_pythons(options))
    yield from _examine("network", _describe_proxies)
    yield from _examine("network", lambda: _describe_certificates(options))
    if subject.has_source:
        yield from _examine("staging", lambda: _describe_staging(subject))
    else:
        yield Diagnosis(subject="staging", text="no source given (-u URL)", is_warning=True)


def _examine(subject: str, check: Callable[[], str]) -> Iterator[Diagnosis]:
    """Yield the text of a check, or its error; nothing for an empty text."""
    try:
        text = task_pool.call_in_thread(check)
    except ReleaseError as error:
        yield Diagnosis(subject=subject, text=error.message, error=error)
    else:
        if text:
            yield Diagnosis(subject=subject, text=text)


def _check_requirements(options: Options) -> str:
    expectations.read_requirements(options)
    return ""


# --- target --------------------------------------------------------------------------------------------


def _diagnose_target(subject: Subject) -> Iterator[Diagnosis]:
    options = subject.options
    collector = _LineCollector()
    silent = dataclasses.replace(options, non_interactive=True, ask=False)
    with contextlib.ExitStack() as stack:
        try:
            target = stack.enter_context(contextlib.closing(targets.open_target(silent, collector)))
        except ReleaseError as error:
            yield Diagnosis(subject="target", text=error.message, error=error)
            return
        yield Diagnosis(subject="target", text=_describe_target(target.info))
        yield from _diagnose_login(options, target, collector)
        yield from _examine("index", lambda: _describe_index(subject, target))


def _describe_target(target: Target) -> str:
    url = strip_url(target.url)
    return url if target.name == url else f"{target.name}: {url}"


def _diagnose_login(
    options: Options, target: PublishTarget, collector: _LineCollector
) -> Iterator[Diagnosis]:
    """Yield the origins of user name and password, and warnings about their values."""
    if options.verify:
        yield Diagnosis(
            subject="login", text="needed with --verify only if the index requires one for reading"
        )
        return
    if options.until <= Stage.SIGN:
        yield Diagnosis(subject="login", text=f"not needed with --until {options.until.name.lower()}")
        return
    try:
        target.prepare_login(is_required=True)
        result = Diagnosis(subject="login", text=target.login)
    except MissingLoginError as error:
        result = Diagnosis(subject="login", text=error.message, error=error)
        if is_interactive(options):
            result = Diagnosis(subject="login", text="the run will prompt for it at its start")
    except ReleaseError as error:
        result = Diagnosis(subject="login", text=error.message, error=error)
    prefix = "warning: "
    for line in collector.lines:
        if line.startswith(prefix):
            yield Diagnosis(subject="login", text=line.removeprefix(prefix), is_warning=True)
    yield result


def _describe_index(subject: Subject, target: PublishTarget) -> str:
    """Return the URL of the index page and the number of files there, read as the run reads it.

    Raises NetworkError, and CredentialsError if the credentials of the run may not read it.
    """
    if not target.is_readable:
        return "not read (--write-only)"
    if not subject.has_project:
        url = target.index.url if target.index else target.info.url
        return f"{sanitize_url(url)} (give PROJECT to read its page)"
    page = target.fetch_project(subject.options.project)
    shown = sanitize_url(page.url)
    count = format_count(len(page.files), "file")
    return f"{shown}: {count}" if page.exists else f"{shown}: the index does not have this project yet"


def describe_resolved(options: Options, *, has_project: bool) -> Iterator[str]:
    """Yield what a run would use: each target, its index page and the origin of the login.

    Sends no request to the target, never prompts, and has no secrets.
    """
    for name in (options.repository, *options.more_repositories):
        selected = dataclasses.replace(options, repository=name, more_repositories=(), ask=False)
        silent = dataclasses.replace(selected, non_interactive=True)
        try:
            with contextlib.closing(targets.open_target(silent, SilentProgress())) as target:
                yield f"target: {sanitize(_describe_target(target.info))}"
                yield f"index page: {_describe_page(target, options.project if has_project else '')}"
                yield f"login: {sanitize(_describe_login(selected, target))}"
        except ReleaseError as error:
            yield f"target: not known: {sanitize(error.message)}"


def _describe_page(target: PublishTarget, project: str) -> str:
    if not target.is_readable:
        return "not read (--write-only)"
    try:
        index = target.index
    except ReleaseError as error:
        return f"not known: {sanitize(error.message)}"
    if index is None:
        return "none"
    url = index.url.rstrip("/") + "/"
    return sanitize_url(f"{url}{canonicalize_name(project)}/" if project else url)


def _describe_login(options: Options, target: PublishTarget) -> str:
    """Return the origin of the login, or why there is none."""
    if options.verify or options.until <= Stage.SIGN:
        return "not needed"
    try:
        task_pool.call_in_thread(lambda: target.prepare_login(is_required=True))
    except MissingLoginError as error:
        return "the run will prompt for it" if is_interactive(options) else f"missing: {error.message}"
    except ReleaseError as error:
        return f"missing: {error.message}"
    return target.login


# --- this machine --------------------------------------------------------------------------------------


def _describe_key(options: Options) -> str:
    if not options.sign:
        return "off (--sign turns it on)"
    signer = gpg_signer.find_gpg_signer(options.sign_with, options.identity)
    return sanitize(f"{signer.primary_fingerprint} ({signer.user_id})")


def _describe_attesting(options: Options) -> str:
    if not options.attest:
        return "off (--attest turns it on)"
    if not attestations.is_attestation_extra_installed():
        raise UsageError("--attest: the extra is not installed", hint=attestations.INSTALL_COMMAND)
    if not has_ci_identity():
        raise UsageError(
            "--attest: this environment has no identity of a CI job", hint="Run without --attest here."
        )
    return "with the identity of this CI job"


def _describe_extras(options: Options) -> str:
    """Return which extras are installed. Raises UsageError if the options need one that is not."""
    can_rehearse = True
    try:
        rehearsal.require_rehearsal_tools()
    except UsageError:
        if options.rehearse:
            raise
        can_rehearse = False
    parts = {"attestations": attestations.is_attestation_extra_installed(), "rehearse": can_rehearse}
    return ", ".join(f"{name}: {'installed' if found else 'not installed'}" for name, found in parts.items())


def _describe_pythons(options: Options) -> str:
    if options.smoke:
        pip_command.require_pip("--smoke")
    return "for --smoke: " + ", ".join(map(str, interpreters.find_interpreters()))


# --- network -------------------------------------------------------------------------------------------


def _describe_proxies() -> str:
    servers = ProxySettings().servers
    if not servers:
        return "no proxy"
    shown = ", ".join(f"{scheme} by {server}" for scheme, server in sorted(servers.items()))
    excluded = urllib.request.getproxies_environment().get("no", "")
    return f"proxy: {shown}" + (f"; not for {sanitize(excluded)}" if excluded else "")


def _describe_certificates(options: Options) -> str:
    """Return the certificates to trust. Raises UsageError if they cannot be read."""
    trusted = TrustedCertificates()
    trusted.check()
    found = list(map(str, trusted.paths)) or ["those of the machine"]
    if options.cert:
        TrustedCertificates(str(options.cert)).check()
        found.insert(0, f"{sanitize(str(options.cert))} (--cert, for the index)")
    return f"certificates: {', '.join(found)}"


# --- staging -------------------------------------------------------------------------------------------


def _describe_staging(subject: Subject) -> str:
    """Return how many files the sources list. Raises ReleaseError if one cannot be read."""
    options = subject.options
    query = sources.ReleaseQuery(
        project=options.project if subject.has_project else "",
        version=options.version,
        include_prereleases=options.pre,
    )
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(open_staging_client(options, SilentProgress()))
        temp_dir = stack.enter_context(sources.UnpackDirectory())
        staged = sources.list_staged_files(options.urls, query, http, temp_dir)
    shown = ", ".join(map(sanitize_source, options.urls))
    if not staged.files:
        details = [sanitize(gap.message) for gap in staged.gaps[:_MAX_GAPS]]
        raise NothingFoundError(f"{shown}: no files are listed", details=details)
    return f"{shown}: {format_count(len(staged.files), 'file')} listed"
