"""What an index answers to a POST: the words of real servers, and what we make of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import indexes, wheels
from tests.support.indexes import Reply
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.redaction import register_secret
from wheel_uploader.http.retry import RETRYABLE_STATUSES
from wheel_uploader.upload import response as upload_response
from wheel_uploader.upload import trusted_publishing
from wheel_uploader.upload.response_rules import ResponseKind

#: Status, words of the server, what to do, the error that it is in the end, and some of our words.
TABLE: list[tuple[int, str, ResponseKind, type[ReleaseError], str]] = [
    # Warehouse
    (
        400,
        "File already exists ('x.whl', with blake2_256 hash 'ab').",
        ResponseKind.EXISTS,
        ConflictError,
        "already",
    ),
    (
        400,
        "This filename was previously used by a file that has since been deleted. Use a different version.",
        ResponseKind.REJECTED,
        ConflictError,
        "deleted",
    ),
    (
        400,
        "Uploading new files to releases older than 14 days is not allowed.",
        ResponseKind.REJECTED,
        ConflictError,
        "closed",
    ),
    (
        400,
        "Only one sdist may be uploaded per release.",
        ResponseKind.REJECTED,
        ConflictError,
        "another sdist",
    ),
    (
        400,
        "The name 'x' is too similar to an existing project.",
        ResponseKind.REJECTED,
        ConflictError,
        "too similar",
    ),
    (
        409,
        "The name 'x' conflicts with an existing project.",
        ResponseKind.REJECTED,
        ConflictError,
        "too similar",
    ),
    (
        400,
        "The name 'json' (possible conflict with Python Standard Library module name).",
        ResponseKind.REJECTED,
        ConflictError,
        "module of the standard library",
    ),
    (
        400,
        "The name 'x' isn't allowed.",
        ResponseKind.REJECTED,
        ConflictError,
        "does not allow this project name",
    ),
    (
        400,
        "Non-user identities cannot create new projects. This was probably caused by ...",
        ResponseKind.REJECTED,
        CredentialsError,
        "pending publisher",
    ),
    (
        403,
        "Username/Password authentication is no longer supported. Migrate to API Tokens or ...",
        ResponseKind.REJECTED,
        CredentialsError,
        "only API tokens",
    ),
    (
        403,
        "Invalid or non-existent authentication information.",
        ResponseKind.REJECTED,
        CredentialsError,
        "rejected the credentials",
    ),
    (403, "Invalid API Token: token is expired", ResponseKind.REJECTED, CredentialsError, "expired"),
    (
        403,
        "The user 'a' isn't allowed to upload to project 'dipy'.",
        ResponseKind.REJECTED,
        CredentialsError,
        "not valid for this project",
    ),
    (
        403,
        "Invalid API Token: project-scoped token is not valid for project: 'dipy'",
        ResponseKind.REJECTED,
        CredentialsError,
        "not valid for this project",
    ),
    (
        403,
        "User 'a', associated with the API token used, does not have two-factor authentication enabled.",
        ResponseKind.REJECTED,
        CredentialsError,
        "two-factor",
    ),
    (
        403,
        "Read-only mode: Uploads are temporarily disabled.",
        ResponseKind.REJECTED,
        NetworkError,
        "not accept uploads at the moment",
    ),
    (429, "Too many new projects created", ResponseKind.REJECTED, NetworkError, "last hour"),
    (
        400,
        "Project size too large. Limit for project 'dipy' total size is 10 GB.",
        ResponseKind.REJECTED,
        FileError,
        "exceed its total size limit",
    ),
    (400, "File too large. Limit for project 'dipy' is 100 MB.", ResponseKind.REJECTED, FileError, "larger"),
    (
        400,
        "The digest supplied does not match a digest calculated from the uploaded file.",
        ResponseKind.REJECTED,
        NetworkError,
        "damaged in transit",
    ),
    (
        400,
        "Binary wheel 'x.whl' has an unsupported platform tag 'linux_x86_64'.",
        ResponseKind.REJECTED,
        FileError,
        "platform tag",
    ),
    (
        400,
        "The description failed to render for 'text/x-rst'.",
        ResponseKind.REJECTED,
        FileError,
        "cannot be rendered",
    ),
    (400, "'x' is not a valid classifier. See ...", ResponseKind.REJECTED, FileError, "metadata"),
    (
        400,
        "Invalid attestations supplied during upload: bad",
        ResponseKind.REJECTED,
        FileError,
        "attestations",
    ),
    # pypiserver, devpi, Nexus, Artifactory, GitLab
    (400, "Package 'x.whl' already exists!", ResponseKind.EXISTS, ConflictError, "already"),
    (409, "x.whl already exists in non-volatile index", ResponseKind.EXISTS, ConflictError, "already"),
    (400, "Repository does not allow updating assets: pypi", ResponseKind.EXISTS, ConflictError, "already"),
    (403, "Not enough permissions to overwrite artifact 'x'", ResponseKind.EXISTS, ConflictError, "already"),
    (
        400,
        "Validation failed: File name has already been taken",
        ResponseKind.EXISTS,
        ConflictError,
        "already",
    ),
    (403, "no permission to submit", ResponseKind.REJECTED, CredentialsError, "rejected the credentials"),
    (404, "cannot submit to mirror index", ResponseKind.REJECTED, UsageError, "does not accept uploads"),
    # only a status
    (401, "", ResponseKind.REJECTED, CredentialsError, "rejected the credentials"),
    (407, "", ResponseKind.REJECTED, CredentialsError, "proxy"),
    (405, "", ResponseKind.REJECTED, UsageError, "does not accept uploads"),
    (410, "", ResponseKind.REJECTED, UsageError, "does not accept uploads"),
    (501, "Unsupported method ('POST')", ResponseKind.REJECTED, UsageError, "does not accept uploads"),
    (409, "", ResponseKind.EXISTS, ConflictError, "already"),
    (413, "", ResponseKind.REJECTED, FileError, "larger"),
    (507, "", ResponseKind.REJECTED, NetworkError, "the index failed"),
    (418, "", ResponseKind.REJECTED, FileError, "rejected the file"),
    *(
        (status, "", ResponseKind.RETRY, NetworkError, "server error")
        for status in (408, 425, 500, 502, 503, 504)
    ),
    (429, "", ResponseKind.RETRY, NetworkError, "rate-limiting"),
]


#: Words that decide, and the only statuses with which they do.
WORDS_COUNT_WITH = [
    ("File already exists", "this name already exists", {400, 403, 409, 422}),
    ("The name 'x' is too similar to an existing project.", "too similar", {400, 403, 409, 422}),
    ("Too many new projects created", "within the last hour", {429}),
    (
        "File too large. Limit for project 'x' is 100 MB.",
        "larger than the index allows",
        {400, 403, 413, 422},
    ),
    ("Invalid: Python version is required.", "the upload form", {400, 422}),
    ("Invalid filename 'x'", "does not accept the file's name", {400, 422}),
]


@pytest.mark.parametrize(("words", "ours", "statuses"), WORDS_COUNT_WITH)
def test_words_decide_only_with_the_statuses_of_a_refusal(words: str, ours: str, statuses: set[int]) -> None:
    """A page of a broken server may hold any words, and a pause must not be taken for a refusal."""
    asked = {
        status
        for status in range(400, 600)
        if ours in upload_response.classify_response(status, words).diagnosis
    }
    assert asked - _BY_STATUS_ALONE.get(ours, set()) == statuses - _BY_STATUS_ALONE.get(ours, set())


#: Diagnoses that a status has without any words, too.
_BY_STATUS_ALONE = {"this name already exists": {409}}


@pytest.mark.parametrize(("status", "words", "kind", "error", "ours"), TABLE)
def test_every_answer_has_its_diagnosis(
    status: int, words: str, kind: ResponseKind, error: type[ReleaseError], ours: str
) -> None:
    answer = upload_response.classify_response(status, words)
    assert (answer.kind, answer.error_type) == (kind, error)
    assert ours in answer.diagnosis
    ended = answer.to_error("x.whl")
    assert type(ended) is error
    assert ended.message.startswith(f"x.whl: {answer.diagnosis} (status {status})")
    assert ended.hint
    if words:
        assert f'the index said: "{words}"' in ended.message


_SEE = ". See https://packaging.python.org/specifications/core-metadata for more information."
#: What Warehouse refuses, in the order in which it looks: status, words, and some of ours.
WAREHOUSE: list[tuple[int, str, type[ReleaseError], str]] = [
    # the gate
    (
        410,
        "Project pre-registration is no longer required or supported, upload ...",
        UsageError,
        "does not accept uploads",
    ),
    (
        410,
        "Uploading documentation is no longer supported, we recommend ...",
        UsageError,
        "does not accept uploads",
    ),
    (400, "name: Should not be a tuple.", NetworkError, "the upload form"),
    (
        403,
        "Read-only mode: Uploads are temporarily disabled.",
        NetworkError,
        "not accept uploads at the moment",
    ),
    (403, "New uploads are temporarily disabled. See #admin-intervention", NetworkError, "at the moment"),
    (403, "Username/Password authentication is no longer supported.", CredentialsError, "only API tokens"),
    (
        403,
        "Invalid or non-existent authentication information. See ...",
        CredentialsError,
        "rejected the cred",
    ),
    (400, "Unknown protocol version.", NetworkError, "the upload form"),
    # the form
    (400, f"'a b' is an invalid value for Name. Error: Start and end with{_SEE}", FileError, "metadata"),
    (400, "Invalid value for filetype. Error: Use a known file type.", NetworkError, "the upload form"),
    (400, "Python version is required for binary distribution uploads.", NetworkError, "the upload form"),
    (400, "Use 'source' as Python version for an sdist.", NetworkError, "the upload form"),
    (400, "Use a valid, hex-encoded, SHA256 message digest.", NetworkError, "the upload form"),
    (400, "Include at least one message digest.", NetworkError, "the upload form"),
    # metadata
    (400, f"'2.0' is not a valid metadata version{_SEE}", FileError, "metadata"),
    (400, f"import_name introduced in metadata version 2.5, not 2.1{_SEE}", FileError, "metadata"),
    (400, "The use of local versions in '1.0+cu1' is not allowed. See ...", FileError, "local part"),
    (400, f"'summary' must be a single line{_SEE}", FileError, "metadata"),
    (400, f"'summary' field must be 512 characters or less.{_SEE}", FileError, "metadata"),
    (400, f"'me' is not a valid email address: no @{_SEE}", FileError, "metadata"),
    (400, f"'x' is not a valid classifier.{_SEE}", FileError, "metadata"),
    (400, "The classifier 'x' has been deprecated, use one of [] instead.", FileError, "metadata"),
    (400, f"'ftp://x' is not a valid url.{_SEE}", FileError, "metadata"),
    (400, f"'l' must be 32 characters or less.{_SEE}", FileError, "metadata"),
    (400, f"Can't have direct dependency: x @ https://x{_SEE}", FileError, "direct URL reference"),
    (400, f"License is deprecated when License-Expression is present.{_SEE}", FileError, "metadata"),
    (400, f"'key' has invalid data{_SEE}", FileError, "metadata"),
    # the project
    (400, "Upload payload does not have a file.", NetworkError, "the upload form"),
    (
        400,
        "Non-user identities cannot create new projects. This was ...",
        CredentialsError,
        "pending publisher",
    ),
    (
        400,
        "The name 'json' isn't allowed (conflict with Python Standard Library module name).",
        ConflictError,
        "of the standard library",
    ),
    (400, "The name 'x' isn't allowed. See ... for more information.", ConflictError, "this project name"),
    (400, "The name 'dipy' is too similar to an existing project.", ConflictError, "too similar"),
    (409, "The name 'dipy' conflicts with an existing project.", ConflictError, "too similar"),
    (403, "New project registration temporarily disabled. See ...", NetworkError, "not accept new projects"),
    (429, "Too many new projects created", NetworkError, "last hour"),
    (
        403,
        "The user 'a' isn't allowed to upload to project 'dipy'. See ...",
        CredentialsError,
        "not valid for this",
    ),
    (
        403,
        "The given token isn't allowed to upload to project 'dipy'.",
        CredentialsError,
        "not valid for this",
    ),
    (403, "Invalid API Token: token is expired", CredentialsError, "expired"),
    (
        403,
        "Invalid API Token: project-scoped token is not valid for project: 'x'",
        CredentialsError,
        "not valid for",
    ),
    (
        403,
        "User 'a', associated with the API token used, does not have a verified primary email address. ...",
        CredentialsError,
        "verified e-mail",
    ),
    (
        403,
        "User 'a', associated with the API token used, does not have two-factor authentication enabled. ...",
        CredentialsError,
        "two-factor",
    ),
    (
        400,
        "Organization account owning this project is inactive. This may be ...",
        CredentialsError,
        "inactive",
    ),
    (400, "The description failed to render for 'text/x-rst'. See ...", FileError, "cannot be rendered"),
    (400, "The description failed to render in the default format of reStructuredText.", FileError, "render"),
    # the file
    (400, "Cannot upload a file with non-printable characters in the name", FileError, "the file's name"),
    (400, "Cannot upload a file with '/' or '\\' in the name.", FileError, "the file's name"),
    (400, "Invalid file extension: Extension .zip is invalid for filetype bdist_wheel.", FileError, "name"),
    (400, "Invalid distribution file.", FileError, "an invalid archive"),
    (400, "File too large. Limit for project 'dipy' is 100 MB. See ...", FileError, "larger than"),
    (
        400,
        "Project size too large. Limit for project 'dipy' total size is 10 GB.",
        FileError,
        "exceed its total size limit",
    ),
    (
        400,
        "The digest supplied does not match a digest calculated from ...",
        NetworkError,
        "damaged in transit",
    ),
    (
        400,
        "This filename was previously used by a file that has since been deleted.",
        ConflictError,
        "deleted",
    ),
    (400, "Uploading new files to releases older than 14 days is not allowed.", ConflictError, "closed"),
    (400, "Only one sdist may be uploaded per release.", ConflictError, "another sdist"),
    (400, "File is not a zipfile", FileError, "an invalid archive"),
    (400, "File is both a zip and a tar file", FileError, "an invalid archive"),
    (400, "File exceeds compression ratio of 50", FileError, "an invalid archive"),
    (400, "File does not use a supported compression type", FileError, "an invalid archive"),
    (400, "Unable to parse name and version from wheel filename", FileError, "the file's name"),
    (400, "WHEEL not found at dipy-1.11.0.dist-info/WHEEL", FileError, "missing"),
    (400, "PyArmor-encrypted content is not allowed. See ...", FileError, "obfuscated"),
    (
        400,
        "Invalid distribution file. ZIP archive not accepted: ZIP contains a data descriptor. See ...",
        FileError,
        "an invalid archive",
    ),
    (400, "Incorrect number of top-level directories in sdist", FileError, "an invalid archive"),
    (400, "PKG-INFO not found at dipy-1.11.0/PKG-INFO", FileError, "missing"),
    (400, "Filename 'x.tar.gz' is invalid, should be 'dipy-1.11.0.tar.gz'.", FileError, "the file's name"),
    (400, "Start filename for 'dipy' with 'dipy'.", FileError, "the file's name"),
    (400, "License-File LICENSE does not exist in distribution file x at y", FileError, "missing"),
    (400, "Binary wheel 'x' has an unsupported platform tag 'linux_x86_64'.", FileError, "platform tag"),
    (400, "Version in filename should be '1.11.0' not '1.11'.", FileError, "the file's name"),
    (400, "Wheel 'x' does not contain the required RECORD file: y", FileError, "missing"),
    (400, "Wheel 'x' has invalid entry points defined in the entry_points.txt file", FileError, "read"),
    (400, "Wheel 'x' does not contain the required METADATA file: y", FileError, "missing"),
    (400, "Filename is too long: 'x'", FileError, "the file's name"),
    (400, "Invalid attestations supplied during upload: bad metadata", FileError, "attestations"),
]


def test_all_that_pypi_says_is_told_in_our_words(tmp_path: Path) -> None:
    """The real command, a wheel for each: what a person reads has the diagnosis, and the index's words."""
    for number in range(len(WAREHOUSE)):
        wheels.make_wheel(tmp_path / "staged", build=str(number + 1), files={"dipy/n": b"%d" % number})
    names = [wheels.wheel_filename("dipy", "1.11.0", build=str(n + 1)) for n in range(len(WAREHOUSE))]
    with indexes.scripted_index() as served:
        for name, (status, words, _, _) in zip(names, WAREHOUSE, strict=True):
            body = json.dumps(
                {"message": "The server ...", "code": f"{status} {words}", "title": "Bad Request"}
            )
            # Warehouse has its words in both places; a proxy may lose the one, HTTP/2 does.
            say = Reply(status, words) if name in names[::2] else Reply(status, body=body)
            served.index.by_name[name] = say
        call = ["-u", "staged", "--repository-url", served.upload_url, "--keep-going", "--format", "json"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHEEL_")}
        environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": "", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "wheel_uploader", *call, "dipy", "1.11.0"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )
    # The worst of them for the person.
    assert done.returncode == ConflictError.exit_code, done.stderr
    files = {file["filename"]: file["upload"] for file in json.loads(done.stdout)["files"]}
    assert sorted(served.index.posted_filenames()) == sorted(names)
    for name, (status, words, error, ours) in zip(names, WAREHOUSE, strict=True):
        said = files[name]["reason"]
        assert files[name]["outcome"] == "rejected"
        assert ours in said.partition(" (status")[0], said
        assert f'(status {status}); the index said: "{words}"' in said
        answer = upload_response.classify_response(status, words)
        assert (answer.kind, answer.error_type) == (ResponseKind.REJECTED, error), said
        assert answer.to_error(name).hint


@pytest.mark.parametrize(
    "status", sorted({*range(400, 418), 421, 422, 423, 426, 428, 431, 451} - RETRYABLE_STATUSES)
)
def test_a_refusal_is_never_taken_for_a_pause(status: int) -> None:
    """Such a file is posted once: nothing about it will be different the next time."""
    for words in ("", "Bad Request", "something that no rule knows"):
        assert upload_response.classify_response(status, words).kind is not ResponseKind.RETRY
        assert (
            upload_response.classify_response(status, words, {"Retry-After": "1"}).kind
            is not ResponseKind.RETRY
        )


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_accepted(status: int) -> None:
    assert upload_response.classify_response(status).kind is ResponseKind.ACCEPTED


@pytest.mark.parametrize(
    ("status", "kind", "ours"),
    [
        (199, ResponseKind.REJECTED, "the index rejected the file"),
        (200, ResponseKind.ACCEPTED, ""),
        (299, ResponseKind.ACCEPTED, ""),
        (300, ResponseKind.REJECTED, "the upload URL redirects"),
        (399, ResponseKind.REJECTED, "the upload URL redirects"),
        (400, ResponseKind.REJECTED, "the index rejected the file"),
        (499, ResponseKind.REJECTED, "the index rejected the file"),
        (500, ResponseKind.RETRY, "the index returned a server error"),
        (505, ResponseKind.REJECTED, "the index failed"),
        (599, ResponseKind.REJECTED, "the index failed"),
    ],
)
def test_the_first_and_the_last_status_of_each_class(status: int, kind: ResponseKind, ours: str) -> None:
    answer = upload_response.classify_response(status, url="https://example.com/legacy")
    assert answer.kind is kind
    assert answer.diagnosis.startswith(ours)
    assert bool(answer.diagnosis) is bool(ours)


def test_without_an_answer_there_is_no_status_to_report() -> None:
    assert upload_response.missing_response("it broke").summary == "it broke"
    assert upload_response.missing_response("it broke").kind is ResponseKind.RETRY
    refused = upload_response.untrusted_certificate("expired")
    assert refused.summary == "cannot verify the TLS certificate of the index (expired)"
    assert (refused.kind, refused.error_type) == (ResponseKind.REJECTED, NetworkError)


def test_only_the_beginning_of_the_words_is_read() -> None:
    assert upload_response.extract_server_message(" " * 7_999 + "xy", "", 400) == "x"
    assert upload_response.extract_server_message(" " * 8_000 + "xy", "", 400) == ""
    assert upload_response.extract_server_message("x" * 400, "", 400) == "x" * 400
    assert upload_response.extract_server_message("x" * 401, "", 400) != "x" * 401


@pytest.mark.parametrize("key", ["code", "detail", "message", "error", "errors", "title"])
def test_every_key_of_json_that_indexes_use(key: str) -> None:
    order = ["code", "detail", "message", "error", "errors", "title"]
    less_telling = {other: other for other in order[order.index(key) + 1 :]}
    body = json.dumps({**less_telling, key: "the words", "other": "no"})
    assert upload_response.classify_response(400, "Bad Request", body=body).server_message == "the words"


@pytest.mark.parametrize(
    ("location", "ours"),
    [
        ("https://example.com/legacy/", "the upload URL lacks its trailing slash"),
        ("/legacy/", "the upload URL lacks its trailing slash"),
        ("https://u:p@example.org/x?token=1", "the upload URL redirects to https://example.org/x"),
        ("http://[", "the upload URL redirects to "),
        ("", "the upload URL redirects, and uploads never follow redirects"),
    ],
)
def test_redirects_are_not_followed(location: str, ours: str) -> None:
    headers = {"Location": location} if location else {}
    answer = upload_response.classify_response(
        308, "Permanent Redirect", headers, url="https://example.com/legacy"
    )
    assert (answer.kind, answer.error_type) == (ResponseKind.REJECTED, UsageError)
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
    assert upload_response.extract_server_message(reason, body, 400) == words


def test_the_servers_words_are_harmless() -> None:
    register_secret("very-secret")
    body = "\x1b]0;x\x07 ::error::y https://u:pw@h/ pypi-AgEIcHlwaS5vcmc very-secret " + "z" * 5000
    words = upload_response.extract_server_message("", body, 499)
    assert "\x1b" not in words
    assert "::error" not in words
    assert "pw@" not in words
    assert "AgEI" not in words
    assert "very-secret" not in words
    assert len(words) < 500


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("600", 600.0), ("soon", None), ("", None)])
def test_retry_after_is_taken_along(value: str, seconds: float | None) -> None:
    answer = upload_response.classify_response(429, "", {"Retry-After": value})
    assert (answer.kind, answer.retry_after) == (ResponseKind.RETRY, seconds)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_too_long_is_not_waited_for(status: int) -> None:
    answer = upload_response.classify_response(status, "", {"Retry-After": "3600"})
    assert (answer.kind, answer.error_type) == (ResponseKind.REJECTED, NetworkError)
    assert "3600 s" in answer.diagnosis


