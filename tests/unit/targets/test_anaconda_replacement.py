"""The replacement of a file on anaconda.org: the old bytes are saved and verified before the removal."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.scripted_http import ScriptedHttp, make_local_wheel
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
)
from wheel_uploader.core.models import LocalFile
from wheel_uploader.targets.anaconda.api import Api
from wheel_uploader.targets.anaconda.package import AnacondaPackage
from wheel_uploader.targets.anaconda.replacement import AnacondaReplacer
from wheel_uploader.upload.file_replacement import OldFile
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.wheelhouse.saved_files import SavedFiles

URL, TARGET = "https://api.anaconda.org", "https://api.anaconda.org/nightlies"
WHEEL = "demo-1.0.dev0-py3-none-any.whl"
DIST = f"/dist/nightlies/demo/1.0.dev0/{WHEEL}"
DOWNLOAD = f"GET /download/nightlies/demo/1.0.dev0/{WHEEL}"
OLD = b"the old bytes"
SHA, MD5 = hashlib.sha256(OLD).hexdigest(), hashlib.md5(OLD).hexdigest()
LINK = "https://files.example/x.whl"
STORED = f"{URL}/files/{WHEEL}"


class Replacement:
    """A replacer with scripted answers."""

    def __init__(self, folder: Path, answers: Mapping[str, Any] | None = None, link: str = "") -> None:
        self.script = ScriptedHttp(URL, answers)
        http = self.script.client(LINK, retries=2)
        api = Api(http, URL, "nightlies", "a-token-of-some-length")
        self.file = make_local_wheel(folder)
        self.package = AnacondaPackage(api, http)
        self.package.set_release([self.file])
        (folder / "hidden").mkdir(exist_ok=True)
        self.saved_files = SavedFiles(folder / "hidden")
        self.labels: dict[str, tuple[str, ...]] = {}
        self.prepared: list[LocalFile] = []
        self.answer = UploadResponse(kind=ResponseKind.EXISTS, status=409)
        self.replacer = AnacondaReplacer(
            api,
            http,
            self.package,
            self.saved_files,
            target=TARGET,
            prepare=self.prepare,
            find_link=lambda _file: link,
            labels=self.labels,
        )

    def prepare(self, file: LocalFile) -> UploadResponse:
        """Remember the file."""
        self.prepared.append(file)
        return self.answer

    def remove(self) -> dict[str, Any]:
        """Make one attempt to remove the old file, and return its meaning."""
        return dataclasses.asdict(self.replacer.remove(self.file, OldFile(sha256=SHA)))


def entry(**values: Any) -> dict[str, Any]:
    return {"version": "1.0.dev0", "sha256": SHA, "labels": ["dev", "main"], **values}


def test_the_old_bytes_are_saved_with_their_labels(tmp_path: Path) -> None:
    replacement = Replacement(tmp_path, {f"GET {DIST}": (200, entry()), DOWNLOAD: (200, OLD)})
    old = replacement.replacer.save(replacement.file)
    assert old
    assert (old.sha256, old.listed_hash) == (SHA, "")
    assert old.saved
    assert (old.saved.path.read_bytes(), old.saved.size, old.saved.sha256) == (OLD, len(OLD), SHA)
    assert replacement.labels == {WHEEL: ("dev", "main")}
    saved = replacement.saved_files.load(WHEEL, TARGET)
    assert saved
    assert saved.labels == ("dev", "main")
    assert replacement.script.log == [f"GET {DIST}", DOWNLOAD]
    # A later run finds them, with the hash that comparisons show if only the MD5 is known.
    later = Replacement(tmp_path)
    assert later.replacer.find_saved(later.file) == OldFile(
        sha256=SHA, listed_hash=f"unknown (md5 {MD5})", saved=old.saved
    )
    assert later.labels == {WHEEL: ("dev", "main")}
    old.saved.path.write_bytes(b"damaged")
    damaged = later.replacer.find_saved(later.file)
    assert damaged
    assert (damaged.sha256, damaged.listed_hash) == (SHA, "")
    later.replacer.discard(later.file)
    assert later.replacer.find_saved(later.file) is None
    assert not old.saved.path.exists()


def test_a_file_that_is_absent_or_equal_is_not_saved(tmp_path: Path) -> None:
    replacement = Replacement(tmp_path, {f"GET {DIST}": 404})
    file = replacement.file
    assert replacement.replacer.save(file) is None
    assert replacement.labels == {}
    data = file.path.read_bytes()
    for hashes in (
        {"sha256": file.sha256, "md5": MD5},
        {"sha256": None, "md5": hashlib.md5(data).hexdigest()},
    ):
        replacement.script.answers[f"GET {DIST}"] = (200, entry(labels=None, **hashes))
        assert replacement.replacer.save(file) == OldFile(sha256=file.sha256)
        assert replacement.labels == {WHEEL: ()}
    assert replacement.script.log == [f"GET {DIST}"] * 3
    assert replacement.saved_files.list_names() == []


def test_bytes_are_compared_with_the_md5_if_nothing_else_is_listed(tmp_path: Path) -> None:
    known = entry(sha256=None, md5=MD5, labels=None)
    replacement = Replacement(tmp_path, {f"GET {DIST}": (200, known), DOWNLOAD: (200, OLD)})
    old = replacement.replacer.save(replacement.file)
    assert old
    assert old.sha256 == f"unknown (md5 {MD5})"
    assert old.saved
    assert old.saved.sha256 == SHA
    replacement.script.answers[DOWNLOAD] = (200, b"other")
    with pytest.raises(NetworkError) as caught:
        replacement.replacer.save(replacement.file)
    found = hashlib.md5(b"other").hexdigest()
    assert caught.value.message == (
        f"{WHEEL} is not replaced, because its old bytes cannot be saved: the bytes of {WHEEL} have the md5 "
        f"{found}, and the API lists {MD5}"
    )


def test_the_sha256_counts_if_both_hashes_are_listed(tmp_path: Path) -> None:
    known = entry(md5="00" * 16)
    replacement = Replacement(tmp_path, {f"GET {DIST}": (200, known), DOWNLOAD: (200, OLD)})
    old = replacement.replacer.save(replacement.file)
    assert old
    assert old.sha256 == SHA


def test_the_bytes_may_be_at_the_next_url(tmp_path: Path) -> None:
    known = entry(download_url=f"/files/{WHEEL}")
    answers = {f"GET {DIST}": (200, known), DOWNLOAD: 404}
    stored = f"GET /files/{WHEEL}"
    replacement = Replacement(tmp_path, {**answers, stored: (200, OLD)}, LINK)
    assert replacement.replacer.save(replacement.file)
    assert replacement.script.log == [f"GET {DIST}", DOWNLOAD, stored]
    wrong = {**answers, stored: (200, b"other"), f"GET {LINK}": (200, OLD)}
    replacement = Replacement(tmp_path, wrong, LINK)
    assert replacement.replacer.save(replacement.file)
    assert replacement.script.log == [f"GET {DIST}", DOWNLOAD, stored, f"GET {LINK}"]


@pytest.mark.parametrize("statuses", [(404,), (410,), (404, 410)])
def test_a_file_whose_bytes_are_gone_everywhere_may_be_removed(
    tmp_path: Path, statuses: tuple[int, ...]
) -> None:
    link = LINK if len(statuses) > 1 else ""
    answers = {f"GET {DIST}": (200, entry()), DOWNLOAD: statuses[0], f"GET {LINK}": statuses[-1]}
    replacement = Replacement(tmp_path, answers, link)
    assert replacement.replacer.save(replacement.file) == OldFile(sha256=SHA)


@pytest.mark.parametrize(
    ("first", "second", "error", "words"),
    [
        (405, 404, HttpStatusError, "returned 405"),
        (404, 403, HttpStatusError, "returned 404"),
        (httpx.ConnectError("refused"), 404, NetworkError, "refused"),
        (401, 404, CredentialsError, "rejected the token"),
    ],
)
def test_a_file_whose_bytes_cannot_be_fetched_is_not_replaced(
    tmp_path: Path, first: Any, second: int, error: type[ReleaseError], words: str
) -> None:
    answers = {f"GET {DIST}": (200, entry()), DOWNLOAD: first, f"GET {LINK}": second}
    replacement = Replacement(tmp_path, answers, LINK)
    with pytest.raises(error, match=words) as caught:
        replacement.replacer.save(replacement.file)
    assert caught.value.message.startswith(
        f"{WHEEL} is not replaced, because its old bytes cannot be saved: "
    )
    assert f"GET {LINK}" in replacement.script.log


def test_a_download_is_repeated(tmp_path: Path) -> None:
    # The storage may be on any host.
    moved = (302, "", {"location": "https://storage.example/a"})
    storage = "GET https://storage.example/a"
    answers = {f"GET {DIST}": (200, entry()), DOWNLOAD: [503, moved], storage: (200, OLD)}
    replacement = Replacement(tmp_path, answers)
    assert replacement.replacer.save(replacement.file)
    assert replacement.script.log == [f"GET {DIST}", DOWNLOAD, DOWNLOAD, storage]


def test_saved_files_of_other_names_belong_to_the_same_project(tmp_path: Path) -> None:
    replacement = Replacement(tmp_path)
    names = {
        "demo-0.9.dev0-py3-none-any.whl": TARGET,
        "demo-0.8.dev0-py3-none-any.whl": "https://api.anaconda.org/other",
        "other-0.9-py3-none-any.whl": TARGET,
        WHEEL: TARGET,
    }
    for name, target in names.items():
        with replacement.saved_files.create(name) as writer:
            writer.write(OLD)
        replacement.saved_files.keep(name, writer, target, ("nightly",))
    found = replacement.replacer.find_others([replacement.file])
    assert [file.filename for file in found] == ["demo-0.9.dev0-py3-none-any.whl"]
    assert found[0].sha256 == SHA
    assert replacement.labels == {"demo-0.9.dev0-py3-none-any.whl": ("nightly",)}


def test_a_new_file_is_announced_first(tmp_path: Path) -> None:
    replacement = Replacement(tmp_path)
    assert replacement.replacer.prepare(replacement.file) is replacement.answer
    assert replacement.prepared == [replacement.file]


# --- the removal -----------------------------------------------------------------------------------


def saved(tmp_path: Path, answers: Mapping[str, Any], now: Any = None) -> Replacement:
    """Return a replacement whose old bytes are saved."""
    replacement = Replacement(tmp_path, {f"GET {DIST}": (200, entry()), DOWNLOAD: (200, OLD)})
    replacement.replacer.save(replacement.file)
    replacement.script.answers |= {f"GET {DIST}": now or (200, entry()), **answers}
    replacement.script.requests.clear()
    return replacement


def meaning(kind: ResponseKind, status: int, **more: Any) -> dict[str, Any]:
    return dataclasses.asdict(UploadResponse(kind=kind, status=status, **more))


@pytest.mark.parametrize("status", [200, 204, 404, 410])
def test_the_old_file_is_looked_at_and_removed(tmp_path: Path, status: int) -> None:
    replacement = saved(tmp_path, {f"DELETE {DIST}": status})
    assert replacement.remove() == meaning(ResponseKind.ACCEPTED, status)
    assert replacement.script.log == [f"GET {DIST}", f"DELETE {DIST}"]


def test_a_file_that_is_gone_already_is_not_removed(tmp_path: Path) -> None:
    replacement = saved(tmp_path, {}, now=404)
    assert replacement.remove() == meaning(ResponseKind.ACCEPTED, 404)
    assert replacement.script.log == [f"GET {DIST}"]


def test_a_file_that_another_job_replaced_is_not_removed(tmp_path: Path) -> None:
    replacement = saved(tmp_path, {}, now=(200, entry(sha256="ab" * 32)))
    assert replacement.remove() == meaning(
        ResponseKind.EXISTS, 200, diagnosis="another job has replaced the file"
    )
    assert replacement.script.log == [f"GET {DIST}"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_without_rights_ends_the_attempts(tmp_path: Path, status: int) -> None:
    replacement = saved(tmp_path, {f"DELETE {DIST}": (status, {"error": "no scope"})})
    assert replacement.remove() == meaning(
        ResponseKind.REJECTED,
        status,
        diagnosis="the token lacks a right",
        hint="Create a token with the rights to upload and to write to the API (api:write).",
        error_type=CredentialsError,
        server_message="no scope",
    )


@pytest.mark.parametrize("status", [300, 400, 429, 503])
def test_another_answer_is_tried_again(tmp_path: Path, status: int) -> None:
    answer = (status, {"error": "busy"}, {"Retry-After": "8"})
    replacement = saved(tmp_path, {f"DELETE {DIST}": answer})
    assert replacement.remove() == meaning(
        ResponseKind.RETRY,
        status,
        diagnosis="the server did not remove the old file",
        server_message="busy",
        retry_after=8.0,
    )


def test_a_lost_answer_leaves_the_result_open(tmp_path: Path) -> None:
    replacement = saved(tmp_path, {f"DELETE {DIST}": httpx.ReadError("cut")})
    answer = replacement.remove()
    assert (answer["kind"], answer["status"]) == (ResponseKind.RETRY, 0)
    assert "cut" in answer["diagnosis"]
