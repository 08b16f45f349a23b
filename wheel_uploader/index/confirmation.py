"""Confirms an upload: polls the index until all its views list every file with the expected SHA-256.

A file that is listed may still be missing from the host that serves it, so each is requested as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    NetworkError,
    ReleaseError,
    TransportError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.models import Confirmation, IndexFile, LocalFile, ProjectPage
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.core.task_pool import TaskPool, wait_for_call
from wheel_uploader.index.client import MAX_CONNECTIONS, IndexClient

#: Seconds between two polls: short at first, because most indexes list a file at once.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 20.0
#: Seconds to wait for the HTML view if the run ends in the meantime.
_SHUTDOWN_TIMEOUT = 1.0

#: The confirmed files by view (``json``, ``html``) and file name.
_ConfirmedFiles = dict[str, dict[str, Confirmation]]


def confirm_files(
    index: IndexClient,
    project: str,
    files: Sequence[LocalFile],
    *,
    timeout: float,
    progress: Progress,
    log_in: Callable[[], bool] = lambda: False,
    was_uploaded: bool = True,
    first_page: ProjectPage | None = None,
    sleep: Callable[[float], None] = cancellation.sleep_unless_cancelled,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Confirmation, ...]:
    """Poll the index for up to ``timeout`` seconds until it lists and serves every file unchanged.

    If the index has a JSON and an HTML view, both must list the files: they are cached separately, and
    installers read either. The requests bypass caches. The first bytes of each file are requested; ``log_in``
    is called if a file requires credentials, or is not listed at the end, and returns whether credentials
    are sent now that were not sent before. Raises ConflictError as soon as the index serves different
    contents under one of the names, and DeadlineError if files are still missing at the end; ``was_uploaded``
    says whether the index accepted them just before. ``first_page`` is the page that was read just before, if
    nothing was uploaded since.
    """
    deadline = clock() + timeout
    confirmed: _ConfirmedFiles = {}
    downloads = _Downloads(index=index, log_in=log_in)
    last_error, pause, is_permanent, is_last_look = "", _MIN_PAUSE, False, False
    while True:
        try:
            page, first_page = first_page, None
            _poll(index, project, files, confirmed, page, downloads)
            last_error = ""
        except NetworkError as error:
            last_error, is_permanent = error.message, error.is_permanent
        except CredentialsError:
            if not is_last_look:
                raise
        missing = _describe_missing(files, confirmed)
        if not missing and not last_error and not downloads.problems:
            if is_last_look:
                progress.info(f"{strip_url(index.url)} lists the files to readers with a login only")
            views = tuple(confirmed)
            return tuple(replace(confirmed[views[0]][file.filename], page_formats=views) for file in files)
        remaining = deadline - clock()
        if is_permanent:
            break
        if remaining <= 0:
            # To readers without a login, the page may list a part of the files.
            if missing and not is_last_look and log_in():
                is_last_look = True
                confirmed.clear()  # Without a login, the index may have another view.
                continue
            break
        text = last_error or _describe_progress(files, missing, downloads.problems)
        progress.debug(f"{text}; checking again")
        with progress.waiting(f"confirm: {text}", seconds=remaining):
            sleep(min(pause, remaining))
        pause = min(pause * 1.5, _MAX_PAUSE)
    after = f"after {format_duration(timeout)} " if timeout else ""
    accepted = "The index accepted the files. " if was_uploaded else ""
    if is_permanent:
        raise DeadlineError(
            f"nothing shows that the index serves {format_count(len(files), 'file')}: {last_error}",
            hint=f"{accepted}Correct the URL of its pages (--index-url), or the index.",
            details=missing,
        )
    if downloads.problems and not missing:
        raise DeadlineError(
            f"{after}{strip_url(index.url)} lists {format_count(len(files), 'file')}, and "
            f"{len(downloads.problems)} cannot be downloaded",
            hint="Users cannot install the files named above. Ask the operator of the index; then run the "
            "same command again to check.",
            details=[f"{filename}: {problem}" for filename, problem in downloads.problems.items()],
        )
    problem = f"does not list {len(missing)} of" if missing else "did not return the HTML view of"
    unlisted = DeadlineError(
        f"{after}{strip_url(index.url)} {problem} {format_count(len(files), 'file')}"
        + (f" ({last_error})" if last_error else ""),
        hint="The index accepted the files, and its listing may lag: run the same command again to check."
        if was_uploaded
        else "If they were uploaded just now, wait with --confirm-timeout; otherwise publish the missing "
        "files without --verify.",
        details=missing,
    )
    raise unlisted if was_uploaded else unlisted.as_permanent()


@dataclass(slots=True, kw_only=True)
class _Downloads:
    """The files that can be downloaded, and the problems of the others by file name."""

    index: IndexClient
    log_in: Callable[[], bool]
    available: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)

    def probe(self, files: Sequence[LocalFile], confirmed: _ConfirmedFiles) -> None:
        """Request each file that is listed with the expected SHA-256 and was not available before."""
        listed = next(iter(confirmed.values()), {})
        pending = [file for file in files if file.filename in listed and file.filename not in self.available]
        self.problems = {}
        refused = self._probe_all(pending, listed)
        # In this thread, because it may have to prompt the user.
        if refused and self.log_in():
            self.log_in = lambda: False
            self._probe_all(refused, listed)

    def _probe_all(self, files: Sequence[LocalFile], listed: Mapping[str, Confirmation]) -> list[LocalFile]:
        """Request the files, several at once; return those that require credentials."""
        refused = []
        for file, problem in zip(files, self._request(files, listed), strict=True):
            self.problems.pop(file.filename, None)
            if problem is None:
                self.available.add(file.filename)
                continue
            self.problems[file.filename] = problem.message
            if isinstance(problem, CredentialsError):
                refused.append(file)
        return refused

    def _request(
        self, files: Sequence[LocalFile], listed: Mapping[str, Confirmation]
    ) -> list[ReleaseError | None]:
        """Return the problem of each file."""

        def probe(file: LocalFile) -> ReleaseError | None:
            confirmation = listed[file.filename]
            digests = {"sha256": confirmation.sha256}
            served = IndexFile(filename=file.filename, url=confirmation.url, hashes=digests)
            try:
                text = self._probe_twice(served, file)
            except (CredentialsError, NetworkError) as error:
                return error
            return NetworkError(text) if text else None

        if len(files) <= 1:
            return [probe(file) for file in files]
        with TaskPool("probe", MAX_CONNECTIONS) as pool:
            return pool.map(probe, files, stop=lambda: None)

    def _probe_twice(self, served: IndexFile, file: LocalFile) -> str:
        """Request a file, and again if the connection breaks: the server may have closed an unused one."""
        try:
            return self.index.probe_file(served, file)
        except TransportError:
            return self.index.probe_file(served, file)


def _describe_progress(
    files: Sequence[LocalFile], missing: Sequence[str], problems: Mapping[str, str]
) -> str:
    if missing or not problems:
        return f"the index does not yet list {len(missing)} of {format_count(len(files), 'file')}"
    filename, problem = next(iter(problems.items()))
    return f"{filename} is listed and cannot be downloaded: {problem}"


def _poll(
    index: IndexClient,
    project: str,
    files: Sequence[LocalFile],
    confirmed: _ConfirmedFiles,
    page: ProjectPage | None,
    downloads: _Downloads,
) -> None:
    """Look once for the unconfirmed files in the first view, and request those that it lists.

    If it lists all of them, the HTML view is read at the same time.
    """
    first_view = next(iter(confirmed), "")
    if not first_view or len(confirmed[first_view]) < len(files):
        page = page or index.fetch_project(project, revalidate=True)
        if not page.exists:
            return
        _record_confirmed(page, files, confirmed, index.get_sha256)
        first_view = page.page_format
    # An index that returns HTML to a request for JSON has only that view.
    if first_view != "json" or len(confirmed[first_view]) < len(files):
        downloads.probe(files, confirmed)
        return
    with TaskPool("html", 1, grace=_SHUTDOWN_TIMEOUT) as pool:
        call = pool.submit(index.fetch_html_project, project)
        downloads.probe(files, confirmed)
        wait_for_call(call)
        html_page = call.result()
    if html_page:
        _record_confirmed(html_page, files, confirmed, index.get_sha256)


def _describe_missing(files: Sequence[LocalFile], confirmed: _ConfirmedFiles) -> list[str]:
    """Return the names of the files that a view lacks, with the view if the other one has the file."""
    lines = []
    for file in files:
        lacking = [view for view, by_name in confirmed.items() if file.filename not in by_name]
        if lacking or not confirmed:
            view = f" (in its {lacking[0].upper()} view)" if 0 < len(lacking) < len(confirmed) else ""
            lines.append(f"{file.filename}{view}")
    return lines


def _record_confirmed(
    page: ProjectPage,
    files: Sequence[LocalFile],
    confirmed: _ConfirmedFiles,
    sha256_of: Callable[[IndexFile], str],
) -> None:
    """Record the files that the page serves unchanged. Raises ConflictError for different contents."""
    served_files = {file.filename: file for file in page.files}
    confirmed_in_view = confirmed.setdefault(page.page_format, {})
    conflicts = []
    for file in files:
        served = served_files.get(file.filename)
        if served is None or file.filename in confirmed_in_view:
            continue
        digest = sha256_of(served)
        if digest == file.sha256:
            confirmed_in_view[file.filename] = Confirmation(
                filename=file.filename, sha256=digest, url=served.url
            )
        else:
            conflicts.append(f"{file.filename}: local sha256 {file.sha256}, index sha256 {digest}")
    if conflicts:
        raise ConflictError(
            f"{strip_url(page.url)} serves {format_count(len(conflicts), 'file')} with different contents",
            hint="Yank this release now, find out who else uploads files to it, and publish a new version.",
            details=conflicts,
        )
