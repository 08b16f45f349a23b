"""Sets aside the files of a release that cannot be used as they are listed: misnamed, empty, unfinished.

Each is a gap in the listing, or, if it is on this machine, a finding of the check that it fails, which the
user may ignore.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from wheel_uploader.core import filenames
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import (
    DistName,
    ExcludedFile,
    GapRemedy,
    ListingGap,
    Options,
    RemoteFile,
    SdistName,
    Selection,
    Stage,
)
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.listing import misnamed
from wheel_uploader.listing.misnamed import MisnamedFile

#: The checks that such files fail; the listing may not import them.
MISNAMED_CHECK = "name/invalid"
EMPTY_WHEEL_CHECK, EMPTY_SDIST_CHECK = "archive/unreadable", "sdist/unreadable"

HINT = "Correct the files at the staging place, or leave them out with --exclude PATTERN."
_UNFINISHED_HINT = (
    "Run the same command again when the file is complete, or leave it out with --exclude PATTERN."
)


_UNAVAILABLE_HINT = (
    "Run the same command again when the file can be downloaded, or leave it out with --exclude PATTERN."
)


def _find_unavailable(selection: Selection, files: Iterable[RemoteFile]) -> Iterator[RemoteFile]:
    """Yield the files of the release that are listed, but cannot be downloaded from anywhere.

    The files that an index has withdrawn are left out on purpose, so the release is complete without them.
    """
    unavailable = {(file.filename, file.source) for file in selection.excluded_files if file.is_unavailable}
    found = {name.filename for name, _ in selection.files}
    for file in files if found else ():
        is_missing = (file.filename, file.source) in unavailable and file.filename not in found
        if is_missing and file.unavailable_reason and not file.is_withdrawn and _has_valid_name(file):
            yield file


def _has_valid_name(file: RemoteFile) -> bool:
    try:
        filenames.parse_filename(file.filename)
    except filenames.InvalidFilename:
        return False
    return True


def find_misnamed(files: Iterable[RemoteFile]) -> Iterator[tuple[RemoteFile, MisnamedFile]]:
    """Yield the files whose names are not valid, but resemble that of a wheel or an sdist."""
    for file in files:
        if filenames.is_plain_wheel(file.filename):
            continue
        try:
            filenames.parse_filename(filenames.attested_filename(file.filename) or file.filename)
        except filenames.InvalidFilename as error:
            if not file.unavailable_reason and (resembled := misnamed.recognize(file.filename, error)):
                yield file, resembled


def set_aside(
    selection: Selection, files: Iterable[RemoteFile], options: Options, *, is_inferred: bool
) -> Selection:
    """Return ``selection`` with the misnamed, unfinished and empty files of the release among ``files``.

    They are among its excluded files; those that stop the run at once are also gaps. ``is_inferred``: the
    user gave no project, so that every misnamed wheel counts as one of the release.
    """
    files = list(files)
    selected = {id(file) for _, file in selection.files}
    problems = _Problems(options)
    for file, resembled in find_misnamed(file for file in files if id(file) not in selected):
        is_of_release = resembled.find_version(selection.project) == selection.version
        if (is_of_release and resembled.may_have_platform(options.types)) or (
            is_inferred and resembled.is_wheel
        ):
            problems.add_misnamed(file, resembled)
    empty = [(name, file) for name, file in selection.files if file.size == 0]
    if empty and options.until is Stage.LIST:
        # A run that only lists shows the files as they are; it leaves none out.
        empty_names = join_some(sanitize(file.filename) for _, file in empty)
        selection = dataclasses.replace(selection, notes=(f"empty (0 bytes): {empty_names}",))
        empty = []
    for name, file in empty:
        problems.add_empty(name, file)
    for file in _find_unavailable(selection, files):
        problems.add_unavailable(file)
    if not problems.excluded:
        return dataclasses.replace(selection, gaps=tuple(problems.gaps))
    set_aside_files = {id(file) for _, file in empty}
    kept = tuple(pair for pair in selection.files if id(pair[1]) not in set_aside_files)
    names = {name.filename for name, _ in kept}
    return dataclasses.replace(
        selection,
        files=kept,
        attestation_files=tuple(
            companion for companion in selection.attestation_files if companion.subject_filename in names
        ),
        excluded_files=(
            *problems.excluded.values(),
            *(
                file
                for file in selection.excluded_files
                if (file.filename, file.source) not in problems.excluded
            ),
        ),
        gaps=tuple(problems.gaps),
    )


class _Problems:
    """Collects the files that were set aside."""

    def __init__(self, options: Options) -> None:
        self._is_waiting = bool(options.wait)
        self._unfinished_names: set[str] = set()
        #: By file name and source.
        self.excluded: dict[tuple[str, str], ExcludedFile] = {}
        self.gaps: list[ListingGap] = []

    def add_misnamed(self, file: RemoteFile, resembled: MisnamedFile) -> None:
        """Add a file whose name is not valid; an unfinished one may become valid by itself."""
        if resembled.final_name:
            self._unfinished_names.add(resembled.final_name)
            self._add(file, resembled.reason, remedy=GapRemedy.WAIT)
        else:
            self._add(
                file,
                resembled.reason,
                check=MISNAMED_CHECK,
                remedy=None if _is_local(file) else GapRemedy.FILE,
            )

    def add_unavailable(self, file: RemoteFile) -> None:
        """Add a gap for a file of the release that is listed, but cannot be downloaded."""
        self.gaps.append(
            ListingGap(
                message=f"{sanitize(file.filename)}: {sanitize(file.unavailable_reason)}",
                source=file.source,
                remedy=GapRemedy.WAIT,
                hint=_UNAVAILABLE_HINT,
            )
        )

    def add_empty(self, name: DistName, file: RemoteFile) -> None:
        """Add a file of 0 bytes, which is the start of an upload if this run waits for the release."""
        if file.filename in self._unfinished_names or self._is_waiting:
            self._add(file, "it is empty; its upload is not finished", remedy=GapRemedy.WAIT)
            return
        check = EMPTY_SDIST_CHECK if isinstance(name, SdistName) else EMPTY_WHEEL_CHECK
        remedy = None if _is_local(file) else GapRemedy.FILE
        self._add(file, "it is empty (0 bytes)", check=check, remedy=remedy)

    def _add(
        self, file: RemoteFile, reason: str, *, check: str = "", remedy: GapRemedy | None = None
    ) -> None:
        self.excluded[file.filename, file.source] = ExcludedFile(
            filename=file.filename,
            source=file.source,
            reason=reason,
            is_unavailable=not check,
            failed_check=check,
        )
        if remedy:
            self.gaps.append(
                ListingGap(
                    message=f"{sanitize(file.filename)}: {reason}",
                    source=file.source,
                    remedy=remedy,
                    hint=_UNFINISHED_HINT if remedy is GapRemedy.WAIT else HINT,
                )
            )


def _is_local(file: RemoteFile) -> bool:
    return file.url.startswith("file:")
