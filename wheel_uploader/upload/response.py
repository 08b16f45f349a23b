"""The response of an index to an upload: status, reason and body become a diagnosis. Performs no I/O."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from wheel_uploader.core import bounds, html_text
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import urljoin, urlsplit
from wheel_uploader.http.proxy_errors import ProxyProblem
from wheel_uploader.http.proxy_settings import ProxyServer
from wheel_uploader.http.retry import MAX_RETRY_AFTER, RETRYABLE_STATUSES, parse_retry_after
from wheel_uploader.upload.response_rules import (
    PUBLISH_NEW_VERSION_HINT,
    RESPONSE_RULES,
    UPLOAD_URL_HINT,
    ResponseKind,
)

#: In characters, of a server's message.
_MAX_QUOTE = 400
#: Statuses with which a proxy answers if it cannot reach the server.
_GATEWAY_STATUSES = {502, 503, 504}
#: Number of errors that are quoted from one response.
_MAX_JSON_ERRORS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResponse:
    """The response to one upload and its meaning."""

    kind: ResponseKind
    #: HTTP status; 0 if no response arrived.
    status: int
    #: The problem in one clause, and the next step (None: the default of ``error``).
    diagnosis: str = ""
    hint: str | None = None
    #: The error to raise if this is the last attempt.
    error_type: type[ReleaseError] = NetworkError
    #: The server's message, sanitized; may be empty.
    server_message: str = ""
    #: Retry-After in seconds.
    retry_after: float | None = None
    #: True if the words are known, and leave no doubt whether the index has the file.
    is_final: bool = False
    #: True if the index cannot have stored the file, although its status leaves that open.
    stores_nothing: bool = False

    @property
    def may_be_stored(self) -> bool:
        """Return whether the index may have stored the file although it did not say so."""
        if self.kind is ResponseKind.ACCEPTED or self.stores_nothing:
            return False
        is_unclear = self.kind is ResponseKind.RETRY and self.status != HTTPStatus.TOO_MANY_REQUESTS
        return is_unclear or self.status >= 500 or 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """The diagnosis, the status and the server's message."""
        status = f" (status {self.status})" if self.status else ""
        words = f'; the index said: "{self.server_message}"' if self.server_message else ""
        return f"{self.diagnosis}{status}{words}"

    def to_error(self, filename: str) -> ReleaseError:
        """Return the error that this response means for a file."""
        return self.error_type(f"{filename}: {self.summary}", hint=self.hint)


_NO_UPLOADS = ("this URL does not accept uploads", UsageError, UPLOAD_URL_HINT)
_CHECK_CREDENTIALS = (
    "Check that the user name and the password or token are those of this index, have not expired, and "
    "permit uploads to this project."
)
_BAD_CREDENTIALS = ("the index rejected the credentials", CredentialsError, _CHECK_CREDENTIALS)
#: With words that no rule knows, neither the file nor the URL is certainly at fault.
_UNKNOWN_WORDS = (
    "If these words name a problem of the file, correct it; otherwise ask the operator of the index what "
    "they mean."
)
_NO_WORDS = "The index gave no reason: ask its operator, or look into its log."
_MAYBE_WRONG_URL = (
    f"If this is not the URL for uploads: {UPLOAD_URL_HINT} Otherwise ask the operator of the index."
)
_MAYBE_NOT_PERMITTED = (
    "If these words name a problem of the file, correct it. Otherwise check that the credentials permit "
    "uploads to this project, or ask the operator of the index what they mean."
)
#: Words of a 403 that is about the login or its permissions.
_ABOUT_LOGIN = re.compile(
    r"auth|credential|token|password|permi(?:ssion|t)|forbidden|denied|log.?in|sign.?in|access|user|account|allowed|"
    r"privilege|right|scope|role|key",
    re.IGNORECASE,
)

#: Diagnosis, error and hint by status, if no rule matches the message.
_BY_STATUS: dict[int, tuple[str, type[ReleaseError], str | None]] = {
    401: _BAD_CREDENTIALS,
    403: _BAD_CREDENTIALS,
    404: _NO_UPLOADS,
    405: _NO_UPLOADS,
    407: ("the proxy requires credentials", CredentialsError, "Add them to the URL in HTTPS_PROXY."),
    409: ("a file with this name already exists on the index", ConflictError, PUBLISH_NEW_VERSION_HINT),
    410: _NO_UPLOADS,
    413: (
        "the file is larger than the index or a proxy allows",
        FileError,
        "Ask the index for a higher limit, or make the file smaller.",
    ),
    501: _NO_UPLOADS,
}


