"""The API of anaconda.org: requests with the token, and answers as checked values."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import CredentialsError, HttpStatusError, NetworkError, TransportError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import quote
from wheel_uploader.facts.listing_page import normalize_digests, resolve_link
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.retry import RETRYABLE_STATUSES, parse_retry_after
from wheel_uploader.upload.response import extract_server_message

#: Most files that a listing of one package may have; more is an attack.
MAX_FILES = 200_000
_MAX_LABELS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request."""

    status: int
    #: The decoded JSON; None if the body is not JSON.
    data: Any = None
    #: The server's message, sanitized; may be empty.
    words: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """True for a status of success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEntry:
    """A file as the API describes it."""

    basename: str
    version: str = ""
    #: ``sha256`` and ``md5``, as far as the API knows them.
    hashes: Mapping[str, str]
    size: int | None = None
    #: None if the API does not say.
    labels: tuple[str, ...] | None = None
    #: The URL of the bytes, if the API names one.
    download_url: str = ""


class Api:
    """The API of one server. It sends the token to the scheme, host, port and path of its URL only."""

    def __init__(self, http: HttpClient, url: str, owner: str, token: str) -> None:
        """``http`` is used for the API only: it sends the token with each request."""
        self._http = http
        self.url = url
        self.owner = owner
        if token:
            http.add_headers(f"{url}/", {"authorization": f"token {token}"})

    def build_path(self, kind: str, *parts: str, escaped: str = "") -> str:
        """Return the path of a request; ``escaped`` is a last part to be quoted completely.

        The real client quotes a file name in the paths of stage and commit, and nowhere else.
        """
        path = "/".join(quote(part, safe="+!~") for part in (kind, self.owner, *parts))
        return f"{path}/{quote(escaped)}" if escaped else path

    def request(self, method: str, path: str, payload: object = None) -> Answer:
        """Send one request, which is not retried, and return its answer. Raises NetworkError."""
        content = b"" if payload is None else json.dumps(payload).encode()
        headers = {"accept": "application/json", "content-type": "application/json"}
        page = self._http.send(method, f"{self.url}/{path}", content=content, headers=headers)
        data = None
        with contextlib.suppress(ValueError):
            data = bounds.load_json(page.text)
        return Answer(
            status=page.status,
            data=data,
            words="" if 200 <= page.status < 300 else extract_server_message("", page.text, page.status),
            retry_after=parse_retry_after(page.headers.get("retry-after", "")),
        )

    def ask(self, method: str, path: str, payload: object = None) -> Answer:
        """Send a request that may be repeated, with retries, and return an answer with a status below 500.

        Raises CredentialsError for a token that is not accepted, NetworkError after the last attempt.
        """
        return self._http.call_with_retries(
            f"{method} {self.show(path)}", lambda: self.ask_once(method, path, payload)
        )

    def ask_once(self, method: str, path: str, payload: object = None) -> Answer:
        """Send a request without retries; raise the same errors as ``ask``."""
        answer = self.request(method, path, payload)
        if answer.status in RETRYABLE_STATUSES:
            raise HttpStatusError(
                answer.status, self.show(path), excerpt=answer.words, retry_after=answer.retry_after
            )
        if answer.status >= 500:
            raise TransportError(f"{self.show(path)} returned {answer.status}")
        if answer.status in (401, 403):
            raise credentials_error(answer)
        return answer

    def show(self, path: str) -> str:
        """Return the URL of a path for messages."""
        return sanitize(strip_url(f"{self.url}/{path}"))

    def explain(self, method: str, path: str, answer: Answer) -> NetworkError:
        """Return the error for an answer that was not expected."""
        words = f": {answer.words}" if answer.words else ""
        return NetworkError(f"{method} {self.show(path)} was answered with {answer.status}{words}")


def credentials_error(answer: Answer) -> CredentialsError:
    """Return the error for an answer with 401 or 403: an expired token differs from one without rights."""
    words = answer.words.lower()
    if "expired" in words:
        problem, hint = "the token has expired", "Create a new token, and set ANACONDA_API_TOKEN to it."
    elif "scope" in words:
        problem, hint = (
            "the token lacks a right",
            "Create a token with the rights to upload and to write to the API (api:write).",
        )
    else:
        problem, hint = (
            "the token was rejected",
            "Check that ANACONDA_API_TOKEN is a token of this server with write access to the organization.",
        )
    said = f'; the server said: "{answer.words}"' if answer.words else ""
    return CredentialsError(f"{problem} (status {answer.status}){said}", hint=hint)


def parse_entry(value: object, base_url: str = "") -> RemoteEntry | None:
    """Return a file of the API's JSON; None if it is not one. A hash may be missing, or the text "None".

    ``base_url``: the URL that a relative link begins at.
    """
    if not isinstance(value, dict) or not isinstance(value.get("basename"), str):
        return None
    size, _ = bounds.parse_listed_size(value.get("size"))
    hashes = {name: value.get(name) for name in ("sha256", "md5")}
    labels = value.get("labels", value.get("channels"))
    version = value.get("version")
    link = value.get("download_url")
    return RemoteEntry(
        basename=value["basename"].rpartition("/")[2],
        version=version if isinstance(version, str) else "",
        hashes=normalize_digests({name: text for name, text in hashes.items() if isinstance(text, str)}),
        size=size,
        labels=tuple(label for label in labels[:_MAX_LABELS] if isinstance(label, str))
        if isinstance(labels, list)
        else None,
        download_url=resolve_link(base_url, link) if base_url and isinstance(link, str) and link else "",
    )


def parse_entries(values: list[object]) -> Iterator[RemoteEntry]:
    """Yield the files of a list in the API's JSON. Raises NetworkError for too many."""
    if len(values) > MAX_FILES:
        raise NetworkError(f"the API lists more than {MAX_FILES} files of one package")
    for value in values:
        kind = value.get("distribution_type") or value.get("type") if isinstance(value, dict) else None
        if kind not in (None, "pypi"):
            continue
        if entry := parse_entry(value):
            yield entry
