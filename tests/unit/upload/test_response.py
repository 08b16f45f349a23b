"""Test the classification of upload responses, with messages of real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.testing import indexes, wheels
from tools.testing.indexes import Reply
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

#: Status, message of the server, kind, final error type, and a part of the diagnosis.
RESPONSES: list[tuple[int, str, ResponseKind, type[ReleaseError], str]] = [
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
    (400, "pypi/demo-1.0.whl cannot be updated", ResponseKind.EXISTS, ConflictError, "already"),
    (403, "Invalid API Token: signatures do not match", ResponseKind.REJECTED, CredentialsError, "mistyped"),
    (403, "Sorry, you have been blocked Ray ID: 8", ResponseKind.REJECTED, NetworkError, "a filter in front"),
    (404, "Could not locate artifact 'x:y'", ResponseKind.REJECTED, UsageError, "rejected the upload"),
    (403, "no permission to submit", ResponseKind.REJECTED, CredentialsError, "rejected the credentials"),
    (404, "cannot submit to mirror index", ResponseKind.REJECTED, UsageError, "does not accept uploads"),
    # status only
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


#: Message, a part of its diagnosis, and the only statuses with which the message counts.
STATUSES_BY_MESSAGE = [
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


@pytest.mark.parametrize(("message", "diagnosis", "statuses"), STATUSES_BY_MESSAGE)
def test_a_message_counts_only_with_certain_statuses(
    message: str, diagnosis: str, statuses: set[int]
) -> None:
    """An error page may contain any text, and a temporary failure must not become a rejection."""
    matching = {
        status
        for status in range(400, 600)
        if diagnosis in upload_response.classify_response(status, message).diagnosis
    }
    without_message = DIAGNOSIS_WITHOUT_MESSAGE.get(diagnosis, set())
    assert matching - without_message == statuses - without_message


#: Diagnoses that a status also has without a message.
DIAGNOSIS_WITHOUT_MESSAGE = {"this name already exists": {409}}


@pytest.mark.parametrize(("status", "message", "kind", "error", "diagnosis"), RESPONSES)
def test_every_response_has_a_diagnosis(
    status: int, message: str, kind: ResponseKind, error: type[ReleaseError], diagnosis: str
) -> None:
    response = upload_response.classify_response(status, message)
    assert (response.kind, response.error_type) == (kind, error)
    assert diagnosis in response.diagnosis
    raised = response.to_error("x.whl")
    assert type(raised) is error
    assert raised.message.startswith(f"x.whl: {response.diagnosis} (status {status})")
    assert raised.hint
    if message:
        assert f'the index said: "{message}"' in raised.message


SEE_ALSO = ". See https://packaging.python.org/specifications/core-metadata for more information."
#: Rejections by Warehouse, in the order of its checks: status, message, error type, part of the diagnosis.
WAREHOUSE_RESPONSES: list[tuple[int, str, type[ReleaseError], str]] = [
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
    (400, f"'a b' is an invalid value for Name. Error: Start and end with{SEE_ALSO}", FileError, "metadata"),
    (400, "Invalid value for filetype. Error: Use a known file type.", NetworkError, "the upload form"),
    (400, "Python version is required for binary distribution uploads.", NetworkError, "the upload form"),
    (400, "Use 'source' as Python version for an sdist.", NetworkError, "the upload form"),
    (400, "Use a valid, hex-encoded, SHA256 message digest.", NetworkError, "the upload form"),
    (400, "Include at least one message digest.", NetworkError, "the upload form"),
    # metadata
    (400, f"'2.0' is not a valid metadata version{SEE_ALSO}", FileError, "metadata"),
    (400, f"import_name introduced in metadata version 2.5, not 2.1{SEE_ALSO}", FileError, "metadata"),
    (400, "The use of local versions in '1.0+cu1' is not allowed. See ...", FileError, "local part"),
    (400, f"'summary' must be a single line{SEE_ALSO}", FileError, "metadata"),
    (400, f"'summary' field must be 512 characters or less.{SEE_ALSO}", FileError, "metadata"),
    (400, f"'me' is not a valid email address: no @{SEE_ALSO}", FileError, "metadata"),
    (400, f"'x' is not a valid classifier.{SEE_ALSO}", FileError, "metadata"),
    (400, "The classifier 'x' has been deprecated, use one of [] instead.", FileError, "metadata"),
    (400, f"'ftp://x' is not a valid url.{SEE_ALSO}", FileError, "metadata"),
    (400, f"'l' must be 32 characters or less.{SEE_ALSO}", FileError, "metadata"),
    (400, f"Can't have direct dependency: x @ https://x{SEE_ALSO}", FileError, "direct URL reference"),
    (400, f"License is deprecated when License-Expression is present.{SEE_ALSO}", FileError, "metadata"),
    (400, f"'key' has invalid data{SEE_ALSO}", FileError, "metadata"),
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
    (400, "This filename has already been used, use a different version.", ConflictError, "was deleted"),
    (409, "The name demo-1.0.tar.gz cannot be reused.", ConflictError, "was deleted"),
    (400, "Uploading new files to releases older than 14 days is not allowed.", ConflictError, "closed"),
    (403, "This release is closed, no new files may be uploaded.", ConflictError, "closed"),
    (400, "Version 1.0 has been locked by an owner", ConflictError, "closed"),
    (422, "Cannot upload assets to an immutable release.", ConflictError, "closed"),
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


def test_explains_every_rejection_by_pypi(tmp_path: Path) -> None:
    """Run the command with one wheel per rejection: the report has the diagnosis and the index's message."""
    for number in range(len(WAREHOUSE_RESPONSES)):
        wheels.make_wheel(tmp_path / "staged", build=str(number + 1), files={"dipy/n": b"%d" % number})
    names = [
        wheels.wheel_filename("dipy", "1.11.0", build=str(n + 1)) for n in range(len(WAREHOUSE_RESPONSES))
    ]
    with indexes.scripted_index() as served:
        for name, (status, message, _, _) in zip(names, WAREHOUSE_RESPONSES, strict=True):
            body = json.dumps(
                {"message": "The server ...", "code": f"{status} {message}", "title": "Bad Request"}
            )
            # Warehouse sends its message twice, because HTTP/2 and some proxies drop the reason phrase.
            reply = Reply(status, message) if name in names[::2] else Reply(status, body=body)
            served.index.by_name[name] = reply
        call = ["-u", "staged", "--repository-url", served.upload_url, "--keep-going", "--format", "json"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHEEL_")}
        environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": "", "HOME": str(tmp_path)}
        completed = subprocess.run(
            [sys.executable, "-m", "wheel_uploader", *call, "dipy", "1.11.0"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )
    # The exit code is that of the most severe error.
    assert completed.returncode == ConflictError.exit_code, completed.stderr
    files = {file["filename"]: file["upload"] for file in json.loads(completed.stdout)["files"]}
    assert sorted(served.index.posted_filenames()) == sorted(names)
    for name, (status, message, error, diagnosis) in zip(names, WAREHOUSE_RESPONSES, strict=True):
        reason = files[name]["reason"]
        is_about_file = issubclass(error, FileError | ConflictError)
        assert files[name]["outcome"] == ("rejected" if is_about_file else "failed")
        assert diagnosis in reason.partition(" (status")[0], reason
        assert f'(status {status}); the index said: "{message}"' in reason
        response = upload_response.classify_response(status, message)
        assert (response.kind, response.error_type) == (ResponseKind.REJECTED, error), reason
        assert response.to_error(name).hint


@pytest.mark.parametrize(
    "status", sorted({*range(400, 418), 421, 422, 423, 426, 428, 431, 451} - RETRYABLE_STATUSES)
)
def test_never_retries_a_rejection(status: int) -> None:
    """A rejected file is uploaded only once, because another attempt would not change the result."""
    for message in ("", "Bad Request", "a message without a rule"):
        assert upload_response.classify_response(status, message).kind is not ResponseKind.RETRY
        assert (
            upload_response.classify_response(status, message, {"Retry-After": "1"}).kind
            is not ResponseKind.RETRY
        )


@pytest.mark.parametrize("status", [200, 203])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('<title>Sign in</title><form><input type="password"></form>', CredentialsError),
        ("<!doctype html><html><head><title>Acme - Log in</title>", CredentialsError),
        ("<body onload=x><form method=post><input name='SAMLRequest' type=hidden></form>", CredentialsError),
        ("\n<html><FORM action='/terms'>Accept the terms</FORM></html>", NetworkError),
    ],
)
def test_a_page_with_a_form_is_not_an_acceptance(status: int, body: str, error: type[ReleaseError]) -> None:
    response = upload_response.classify_response(status, body=body)
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, error)
    assert "did not accept the file" in response.diagnosis