def classify_response(
    status: int,
    reason: str = "",
    headers: Mapping[str, str] | None = None,
    body: str = "",
    *,
    url: str = "",
    proxy: ProxyServer | None = None,
) -> UploadResponse:
    """Return what a response means; ``url`` is the upload URL.

    ``proxy``: the proxy that forwarded the request without a tunnel, so that the response may be its own.
    """
    headers = headers or {}
    if proxy and status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return prevented_by_proxy(ProxyProblem(proxy=proxy, host=urlsplit(url).netloc, reason=str(status)))
    if 200 <= status < 300:
        return _succeeded(status, body)
    words = extract_server_message(reason, body, status)
    if 300 <= status < 400:
        return _redirected(status, words, headers.get("Location", ""), url)
    for rule in RESPONSE_RULES:
        if status in rule.statuses and re.search(rule.pattern, words, re.IGNORECASE):
            return UploadResponse(
                kind=rule.kind,
                status=status,
                diagnosis=rule.diagnosis,
                hint=rule.hint,
                error_type=rule.error,
                server_message=words,
                is_final=rule.is_final,
            )
    if status in RETRYABLE_STATUSES:
        return _busy(status, words, parse_retry_after(headers.get("Retry-After", "")), proxy)
    return _by_status(status, words)


_FORM = re.compile(r"<form\b", re.IGNORECASE)
#: Paths and first labels of host names that lead to a sign-in page.
_SIGN_IN_PATH = (
    r"(?:log|sign)[-_]?(?:in|on)\b|(?:sso|saml2?|oauth2?|oidc|openid|adfs|authorize|authenticate)\b"
)
_SIGN_IN_URL = re.compile(
    r"https?://(?:(?:[^/]{1,200}\.)?(?:login|signin|sso|auth|idp|accounts)\.|"
    rf"[^?#]{{1,500}}/(?:{_SIGN_IN_PATH}))",
    re.IGNORECASE,
)
_TO_SIGN_IN = rf"[\"']?[^\"'<>?\s]{{0,500}}/(?:{_SIGN_IN_PATH})"
#: Titles of sign-in pages in several languages.
_SIGN_IN_TITLE = (
    r"\bsign[ -]?(?:in|on)\b|\blog[ -]?(?:in|on)\b|\bauthenticat|\bsso\b|\banmeld|\beinloggen\b|"
    r"\bconnexion\b|\bse connecter\b|\binici(?:o|ar) (?:de )?sesi[oó]n\b|\bacceder\b|\baccedi\b|"
    r"\biniciar sess[aã]o\b|\binloggen\b|\blogga in\b|\bzaloguj|"
    r"\bвход\b|\bвойти\b|ログイン|サインイン|登录|登錄|登入|로그인"  # noqa: RUF001
)
#: Marks of a sign-in page: a password field, a form for single sign-on, the target of a form or a refresh,
#: or the title.
_SIGN_IN = re.compile(
    r"type\s{0,9}=\s{0,9}[\"']?password|\bSAMLRequest\b|"
    rf"<form\b[^<>]{{0,500}}\baction\s{{0,9}}=\s{{0,9}}{_TO_SIGN_IN}|"
    rf"<meta\b(?=[^<>]{{0,200}}\brefresh\b)[^<>]{{0,200}}\burl\s{{0,9}}=\s{{0,9}}{_TO_SIGN_IN}|"
    rf"<title[^<>]{{0,200}}>[^<>]{{0,200}}(?:{_SIGN_IN_TITLE})",
    re.IGNORECASE,
)


