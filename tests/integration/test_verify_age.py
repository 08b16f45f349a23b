"""``--verify --max-age``: a watch on an index, for cron."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served

MakeToken = Callable[[timedelta], str]
TAGS = ("cp312-cp312-win_amd64", "cp312-cp312-macosx_11_0_arm64")
WINDOWS, MACOS = (f"demo-1.0-{tag}.whl" for tag in TAGS)


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        running.index.default_upload_time = ago(1)
        yield running


@pytest.fixture
def house(tmp_path: Path, served: Served) -> Path:
    """Return a folder with two wheels that the index serves."""
    folder = tmp_path / "house"
    for tag in TAGS:
        served.index.store(wheels.make_wheel(folder, "demo", "1.0", tag))
    return folder


def watch(served: Served, house: Path, *options: str, **env: str) -> Result:
    arguments: list[str | Path] = ["--verify", "-w", house]
    arguments += ["--repository-url", served.upload_url, "--retries", "1"]
    variables = {"HOME": str(house.parent), "TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
    variables |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **env}
    ended = in_process.run(*arguments, "--max-age", "3d", *options, "demo", "1.0", env=variables)
    assert served.index.posts == []
    return ended


def test_an_index_with_recent_files_passes(served: Served, house: Path) -> None:
    ended = watch(served, house)
    assert ended.exit_code == 0, ended.stderr
    assert "the newest file of each platform is recent enough" in ended.stderr
    assert "is 24 h old" in ended.stderr
    quiet = watch(served, house, "-q")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_names_the_platform_the_file_and_its_age(served: Served, house: Path) -> None:
    served.index.upload_times[MACOS] = ago(5)
    ended = watch(served, house)
    assert ended.exit_code == 3, ended.stderr
    assert "the newest file of 1 of 2 platforms is not recent enough: --max-age is 3 days" in ended.stderr
    assert f"macosx_arm64: {MACOS} is 5 days old" in ended.stderr
    assert "win_amd64:" not in ended.stderr
    assert "Not verified" in watch(served, house, "--format", "markdown").stdout
    # The age of the staged files does not matter, and neither does that of another version.
    served.index.files["demo-0.9-cp312-cp312-macosx_10_9_arm64.whl"] = b"uploaded after this release"
    assert watch(served, house).exit_code == 0


def test_a_platform_that_the_release_no_longer_has_is_noticed(served: Served, house: Path) -> None:
    old = "demo-0.9-cp312-cp312-musllinux_1_2_x86_64.whl"
    served.index.files[old], served.index.upload_times[old] = b"the last one", ago(20)
    ended = watch(served, house)
    assert ended.exit_code == 3, ended.stderr
    assert f"musllinux_x86_64: {old} is 20 days old" in ended.stderr
    assert "--allow-missing PLATFORM" in ended.stderr
    for accepted in (["--allow-missing", "musllinux_*"], ["-t", "win"], ["--exclude", "*musllinux*"]):
        passed = watch(served, house, *accepted)
        assert passed.exit_code == 0, (accepted, passed.stderr)
        assert "no effect" not in passed.stderr
    served.index.yanked[old] = "broken"
    assert watch(served, house).exit_code == 0


def test_a_missing_file_does_not_hide_an_old_platform(served: Served, house: Path) -> None:
    served.index.default_upload_time = ago(9)
    del served.index.files[WINDOWS]
    ended = watch(served, house)
    assert ended.exit_code == 3, ended.stderr
    assert f"macosx_arm64: {MACOS} is 9 days old" in ended.stderr
    assert "does not list 1 of 2 files" in ended.stderr


def test_other_contents_are_worse_than_age(served: Served, house: Path) -> None:
    served.index.default_upload_time = ago(9)
    served.index.files[WINDOWS] = b"other"
    assert watch(served, house).exit_code == 7


def test_a_date_in_the_future_is_not_evidence(served: Served, house: Path) -> None:
    served.index.upload_times[MACOS] = ago(-400)
    ended = watch(served, house)
    assert ended.exit_code == 3, ended.stderr
    assert f"macosx_arm64: {MACOS} is dated in the future" in ended.stderr


def test_asks_for_dates_that_the_page_lacks(served: Served, house: Path) -> None:
    served.index.default_upload_time = None
    nothing = watch(served, house)
    assert nothing.exit_code == 2, nothing.stderr
    assert f"{MACOS} has no date" in nothing.stderr
    served.index.file_reply = Reply(200, headers={"Last-Modified": "Sun, 01 Nov 2020 10:00:00 GMT"})
    ended = watch(served, house)
    assert ended.exit_code == 3, ended.stderr
    assert "2020-11-01 10:00 UTC according to its Last-Modified" in ended.stderr


def test_a_real_pypiserver_is_watched(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "house", "demo", "1.0")
    store = tmp_path / "store"
    environment = {"HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    with indexes.pypiserver(store) as url:
        served = store / wheel.name
        served.write_bytes(wheel.read_bytes())
        source: list[str | Path] = ["--verify", "-w", tmp_path / "house", "--repository-url", url]
        recent = in_process.run(*source, "--max-age", "1h", "demo", "1.0", env=environment)
        assert recent.exit_code == 0, recent.stderr
        long_ago = datetime(2021, 5, 1, tzinfo=UTC).timestamp()
        os.utime(served, (long_ago, long_ago))
        old = in_process.run(*source, "--max-age", "1h", "demo", "1.0", env=environment)
    assert old.exit_code == 3, old.stderr
    assert f"any: {wheel.name} is " in old.stderr
    assert "2021-05-01" in old.stderr


# --- tokens ----------------------------------------------------------------------------------------


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def make_pypi_token(expires_in: timedelta) -> str:
    """Return a macaroon with the caveat that PyPI gives a token with an end."""
    now = int(datetime.now(UTC).timestamp())
    caveat = json.dumps([0, now + int(expires_in.total_seconds()), now]).encode()
    fields = [(1, b"index.example"), (2, b"identifier")]
    head = b"".join(bytes([kind, len(data)]) + data for kind, data in fields) + b"\0"
    body = bytes([2, len(caveat)]) + caveat + b"\0\0" + bytes([6, 32]) + bytes(32)
    return "pypi-" + base64.urlsafe_b64encode(b"\x02" + head + body).decode().rstrip("=")


def make_jwt(expires_in: timedelta) -> str:
    now = int(datetime.now(UTC).timestamp())
    return ".".join([encode({"alg": "none"}), encode({"exp": now + int(expires_in.total_seconds())}), "sig"])


def make_codeartifact_token(expires_in: timedelta) -> str:
    """Return an encrypted token, whose header states the times."""
    now = int(datetime.now(UTC).timestamp())
    header = {"ver": 1, "isu": now, "enc": "A128GCM", "exp": now + int(expires_in.total_seconds())}
    return ".".join([encode(header), "key", "iv", "text", "tag"])


@pytest.mark.parametrize("make", [make_pypi_token, make_jwt, make_codeartifact_token])
@pytest.mark.parametrize("option", ["-v", "-q", "--format=json", "--format=html"])
def test_a_token_that_ends_soon_is_a_warning(
    served: Served, house: Path, make: MakeToken, option: str
) -> None:
    token = make(timedelta(hours=30, minutes=1))
    ended = watch(served, house, option, TWINE_USERNAME="__token__", TWINE_PASSWORD=token)
    assert ended.exit_code == 0, ended.stderr
    shown = ended.stdout + ended.stderr
    assert "the password from TWINE_PASSWORD expires in 30 h" in re.sub(r"<wbr>|&#8203;", "", shown)
    assert token not in shown
    later = make(timedelta(days=30))
    calm = watch(served, house, option, TWINE_USERNAME="__token__", TWINE_PASSWORD=later)
    assert "expire" not in calm.stdout + calm.stderr


def test_a_token_that_has_ended_is_a_warning_of_every_run(served: Served, house: Path) -> None:
    for make in (make_pypi_token, make_jwt, make_codeartifact_token):
        env = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": make(timedelta(hours=-3))}
        assert "TWINE_PASSWORD expired 3 h ago" in watch(served, house, **env).stdout
        doctor = watch(served, house, "--doctor", **env)
        assert "TWINE_PASSWORD expired 3 h ago" not in doctor.stdout
        uploading = in_process.run(
            *("--doctor", "--repository-url", served.upload_url, "-u", house, "demo", "1.0"), env=env
        )
        assert "TWINE_PASSWORD expired 3 h ago" in uploading.stdout


@pytest.mark.parametrize("token", ["pypi-AgEI" + "A" * 200, "pypi-Ag__", "a.b.c", "e30.e30.e30", "\u00e9.x"])
def test_there_is_no_warning_about_a_token_without_an_end(served: Served, house: Path, token: str) -> None:
    ended = watch(served, house, TWINE_USERNAME="u", TWINE_PASSWORD=token)
    assert ended.exit_code == 0, ended.stderr
    assert "expire" not in ended.stdout + ended.stderr


def test_the_token_in_the_index_url_is_examined(served: Served, house: Path) -> None:
    token = make_jwt(timedelta(hours=5, minutes=1))
    url = served.index_url.replace("//", f"//reader:{token}@")
    ended = watch(served, house, "--index-url", url)
    assert "the password in --index-url expires in 5 h" in ended.stdout
    assert token not in ended.stdout + ended.stderr