@pytest.mark.parametrize("body", ["OK", "<html>Uploaded</html>", '{"form": "<form type=password>"}', ""])
def test_other_bodies_of_a_success_are_acceptances(body: str) -> None:
    assert upload_response.classify_response(201, body=body).kind is ResponseKind.ACCEPTED


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: f"{row[0]} {row[1][:30]}")
def test_no_hint_names_the_variables_that_were_used(
    row: tuple[int, str, ResponseKind, type[ReleaseError], str],
) -> None:
    assert "TWINE_" not in upload_response.classify_response(row[0], row[1]).to_error("x.whl").hint


def test_an_unknown_rejection_does_not_send_anybody_to_rebuild() -> None:
    for status, body in (
        (400, '{"message":"Datei ist bereits vorhanden"}'),
        (404, '{"errors":[{"status":404,"message":"Could not locate artifact"}]}'),
    ):
        error = upload_response.classify_response(status, body=body).to_error("x.whl")
        assert "uild" not in error.hint
        assert error.hint.startswith("If ")
        assert '"Datei ist' in error.message or '"Could not locate artifact"' in error.message


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_accepts_success_statuses(status: int) -> None:
    assert upload_response.classify_response(status).kind is ResponseKind.ACCEPTED


@pytest.mark.parametrize(
    ("status", "kind", "diagnosis"),
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
def test_classifies_the_boundaries_of_each_status_class(
    status: int, kind: ResponseKind, diagnosis: str
) -> None:
    response = upload_response.classify_response(status, url="https://example.com/legacy")
    assert response.kind is kind
    assert response.diagnosis.startswith(diagnosis)
    assert bool(response.diagnosis) is bool(diagnosis)


def test_reports_no_status_without_a_response() -> None:
    assert upload_response.missing_response("it broke").summary == "it broke"
    assert upload_response.missing_response("it broke").kind is ResponseKind.RETRY
    untrusted = upload_response.untrusted_certificate("expired")
    assert untrusted.summary == "cannot verify the TLS certificate of the index (expired)"
    assert (untrusted.kind, untrusted.error_type) == (ResponseKind.REJECTED, NetworkError)


def test_reads_only_the_beginning_of_a_message() -> None:
    assert upload_response.extract_server_message(" " * 7_999 + "xy", "", 400) == "x"
    assert upload_response.extract_server_message(" " * 8_000 + "xy", "", 400) == ""
    assert upload_response.extract_server_message("x" * 400, "", 400) == "x" * 400
    assert upload_response.extract_server_message("x" * 401, "", 400) != "x" * 401


@pytest.mark.parametrize("key", ["code", "detail", "message", "error", "errors", "title"])
def test_reads_every_known_json_key(key: str) -> None:
    order = ["code", "detail", "message", "error", "errors", "title"]
    lower_priority = {other: other for other in order[order.index(key) + 1 :]}
    body = json.dumps({**lower_priority, key: "the words", "other": "no"})
    assert upload_response.classify_response(400, "Bad Request", body=body).server_message == "the words"


@pytest.mark.parametrize(
    ("location", "diagnosis"),
    [
        ("https://example.com/legacy/", "the upload URL lacks its trailing slash"),
        ("/legacy/", "the upload URL lacks its trailing slash"),
        ("https://u:p@example.org/x?token=1", "the upload URL redirects to https://example.org/x"),
        ("http://[", "the upload URL redirects to "),
        ("", "the upload URL redirects, and uploads never follow redirects"),
    ],
)
def test_redirects_are_not_followed(location: str, diagnosis: str) -> None:
    headers = {"Location": location} if location else {}
    response = upload_response.classify_response(
        308, "Permanent Redirect", headers, url="https://example.com/legacy"
    )
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, UsageError)
    assert diagnosis in response.diagnosis


