"""What an index answers to a POST, understood: status, reason and body to a diagnosis in our words. Pure."""

from __future__ import annotations

import contextlib
import http
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from wheel_uploader import bounded, markup
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.http.retry import MAX_RETRY_AFTER, PASSING, parse_retry_after
from wheel_uploader.publish.answer_rules import NEW_VERSION, RULES, Kind
from wheel_uploader.urls import urljoin

#: Characters of the server's own words that are quoted.
_QUOTED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one POST, and what it means."""

    kind: Kind
    #: HTTP status; 0 when no answer came.
    status: int
    #: One clause in our words, and the next step (None: the default of ``error``).
    diagnosis: str = ""
    hint: str | None = None
    #: What the answer is when it is the last one.
    error: type[ReleaseError] = NetworkError
    #: The server's own words, made harmless; empty when it had none.
    words: str = ""
    #: Seconds that the server asked us to wait.
    retry_after: float | None = None

    @property
    def sentence(self) -> str:
        """The diagnosis, the status and the server's words."""
        status = f" (status {self.status})" if self.status else ""
        words = f'; the index said: "{self.words}"' if self.words else ""
        return f"{self.diagnosis}{status}{words}"

    def as_error(self, filename: str) -> ReleaseError:
        """This answer as the end of a run."""
        return self.error(f"{filename}: {self.sentence}", hint=self.hint)


_WRONG_URL = "Give the upload URL with --repository-url, or the name of a section of .pypirc with -r."
_FILE_REFUSED = "Correct the file, rebuild, and run this again."
_NO_UPLOADS = ("nothing takes uploads at this URL", UsageError, _WRONG_URL)
_NOT_YOU = ("the index refused the credentials", CredentialsError, None)

#: Diagnosis, error and hint where the words say nothing.
_BY_STATUS: dict[int, tuple[str, type[ReleaseError], str | None]] = {
    401: _NOT_YOU,
    403: _NOT_YOU,
    404: _NO_UPLOADS,
    405: _NO_UPLOADS,
    407: ("the proxy wants credentials", CredentialsError, "Put them into the HTTPS_PROXY variable."),
    409: ("the index says that it has this file name already", ConflictError, NEW_VERSION),
    410: _NO_UPLOADS,
    413: (
        "the file is larger than the index, or a proxy before it, allows",
        FileError,
        "Ask the index for a higher limit, or make the file smaller.",
    ),
    501: _NO_UPLOADS,
}


def understand(
    status: int, reason: str = "", headers: Mapping[str, str] | None = None, body: str = "", *, url: str = ""
) -> Answer:
    """What an answer means; ``url`` is where was posted to."""
    headers = headers or {}
    if 200 <= status < 300:
        return Answer(kind=Kind.ACCEPTED, status=status)
    words = server_words(reason, body, status)
    if 300 <= status < 400:
        return _redirected(status, words, headers.get("Location", ""), url)
    for rule in RULES:
        if status in rule.statuses and re.search(rule.pattern, words, re.IGNORECASE):
            return Answer(
                kind=rule.kind,
                status=status,
                diagnosis=rule.diagnosis,
                hint=rule.hint,
                error=rule.error,
                words=words,
            )
    if status in PASSING:
        return _busy(status, words, parse_retry_after(headers.get("Retry-After", "")))
    return _by_status(status, words)


def _busy(status: int, words: str, wait: float | None) -> Answer:
    busy = "the index asks for a pause" if status == 429 else "the index has trouble"
    if wait is not None and wait > MAX_RETRY_AFTER:
        return Answer(
            kind=Kind.REFUSED,
            status=status,
            diagnosis=f"{busy} of {wait:.0f} s" if status == 429 else f"{busy} for {wait:.0f} s more",
            hint="Nothing is lost: run the same command again after that time.",
            words=words,
        )
    return Answer(kind=Kind.RETRY, status=status, diagnosis=busy, words=words, retry_after=wait)


def _by_status(status: int, words: str) -> Answer:
    """An answer whose words say nothing that we know."""
    if status in _BY_STATUS:
        diagnosis, error, hint = _BY_STATUS[status]
    elif status >= 500:
        diagnosis, error, hint = "the index failed", NetworkError, None
    else:
        diagnosis, error, hint = "the index refused the file", FileError, _FILE_REFUSED
    kind = Kind.EXISTS if status == 409 else Kind.REFUSED
    return Answer(kind=kind, status=status, diagnosis=diagnosis, hint=hint, error=error, words=words)


def _redirected(status: int, words: str, location: str, url: str) -> Answer:
    target = _joined(url, location)
    slash = bool(url) and target.endswith("/") and target.rstrip("/") == url.rstrip("/")
    if slash or "with a trailing slash" in words:
        diagnosis = "the upload URL lacks its slash at the end"
    else:
        elsewhere = f" to {printable(bare_url(target))}" if location else ""
        diagnosis = f"the upload URL redirects{elsewhere}, and a file is never sent after a redirect"
    return Answer(
        kind=Kind.REFUSED, status=status, diagnosis=diagnosis, hint=_WRONG_URL, error=UsageError, words=words
    )


def _joined(url: str, location: str) -> str:
    with contextlib.suppress(ValueError):
        return urljoin(url, location)
    return location


def no_answer(cause: str) -> Answer:
    """No answer came: the file may be stored or not."""
    return Answer(kind=Kind.RETRY, status=0, diagnosis=printable(cause))


def not_trusted(cause: str) -> Answer:
    """The TLS certificate of the index did not verify, so nothing was sent."""
    return Answer(
        kind=Kind.REFUSED,
        status=0,
        diagnosis=f"the TLS certificate of the index cannot be trusted ({printable(cause)})",
        hint="If the index has a CA of its own, give its certificate with --cert FILE.",
    )


# --- what the server said --------------------------------------------------------------------------


def server_words(reason: str, body: str, status: int) -> str:
    """The server's own explanation in one harmless line: its reason phrase, its JSON, or its page's text."""
    standard = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
    candidates = (reason, *_from_json(body), _from_page(body))
    for candidate in candidates:
        text = " ".join(candidate[: 20 * _QUOTED].split())
        text = re.sub(rf"\A{status}\b[\s:]*", "", text)
        if text and text.lower() not in (standard.lower(), "error", "unknown"):
            return printable(text, limit=_QUOTED)
    return ""


def _from_json(body: str) -> list[str]:
    """The texts of a JSON error under the keys that indexes use, the most telling first."""
    try:
        data = bounded.load_json(body)
    except ValueError:
        return []
    if not isinstance(data, dict):
        return []
    # Warehouse has its text in "code" ("400 <text>"); "message" wraps it in sentences that say nothing.
    found = (data.get(key) for key in ("code", "detail", "message", "error", "errors", "title"))
    return [value if isinstance(value, str) else json.dumps(value) for value in found if value]


def _from_page(body: str) -> str:
    """The text of an HTML or plain page."""
    if body.lstrip().startswith("{"):
        return ""
    return markup.words(body) if markup.is_markup(body) else body[: markup.LIMIT]
