"""One attempt to upload a file to anaconda.org: stage, storage and commit, and what their answers mean."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.targets.anaconda import payloads, storage
from wheel_uploader.targets.anaconda.api import Answer, Api, credentials_error
from wheel_uploader.upload.package import read_metadata
from wheel_uploader.upload.response import UploadResponse, extract_server_message
from wheel_uploader.upload.response_rules import ResponseKind

#: Hint for an account that is full.
FULL_HINT = (
    "The account is full: remove old files, or ask for more storage; then run the same command again. A run "
    "with --prune N for the newest release that is there, from the wheelhouse, removes older ones."
)
_LABEL_WORDS = re.compile(r"\b(?:label|channel)s?\b", re.IGNORECASE)


class _Rejected(Exception):
    """A step was not accepted; ``response`` is its meaning."""

    def __init__(self, response: UploadResponse) -> None:
        self.response = response


@dataclass(slots=True, kw_only=True)
class FileSteps:
    """Uploads single files; may be used by any thread."""

    api: Api
    #: Sends no token and no netrc entry.
    storage_http: HttpClient
    progress: Progress
    #: Creates the package and the release of a file if they do not exist.
    create_release: Callable[[LocalFile, Mapping[str, Any]], None]
    #: The files, by sha256, whose commit was answered once with an unknown dist_id.
    uncommitted: set[str] = field(default_factory=set)
    #: The answers to the announcement of files, by sha256, whose bytes are in the storage and not committed.
    prepared: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def upload(self, file: LocalFile, labels: Sequence[str]) -> UploadResponse:
        """Make one attempt. Raises FileError if the file has changed since the check."""
        return self._attempt(file, labels, commits=True)

    def prepare(self, file: LocalFile, labels: Sequence[str]) -> UploadResponse:
        """Announce and store a file without committing it; ``upload`` then only commits it."""
        return self._attempt(file, labels, commits=False)

    def _attempt(self, file: LocalFile, labels: Sequence[str], *, commits: bool) -> UploadResponse:
        digest = hashlib.md5(usedforsecurity=False)
        is_committing = False
        try:
            with VerifiedFile(file.path, file.sha256, extra_hash=digest) as content:
                metadata = load_metadata(file, content)
                staged = self.prepared.pop(file.sha256, None)
                if staged is None:
                    staged = self._stage(file, metadata, labels)
                    self._store(file, content, staged, base64.b64encode(digest.digest()).decode())
                if commits:
                    is_committing = True
                    return self._commit(file, metadata, staged)
                self.prepared[file.sha256] = staged
                return UploadResponse(kind=ResponseKind.ACCEPTED, status=200)
        except _Rejected as rejected:
            return rejected.response
        except NetworkError as error:
            # Without a commit, the bytes are in the storage at most, and the organization has no file.
            return UploadResponse(
                kind=ResponseKind.RETRY,
                status=0,
                diagnosis=error.message,
                stores_nothing=not is_committing,
            )

    def _stage(
        self, file: LocalFile, metadata: Mapping[str, Any], labels: Sequence[str]
    ) -> Mapping[str, Any]:
        """Announce the file; create its release, once, if it does not exist or was removed meanwhile."""
        path = self._path("stage", file, metadata)
        body = payloads.build_stage(file, metadata, labels)
        answer = self.api.request("POST", path, body)
        if answer.status == 404 and not _LABEL_WORDS.search(answer.words):
            self.create_release(file, metadata)
            answer = self.api.request("POST", path, body)
        if not answer.is_success:
            raise _Rejected(_explain_stage(answer, labels))
        if not isinstance(answer.data, dict) or not isinstance(answer.data.get("dist_id"), str | int):
            raise _Rejected(_retry(answer, "the API answered the announcement of the file without a form"))
        return answer.data

    def _store(self, file: LocalFile, content: VerifiedFile, staged: Mapping[str, Any], md5: str) -> None:
        url, fields = storage.check_form(staged.get("post_url"), staged.get("form_data"))
        fields |= {"Content-Length": str(file.size), "Content-MD5": md5}
        with self.progress.file(file.filename, size=file.size) as bar:
            page = storage.post_form(self.storage_http, url, fields, file.filename, content, bar)
            if 200 <= page.status < 300:
                return
            bar.advance(-file.size)
        words = extract_server_message("", page.text, page.status)
        answer = Answer(status=page.status, words=words)
        raise _Rejected(_retry(answer, "the storage of anaconda.org did not accept the file"))

    def _commit(
        self, file: LocalFile, metadata: Mapping[str, Any], staged: Mapping[str, Any]
    ) -> UploadResponse:
        answer = self.api.request(
            "POST", self._path("commit", file, metadata), {"dist_id": staged["dist_id"]}
        )
        if answer.is_success:
            return UploadResponse(kind=ResponseKind.ACCEPTED, status=answer.status)
        if answer.status == 404:
            if file.sha256 in self.uncommitted:
                diagnosis = "the server lost the announced file twice"
                return _reject(answer, diagnosis, NetworkError, "Run the same command again.")
            self.uncommitted.add(file.sha256)
        if answer.status in (401, 403):
            return _reject_credentials(answer)
        if answer.status == 409:
            return _exists(answer)
        if answer.status == 402:
            return _full(answer)
        return _retry(answer, "the server did not confirm the file", stores_nothing=False)

    def _path(self, step: str, file: LocalFile, metadata: Mapping[str, Any]) -> str:
        return self.api.build_path(step, metadata["name"], metadata["version"], escaped=file.filename)


def load_metadata(file: LocalFile, content: VerifiedFile) -> Mapping[str, Any]:
    """Return the core metadata of a verified file. Raises FileError if there is none."""
    try:
        return read_metadata(file, content)
    except ReleaseError:
        raise
    except Exception as error:  # noqa: BLE001 (metadata parsers raise anything)
        raise FileError(
            f"the metadata of {file.filename} cannot be used: {sanitize(str(error))}",
            hint="Rebuild the file, then run the command again.",
        ) from None


# --- the meaning of answers ------------------------------------------------------------------------


def _explain_stage(answer: Answer, labels: Sequence[str]) -> UploadResponse:
    if answer.status in (401, 403):
        return _reject_credentials(answer)
    if answer.status == 402:
        return _full(answer)
    if answer.status == 409:
        return _exists(answer)
    if answer.status in (400, 404, 422) and _LABEL_WORDS.search(answer.words):
        diagnosis = f"the server does not accept the labels {', '.join(labels)}"
        return _reject(answer, diagnosis, UsageError, "Correct --label.")
    if answer.status in (400, 404, 413, 422):
        return _reject(answer, "the server rejected the file", FileError, None)
    return _retry(answer, "the server did not accept the announcement of the file")


def _reject_credentials(answer: Answer) -> UploadResponse:
    error = credentials_error(answer)
    return _reject(answer, error.message.partition(" (status")[0], CredentialsError, error.hint)


def _full(answer: Answer) -> UploadResponse:
    return _reject(answer, "the account is full", FileError, FULL_HINT)


def _exists(answer: Answer) -> UploadResponse:
    return UploadResponse(
        kind=ResponseKind.EXISTS,
        status=answer.status,
        diagnosis="a file with this name already exists in the organization",
        hint="A name exists once, across labels: publish under another version, or use --replace.",
        error_type=ConflictError,
        server_message=answer.words,
    )


def _reject(answer: Answer, diagnosis: str, error: type[ReleaseError], hint: str | None) -> UploadResponse:
    return UploadResponse(
        kind=ResponseKind.REJECTED,
        status=answer.status,
        diagnosis=diagnosis,
        hint=hint,
        error_type=error,
        server_message=answer.words,
    )


def _retry(answer: Answer, diagnosis: str, *, stores_nothing: bool = True) -> UploadResponse:
    return UploadResponse(
        kind=ResponseKind.RETRY,
        status=answer.status,
        diagnosis=diagnosis,
        server_message=answer.words,
        retry_after=answer.retry_after,
        stores_nothing=stores_nothing,
    )