@pytest.mark.parametrize("location", ["", "https://example.com/legacy/"])
def test_a_url_with_its_slash_is_not_said_to_lack_it(location: str) -> None:
    response = upload_response.classify_response(
        302, "Found", {"Location": location}, url="https://example.com/legacy/"
    )
    assert "slash" not in response.diagnosis
    assert "redirects" in response.diagnosis


@pytest.mark.parametrize(
    "location",
    [
        "/login?next=/legacy/",
        "/users/sign_in",
        "https://login.example.org/tenant/x",
        "https://example.org/sso/start?a=1",
        "https://example.org/oauth2/authorize",
    ],
)
def test_a_redirect_to_a_sign_in_page_is_about_credentials(location: str) -> None:
    response = upload_response.classify_response(
        302, "Found", {"Location": location}, url="https://example.com/legacy/"
    )
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, CredentialsError)
    assert "sign-in page" in response.diagnosis
    assert "?" not in response.diagnosis


@pytest.mark.parametrize(
    "page",
    [
        "<title>Anmeldung</title><form action='/anmelden'><input name=user></form>",
        "<html><title>Connexion</title><form method=post><input type=email></form>",
        "<html><title>ログイン</title><form><input name=user></form>",
        "<html><title>x</title><form method=post action='/users/sign_in'><input name=user></form>",
        "<html><form action=/sso/start></form>",
        '<head><meta http-equiv="refresh" content="0; url=/login?next=/"></head>',
        "\ufeff<title>Sign in</title><form></form>",
    ],
)
def test_a_sign_in_page_is_found_in_every_form(page: str) -> None:
    response = upload_response.classify_response(200, body=page)
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, CredentialsError)
    assert not response.may_be_stored


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": "unauthorized"}', "unauthorized"),
        ('{"success": false, "message": "Token invalid"}', "Token invalid"),
        ('{"errors": [{"status": 401, "message": "Bad credentials"}]}', "Bad credentials"),
        ('{"status": 403, "message": "No"}', "No"),
        ('{"status": "error", "detail": "No"}', "No"),
    ],
)
def test_an_error_in_json_is_not_an_acceptance(body: str, words: str) -> None:
    response = upload_response.classify_response(200, "OK", body=body)
    assert (response.kind, response.server_message) == (ResponseKind.REJECTED, words)
    assert response.may_be_stored


