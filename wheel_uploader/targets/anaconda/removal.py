"""The removal of single files, and of their labels, from anaconda.org.

The API removes a whole release, or labels of every file of the organization, if a part of a request is empty:
only complete requests are sent. Its last file takes the release and the package with it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ConflictError, NetworkError
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import quote
from wheel_uploader.http.client import HttpClient
from wheel_uploader.targets.anaconda.api import MAX_FILES, Api, RemoteEntry, parse_entry
from wheel_uploader.targets.pruning import TargetFile

#: The statuses of a file or label that is already gone.
_GONE = (404, 410)


class AnacondaRemover:
    """Lists all files of a package, and removes single ones."""

    def __init__(self, api: Api, http: HttpClient, package: str) -> None:
        """``package``: its name as the API spells it."""
        self._api = api
        self._http = http
        self._package = package

    def list_files(self) -> tuple[TargetFile, ...]:
        """Return the files of all versions. Raises NetworkError for an answer that is not understood."""
        path = self._api.build_path("package", self._package)
        answer = self._api.ask("GET", path)
        data = answer.data
        if answer.status != 200 or not isinstance(data, dict):
            raise self._api.explain("GET", path, answer)
        name, listed = data.get("name"), data.get("files")
        if isinstance(name, str) and canonicalize_name(name) != canonicalize_name(self._package):
            raise NetworkError(f"{self._api.show(path)} describes another package; nothing was removed")
        if not isinstance(listed, list) or not listed or len(listed) > MAX_FILES:
            raise NetworkError(f"{self._api.show(path)} does not list the files; nothing was removed")
        return tuple(self._parse(value, path) for value in listed)

    def _parse(self, value: Any, path: str) -> TargetFile:
        entry = parse_entry(value)
        if entry is None or not entry.version:
            raise NetworkError(f"{self._api.show(path)} lists a file without a name or a version")
        kind = value.get("distribution_type") or value.get("type")
        return TargetFile(
            filename=entry.basename,
            version=entry.version,
            hashes=entry.hashes,
            uploaded_at=bounds.parse_listed_date(value.get("upload_time")),
            labels=entry.labels or (),
            kept_because=_explain_kept(kind, entry),
        )

    def remove(self, file: TargetFile, labels: Sequence[str]) -> None:
        """Remove a file, or labels from it, if it has not changed since it was listed.

        Raises ConflictError if it has, NetworkError and CredentialsError.
        """
        if not all((self._package, file.version, file.filename, *labels)):
            raise NetworkError(f"the request to remove {sanitize(file.filename)} would not be complete")
        self._http.call_with_retries(
            f"remove {sanitize(file.filename)}", functools.partial(self._attempt, file, labels)
        )

    def _attempt(self, file: TargetFile, labels: Sequence[str]) -> None:
        """Look at the file and remove it; after a lost answer, the next look shows whether it is gone."""
        path = self._api.build_path("dist", self._package, file.version, file.filename)
        answer = self._api.ask_once("GET", path)
        if answer.status == 404:
            return
        entry = parse_entry(answer.data)
        if answer.status != 200 or entry is None:
            raise self._api.explain("GET", path, answer)
        _require_unchanged(file, entry, labels)
        if not labels:
            self._send_removal(path, None)
            return
        body = {"package": self._package, "version": file.version, "basename": file.filename}
        for label in labels:
            if label in (entry.labels or ()):
                self._send_removal(f"{self._api.build_path('channels')}/{quote(label, safe='')}", body)

    def _send_removal(self, path: str, body: Mapping[str, str] | None) -> None:
        answer = self._api.ask_once("DELETE", path, body)
        if not answer.is_success and answer.status not in _GONE:
            raise self._api.explain("DELETE", path, answer)


def _explain_kept(kind: object, entry: RemoteEntry) -> str:
    """Return why a file is never removed; empty if it may be."""
    if kind != "pypi":
        return f"of the type {sanitize(str(kind), limit=40)}, not pypi"
    if not entry.labels:
        return "its labels are unknown"
    return "" if entry.hashes else "its hash is unknown"


def _require_unchanged(file: TargetFile, entry: RemoteEntry, labels: Sequence[str]) -> None:
    """Raise ConflictError unless a file has the listed bytes and the labels to keep, and no others."""
    known, now = set(file.labels), set(entry.labels or ())
    if (
        entry.basename != file.filename
        or entry.hashes != file.hashes
        or not now <= known
        or not known - set(labels or known) <= now
    ):
        raise ConflictError(
            f"{sanitize(file.filename)} has changed since it was listed",
            hint="Find out which other job changes files of this organization.",
        )
