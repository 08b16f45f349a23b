"""One attempt to upload to anaconda.org: the requests, and the meaning of each answer."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.scripted_http import RecordedProgress, ScriptedHttp, make_local_wheel
from tools.testing.indexes import local_file
from tools.testing.wheels import make_sdist
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    FileError,
    NetworkError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.models import LocalFile
from wheel_uploader.targets.anaconda import payloads, storage
from wheel_uploader.targets.anaconda.api import Api
from wheel_uploader.targets.anaconda.file_steps import FULL_HINT, FileSteps, load_metadata
from wheel_uploader.upload.response_rules import ResponseKind

API, STORAGE = "https://api.anaconda.org", "https://storage.example/upload"
WHEEL = "demo-1.0.dev0-py3-none-any.whl"
STAGE = f"POST /stage/nightlies/demo/1.0.dev0/{WHEEL}"
COMMIT = f"POST /commit/nightlies/demo/1.0.dev0/{WHEEL}"
STORE = f"POST {STORAGE}"
FORM = {"post_url": STORAGE, "form_data": {"key": "k", "max": 7}, "dist_id": "d1"}
TOKEN = "a-token-of-some-length"


class Upload:
    """The steps of one wheel, with scripted answers."""

    def __init__(self, folder: Path, answers: Mapping[str, Any]) -> None:
        usual = {STAGE: (200, FORM), STORE: 201, COMMIT: (201, {})}
        self.script = ScriptedHttp(API, {**usual, **answers})
        self.progress = RecordedProgress()
        self.created: list[tuple[LocalFile, str]] = []
        self.file = make_local_wheel(folder)
        self.steps = FileSteps(
            api=Api(self.script.client(), API, "nightlies", TOKEN),
            storage_http=self.script.client(STORAGE),
            progress=self.progress,
            create_release=lambda file, metadata: self.created.append((file, metadata["version"])),
        )

    def values(self, *labels: str) -> dict[str, Any]:
        """Make one attempt, and return its meaning."""
        return dataclasses.asdict(self.steps.upload(self.file, labels or ("main", "dev")))


def meaning(kind: ResponseKind, status: int, diagnosis: str, words: str = "", **more: Any) -> dict[str, Any]:
    fixed = {"kind": kind, "status": status, "diagnosis": diagnosis, "server_message": words}
    usual = {"hint": None, "error_type": NetworkError, "retry_after": None, "is_final": False}
    return {**fixed, **usual, "stores_nothing": False, **more}


def test_announces_stores_and_commits(tmp_path: Path) -> None:
    upload = Upload(tmp_path, {})
    assert upload.values() == meaning(ResponseKind.ACCEPTED, 201, "")
    assert upload.script.log == [STAGE, STORE, COMMIT]
    stage, store, commit = upload.script.requests
    assert stage.json == {
        "distribution_type": "pypi",
        "description": None,
        "attrs": {"build_no": 0, "python_version": "py3", "abi": None, "packagetype": "bdist_wheel"},
        "dependencies": {"has_dep_errors": False, "depends": [], "extras": [], "environments": []},
        "channels": ["main", "dev"],
        "sha256": upload.file.sha256,
    }
    assert commit.json == {"dist_id": "d1"}
    for request in (stage, commit):
        assert request.headers["authorization"] == f"token {TOKEN}"
        assert request.headers["content-type"] == request.headers["accept"] == "application/json"
    data = upload.file.path.read_bytes()
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    boundary = store.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    assert len(boundary) == 32
    fields = {"key": "k", "max": "7", "Content-Length": str(len(data)), "Content-MD5": md5}
    form = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    last = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{WHEEL}"\r\n'
    head = f"{form}{last}Content-Type: application/octet-stream\r\n\r\n".encode()
    assert store.content == head + data + f"\r\n--{boundary}--\r\n".encode()
    assert store.headers["content-length"] == str(len(store.content))
    assert "authorization" not in store.headers
    assert upload.progress.files == [(WHEEL, len(data))]
    assert upload.progress.steps == [len(data)]
    assert upload.created == []


NO_RIGHTS = "Create a token with the rights to upload and to write to the API (api:write)."
REJECTED = "Check that ANACONDA_API_TOKEN is a token of this server with write access to the organization."
EXISTS = meaning(
    ResponseKind.EXISTS,
    409,
    "a file with this name already exists in the organization",
    "taken",
    hint="A name exists once, across labels: publish under another version, or use --replace.",
    error_type=ConflictError,
)


def rejected(status: int, diagnosis: str, words: str, error: type[ReleaseError], hint: str | None) -> Any:
    return meaning(ResponseKind.REJECTED, status, diagnosis, words, error_type=error, hint=hint)


STAGE_ANSWERS = [
    (401, "no", rejected(401, "the token was rejected", "no", CredentialsError, REJECTED)),
    (403, "scope", rejected(403, "the token lacks a right", "scope", CredentialsError, NO_RIGHTS)),
    (402, "full", rejected(402, "the account is full", "full", FileError, FULL_HINT)),
    (409, "taken", EXISTS),
    *(
        (status, "bad file", rejected(status, "the server rejected the file", "bad file", FileError, None))
        for status in (400, 413, 422)
    ),
    *(
        (
            status,
            "no Channel x",
            rejected(
                status,
                "the server does not accept the labels main, dev",
                "no Channel x",
                UsageError,
                "Correct --label.",
            ),
        )
        for status in (400, 404, 422)
    ),
    *(
        (
            status,
            "label",
            meaning(
                ResponseKind.RETRY,
                status,
                "the server did not accept the announcement of the file",
                "label",
                stores_nothing=True,
            ),
        )
        for status in (300, 405, 418, 500)
    ),
]


@pytest.mark.parametrize(("status", "words", "expected"), STAGE_ANSWERS)
def test_an_announcement_that_is_not_accepted_stores_nothing(
    tmp_path: Path, status: int, words: str, expected: dict[str, Any]
) -> None:
    upload = Upload(tmp_path, {STAGE: (status, {"error": words})})
    assert upload.values() == expected
    assert upload.script.log == [STAGE]
    assert upload.created == []


def test_a_release_that_does_not_exist_is_created_once(tmp_path: Path) -> None:
    missing = (404, {"error": "no release"})
    upload = Upload(tmp_path, {STAGE: [missing, (200, FORM)]})
    assert upload.values()["kind"] is ResponseKind.ACCEPTED
    assert upload.script.log == [STAGE, STAGE, STORE, COMMIT]
    assert upload.script.requests[0].json == upload.script.requests[1].json
    assert upload.created == [(upload.file, "1.0.dev0")]
    upload = Upload(tmp_path, {STAGE: missing})
    assert upload.values() == rejected(404, "the server rejected the file", "no release", FileError, None)
    assert upload.script.log == [STAGE, STAGE]


@pytest.mark.parametrize("answer", ["", "[]", {"post_url": STORAGE}, {**FORM, "dist_id": None}])
def test_an_announcement_without_a_number_is_tried_again(tmp_path: Path, answer: Any) -> None:
    upload = Upload(tmp_path, {STAGE: (200, answer)})
    words = "the API answered the announcement of the file without a form"
    assert upload.values() == meaning(ResponseKind.RETRY, 200, words, stores_nothing=True)


@pytest.mark.parametrize("number", [17, "18"])
def test_the_number_of_the_announcement_may_be_a_text(tmp_path: Path, number: Any) -> None:
    upload = Upload(tmp_path, {STAGE: (299, {**FORM, "dist_id": number})})
    assert upload.values()["kind"] is ResponseKind.ACCEPTED
    assert upload.script.requests[-1].json == {"dist_id": number}


@pytest.mark.parametrize("status", [300, 400, 403, 503])
def test_bytes_that_the_storage_does_not_take_are_sent_again(tmp_path: Path, status: int) -> None:
    upload = Upload(tmp_path, {STORE: (status, "<Code>No</Code>")})
    words = "the storage of anaconda.org did not accept the file"
    assert upload.values() == meaning(ResponseKind.RETRY, status, words, "No", stores_nothing=True)
    assert upload.script.log == [STAGE, STORE]
    # The bar goes back to its start.
    assert upload.progress.steps == [upload.file.size, -upload.file.size]


@pytest.mark.parametrize("status", [200, 204, 299])
def test_the_storage_may_answer_with_any_success(tmp_path: Path, status: int) -> None:
    upload = Upload(tmp_path, {STORE: status})
    assert upload.values()["kind"] is ResponseKind.ACCEPTED


COMMIT_ANSWERS = [
    (401, "no", rejected(401, "the token was rejected", "no", CredentialsError, REJECTED)),
    (
        403,
        "it Expired",
        rejected(
            403,
            "the token has expired",
            "it Expired",
            CredentialsError,
            "Create a new token, and set ANACONDA_API_TOKEN to it.",
        ),
    ),
    (402, "full", rejected(402, "the account is full", "full", FileError, FULL_HINT)),
    (409, "taken", EXISTS),
    *(
        (
            status,
            "why",
            meaning(ResponseKind.RETRY, status, "the server did not confirm the file", "why"),
        )
        for status in (400, 404, 500)
    ),
]


@pytest.mark.parametrize(("status", "words", "expected"), COMMIT_ANSWERS)
def test_a_commit_that_is_not_accepted_may_have_been_done(
    tmp_path: Path, status: int, words: str, expected: dict[str, Any]
) -> None:
    upload = Upload(tmp_path, {COMMIT: (status, {"error": words})})
    assert upload.values() == expected
    assert upload.script.log == [STAGE, STORE, COMMIT]


def test_a_server_that_loses_the_announcement_twice_ends_the_attempts(tmp_path: Path) -> None:
    upload = Upload(tmp_path, {COMMIT: (404, {"error": "Invalid dist_id"})})
    assert upload.values()["kind"] is ResponseKind.RETRY
    assert upload.values() == rejected(
        404,
        "the server lost the announced file twice",
        "Invalid dist_id",
        NetworkError,
        "Run the same command again.",
    )
    assert upload.script.log == [STAGE, STORE, COMMIT] * 2


def test_the_server_may_ask_for_a_pause(tmp_path: Path) -> None:
    for request in (STAGE, COMMIT):
        upload = Upload(tmp_path, {request: (503, "", {"Retry-After": "17"})})
        assert upload.values()["retry_after"] == 17.0


@pytest.mark.parametrize(("request_", "stores_nothing"), [(STAGE, True), (STORE, True), (COMMIT, False)])
def test_a_lost_answer_is_unclear_only_after_the_commit(
    tmp_path: Path, request_: str, stores_nothing: bool
) -> None:
    upload = Upload(tmp_path, {request_: httpx.ReadError("cut")})
    answer = upload.values()
    assert (answer["kind"], answer["status"]) == (ResponseKind.RETRY, 0)
    assert answer["stores_nothing"] is stores_nothing
    assert "cut" in answer["diagnosis"]


def test_a_prepared_file_is_only_committed(tmp_path: Path) -> None:
    upload = Upload(tmp_path, {})
    answer = dataclasses.asdict(upload.steps.prepare(upload.file, ["main"]))
    assert answer == meaning(ResponseKind.ACCEPTED, 200, "")
    assert upload.script.log == [STAGE, STORE]
    assert upload.values("main")["kind"] is ResponseKind.ACCEPTED
    assert upload.script.log == [STAGE, STORE, COMMIT]
    # Once: the next attempt announces it again.
    upload.values("main")
    assert upload.script.log == [STAGE, STORE, COMMIT, STAGE, STORE, COMMIT]


def test_a_file_that_changed_is_not_sent(tmp_path: Path) -> None:
    upload = Upload(tmp_path, {})
    upload.file.path.write_bytes(b"other")
    with pytest.raises(FileError, match="changed during the run"):
        upload.values()
    assert upload.script.log == []


# --- the form --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "fields"),
    [(None, {}), (7, {}), ("u", None), ("u", []), ("u", {str(number): "" for number in range(101)})],
)
def test_an_answer_without_a_form_is_an_error(url: object, fields: object) -> None:
    with pytest.raises(NetworkError, match="the API returned no form for the upload"):
        storage.check_form(url, fields)


LONG = "x" * 19_999


@pytest.mark.parametrize(
    "fields", [{"a": None}, {"a": 1.5}, {"ab": LONG}, {'a"': ""}, {"a\r": ""}, {"a\n": ""}, {"\x7f": ""}]
)
def test_a_form_with_an_invalid_field_is_an_error(fields: dict[str, object]) -> None:
    with pytest.raises(NetworkError, match="the API returned an invalid form for the upload"):
        storage.check_form("u", fields)


def test_a_form_may_have_100_fields_of_20000_characters() -> None:
    fields: dict[str, Any] = {f"f{number}": number for number in range(99)} | {"a": LONG}
    assert storage.check_form("u", fields) == ("u", {name: str(value) for name, value in fields.items()})


def test_a_storage_that_cannot_be_reached_is_named_without_its_signature(tmp_path: Path) -> None:
    url = f"{STORAGE}?X-Amz-Signature=0123456789abcdef0123"
    form = {**FORM, "post_url": url}
    upload = Upload(tmp_path, {STAGE: (200, form), f"POST {url}": httpx.ConnectError("refused")})
    answer = upload.steps.upload(upload.file, ["main"])
    assert (answer.kind, answer.stores_nothing) == (ResponseKind.RETRY, True)
    assert "0123456789abcdef0123" not in answer.diagnosis


# --- metadata --------------------------------------------------------------------------------------

METADATA = """Metadata-Version: 2.1
Name: Demo_Pkg
Version: 1.0.dev0
Summary: A demo.
Home-page: https://demo.example/
License: MIT
Requires-Dist: Zlib_NG.x>=1.0
Requires-Dist: attrs
Requires-Dist: not a requirement !
Requires-Dist: pytest>7; extra == "test"
Requires-Dist: mock; extra == 'test'
Requires-Dist: tomli==2; python_version < "3.11"
Requires-Dist: cffi; python_version < "3.11"

