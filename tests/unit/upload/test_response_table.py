"""Test what each status and each known message mean: with which statuses, and with which next step."""

from __future__ import annotations

import pytest

from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.http.proxy_errors import ProxyProblem
from wheel_uploader.http.proxy_settings import ProxyServer, ProxySettings
from wheel_uploader.upload import response
from wheel_uploader.upload.response import classify_response
from wheel_uploader.upload.response_rules import (
    PUBLISH_NEW_VERSION_HINT,
    RESPONSE_RULES,
    UPLOAD_URL_HINT,
    ResponseKind,
)

URL = "https://index.example/legacy/"
USUAL = {400, 403, 409, 422}
#: The diagnosis of a message, and the statuses with which it counts.
MESSAGES = {
    "only one sdist": ("the release already has another sdist, and only one is allowed", USUAL),
    "already exists": ("a file with this name already exists on the index", USUAL),
    "token is expired": ("the API token has expired", USUAL),
    "captcha": ("a filter in front of the index blocked the upload", {400, 403, 405, 406}),
    "repository is read-only": ("this URL does not accept uploads", {400, 403, 404, 405}),
    "too many new projects": (
        "too many projects were created from this address within the last hour",
        {429},
    ),
    "file too large": ("the file is larger than the index allows", {400, 403, 413, 422}),
    "unknown protocol version": (
        "the upload form was modified in transit, or the index expects another form",
        {400, 422},
    ),
    "file extension": ("the index does not accept the file's name", {400, 422}),
}


@pytest.mark.parametrize("words", MESSAGES)
def test_a_message_counts_with_its_statuses_only(words: str) -> None:
    diagnosis, statuses = MESSAGES[words]
    rules = [rule for rule in RESPONSE_RULES if rule.diagnosis == diagnosis]
    finality = {rule.is_final for rule in rules} if words != "already exists" else {False}
    answers = {status: classify_response(status, words) for status in range(400, 600)}
    counting = {
        status
        for status, answer in answers.items()
        if answer.diagnosis == diagnosis and answer.is_final in finality
    }
    assert counting == statuses


@pytest.mark.parametrize(
    ("words", "kind", "is_final"),
    [
        ("already exists ('x', with blake2_256 hash 'y')", ResponseKind.EXISTS, True),
        ("already exists", ResponseKind.EXISTS, False),
        ("only one sdist", ResponseKind.REJECTED, True),
    ],
)
def test_only_words_without_doubt_are_final(words: str, kind: ResponseKind, is_final: bool) -> None:
    answer = classify_response(400, words)
    assert (answer.kind, answer.is_final, answer.server_message) == (kind, is_final, words)


CHECK_CREDENTIALS = (
    "Check that the user name and the password or token are those of this index, have not expired, and "
    "permit uploads to this project."
)
UNKNOWN_WORDS = (
    "If these words name a problem of the file, correct it; otherwise ask the operator of the index what "
    "they mean."
)
NO_WORDS = "The index gave no reason: ask its operator, or look into its log."
MAYBE_WRONG_URL = (
    f"If this is not the URL for uploads: {UPLOAD_URL_HINT} Otherwise ask the operator of the index."
)
MAYBE_NOT_PERMITTED = (
    "If these words name a problem of the file, correct it. Otherwise check that the credentials permit "
    "uploads to this project, or ask the operator of the index what they mean."
)
LARGE = "Ask the index for a higher limit, or make the file smaller."
NO_UPLOADS = ("this URL does not accept uploads", UsageError, UPLOAD_URL_HINT)
BAD = ("the index rejected the credentials", CredentialsError, CHECK_CREDENTIALS)
PROXY = ("the proxy requires credentials", CredentialsError, "Add them to the URL in HTTPS_PROXY.")
EXISTS = ("a file with this name already exists on the index", ConflictError, PUBLISH_NEW_VERSION_HINT)
TOO_LARGE = ("the file is larger than the index or a proxy allows", FileError, LARGE)
FAILED = ("the index failed", NetworkError, None)
REFUSED = ("the index rejected the file", FileError, NO_WORDS)
BY_STATUS: dict[int, tuple[str, type[ReleaseError], str | None]] = {
    **dict.fromkeys((401, 403), BAD),
    **dict.fromkeys((404, 405, 410, 501), NO_UPLOADS),
    407: PROXY,
    409: EXISTS,
    413: TOO_LARGE,
    **dict.fromkeys((505, 507, 511, 599), FAILED),
    **dict.fromkeys((400, 402, 406, 411, 412, 414, 422, 451, 499), REFUSED),
}


