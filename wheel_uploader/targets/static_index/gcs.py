"""A static index in a bucket of Google Cloud Storage. The only module that uses google-auth.

google-auth finds the credentials as Google's own clients do (``GOOGLE_APPLICATION_CREDENTIALS``, the files of
gcloud, the metadata server). Objects are read and written by the XML API, whose conditions are headers, and
listed by the JSON API. ``STORAGE_EMULATOR_HOST`` replaces both, without credentials.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.redaction import register_secret, sanitize
from wheel_uploader.core.urls import quote
from wheel_uploader.http.retry import parse_retry_after
from wheel_uploader.targets.static_index.object_store import (
    CHUNK_SIZE,
    MAX_LISTED_NAMES,
    MAX_PAGE_SIZE,
    ListedNames,
    NewObject,
    PreconditionFailed,
    StoredFile,
    StoredPage,
    shorten,
)

_HOST = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
#: Headers of a page that a new version keeps, besides ``x-goog-meta-*``.
_KEPT = ("content-type", "cache-control", "content-disposition", "content-language", "content-encoding")
#: Bytes of an error's body that are quoted.
_MAX_EXCERPT = 2000
_CREDENTIALS_HINT = (
    "The credentials need storage.objects.get, list, create and delete (which replaces pages) for this "
    "bucket. Check GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login"
)
_EXTRA_HINT = "Install it with: pip install 'wheel-uploader[gcs]'"
#: The methods that accept an object which does not exist.
_READING_OR_REMOVING = ("GET", "HEAD", "DELETE")


class GcsStore:
    """A bucket of Google Cloud Storage and a prefix in it."""

    has_exact_keys = True

    def __init__(self, bucket: str, prefix: str, *, timeout: float = 30.0) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.location = f"gs://{sanitize(bucket)}/{sanitize(self._prefix)}"
        try:
            import google.auth
            import google.auth.exceptions
            import google.auth.transport.requests
            import requests
        except ImportError:
            raise UsageError("gs:// needs the package google-auth", hint=_EXTRA_HINT) from None
        self._auth, self._requests = google.auth, requests
        self._auth_request = google.auth.transport.requests.Request
        self._timeout = (min(10.0, timeout), timeout)
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
        self._is_emulator = bool(emulator)
        self.endpoint = (emulator if "://" in emulator else f"http://{emulator}") if emulator else _HOST
        self._credentials: Any = None
        self._lock = threading.Lock()
        self._sessions = threading.local()

    @property
    def served_url(self) -> str:
        """The URL at which the bucket itself serves the index."""
        return f"{self.endpoint}/{quote(f'{self._bucket}/{self._prefix}')}"

    def log_in(self) -> str:
        """Find credentials as Google's clients do, and return which."""
        if self._is_emulator:
            return "not needed for STORAGE_EMULATOR_HOST"
        with self._lock:
            if self._credentials is None:
                try:
                    self._credentials, _ = self._auth.default(scopes=[_SCOPE])
                except (self._auth.exceptions.GoogleAuthError, ValueError, OSError) as error:
                    raise CredentialsError(
                        f"no Google credentials for {self.location} were found: {shorten(error)}",
                        hint=_CREDENTIALS_HINT,
                    ) from error
        account = (
            getattr(self._credentials, "service_account_email", "") or type(self._credentials).__module__
        )
        return f"Google credentials ({sanitize(str(account))})"

    def make_headers(self, content_type: str, cache_control: str) -> Mapping[str, str]:
        """Return the headers of a new page."""
        return {"content-type": content_type, "cache-control": cache_control}

    def read_page(self, key: str) -> StoredPage | None:
        """Return a page, or None if it does not exist."""
        response = self._send("GET", key, headers={"Accept-Encoding": "gzip"}, stream=True)
        with contextlib.closing(response):
            if response.status_code == 404:
                self._require_bucket(response)
                return None
            data = self._read(response, key, MAX_PAGE_SIZE + 1)
        headers = {
            name: value
            for name, value in ((name.lower(), value) for name, value in response.headers.items())
            if name in _KEPT or name.startswith("x-goog-meta-")
        }
        return StoredPage(data=data, version=self._get_generation(response, key), headers=headers)

    def stat(self, key: str) -> StoredFile | None:
        """Return the size of an object, or None if it does not exist."""
        response = self._send("HEAD", key)
        if response.status_code == 404:
            return None
        length = response.headers.get("x-goog-stored-content-length") or response.headers.get(
            "content-length", ""
        )
        return StoredFile(
            size=bounds.parse_whole_number(length, bounds.MAX_FILE_SIZE) or 0,
            created_at=bounds.parse_listed_date(response.headers.get("last-modified")),
        )

    def compute_sha256(self, key: str) -> str:
        """Return the hex sha256 of an object; read it whole."""
        digest = hashlib.sha256()
        response = self._send("GET", key, headers={"Accept-Encoding": "gzip"}, stream=True)
        with contextlib.closing(response):
            if response.status_code == 404:
                raise HttpStatusError(404, f"{self.location}{key}")
            for chunk in self._iter_chunks(response, key):
                digest.update(chunk)
        return digest.hexdigest()

    def create(self, key: str, new: NewObject) -> None:
        """Create an object. Raises PreconditionFailed if it exists."""
        new.content.seek(0)
        headers = {
            "Content-Type": new.content_type,
            "Content-Length": str(new.size),
            "x-goog-if-generation-match": "0",
            "x-goog-meta-sha256": new.sha256,
        }
        self._send("PUT", key, headers=headers, data=new.content if new.size else b"")
        new.on_sent(new.size)

    def replace(self, key: str, page: StoredPage) -> None:
        """Write a page, if it is still that version. Raises PreconditionFailed."""
        headers = {**page.headers, "x-goog-if-generation-match": page.version or "0"}
        self._send("PUT", key, headers=headers, data=page.data)

    def remove(self, key: str) -> None:
        """Remove one object; it is not an error if it does not exist."""
        self._send("DELETE", key)

    def list_names(self, folder: str) -> ListedNames:
        """Return the names below a folder."""
        start = f"{self._prefix}{folder}"
        files: set[str] = set()
        folders: set[str] = set()
        tokens: set[str] = set()
        parameters = {"prefix": start, "delimiter": "/", "fields": "items(name),prefixes,nextPageToken"}
        while True:
            url = f"{self.endpoint}/storage/v1/b/{quote(self._bucket, safe='')}/o"
            names, prefixes, token = self._load_list(self._request("GET", url, folder, params=parameters))
            files.update(name[len(start) :] for name in names)
            folders.update(prefix[len(start) :].rstrip("/") for prefix in prefixes)
            # A page that leads to itself, or to an earlier one, would be requested for ever.
            if not token or token in tokens or len(files) + len(folders) >= MAX_LISTED_NAMES:
                return ListedNames(files=frozenset(files), folders=frozenset(folders), is_complete=not token)
            tokens.add(token)
            parameters["pageToken"] = token

    def close(self) -> None:
        """Close the connections of this thread; the others end with their threads."""
        if session := getattr(self._sessions, "session", None):
            session.close()

    # --- requests --------------------------------------------------------------------------------------

    def _send(self, method: str, key: str, **arguments: Any) -> Any:
        url = f"{self.endpoint}/{quote(self._bucket, safe='')}/{quote(f'{self._prefix}{key}')}"
        return self._request(method, url, key, may_be_missing=method in _READING_OR_REMOVING, **arguments)

    def _request(
        self,
        method: str,
        url: str,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        may_be_missing: bool = False,
        **arguments: Any,
    ) -> Any:
        location = f"{self.location}{sanitize(key)}"
        try:
            response = self._get_session().request(
                method,
                url,
                headers=self._authorize(method, url, headers or {}),
                timeout=self._timeout,
                allow_redirects=False,
                **arguments,
            )
        except self._requests.RequestException as error:
            raise TransportError(f"{location}: {shorten(error)}") from error
        if response.status_code == 404 and may_be_missing:
            return response
        if not 200 <= response.status_code < 300:
            raise self._make_error(response, location)
        return response

    def _get_session(self) -> Any:
        session = getattr(self._sessions, "session", None)
        if session is None:
            session = self._sessions.session = self._requests.Session()
            # A login in ~/.netrc would replace the token.
            session.auth = lambda request: request
        return session

    def _authorize(self, method: str, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with a token, renewed if it has expired."""
        headers = dict(headers)
        if self._is_emulator:
            return headers
        self.log_in()
        with self._lock:
            try:
                self._credentials.before_request(self._auth_request(), method, url, headers)
            except self._auth.exceptions.TransportError as error:
                raise TransportError(f"{self.location}: {shorten(error)}") from error
            except self._auth.exceptions.GoogleAuthError as error:
                raise CredentialsError(
                    f"{self.location}: {shorten(error)}", hint=_CREDENTIALS_HINT
                ) from error
        register_secret(self._credentials.token)
        return headers

    def _make_error(self, response: Any, location: str) -> Exception:
        status = response.status_code
        with contextlib.closing(response):
            excerpt = sanitize(self._read_excerpt(response), limit=300)
        if status == 412:
            return PreconditionFailed()
        if status == 404:
            return UsageError(f"{location}: there is no such bucket", hint="Correct its name, or create it.")
        if status in (401, 403):
            return CredentialsError(
                f"{location}: the bucket refused the request ({excerpt})", hint=_CREDENTIALS_HINT
            )
        wait = parse_retry_after(response.headers.get("retry-after", ""))
        return HttpStatusError(
            status, location, reason=sanitize(response.reason or ""), excerpt=excerpt, retry_after=wait
        )

    def _read_excerpt(self, response: Any) -> str:
        try:
            data: bytes = next(response.iter_content(_MAX_EXCERPT), b"")
        except (self._requests.RequestException, OSError):
            return ""
        return data.decode("utf-8", "replace")

    def _require_bucket(self, response: Any) -> None:
        if "NoSuchBucket" in self._read_excerpt(response):
            raise UsageError(
                f"{self.location}: there is no such bucket", hint="Correct its name, or create it."
            )

    def _iter_chunks(self, response: Any, key: str) -> Iterator[bytes]:
        """Yield the stored bytes, and fail if fewer arrive than announced."""
        received = 0
        try:
            while chunk := response.raw.read(CHUNK_SIZE, decode_content=False):
                received += len(chunk)
                yield chunk
        except Exception as error:  # urllib3 has its own base class, which is used in other packages only.
            if type(error).__module__.startswith("urllib3"):
                raise TransportError(f"{self.location}{key}: {shorten(error)}") from error
            raise
        expected = bounds.parse_whole_number(response.headers.get("content-length", ""), bounds.MAX_FILE_SIZE)
        if expected is not None and received < expected:
            raise TransportError(
                f"{self.location}{key}: only {received} of {format_count(expected, 'byte')} arrived"
            )

    def _read(self, response: Any, key: str, limit: int) -> bytes:
        data = bytearray()
        for chunk in self._iter_chunks(response, key):
            data += chunk
            if len(data) >= limit:
                break
        return bytes(data)

    def _get_generation(self, response: Any, key: str) -> str:
        generation = str(response.headers.get("x-goog-generation", ""))
        if not bounds.is_whole_number(generation):
            raise NetworkError(
                f"{self.location}{key}: the response does not name the generation of the object"
            )
        return generation

    def _load_list(self, response: Any) -> tuple[list[str], list[str], str]:
        """Return the names and the prefixes of a list of objects, and the token of its next page."""
        try:
            value = bounds.load_json(response.content)
            names = [str(item["name"]) for item in value.get("items", []) if "name" in item]
            prefixes = [str(prefix) for prefix in value.get("prefixes", [])]
        except (ValueError, TypeError, AttributeError):
            raise NetworkError(f"{self.location}: the response is not a list of objects") from None
        return names, prefixes, str(value.get("nextPageToken") or "")