@pytest.mark.parametrize(
    "body",
    [
        *('{"error": null, "ok": true}', '{"errors": []}', '{"status": 201}', '{"status": "ok", "code": 0}'),
        *('{"message": "uploaded"}', '[{"error": 1}]', "OK", '{"cut'),
    ],
)
def test_other_json_is_an_acceptance(body: str) -> None:
    assert upload_response.classify_response(200, "OK", body=body).kind is ResponseKind.ACCEPTED


def test_a_403_with_other_words_does_not_blame_the_credentials() -> None:
    error = upload_response.classify_response(403, body='{"error": "Файл уже существует"}').to_error("x.whl")
    assert error.exit_code == 4
    assert "rejected the credentials" not in error.message
    assert '"Файл уже существует"' in error.message
    assert error.hint.startswith("If these words")


@pytest.mark.parametrize(
    ("reason", "body", "message"),
    [
        ("Bad Request", "", ""),
        ("Invalid thing", "<html>other</html>", "Invalid thing"),
        ("400 Invalid thing", "", "Invalid thing"),
        ("Bad Request", '{"message": "M", "code": "400 C", "title": "T"}', "C"),
        ("Bad Request", '{"message": {"base": ["no"]}}', '{"base": ["no"]}'),
        ("", '{"error": "boom"}', "boom"),
        ("", "[1]", "[1]"),
        ("", '["no", "really"]', "no; really"),
        ("", '"just words"', "just words"),
        ("Bad Request", '{"filename": ["This field is required."]}', "filename: This field is required."),
        ("", '\ufeff{"error": "boom"}', "boom"),
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
def test_extracts_the_message_of_the_server(reason: str, body: str, message: str) -> None:
    assert upload_response.extract_server_message(reason, body, 400) == message


def test_redacts_and_escapes_the_message_of_the_server() -> None:
    register_secret("very-secret")
    body = "\x1b]0;x\x07 ::error::y https://u:pw@h/ pypi-AgEIcHlwaS5vcmc very-secret " + "z" * 5000
    message = upload_response.extract_server_message("", body, 499)
    assert "\x1b" not in message
    assert "::error" not in message
    assert "pw@" not in message
    assert "AgEI" not in message
    assert "very-secret" not in message
    assert len(message) < 500


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("600", 600.0), ("soon", None), ("", None)])
def test_reads_retry_after(value: str, seconds: float | None) -> None:
    response = upload_response.classify_response(429, "", {"Retry-After": value})
    assert (response.kind, response.retry_after) == (ResponseKind.RETRY, seconds)