@pytest.mark.parametrize("status", BY_STATUS)
def test_the_meaning_of_a_status_without_words(status: int) -> None:
    answer = classify_response(status)
    assert (answer.diagnosis, answer.error_type, answer.hint) == BY_STATUS[status]
    assert answer.kind is (ResponseKind.EXISTS if status == 409 else ResponseKind.REJECTED)
    assert (answer.status, answer.server_message, answer.is_final) == (status, "", False)
    assert answer.summary == f"{answer.diagnosis} (status {status})"


@pytest.mark.parametrize("status", BY_STATUS)
def test_the_meaning_of_a_status_with_unknown_words(status: int) -> None:
    answer = classify_response(status, "Nein")
    diagnosis, error, hint = BY_STATUS[status]
    if status in (404, 405):
        diagnosis, hint = "the index rejected the upload", MAYBE_WRONG_URL
    elif status == 403:
        diagnosis, hint = "the index rejected the upload", MAYBE_NOT_PERMITTED
    elif hint == NO_WORDS:
        hint = UNKNOWN_WORDS
    assert (answer.diagnosis, answer.error_type, answer.hint) == (diagnosis, error, hint)
    raised = answer.to_error("demo.whl")
    assert type(raised) is error
    assert raised.message == f'demo.whl: {diagnosis} (status {status}); the index said: "Nein"'
    assert raised.hint == (hint or error.default_hint)


@pytest.mark.parametrize(
    ("status", "may_be_stored"),
    [
        *((200, False), (400, False), (408, True), (425, True), (429, False), (499, False)),
        *((500, True), (501, True), (503, True), (505, True), (199, False), (300, False), (307, False)),
    ],
)
def test_a_server_error_may_have_stored_the_file(status: int, may_be_stored: bool) -> None:
    assert classify_response(status).may_be_stored == may_be_stored


def test_an_answer_that_never_reached_the_index_stored_nothing() -> None:
    assert response.missing_response("x").may_be_stored
    assert not response.missing_response("x", is_incomplete=True).may_be_stored
    assert not response.untrusted_certificate("x").may_be_stored
    form = classify_response(200, body="<html><form></form></html>")
    assert (form.kind, form.may_be_stored, form.is_final) == (ResponseKind.REJECTED, True, True)
    login = classify_response(299, body="<html><title>Sign in</title></html>")
    assert (login.kind, login.may_be_stored, login.is_final) == (ResponseKind.REJECTED, False, True)


def test_pages_that_are_not_an_acceptance_have_a_next_step() -> None:
    form = classify_response(200, body="<html><h1>Portal</h1><form></form></html>")
    assert form.summary == (
        "a page with a form was returned, so the index did not accept the file (status 200); the index said: "
        '"Portal"'
    )
    assert (form.error_type, form.hint) == (
        NetworkError,
        "Open the upload URL in a browser: it may be a page of a proxy, or not the URL for uploads.",
    )
    login = classify_response(200, body="<html><form><input type='password'></form></html>")
    assert login.summary == "a sign-in page was returned, so the index did not accept the file (status 200)"
    assert (login.error_type, login.hint) == (
        CredentialsError,
        f"{CHECK_CREDENTIALS} If the index has a sign-in for browsers, create a token for uploads.",
    )


# --- servers that are busy -------------------------------------------------------------------------


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> ProxyServer:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = ProxySettings().find_proxy("http://index.example/legacy/")
    assert found
    return found


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_may_be_the_proxy(proxy: ProxyServer, status: int) -> None:
    diagnosis = "the index is rate-limiting" if status == 429 else "the index returned a server error"
    answer = classify_response(status, headers={"Retry-After": "600"})
    assert (answer.kind, answer.diagnosis) == (ResponseKind.RETRY, diagnosis)
    assert (answer.retry_after, answer.error_type, answer.hint) == (600.0, NetworkError, None)
    if status in (502, 503, 504):
        diagnosis = f"the index, or the proxy {proxy}, returned a server error"
    assert classify_response(status, proxy=proxy).diagnosis == diagnosis
    late = classify_response(status, "Slow down", headers={"Retry-After": "660"}, proxy=proxy)
    assert (late.kind, late.server_message) == (ResponseKind.REJECTED, "Slow down")
    assert late.diagnosis == f"{diagnosis}, retry after 11 min"
    assert late.hint == "Run the same command again after that time; it continues where it stopped."


def test_a_proxy_that_forwards_may_require_a_login(proxy: ProxyServer) -> None:
    answer = classify_response(407, url="http://index.example/legacy/", proxy=proxy)
    assert (answer.status, answer.error_type) == (0, CredentialsError)
    assert "index.example" in answer.diagnosis or "proxy.example" in answer.diagnosis
    assert not answer.may_be_stored
    assert classify_response(400, url=URL, proxy=proxy) == classify_response(400, url=URL)