def _succeeded(status: int, body: str) -> UploadResponse:
    """Return the meaning of a status for success: a page with a form is not an acceptance."""
    is_page = html_text.is_markup(body)
    if is_page and _SIGN_IN.search(body):
        return UploadResponse(
            kind=ResponseKind.REJECTED,
            status=status,
            diagnosis="a sign-in page was returned, so the index did not accept the file",
            hint=f"{_CHECK_CREDENTIALS} If the index has a sign-in for browsers, create a token for uploads.",
            error_type=CredentialsError,
            is_final=True,
            stores_nothing=True,
        )
    if is_page and _FORM.search(body):
        return UploadResponse(
            kind=ResponseKind.REJECTED,
            status=status,
            diagnosis="a page with a form was returned, so the index did not accept the file",
            hint="Open the upload URL in a browser: it may be a page of a proxy, or not the URL for uploads.",
            error_type=NetworkError,
            server_message=extract_server_message("", body, status),
            is_final=True,
        )
    if _states_failure(body):
        return UploadResponse(
            kind=ResponseKind.REJECTED,
            status=status,
            diagnosis="the index returned an error with a status that means success",
            hint="If these words name a problem of the file or the login, correct it; otherwise send "
            "them to the operator of the index.",
            error_type=NetworkError,
            server_message=extract_server_message("", body, status),
            is_final=True,
        )
    return UploadResponse(kind=ResponseKind.ACCEPTED, status=status)


def _states_failure(body: str) -> bool:
    """Return whether JSON says that the request failed, as an API does that answers all requests with 200."""
    data = _load_json(body)
    if not isinstance(data, dict):
        return False
    has_error = any(data.get(key) for key in ("error", "errors"))
    is_failed = any(data.get(key) is False for key in ("success", "ok"))
    status = data.get("status", data.get("statusCode", data.get("code")))
    is_error_status = isinstance(status, int) and 400 <= status < 600
    return has_error or is_failed or is_error_status or status in ("error", "fail", "failed", "failure")


def _busy(status: int, words: str, wait: float | None, proxy: ProxyServer | None = None) -> UploadResponse:
    sender = f"the index, or the proxy {proxy}," if proxy and status in _GATEWAY_STATUSES else "the index"
    busy = "the index is rate-limiting" if status == 429 else f"{sender} returned a server error"
    if wait is not None and wait > MAX_RETRY_AFTER:
        return UploadResponse(
            kind=ResponseKind.REJECTED,
            status=status,
            diagnosis=f"{busy}, retry after {format_duration(wait)}",
            hint="Run the same command again after that time; it continues where it stopped.",
            server_message=words,
        )
    return UploadResponse(
        kind=ResponseKind.RETRY, status=status, diagnosis=busy, server_message=words, retry_after=wait
    )


def _by_status(status: int, words: str) -> UploadResponse:
    """Return the meaning of a status whose message matches no rule."""
    diagnosis, error, hint = _BY_STATUS.get(status, ("", FileError, None))
    if status in (404, 405) and words:
        diagnosis, hint = "the index rejected the upload", _MAYBE_WRONG_URL
    elif status == 403 and words and not _ABOUT_LOGIN.search(words):
        diagnosis, hint = "the index rejected the upload", _MAYBE_NOT_PERMITTED
    elif not diagnosis and status >= 500:
        diagnosis, error, hint = "the index failed", NetworkError, None
    elif not diagnosis:
        diagnosis, hint = "the index rejected the file", _UNKNOWN_WORDS if words else _NO_WORDS
    kind = ResponseKind.EXISTS if status == 409 else ResponseKind.REJECTED
    return UploadResponse(
        kind=kind, status=status, diagnosis=diagnosis, hint=hint, error_type=error, server_message=words
    )


def _redirected(status: int, words: str, location: str, url: str) -> UploadResponse:
    target = _joined(url, location)
    if location and _SIGN_IN_URL.match(target) and not _SIGN_IN_URL.match(url):
        return UploadResponse(
            kind=ResponseKind.REJECTED,
            status=status,
            diagnosis=f"the upload was redirected to a sign-in page, {sanitize(strip_url(target))}",
            hint=f"{_CHECK_CREDENTIALS} If the index has a sign-in for browsers, create a token for uploads.",
            error_type=CredentialsError,
            server_message=words,
        )
    only_slash = bool(url) and not url.endswith("/") and target == f"{url}/"
    if only_slash or "with a trailing slash" in words:
        diagnosis = "the upload URL lacks its trailing slash"
    else:
        destination = f" to {sanitize(strip_url(target))}" if location else ""
        diagnosis = f"the upload URL redirects{destination}, and uploads never follow redirects"
    return UploadResponse(
        kind=ResponseKind.REJECTED,
        status=status,
        diagnosis=diagnosis,
        hint=UPLOAD_URL_HINT,
        error_type=UsageError,
        server_message=words,
    )


