"""Test the reading of .pypirc: settings, encodings, and the words of each error."""

from __future__ import annotations

import locale
import os
from pathlib import Path

import pytest
from twine import utils

from wheel_uploader.core.errors import UsageError
from wheel_uploader.upload.pypirc import is_readable_by_others, read_pypirc

MINE = "https://mine.example/"


def write(folder: Path, content: str | bytes) -> str:
    path = folder / "pypirc"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_reads_every_setting(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[distutils]\nindex-servers = mine, testpypi\n"
        f"[mine]\nrepository = ' {MINE}'\nusername = me\npassword = p\nca_cert = ca.pem\n"
        "client_cert = client.pem\nuser = x\nA1B2C3 = token\n"
        "[testpypi]\nusername = __token__\n[server-login]\nusername = old\npassword = older\n",
    )
    read = read_pypirc(path)
    login = {"username": "old", "password": "older"}
    assert dict(read.repositories) == {
        "mine": {
            "repository": MINE,
            "username": "me",
            "password": "p",
            "ca_cert": "ca.pem",
            "client_cert": "client.pem",
        },
        "testpypi": {"repository": utils.TEST_REPOSITORY, **login, "username": "__token__"},
        "pypi": {"repository": utils.DEFAULT_REPOSITORY, **login},
    }
    assert (read.path, read.unlisted, read.absent) == (path, (), ())
    assert dict(read.unknown_keys) == {"mine": ("user",), "testpypi": ()}
    assert "older" not in repr(read)
    assert read.select("mine") == read.repositories["mine"]


def test_knows_pypi_and_testpypi_without_sections(tmp_path: Path) -> None:
    read = read_pypirc(write(tmp_path, "[other]\nusername = me\n"))
    assert dict(read.repositories) == {
        "pypi": {"repository": utils.DEFAULT_REPOSITORY},
        "testpypi": {"repository": utils.TEST_REPOSITORY},
    }
    assert (read.unlisted, read.absent, dict(read.unknown_keys)) == (("other",), (), {})
    absent = read_pypirc(write(tmp_path, "[distutils]\nindex-servers = pypi mine\n"))
    assert absent.absent == ("mine",)


def test_reads_the_settings_of_another_target(tmp_path: Path) -> None:
    section = f"[mine]\nrepository = {MINE}\nusername = me\n"
    read = read_pypirc(write(tmp_path, f"[distutils]\nindex-servers = mine\n{section}"))
    assert read.target_settings("mine").url == ""


def test_the_default_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert set(read_pypirc(utils.DEFAULT_CONFIG_FILE).repositories) == {"pypi", "testpypi"}
    (tmp_path / ".pypirc").mkdir()
    for path, problem in (
        (utils.DEFAULT_CONFIG_FILE, "Is a directory"),
        (str(tmp_path / "x"), "No such file or directory"),
    ):
        with pytest.raises(UsageError) as caught:
            read_pypirc(path)
        assert caught.value.message == f"cannot read {path}: {problem}"
        assert caught.value.hint == "Correct --config-file."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
def test_reads_each_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: "latin-1")
    data = "[pypi]\npassword = gehe\u00efm\n".encode(encoding)
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + data
    read = read_pypirc(write(tmp_path, data))
    assert read.repositories["pypi"]["password"] == "gehe\u00efm"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"[pypi]\npassword = \xff\n", ": it is not UTF-8 text"),
        (b"[pypi]\nusername = a\nusername = b\n", ": the option in line 3 was there before"),
        (b"[pypi]\n[pypi]\n", ": the section in line 2 was there before"),
        (b"\nusername = a\n[pypi]\n", ": line 2 comes before the first section"),
        (b"[pypi]\n\nusername a\n", ": line 3 is neither a section nor an option"),
    ],
)
def test_names_the_line_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, cause: str
) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: "utf-8")
    path = write(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_pypirc(path)
    assert caught.value.message == f"cannot parse {path} as .pypirc{cause}"
    assert caught.value.hint == (
        "It needs a [distutils] section with index-servers, and a section for each of them."
    )


@pytest.mark.parametrize(
    ("listed", "section", "name", "message", "hint"),
    [
        (
            *("mine", "[other]\n", "other", "the section [other] of {path} is not listed in index-servers"),
            "Add other to index-servers in the section [distutils] of {path}.",
        ),
        (
            *("mine", "[Mine]\n", "mine", "{path} has no section [mine], but [Mine]"),
            "Write the name in the same way, also in index-servers: capitals and blanks count.",
        ),
        (
            *("mine", "", "mine", "{path} has no section [mine], which index-servers lists"),
            "Add the section, with a line 'repository = URL', to {path}.",
        ),
        (
            *("mine", "[mine]\n", "yours", "repository 'yours' not found in {path}"),
            "Use one of mine, pypi, or pass --repository-url.",
        ),
        (
            *("mine", "[mine]\nusername = me\n", "mine", "the section [mine] of {path} has no upload URL"),
            "Add a line 'repository = URL' to the section.",
        ),
    ],
)
def test_names_the_problem_of_a_section(
    tmp_path: Path, listed: str, section: str, name: str, message: str, hint: str
) -> None:
    path = write(tmp_path, f"[distutils]\nindex-servers = {listed}\n{section}")
    with pytest.raises(UsageError) as caught:
        read_pypirc(path).select(name)
    assert caught.value.message == message.format(path=path)
    assert caught.value.hint == hint.format(path=path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs modes")
@pytest.mark.parametrize(
    ("mode", "expected"), [(0o600, False), (0o640, True), (0o604, True), (0o644, True), (0o622, False)]
)
def test_knows_whether_others_may_read_a_file(tmp_path: Path, mode: int, expected: bool) -> None:
    path = tmp_path / "x"
    assert is_readable_by_others(path) is False
    path.touch()
    path.chmod(mode)
    assert is_readable_by_others(path) is expected
