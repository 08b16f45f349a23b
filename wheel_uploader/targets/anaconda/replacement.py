"""The replacement of files on anaconda.org, where a name must be free before it can be used again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from wheel_uploader.core.errors import CredentialsError, HttpStatusError, NetworkError, ReleaseError
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.http.client import HttpClient
from wheel_uploader.targets.anaconda.api import Api, RemoteEntry, credentials_error
from wheel_uploader.targets.anaconda.package import AnacondaPackage, compute_md5, describe_md5
from wheel_uploader.upload.file_replacement import OldFile
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.wheelhouse.saved_files import SavedFiles, Writer

#: The statuses of a file that is listed and whose bytes are gone.
_GONE = (404, 410)


class AnacondaReplacer:
    """Saves and removes files of one package."""

    def __init__(
        self,
        api: Api,
        http: HttpClient,
        package: AnacondaPackage,
        saved_files: SavedFiles,
        *,
        target: str,
        prepare: Callable[[LocalFile], UploadResponse],
        find_link: Callable[[LocalFile], str],
        labels: dict[str, tuple[str, ...]],
    ) -> None:
        """``find_link`` returns the link on the page that pip reads, or an empty string.

        ``labels``: the labels that each file gets in addition, by name; they are set here.
        """
        self._api = api
        self._http = http
        self._package = package
        self._saved_files = saved_files
        self._target = target
        self._prepare = prepare
        self._find_link = find_link
        self._labels = labels
        self._hashes: dict[str, Mapping[str, str]] = {}

    def find_saved(self, file: LocalFile) -> OldFile | None:
        """Return the old file that an earlier run saved and did not replace."""
        saved = self._saved_files.load(file.filename, self._target)
        if saved is None:
            return None
        self._labels[file.filename] = saved.labels
        listed_hash = ""
        # The upload reports saved bytes that are damaged.
        with contextlib.suppress(ReleaseError):
            listed_hash = describe_md5(compute_md5(saved.file))
        return OldFile(sha256=saved.file.sha256, listed_hash=listed_hash, saved=saved.file)

    def find_others(self, files: Sequence[LocalFile]) -> list[LocalFile]:
        """Return the saved files of this project with other names."""
        names, projects = {file.filename for file in files}, {file.name.project for file in files}
        others = [self._saved_files.load(name, self._target) for name in self._saved_files.list_names()]
        found = [
            other
            for other in others
            if other and other.file.filename not in names and other.file.name.project in projects
        ]
        self._labels.update({other.file.filename: other.labels for other in found})
        return [other.file for other in found]

    def discard(self, file: LocalFile) -> None:
        """Discard the saved bytes."""
        self._saved_files.discard(file.filename)

    def prepare(self, file: LocalFile) -> UploadResponse:
        """Announce the new file while the old one is there."""
        return self._prepare(file)

    def save(self, file: LocalFile) -> OldFile | None:
        """Download the bytes that the server has under this name, and compare them with its hash."""
        entry = self._package.fetch_entry(file.filename)
        if entry is None:
            return None
        self._labels[file.filename] = entry.labels or ()
        self._hashes[file.filename] = entry.hashes
        if self._is_same(entry, file):
            return OldFile(sha256=file.sha256)
        problems: list[ReleaseError] = []
        for url in self._iter_urls(file, entry):
            try:
                return self._http.call_with_retries(
                    f"save {sanitize(file.filename)}", functools.partial(self._download, file, entry, url)
                )
            except (NetworkError, CredentialsError) as error:
                problems.append(error)
        if problems and all(isinstance(each, HttpStatusError) and each.status in _GONE for each in problems):
            return OldFile(sha256=_find_sha256(entry))
        first = problems[0]
        raise first.with_details(
            message=f"{file.filename} is not replaced, because its old bytes cannot be saved: {first.message}"
        )

    def _is_same(self, entry: RemoteEntry, file: LocalFile) -> bool:
        if "sha256" in entry.hashes:
            return entry.hashes["sha256"] == file.sha256
        return entry.hashes.get("md5") == compute_md5(file)

    def _iter_urls(self, file: LocalFile, entry: RemoteEntry) -> Iterator[str]:
        yield self._package.download_url(file.filename, entry.version)
        if entry.download_url:
            yield entry.download_url
        if link := self._find_link(file):
            yield link

    def _download(self, file: LocalFile, entry: RemoteEntry, url: str) -> OldFile:
        with (
            self._saved_files.create(file.filename) as writer,
            self._http.stream(url, has_trusted_digest=True) as response,
        ):
            for chunk in response.iter_chunks():
                writer.write(chunk)
        _require_hash(file.filename, writer, entry)
        saved = self._saved_files.keep(file.filename, writer, self._target, entry.labels or ())
        return OldFile(sha256=_find_sha256(entry), saved=saved.file)

    def remove(self, file: LocalFile, _old: OldFile) -> UploadResponse:
        """Remove the old file, if the server still has the bytes that were saved."""
        entry = self._package.fetch_entry(file.filename)
        if entry is None:
            return UploadResponse(kind=ResponseKind.ACCEPTED, status=404)
        if entry.hashes != self._hashes[file.filename]:
            return UploadResponse(
                kind=ResponseKind.EXISTS, status=200, diagnosis="another job has replaced the file"
            )
        path = self._api.build_path("dist", self._package.name, self._package.version, file.filename)
        try:
            answer = self._api.request("DELETE", path)
        except NetworkError as error:
            return UploadResponse(kind=ResponseKind.RETRY, status=0, diagnosis=error.message)
        if answer.is_success or answer.status in _GONE:
            return UploadResponse(kind=ResponseKind.ACCEPTED, status=answer.status)
        if answer.status in (401, 403):
            refusal = credentials_error(answer)
            return UploadResponse(
                kind=ResponseKind.REJECTED,
                status=answer.status,
                diagnosis=refusal.message.partition(" (status")[0],
                hint=refusal.hint,
                error_type=CredentialsError,
                server_message=answer.words,
            )
        return UploadResponse(
            kind=ResponseKind.RETRY,
            status=answer.status,
            diagnosis="the server did not remove the old file",
            server_message=answer.words,
            retry_after=answer.retry_after,
        )


def _find_sha256(entry: RemoteEntry) -> str:
    """Return the SHA-256 of a file, or its substitute if only the MD5 is known."""
    return entry.hashes.get("sha256") or describe_md5(entry.hashes["md5"])


def _require_hash(filename: str, written: Writer, entry: RemoteEntry) -> None:
    """Raise NetworkError unless the bytes that were downloaded have the hash that the API lists."""
    found = {"sha256": written.sha256.hexdigest(), "md5": written.md5.hexdigest()}
    algorithm = "sha256" if "sha256" in entry.hashes else "md5"
    if found[algorithm] != entry.hashes[algorithm]:
        raise NetworkError(
            f"the bytes of {sanitize(filename)} have the {algorithm} {found[algorithm]}, and the API lists "
            f"{entry.hashes[algorithm]}"
        )