def _joined(url: str, location: str) -> str:
    with contextlib.suppress(ValueError):
        return urljoin(url, location)
    return location


def missing_response(cause: str, *, is_incomplete: bool = False) -> UploadResponse:
    """Return the UploadResponse for an upload without a response: the file may have been stored or not.

    ``is_incomplete``: the file was not sent completely, so that it cannot have been stored.
    """
    return UploadResponse(
        kind=ResponseKind.RETRY, status=0, diagnosis=sanitize(cause), stores_nothing=is_incomplete
    )


def prevented_by_proxy(problem: ProxyProblem) -> UploadResponse:
    """Return the UploadResponse for an upload that a proxy prevented: nothing was sent to the index."""
    return UploadResponse(
        kind=ResponseKind.RETRY if problem.may_pass else ResponseKind.REJECTED,
        status=0,
        diagnosis=problem.message,
        hint=problem.hint,
        error_type=CredentialsError if problem.needs_login else NetworkError,
        stores_nothing=True,
    )


def untrusted_certificate(cause: str, hint: str = "") -> UploadResponse:
    """Return the UploadResponse for a TLS certificate that cannot be verified: nothing was sent.

    ``hint`` says which certificates are trusted.
    """
    return UploadResponse(
        kind=ResponseKind.REJECTED,
        status=0,
        diagnosis=f"cannot verify the TLS certificate of the index ({sanitize(cause)})",
        hint=f"{hint} Or pass it with --cert FILE." if hint else "Pass its certificate with --cert FILE.",
    )


# --- the message of the server ---------------------------------------------------------------------


def extract_server_message(reason: str, body: str, status: int) -> str:
    """Return the server's message as one sanitized line: from the reason phrase, the JSON or the page."""
    standard = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    candidates = (reason, *_from_json(body), _from_page(body))
    for candidate in candidates:
        text = " ".join(candidate[: 20 * _MAX_QUOTE].split())
        text = re.sub(rf"\A{status}\b[\s:]*", "", text)
        if text and text.lower() not in (standard.lower(), "error", "unknown"):
            return sanitize(text, limit=_MAX_QUOTE)
    return ""


#: Keys under which indexes have the words of an error in JSON, the most specific first.
_MESSAGE_KEYS = ("code", "detail", "message", "error", "errors", "title")


def _from_json(body: str) -> list[str]:
    """Return the texts of a JSON error: those under the keys that indexes use, the most specific first."""
    data = _load_json(body)
    if not isinstance(data, dict):
        return [_join_texts(data)] if _has_text(data) else []
    # Warehouse has its text in "code" ("400 <text>"); "message" wraps it in generic sentences.
    values = [data.get(key) for key in _MESSAGE_KEYS]
    texts = [_join_texts(value) for value in values if value and isinstance(value, str | list | dict)]
    # Django has the name of the field as the key: {"filename": ["This field is required."]}.
    fields = [
        f"{key}: {_join_texts(value)}"
        for key, value in data.items()
        if key not in _MESSAGE_KEYS and _has_text(value)
    ]
    return [*texts, "; ".join(fields[:_MAX_JSON_ERRORS])]


def _has_text(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and text.strip() for text in texts)


def _load_json(body: str) -> object:
    """Return the value that a body has in JSON; None if it is something else."""
    try:
        return bounds.load_json(body.lstrip("\ufeff"))
    except ValueError:
        return None


def _join_texts(value: object) -> str:
    """Return the texts of an error as they are, of a list or of an object with a usual key."""
    if isinstance(value, list):
        return "; ".join(map(_get_text, value[:_MAX_JSON_ERRORS]))
    return _get_text(value)


def _get_text(value: object) -> str:
    texts = (
        [value.get(key) for key in ("message", "detail", "description")]
        if isinstance(value, dict)
        else [value]
    )
    return next((text for text in texts if isinstance(text, str)), "") or json.dumps(value)


def _from_page(body: str) -> str:
    """Return the text of an HTML or plain-text page."""
    if body.lstrip("\ufeff \t\r\n").startswith("{"):
        return ""
    return (
        html_text.extract_visible_text(body)
        if html_text.is_markup(body)
        else body[: html_text.MAX_MARKUP_LENGTH]
    )
