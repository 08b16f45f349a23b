"""What an index answers to a POST: the words of real servers, and what we make of them."""

from __future__ import annotations

import pytest

from wheel_uploader.display import remember_secret
from wheel_uploader.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.publish import answers
from wheel_uploader.publish.answer_rules import Kind

#: Status, words of the server, what to do, the error that it is in the end, and some of our words.
TABLE: list[tuple[int, str, Kind, type[ReleaseError], str]] = [
    # Warehouse
    (400, "File already exists ('x.whl', with blake2_256 hash 'ab').", Kind.EXISTS, ConflictError, "already"),
    (
        400,
        "This filename was previously used by a file that has since been deleted. Use a different version.",
        Kind.REFUSED,
        ConflictError,
        "deleted",
    ),
    (
        400,
        "Uploading new files to releases older than 14 days is not allowed.",
        Kind.REFUSED,
        ConflictError,
        "closed",
    ),
    (400, "Only one sdist may be uploaded per release.", Kind.REFUSED, ConflictError, "another sdist"),
    (400, "The name 'x' is too similar to an existing project.", Kind.REFUSED, ConflictError, "too close"),
    (409, "The name 'x' conflicts with an existing project.", Kind.REFUSED, ConflictError, "too close"),
    (
        400,
        "The name 'json' (possible conflict with Python Standard Library module name).",
        Kind.REFUSED,
        ConflictError,
        "Python itself",
    ),
    (400, "The name 'x' isn't allowed.", Kind.REFUSED, ConflictError, "does not allow this project name"),
    (
        400,
        "Non-user identities cannot create new projects. This was probably caused by ...",
        Kind.REFUSED,
        CredentialsError,
        "pending publisher",
    ),
    (
        403,
        "Username/Password authentication is no longer supported. Migrate to API Tokens or ...",
        Kind.REFUSED,
        CredentialsError,
        "API tokens only",
    ),
    (
        403,
        "Invalid or non-existent authentication information.",
        Kind.REFUSED,
        CredentialsError,
        "refused the credentials",
    ),
    (403, "Invalid API Token: token is expired", Kind.REFUSED, CredentialsError, "expired"),
    (
        403,
        "The user 'a' isn't allowed to upload to project 'dipy'.",
        Kind.REFUSED,
        CredentialsError,
        "not for this project",
    ),
    (
        403,
        "Invalid API Token: project-scoped token is not valid for project: 'dipy'",
        Kind.REFUSED,
        CredentialsError,
        "not for this project",
    ),
    (
        403,
        "User 'a', associated with the API token used, does not have two-factor authentication enabled.",
        Kind.REFUSED,
        CredentialsError,
        "two-factor",
    ),
    (
        403,
        "Read-only mode: Uploads are temporarily disabled.",
        Kind.REFUSED,
        NetworkError,
        "no uploads at the moment",
    ),
    (429, "Too many new projects created", Kind.REFUSED, NetworkError, "last hour"),
    (
        400,
        "Project size too large. Limit for project 'dipy' total size is 10 GB.",
        Kind.REFUSED,
        FileError,
        "full",
    ),
    (400, "File too large. Limit for project 'dipy' is 100 MB.", Kind.REFUSED, FileError, "larger"),
    (
        400,
        "The digest supplied does not match a digest calculated from the uploaded file.",
        Kind.REFUSED,
        NetworkError,
        "damaged on the way",
    ),
    (
        400,
        "Binary wheel 'x.whl' has an unsupported platform tag 'linux_x86_64'.",
        Kind.REFUSED,
        FileError,
        "platform tag",
    ),
    (
        400,
        "The description failed to render for 'text/x-rst'.",
        Kind.REFUSED,
        FileError,
        "cannot be rendered",
    ),
    (400, "'x' is not a valid classifier. See ...", Kind.REFUSED, FileError, "metadata"),
    (
        400,
        "Invalid attestations supplied during upload: bad",
        Kind.REFUSED,
        FileError,
        "attestations",
    ),
    # pypiserver, devpi, Nexus, Artifactory, GitLab
    (400, "Package 'x.whl' already exists!", Kind.EXISTS, ConflictError, "already"),
    (409, "x.whl already exists in non-volatile index", Kind.EXISTS, ConflictError, "already"),
    (400, "Repository does not allow updating assets: pypi", Kind.EXISTS, ConflictError, "already"),
    (403, "Not enough permissions to overwrite artifact 'x'", Kind.EXISTS, ConflictError, "already"),
    (400, "Validation failed: File name has already been taken", Kind.EXISTS, ConflictError, "already"),
    (403, "no permission to submit", Kind.REFUSED, CredentialsError, "refused the credentials"),
    (404, "cannot submit to mirror index", Kind.REFUSED, UsageError, "nothing takes uploads"),
    # only a status
    (401, "", Kind.REFUSED, CredentialsError, "refused the credentials"),
    (407, "", Kind.REFUSED, CredentialsError, "proxy"),
    (405, "", Kind.REFUSED, UsageError, "nothing takes uploads"),
    (410, "", Kind.REFUSED, UsageError, "nothing takes uploads"),
    (501, "Unsupported method ('POST')", Kind.REFUSED, UsageError, "nothing takes uploads"),
    (409, "", Kind.EXISTS, ConflictError, "already"),
    (413, "", Kind.REFUSED, FileError, "larger"),
    (507, "", Kind.REFUSED, NetworkError, "the index failed"),
    (418, "", Kind.REFUSED, FileError, "refused the file"),
    *((status, "", Kind.RETRY, NetworkError, "trouble") for status in (408, 425, 500, 502, 503, 504)),
    (429, "", Kind.RETRY, NetworkError, "pause"),
]


