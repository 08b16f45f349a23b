"""Look at the index until it lists every file with our sha256, in each of its views."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from wheel_uploader import stopping
from wheel_uploader.display import bare_url, counted
from wheel_uploader.errors import ConflictError, DeadlineError, NetworkError
from wheel_uploader.index import Index
from wheel_uploader.models import Confirmation, IndexFile, LocalFile, ProjectPage
from wheel_uploader.progress import Progress

#: Seconds between two looks: short at first, since most indexes list a file at once.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 20.0

#: By view (``json``, ``html``): what it was seen to serve, by file name.
_Seen = dict[str, dict[str, Confirmation]]


def confirm(
    index: Index,
    project: str,
    files: Sequence[LocalFile],
    *,
    timeout: float,
    progress: Progress,
    sleep: Callable[[float], None] = stopping.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Confirmation, ...]:
    """Look at the index until it lists every file with our sha256, for ``timeout`` seconds at most.

    Where it has a JSON and an HTML view, in both: they are cached apart, and installers read one or the
    other. Caches on the way are asked to look again. Raises ConflictError as soon as it serves other bytes
    under one of our names, DeadlineError when files are still missing at the end.
    """
    deadline = clock() + timeout
    seen: _Seen = {}
    trouble, pause = "", _FIRST_PAUSE
    while True:
        try:
            _look(index, project, files, seen)
            trouble = ""
        except NetworkError as error:
            trouble = error.message
        missing = _missing(files, seen)
        if not missing and not trouble:
            views = tuple(seen)
            return tuple(replace(seen[views[0]][file.filename], views=views) for file in files)
        left = deadline - clock()
        if left <= 0:
            break
        text = trouble or f"the index does not yet list {len(missing)} of {counted(len(files), 'file')}"
        progress.detail(f"{text}; looking again")
        with progress.during(f"confirm: {text}", seconds=left):
            sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    known = f"does not list {len(missing)} of" if missing else "cannot be asked for the HTML view of"
    raise DeadlineError(
        f"after {timeout:.0f} s {bare_url(index.url)} {known} {counted(len(files), 'file')}"
        + (f" ({trouble})" if trouble else ""),
        hint="They were taken, the listing may be behind: run the same command again to look once more.",
        details=missing,
    )


def _look(index: Index, project: str, files: Sequence[LocalFile], seen: _Seen) -> None:
    """Look once for what has not been seen yet: first where programs look, and when all is there in HTML."""
    first = next(iter(seen), "")
    if not first or len(seen[first]) < len(files):
        page = index.page(project, fresh=True)
        if not page.exists:
            return
        _take(page, files, seen, index.sha256_of)
        first = page.view
    # An index that answers in HTML when it is asked for JSON has nothing else.
    if first == "json" and len(seen[first]) == len(files) and (other := index.html_page(project)):
        _take(other, files, seen, index.sha256_of)


def _missing(files: Sequence[LocalFile], seen: _Seen) -> list[str]:
    """The files that a view lacks; which one, where the other has it."""
    lines = []
    for file in files:
        lacking = [view for view, found in seen.items() if file.filename not in found]
        if lacking or not seen:
            where = f" (in its {lacking[0].upper()} view)" if 0 < len(lacking) < len(seen) else ""
            lines.append(f"{file.filename}{where}")
    return lines


def _take(
    page: ProjectPage, files: Sequence[LocalFile], seen: _Seen, sha256_of: Callable[[IndexFile], str]
) -> None:
    """Note which files the page serves as they are. Raises ConflictError for other bytes."""
    served = {file.filename: file for file in page.files}
    noted = seen.setdefault(page.view, {})
    wrong = []
    for file in files:
        there = served.get(file.filename)
        if there is None or file.filename in noted:
            continue
        digest = sha256_of(there)
        if digest == file.sha256:
            noted[file.filename] = Confirmation(filename=file.filename, sha256=digest, url=there.url)
        else:
            wrong.append(f"{file.filename}: ours sha256 {file.sha256}, the index {digest}")
    if wrong:
        raise ConflictError(
            f"{bare_url(page.url)} serves other bytes than ours under {len(wrong)} of our names",
            hint="Yank this release now, find out who else uploads it, and publish a new version.",
            details=wrong,
        )
