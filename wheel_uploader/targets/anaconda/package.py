"""The files of one package on anaconda.org, as its API lists them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import IndexComparison, IndexFile, LocalFile, ProjectPage
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.task_pool import TaskPool
from wheel_uploader.core.urls import urlsplit
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import compare_with_index
from wheel_uploader.targets.anaconda.api import Api, RemoteEntry, parse_entries, parse_entry
from wheel_uploader.targets.anaconda.file_steps import load_metadata

#: Parallel requests for the state of single files.
_MAX_LOOKS = 8


class AnacondaPackage:
    """A package of an organization, and what the API said last about the files of one release."""

    def __init__(self, api: Api, http: HttpClient) -> None:
        self._api = api
        self._http = http
        #: Name and version in the paths of the API, as the metadata spells them.
        self.name, self.version = "", ""
        self._filenames: tuple[str, ...] = ()
        #: The files of the release by name.
        self.entries: dict[str, RemoteEntry] = {}
        self.exists = False

    @property
    def host(self) -> str:
        """The host of the API, for messages."""
        return sanitize(urlsplit(self._api.url).netloc)

    def set_release(self, files: Sequence[LocalFile]) -> None:
        """Set the release whose files are looked at, by the metadata of its first file. Raises FileError."""
        if not self.name:
            with VerifiedFile(files[0].path, files[0].sha256) as content:
                metadata = load_metadata(files[0], content)
            self.name, self.version = metadata["name"], metadata["version"]
        self._filenames = tuple(file.filename for file in files)

    def fetch(self, project: str) -> ProjectPage:
        """Return the files of the package, of all versions. Raises UsageError for an unknown organization."""
        name = self.name or canonicalize_name(project)
        path = self._api.build_path("package", name)
        answer = self._api.ask("GET", path)
        self.exists = answer.status != 404
        if not self.exists:
            self._require_owner()
            self._remember(())
            return ProjectPage(url=self._api.show(path), exists=False, page_format="json")
        if not answer.is_success or not isinstance(answer.data, dict) or not answer.data:
            raise self._api.explain("GET", path, answer)
        listed = answer.data.get("files")
        if isinstance(listed, list):
            entries = list(parse_entries(listed))
        else:
            # Some servers list files for a release only.
            entries = [entry for entry in self._fetch_entries(self._filenames) if entry]
        self._remember(entries)
        files = tuple(map(self._as_index_file, entries))
        return ProjectPage(url=self._api.show(path), exists=True, files=files, page_format="json")

    def _remember(self, entries: Iterable[RemoteEntry]) -> None:
        self.entries.clear()
        self.entries |= {entry.basename: entry for entry in entries if entry.basename in self._filenames}

    def _require_owner(self) -> None:
        path = self._api.build_path("user")
        answer = self._api.ask("GET", path)
        if answer.status == 404:
            raise UsageError(
                f"the organization or user {sanitize(self._api.owner)} does not exist on {self.host}",
                hint="Correct the URL of the target.",
            )
        if not answer.is_success:
            raise self._api.explain("GET", path, answer)

    def _fetch_entries(self, filenames: Sequence[str]) -> list[RemoteEntry | None]:
        """Return what the API says about each file of this release, in parallel."""
        with TaskPool("look", _MAX_LOOKS) as pool:
            return pool.map(self.fetch_entry, filenames, stop=lambda: None)

    def fetch_entry(self, filename: str, version: str = "") -> RemoteEntry | None:
        """Return what the API says about one file of a version, by default this one; None if it is absent."""
        path = self._api.build_path("dist", self.name, version or self.version, filename)
        answer = self._api.ask("GET", path)
        if answer.status == 404:
            self.entries.pop(filename, None)
            return None
        value = {"basename": filename, **answer.data} if isinstance(answer.data, dict) else None
        entry = parse_entry(value, f"{self._api.url}/")
        if not answer.is_success or entry is None or entry.basename != filename or not entry.hashes:
            raise self._api.explain("GET", path, answer)
        self.entries[filename] = entry
        return entry

    def fetch_file_state(self, file: LocalFile) -> IndexComparison:
        """Compare one file of this release with what the API says now."""
        # A saved file may be one of another version.
        version = "" if file.filename in self._filenames else str(file.name.version)
        entry = self.fetch_entry(file.filename, version)
        files = (self._as_index_file(entry),) if entry else ()
        page = ProjectPage(url=self._api.url, exists=bool(files), files=files)
        return self.compare(page, [file])[0]

    def _as_index_file(self, entry: RemoteEntry) -> IndexFile:
        return IndexFile(
            filename=entry.basename,
            url=self.download_url(entry.basename, entry.version),
            hashes=entry.hashes,
            size=entry.size,
        )

    def download_url(self, filename: str, version: str = "") -> str:
        """Return the URL of a file's bytes, which the API may redirect to its storage."""
        path = self._api.build_path("download", self.name, version or self.version, filename)
        return f"{self._api.url}/{path}"

    def compare(self, page: ProjectPage, files: Sequence[LocalFile]) -> tuple[IndexComparison, ...]:
        """Compare by sha256, and by MD5 if the API knows only that."""
        local = {file.filename: file for file in files}

        def get_sha256(served: IndexFile) -> str:
            file = local.get(served.filename)
            if "sha256" in served.hashes or file is None or "md5" not in served.hashes:
                return self.get_sha256(served)
            md5 = served.hashes["md5"]
            return file.sha256 if compute_md5(file) == md5 else describe_md5(md5)

        return compare_with_index(page, files, get_sha256)

    def get_sha256(self, file: IndexFile) -> str:
        """Return the SHA-256 of a served file, as listed or computed from a download."""
        if "sha256" in file.hashes:
            return file.hashes["sha256"]

        def download() -> str:
            digest = hashlib.sha256()
            with self._http.stream(file.url, has_trusted_digest=True) as response:
                for chunk in response.iter_chunks():
                    digest.update(chunk)
            return digest.hexdigest()

        return self._http.call_with_retries(f"hash {sanitize(file.filename)}", download)


def describe_md5(md5: str) -> str:
    """Return the substitute for the SHA-256 of a file of which the API knows only the MD5."""
    return f"unknown (md5 {md5})"


def compute_md5(file: LocalFile) -> str:
    """Return the MD5 of the verified bytes of a file. Raises FileError if they changed."""
    digest = hashlib.md5(usedforsecurity=False)
    with VerifiedFile(file.path, file.sha256, extra_hash=digest):
        return digest.hexdigest()