@pytest.mark.parametrize("status", [429, 503])
def test_rejects_a_retry_after_that_is_too_long(status: int) -> None:
    response = upload_response.classify_response(status, "", {"Retry-After": "3600"})
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, NetworkError)
    assert "1 h" in response.diagnosis


# --- trusted publishing ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", trusted_publishing.MINT_ERRORS)
def test_explains_known_token_errors(code: str) -> None:
    server_output = (
        "The token request failed; the index server gave the following reasons:\n\n"
        f"* `{code}`: some words\n* `other`: more \x1b[2J"
    )
    error = trusted_publishing.mint_error("https://index.example/legacy/", server_output)
    reason = trusted_publishing.MINT_ERRORS[code]
    assert error.message == (
        f"trusted publishing with https://index.example/legacy/ failed: {reason.diagnosis} (status 422); "
        f'the index said: "{code}: some words; other: more \\x1b[2J"'
    )
    assert error.hint == reason.hint
    assert trusted_publishing.is_retryable(server_output) is (code == "invalid-reuse-token")


def test_explains_unknown_token_errors() -> None:
    unknown = trusted_publishing.mint_error("https://h/", "The token request failed:\n* `odd`: words")
    assert unknown.message.endswith('failed: the index issued no token; the index said: "odd: words"')
    without_reason = trusted_publishing.mint_error("https://h/", "the index did not answer in time")
    assert (
        without_reason.message
        == "trusted publishing with https://h/ failed: the index did not answer in time"
    )
    assert "id-token: write" in without_reason.hint
    assert trusted_publishing.is_retryable("The token-minting request returned invalid JSON")
    assert not trusted_publishing.is_retryable("odd")


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (406, "<html>Request blocked by ModSecurity</html>"),
        (403, "<html>Zscaler: Internet Security. Your organization has selected this category</html>"),
        (403, "<html>FortiGuard Intrusion Prevention - Access Blocked</html>"),
        (403, "<h1>Access Denied</h1> You don't have permission to access this. Reference #18.2d1f"),
        (403, "<h1>Web Page Blocked!</h1>"),
    ],
)
def test_a_filter_is_named_as_one(status: int, page: str) -> None:
    error = upload_response.classify_response(status, body=page).to_error("x.whl")
    assert "a filter in front of the index" in error.message
    assert error.exit_code == 5
    assert "TWINE_" not in error.hint