@pytest.mark.parametrize("reason", ["407", "503"])
def test_a_proxy_that_prevents_the_upload_is_named(proxy: ProxyServer, reason: str) -> None:
    problem = ProxyProblem(proxy=proxy, host="index.example", reason=reason)
    answer = response.prevented_by_proxy(problem)
    assert (answer.status, answer.diagnosis, answer.hint) == (0, problem.message, problem.hint)
    assert answer.kind is (ResponseKind.RETRY if problem.may_pass else ResponseKind.REJECTED)
    assert answer.error_type is (CredentialsError if problem.needs_login else NetworkError)
    assert answer.stores_nothing


@pytest.mark.parametrize(
    ("cause", "hint", "shown"),
    [
        ("expired", "", "Pass its certificate with --cert FILE."),
        ("ex\x1bpired", "Those of x are trusted.", "Those of x are trusted. Or pass it with --cert FILE."),
    ],
)
def test_a_certificate_that_is_not_trusted_has_a_next_step(cause: str, hint: str, shown: str) -> None:
    answer = response.untrusted_certificate(cause, hint)
    assert answer.hint == shown
    assert "\x1b" not in answer.diagnosis
    assert "\x1b" not in response.missing_response(cause).diagnosis


# --- redirects -------------------------------------------------------------------------------------

SLASH = "the upload URL lacks its trailing slash"


@pytest.mark.parametrize(
    ("url", "location", "words", "diagnosis"),
    [
        ("https://index.example/legacy", "/legacy/", "", SLASH),
        ("https://index.example/legacyX", "/legacyX/", "", SLASH),
        ("https://index.example/legacy", "/legacyX/", "", "redirects to https://index.example/legacyX/"),
        ("https://index.example/legacy", "/other", "Use it with a trailing slash", SLASH),
        ("https://index.example/legacy/", "/legacy", "", "redirects to https://index.example/legacy,"),
        ("", "https://index.example/a/", "", "redirects to https://index.example/a/,"),
        ("", "", "", "redirects, and"),
        (URL, "", "", "redirects, and"),
        (URL, "http://[", "", "redirects to "),
    ],
)
@pytest.mark.parametrize("status", [300, 301, 308, 399])
def test_names_the_target_of_a_redirect(
    status: int, url: str, location: str, words: str, diagnosis: str
) -> None:
    headers = {"Location": location} if location else {}
    answer = classify_response(status, words, headers, url=url)
    assert diagnosis in answer.diagnosis
    assert answer.diagnosis == SLASH or answer.diagnosis.endswith(", and uploads never follow redirects")
    assert (answer.kind, answer.error_type, answer.hint) == (
        ResponseKind.REJECTED,
        UsageError,
        UPLOAD_URL_HINT,
    )
    assert (answer.status, answer.server_message) == (status, words)


# --- the message of the server ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "body", "message"),
    [
        (
            "",
            '{"errors": ["one", {"message": "two"}, {"detail": "three"}, {"description": "four"}]}',
            "one; two; three; four",
        ),
        ("", '{"errors": ["1", "2", "3", "4", "5", "6"]}', "1; 2; 3; 4; 5"),
        ("", '{"errors": [{"detail": "d", "message": "m"}, {"message": 1, "detail": "x"}]}', "m; x"),
        ("", '{"errors": [{"other": "o"}, 7, ""]}', '{"other": "o"}; 7; ""'),
        ("", '{"detail": {"message": "inner"}}', "inner"),
        ("", '{"code": 7, "detail": true, "message": null, "error": "", "title": "t"}', "t"),
        ("", ' {"nothing": 7, "empty": " "}', ""),
        ("", '{"filename": ["too long", "reserved"], "n": 1}', "filename: too long; reserved"),
        ("", '["a"]', "a"),
        ("ERROR", '{"message": "Unknown", "error": "error", "title": "bad request"}', ""),
        ("400: Words", "", "Words"),
        ("4000 words", "", "4000 words"),
        ("", "<html><p>page</p></html>", "page"),
        ("Bad Request", "  bad   request ", ""),
    ],
)
def test_takes_the_first_text_that_says_something(reason: str, body: str, message: str) -> None:
    assert response.extract_server_message(reason, body, 400) == message


def test_a_status_without_a_standard_phrase_has_a_message_too() -> None:
    assert response.extract_server_message("", "words", 499) == "words"
    assert response.extract_server_message("Bad Request", "", 499) == "Bad Request"