# --- trusted publishing ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", trusted_publishing.MINT_ERRORS)
def test_why_no_token_came(code: str) -> None:
    said = (
        "The token request failed; the index server gave the following reasons:\n\n"
        f"* `{code}`: some words\n* `other`: more \x1b[2J"
    )
    error = trusted_publishing.mint_error("https://index.example/legacy/", said)
    reason = trusted_publishing.MINT_ERRORS[code]
    assert error.message == (
        f"trusted publishing with https://index.example/legacy/ failed: {reason.diagnosis} (status 422); "
        f'the index said: "{code}: some words; other: more \\x1b[2J"'
    )
    assert error.hint == reason.hint
    assert trusted_publishing.is_retryable(said) is (code == "invalid-reuse-token")


def test_why_no_token_came_in_other_words() -> None:
    unknown = trusted_publishing.mint_error("https://h/", "The token request failed:\n* `odd`: words")
    assert unknown.message.endswith('failed: the index issued no token; the index said: "odd: words"')
    silent = trusted_publishing.mint_error("https://h/", "the index did not answer in time")
    assert silent.message == "trusted publishing with https://h/ failed: the index did not answer in time"
    assert "id-token: write" in silent.hint
    assert trusted_publishing.is_retryable("The token-minting request returned invalid JSON")
    assert not trusted_publishing.is_retryable("odd")
