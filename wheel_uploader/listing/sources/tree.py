"""Walks the folders of a listing: the same tree gives the same files in every format, and on a disk.

A folder is followed if its name says that it holds the release or build output, or does not tell. The walk is
bounded. A folder that was not read and may hold files of the release is a gap, which stops the run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import field

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NothingFoundError,
    ReleaseError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import GapRemedy, ListingGap, ListingNote, RemoteFile
from wheel_uploader.facts.listing_page import MAX_LINKS
from wheel_uploader.http.host_policy import find_permitting_option
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery
from wheel_uploader.listing.sources.folder_names import (
    ALIASES,
    FolderClassifier,
    FolderRole,
    parse_folder_version,
)

#: Levels of folders below the place that the user gave.
MAX_DEPTH = 12
#: Maximum number of folders that a message names.
_MAX_NAMED = 8
#: Suffixes, in lower case, of the files in folders that are reported: wheels, sdists, what belongs to one,
#: and archives. Any name that contains ".whl" is reported too.
_REPORTED_SUFFIXES = (
    *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".z", ".7z", ".zst", ".rar", ".lz4", ".lzma"),
    *(".attestation", ".asc", ".sigstore"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that a listing names."""

    #: The last segment of its path, without a slash.
    name: str
    #: A URL, or a path.
    address: str
    #: False if it may be something else, such as a link in the navigation of a site.
    is_certain: bool = True
    #: Reason, in one clause, why it must not be read; empty if it may be.
    rejection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderContents:
    """The contents of one folder."""

    files: tuple[RemoteFile, ...] = ()
    folders: tuple[Folder, ...] = ()
    gaps: tuple[ListingGap, ...] = ()
    #: One clause about a page without files; empty for a listing.
    remark: str = ""
    #: True if the folders are the projects of a package index.
    is_index: bool = False
    #: Equal for two addresses of one folder, such as those of a directory and a symbolic link to it.
    identity: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkLimits:
    """The bounds of a walk."""

    #: Maximum number of folders.
    folders: int
    #: Maximum number of folders in one folder that are followed although their names do not tell.
    unknown_folders: int
    #: Seconds after which no further folder is read.
    seconds: float


@dataclass(frozen=True, slots=True)
class _Visit:
    folder: Folder
    role: FolderRole
    #: Path below the root, with a slash at the end; empty for the root.
    path: str
    depth: int
    #: Names and sizes in each folder above this one, to recognize a symbolic link to one of them.
    ancestors: tuple[frozenset[tuple[str, int | None]], ...] = ()


@dataclass(slots=True)
class _UnreadFolders:
    """The folders that were not read, by reason."""

    too_deep: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)
    too_many: list[str] = field(default_factory=list)
    other_versions: list[str] = field(default_factory=list)
    #: True if a package index does not name the project.
    is_absent_from_index: bool = False