The description.
"""


def test_requirements_are_grouped_as_the_client_of_anaconda_does(tmp_path: Path) -> None:
    requires = [line.partition(": ")[2] for line in METADATA.splitlines() if line.startswith("Requires-Dist")]
    file = make_local_wheel(tmp_path, build="3abc")
    body = payloads.build_stage(file, {"requires_dist": requires}, ("dev",))
    marker = 'python_version < "3.11"'
    assert body["attrs"]["build_no"] == "3abc"
    assert body["dependencies"] == {
        "has_dep_errors": False,
        "depends": [
            {"name": "attrs", "specs": []},
            {"name": "zlib-ng-x", "specs": [[">=", "1.0"]]},
        ],
        "extras": [
            {
                "name": "test",
                "depends": [{"name": "pytest", "specs": [[">", "7"]]}, {"name": "mock", "specs": []}],
            }
        ],
        "environments": [
            {
                "name": marker,
                "depends": [{"name": "tomli", "specs": [["==", "2"]]}, {"name": "cffi", "specs": []}],
            }
        ],
    }


def test_only_the_first_2000_requirements_are_sent(tmp_path: Path) -> None:
    file = make_local_wheel(tmp_path)
    body = payloads.build_stage(file, {"requires_dist": [f"p{number:04}" for number in range(2002)]}, ())
    names = [entry["name"] for entry in body["dependencies"]["depends"]]
    assert names == [f"p{number:04}" for number in range(2000)]


def test_the_tags_of_a_compiled_wheel_and_the_kind_of_an_sdist_are_sent(tmp_path: Path) -> None:
    compiled = payloads.build_stage(make_local_wheel(tmp_path, tag="cp312-cp312-win_amd64"), {}, ())
    assert compiled["attrs"] == {
        "build_no": 0,
        "python_version": "cp312",
        "abi": "cp312",
        "packagetype": "bdist_wheel",
    }
    sdist = payloads.build_stage(local_file(make_sdist(tmp_path, "demo", "1.0")), {}, ())
    assert sdist["attrs"] == {"packagetype": "sdist", "python_version": "source"}
    assert sdist["dependencies"]["depends"] == []


def test_a_package_and_a_release_are_described_by_the_metadata() -> None:
    metadata = {
        "name": "Demo",
        "version": "1.0",
        "summary": "A demo.",
        "license": "MIT",
        "description": "Text.",
        "home_page": "https://demo.example/",
    }
    assert payloads.build_package(metadata) == {
        "public": True,
        "publish": False,
        "public_attrs": {
            "name": "Demo",
            "summary": "A demo.",
            "license": {"name": "MIT", "url": None, "family": None},
            "package_types": ["pypi"],
        },
    }
    assert payloads.build_release(metadata) == {
        "requirements": [],
        "announce": None,
        "description": "Text.",
        "version": "1.0",
        "home_page": "https://demo.example/",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Metadata-Version: 2.1\nName: demo\n", "cannot be used"),
        ("Metadata-Version: 2.1\nVersion: 1.0.dev0\n", "cannot be used"),
        ("Metadata-Version: x\nName: demo\nVersion: 1.0.dev0\n", "cannot be used"),
    ],
)
def test_a_file_without_usable_metadata_is_refused(tmp_path: Path, text: str, words: str) -> None:
    from wheel_uploader.core.verified_file import VerifiedFile

    file = make_local_wheel(tmp_path, metadata=text)
    with (
        VerifiedFile(file.path, file.sha256) as content,
        pytest.raises(FileError, match=words) as caught,
    ):
        load_metadata(file, content)
    assert f"the metadata of {WHEEL}" in caught.value.message
    assert caught.value.hint == "Rebuild the file, then run the command again."


def test_an_error_about_the_file_itself_is_not_one_of_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_file: LocalFile, _content: object) -> None:
        raise FileError("changed during the run")

    monkeypatch.setattr("wheel_uploader.targets.anaconda.file_steps.read_metadata", read)
    with pytest.raises(FileError) as caught:
        Upload(tmp_path, {}).values()
    assert caught.value.message == "changed during the run"