@pytest.mark.parametrize(("status", "words", "kind", "error", "ours"), TABLE)
def test_every_answer_has_its_diagnosis(
    status: int, words: str, kind: Kind, error: type[ReleaseError], ours: str
) -> None:
    answer = answers.understand(status, words)
    assert (answer.kind, answer.error) == (kind, error)
    assert ours in answer.diagnosis
    ended = answer.as_error("x.whl")
    assert type(ended) is error
    assert ended.message.startswith(f"x.whl: {answer.diagnosis} (status {status})")
    assert ended.hint
    if words:
        assert f'the index said: "{words}"' in ended.message


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_accepted(status: int) -> None:
    assert answers.understand(status).kind is Kind.ACCEPTED


@pytest.mark.parametrize(
    ("location", "ours"),
    [
        ("https://example.com/legacy/", "the upload URL lacks its slash at the end"),
        ("https://u:p@example.org/x?token=1", "the upload URL redirects to https://example.org/x"),
        ("http://[", "the upload URL redirects to "),
        ("", "the upload URL redirects, and a file is never sent after a redirect"),
    ],
)
def test_redirects_are_not_followed(location: str, ours: str) -> None:
    headers = {"Location": location} if location else {}
    answer = answers.understand(308, "Permanent Redirect", headers, url="https://example.com/legacy")
    assert (answer.kind, answer.error) == (Kind.REFUSED, UsageError)
    assert ours in answer.diagnosis


@pytest.mark.parametrize(
    ("reason", "body", "words"),
    [
        ("Bad Request", "", ""),
        ("Invalid thing", "<html>other</html>", "Invalid thing"),
        ("400 Invalid thing", "", "Invalid thing"),
        ("Bad Request", '{"message": "M", "code": "400 C", "title": "T"}', "C"),
        ("Bad Request", '{"message": {"base": ["no"]}}', '{"base": ["no"]}'),
        ("", '{"error": "boom"}', "boom"),
        ("", "[1]", "[1]"),
        ("", '{"nothing": 1}', ""),
        ("", "{ cut", ""),
        (
            "Bad Request",
            "<head><title>400</title><style>p {}</style></head><h1>No &amp; no</h1> <p>really</p>",
            "No & no really",
        ),
        ("", "plain words\n over two lines", "plain words over two lines"),
    ],
)
def test_the_servers_own_words(reason: str, body: str, words: str) -> None:
    assert answers.server_words(reason, body, 400) == words


def test_the_servers_words_are_harmless() -> None:
    remember_secret("very-secret")
    body = "\x1b]0;x\x07 ::error::y https://u:pw@h/ pypi-AgEIcHlwaS5vcmc very-secret " + "z" * 5000
    words = answers.server_words("", body, 499)
    assert "\x1b" not in words
    assert "::error" not in words
    assert "pw@" not in words
    assert "AgEI" not in words
    assert "very-secret" not in words
    assert len(words) < 500


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("600", 600.0), ("soon", None), ("", None)])
def test_retry_after_is_taken_along(value: str, seconds: float | None) -> None:
    answer = answers.understand(429, "", {"Retry-After": value})
    assert (answer.kind, answer.retry_after) == (Kind.RETRY, seconds)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_too_long_is_not_waited_for(status: int) -> None:
    answer = answers.understand(status, "", {"Retry-After": "3600"})
    assert (answer.kind, answer.error) == (Kind.REFUSED, NetworkError)
    assert "3600 s" in answer.diagnosis