def walk(
    root: str,
    read_folder: Callable[[Folder], FolderContents],
    query: ReleaseQuery,
    limits: WalkLimits,
    source: str,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[ListingEntry]:
    """Yield the files of the folder at the address ``root`` and of those below it, and gaps and notes.

    ``source`` is the name of the root in messages. Raises the errors of ``read_folder`` for the root and for
    folders of the release.
    """
    yield from _Walk(read_folder, query, limits, source, clock).run(root)


def is_reported(filename: str) -> bool:
    """Return whether a file in a folder is listed: other files are too many, and cannot be released."""
    lower = filename.lower()
    return ".whl" in lower or lower.endswith(_REPORTED_SUFFIXES)


class _Walk:
    def __init__(
        self,
        read_folder: Callable[[Folder], FolderContents],
        query: ReleaseQuery,
        limits: WalkLimits,
        source: str,
        clock: Callable[[], float],
    ) -> None:
        self._read_folder = read_folder
        self._classifier = FolderClassifier(query)
        self._query = query
        self._limits = limits
        self._source = source
        self._clock = clock
        self._queue: deque[_Visit] = deque()
        self._visited: set[object] = set()
        self._unread = _UnreadFolders()
        self._read_paths: list[str] = []
        self._file_count = 0
        self._has_release_files = False

    def run(self, root: str) -> Iterator[ListingEntry]:
        """Walk the tree, level by level."""
        self._queue.append(_Visit(Folder(name="", address=root), FolderRole.RELEASE, "", 0))
        ends_at = 0.0
        while self._queue:
            visit = self._queue.popleft()
            if ends_at and self._clock() > ends_at:
                self._unread.too_late.append(visit.path)
            elif len(self._read_paths) > self._limits.folders or self._file_count > MAX_LINKS:
                self._unread.over_limit.append(visit.path)
            else:
                yield from self._visit(visit)
            ends_at = ends_at or self._clock() + self._limits.seconds
        yield from self._describe_unread()

    # --- one folder ------------------------------------------------------------------------------------

    def _visit(self, visit: _Visit) -> Iterator[ListingEntry]:
        contents = yield from self._read(visit)
        if contents is None or (contents.identity is not None and contents.identity in self._visited):
            return
        self._visited.add(contents.identity)
        # Only folders can repeat; the pages with the most files have none.
        is_in_tree = bool(visit.ancestors or contents.folders)
        names = _describe_contents(contents) if is_in_tree else frozenset()
        if names and names in visit.ancestors:
            yield self._note(f"the folder {visit.path} is a link to one above it")
            return
        if visit.path:
            self._read_paths.append(visit.path)
        yield from contents.gaps
        if contents.remark:
            yield self._note(contents.remark)
        yield from self._keep_files(contents.files, visit.depth)
        ancestors = (*visit.ancestors, names)
        for folder, role in self._choose(contents, visit.path):
            path = f"{visit.path}{folder.name}/"
            if folder.rejection:
                yield from self._reject(folder, role, path)
            elif visit.depth == MAX_DEPTH:
                self._unread.too_deep.append(path)
            else:
                self._queue.append(_Visit(folder, role, path, visit.depth + 1, ancestors))

    def _read(self, visit: _Visit) -> Generator[ListingEntry, None, FolderContents | None]:
        """Return the contents of a folder, or None if it cannot be read; yield a gap or note then."""
        try:
            return self._read_folder(visit.folder)
        except (CredentialsError, NothingFoundError, ListingError, HttpStatusError) as error:
            if not visit.path or not _is_final(error):
                raise
            if visit.role is FolderRole.UNKNOWN or not visit.folder.is_certain:
                yield self._note(f"the folder {visit.path} was not read: {error}")
            elif isinstance(error, NothingFoundError):
                message = f"the folder {visit.path} is listed, but cannot be read: {error}"
                yield self._gap(GapRemedy.WAIT, message, "Run the command again when the folder is there.")
            else:
                raise
        return None

    def _keep_files(self, files: Sequence[RemoteFile], depth: int) -> Iterator[RemoteFile]:
        for file in files:
            if depth == 0 or is_reported(file.filename):
                self._file_count += 1
                self._has_release_files = self._has_release_files or self._is_of_project(file.filename)
                yield file

    def _is_of_project(self, filename: str) -> bool:
        try:
            project = filenames.parse_filename(filename).project
        except filenames.InvalidFilename:
            return False
        return not self._classifier.project or project == self._classifier.project

    # --- the folders in it -----------------------------------------------------------------------------

    def _choose(self, contents: FolderContents, path: str) -> Iterator[tuple[Folder, FolderRole]]:
        """Yield the folders to follow, with their roles, in the order in which they are to be read."""
        if contents.is_index and self._classifier.project:
            pages = [folder for folder in contents.folders if self._classifier.is_project(folder.name)]
            self._unread.is_absent_from_index = not (pages or contents.files)
            for folder in pages:
                yield folder, FolderRole.RELEASE
            return
        by_role: dict[FolderRole, list[Folder]] = {role: [] for role in FolderRole}
        for folder in sorted(contents.folders, key=_sort_key):
            by_role[self._classifier.classify(folder.name)].append(folder)
        self._unread.other_versions += [
            f"{path}{folder.name}/" for folder in by_role[FolderRole.OTHER_VERSION][:_MAX_NAMED]
        ]
        release, unknown = by_role[FolderRole.RELEASE], by_role[FolderRole.UNKNOWN]
        unknown = [folder for folder in unknown if folder.is_certain]
        has_project = any(self._classifier.is_project(folder.name) for folder in release)
        if any(not self._classifier.is_project(folder.name) for folder in release):
            unknown = [folder for folder in unknown if folder.name.lower() not in ALIASES]
        if len(unknown) > self._limits.unknown_folders:
            unknown = self._choose_versions(unknown, path, has_project=has_project)
        for role, folders in (
            (FolderRole.RELEASE, release),
            (FolderRole.ARTIFACTS, by_role[FolderRole.ARTIFACTS]),
            (FolderRole.UNKNOWN, unknown),
        ):
            for folder in folders:
                yield folder, role

    def _choose_versions(self, folders: list[Folder], path: str, *, has_project: bool) -> list[Folder]:
        """Return the folders of the newest versions, if any version is requested: too many are listed."""
        versions = [(version, folder) for folder in folders if (version := parse_folder_version(folder.name))]
        versions.sort(key=lambda pair: pair[0], reverse=True)
        if not has_project:
            others = [folder for folder in folders if parse_folder_version(folder.name) is None]
            self._unread.too_many += [f"{path}{folder.name}/" for folder in others]
        return [folder for _, folder in versions[: self._limits.unknown_folders]]

    def _reject(self, folder: Folder, role: FolderRole, path: str) -> Iterator[ListingEntry]:
        if role is FolderRole.UNKNOWN:
            return
        option = find_permitting_option(folder.rejection)
        hint = f"If you trust that host, add {option}" if option else ""
        yield self._gap(GapRemedy.CALL, f"the folder {path} was not read: {folder.rejection}", hint)

    # --- unread folders --------------------------------------------------------------------------------

    def _describe_unread(self) -> Iterator[ListingEntry]:
        unread, hint = self._unread, "Pass the folders that hold the release, each with -u."
        if unread.too_deep:
            message = f"more than {MAX_DEPTH} levels deep, and not read: {_join(unread.too_deep)}"
            yield self._gap(GapRemedy.LAYOUT, message, hint)
        if unread.over_limit:
            limit = f"{format_count(self._limits.folders, 'folder')} or {MAX_LINKS} files"
            message = f"there are more than {limit}; not read: {_join(unread.over_limit)}"
            yield self._gap(GapRemedy.LAYOUT, message, hint)
        if unread.too_late:
            message = f"not read within {format_duration(self._limits.seconds)}: {_join(unread.too_late)}"
            yield self._gap(GapRemedy.WAIT, message, hint)
        if unread.too_many:
            message = f"{format_count(len(unread.too_many), 'folder')} not read: {_join(unread.too_many)}"
            # Without a file of the project, its folder may still appear.
            remedy = GapRemedy.LAYOUT if self._has_release_files else GapRemedy.WAIT
            yield self._gap(remedy, message, hint)
        if unread.other_versions:
            yield self._note(f"folders of other versions, not read: {_join(unread.other_versions)}")
        if unread.is_absent_from_index:
            yield self._note("the package index there does not name the project")
        if self._read_paths:
            yield self._note(f"folders searched: {_join(self._read_paths)}")

    def _gap(self, remedy: GapRemedy, message: str, hint: str) -> ListingGap:
        return ListingGap(message=f"{self._source}: {message}", source=self._source, remedy=remedy, hint=hint)

    def _note(self, message: str) -> ListingNote:
        return ListingNote(message=message, source=self._source)


def _describe_contents(contents: FolderContents) -> frozenset[tuple[str, int | None]]:
    """Return the names and sizes in a folder; empty without a wheel or sdist: other names are not unique."""
    if not any(file.filename.endswith((".whl", *filenames.SDIST_SUFFIXES)) for file in contents.files):
        return frozenset()
    files = {(file.filename, file.size) for file in contents.files}
    return frozenset(files | {(f"{folder.name}/", None) for folder in contents.folders})


def _is_final(error: ReleaseError) -> bool:
    """Return whether another attempt would give the same answer."""
    if isinstance(error, HttpStatusError):
        return error.status in {400, 403, 405, 406, 451}
    return not isinstance(error, ListingError) or error.is_permanent


def _sort_key(folder: Folder) -> tuple[str, str]:
    return folder.name, folder.address


def _join(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
    return ", ".join(paths[:_MAX_NAMED]) + more
