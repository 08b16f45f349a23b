"""Hashes that the person brings, which have the last word on what a file is; and what nothing vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader import names
from wheel_uploader.digests import Promise
from wheel_uploader.display import counted
from wheel_uploader.errors import FileError
from wheel_uploader.models import RemoteFile, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """The file of ``--sha256sums``: what every file of the release has to be, whatever its source says."""

    #: The file, as the person called it.
    where: str
    #: Hex sha256 by file name.
    sha256: Mapping[str, str]

    def pinned(self, listed: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
        """``listed`` with our hash for every file that we have one of, but where the listing says another.

        Then nothing else that the source says of its content counts.
        """
        return tuple(map(self._pinned, listed))

    def _pinned(self, file: RemoteFile) -> RemoteFile:
        ours = self.sha256.get(file.filename)
        if ours is None or file.hashes.get("sha256", ours) != ours:
            return file
        return replace(file, hashes={"sha256": ours}, hashes_from=self.where)

    def of_release(self, project: str, version: Version, types: Sequence[str]) -> tuple[str, ...]:
        """The files of one release that we have a hash of."""
        return tuple(filename for filename in self.sha256 if _belongs(filename, project, version, types))

    def refuse(self, selection: Selection) -> None:
        """Raise FileError that names every chosen file which is listed as another, or is not ours at all."""
        wrong = [self._why_not(file) for _, file in selection.files if file.hashes_from != self.where]
        if wrong:
            raise FileError(
                f"{len(wrong)} of {counted(len(selection.files), 'file')} are not what {self.where} says",
                details=wrong,
                hint="Nothing was downloaded. Find out who changed the files, or which list is right.",
            )

    def _why_not(self, file: RemoteFile) -> str:
        ours = self.sha256.get(file.filename)
        if ours is None:
            return f"{file.filename}: it is not in {self.where}"
        return f"{file.filename}: sha256 {file.hashes['sha256']} is listed, {ours} is in {self.where}"


def _belongs(filename: str, project: str, version: Version, types: Sequence[str]) -> bool:
    try:
        name = names.parse(filename)
    except names.NameRefused:
        return False
    wanted = (canonicalize_name(project), version)
    return (name.project, name.version) == wanted and names.matches_type(name, types)


def require(selection: Selection) -> None:
    """Raise FileError that names every chosen file of which nobody gave a hash that can be relied on."""
    promises = [(file, Promise.of(file)) for _, file in selection.files]
    bare = [(file, promise) for file, promise in promises if promise is None or promise.is_weak]
    if bare:
        raise FileError(
            f"nothing vouches for {len(bare)} of {counted(len(selection.files), 'file')}",
            details=[
                f"{file.filename}: " + (f"{promise.algorithm} alone" if promise else "no hash") + " is listed"
                for file, promise in bare
            ],
            hint="Nothing was downloaded. Bring their hashes with --sha256sums FILE, "
            "or give a place that lists a sha256 for each file.",
        )
