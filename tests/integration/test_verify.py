"""``--verify``: an index serves exactly the files of a release, and nothing is uploaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served

USER, PASSWORD = "u", "a-password-of-7"
TAGS = ("py3-none-any", "cp312-cp312-win_amd64")


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, served: Served) -> Path:
    """Return a folder with two wheels that the index serves."""
    folder = tmp_path / "house"
    for tag in TAGS:
        served.index.store(wheels.make_wheel(folder, "demo", "1.0", tag))
    return folder


def verify(served: Served, house: Path, *options: str | Path, **env: str) -> Result:
    arguments = ["--verify", "-w", house, "--repository-url", served.upload_url, "--retries", "2", *options]
    variables = {"HOME": str(house.parent), "TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
    variables |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **env}
    ended = in_process.run(*arguments, "demo", "1.0", env=variables)
    assert served.index.posts == []
    return ended


def test_exactly_these_files_are_served(served: Served, house: Path) -> None:
    before = sorted(path.name for path in house.iterdir())
    ended = verify(served, house)
    assert ended.exit_code == 0, ended.stderr
    assert "The index serves exactly these 2 files, with the same sha256." in ended.stdout
    assert sorted(path.name for path in house.iterdir()) == before
    document = json.loads(verify(served, house, "--format", "json").stdout)
    assert document["verify"] is True
    assert [file["state"] for file in document["files"]] == ["published", "published"]


def test_no_output_for_a_cron_job_if_all_is_well(served: Served, house: Path) -> None:
    ended = verify(served, house, "-qq")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("form", ["html", "markdown", "sarif", "notes-md", "notes-rst"])
def test_every_format_has_the_result(served: Served, house: Path, form: str) -> None:
    ended = verify(served, house, "--format", form)
    assert ended.exit_code == 0, ended.stderr
    if form in {"html", "markdown"}:
        assert "serves exactly these 2 files" in ended.stdout


def test_other_contents_under_a_name_are_a_conflict(served: Served, house: Path) -> None:
    name = "demo-1.0-py3-none-any.whl"
    served.index.files[name] = b"other"
    ended = verify(served, house)
    assert ended.exit_code == 7, ended.stderr
    assert f"{name}: local sha256" in ended.stderr
    assert "1 file with different contents" in ended.stderr


@pytest.mark.parametrize(
    "name",
    ["demo-1.0-cp313-cp313-win_amd64.whl", "Demo-1.0.tar.gz", "demo-1.0-py2.7.egg", "demo-1.0.win32.exe"],
)
def test_a_file_of_this_version_that_is_not_ours_is_a_conflict(
    served: Served, house: Path, name: str
) -> None:
    served.index.files[name] = b"uploaded by someone else"
    ended = verify(served, house)
    assert ended.exit_code == 7, ended.stderr
    assert f"{name}: on the index only" in ended.stderr


@pytest.mark.parametrize(
    "name", ["demo-1.0.1.tar.gz", "demo-1.0.1-py2.7.egg", "demo-0.9-py3-none-any.whl", "demo_x-1.0.tar.gz"]
)
def test_files_of_other_releases_do_not_matter(served: Served, house: Path, name: str) -> None:
    served.index.files[name] = b"another release"
    assert verify(served, house).exit_code == 0


def test_files_that_are_left_out_do_not_matter(served: Served, house: Path) -> None:
    assert verify(served, house, "--exclude", "*win*").exit_code == 0
    assert verify(served, house, "-t", "win").exit_code == 0


def test_a_missing_file_is_named(served: Served, house: Path) -> None:
    name = "demo-1.0-cp312-cp312-win_amd64.whl"
    del served.index.files[name]
    ended = verify(served, house)
    assert ended.exit_code == 10, ended.stderr
    assert name in ended.stderr
    assert "does not list 1 of 2 files" in ended.stderr
    assert "without --verify" in ended.stderr
    document = json.loads(verify(served, house, "--format", "json").stdout)
    assert {file["filename"]: file["state"] for file in document["files"]}[name] == "missing"


def test_a_file_that_cannot_be_downloaded_is_missing(served: Served, house: Path) -> None:
    served.index.file_reply = Reply(404)
    ended = verify(served, house)
    assert ended.exit_code == 10, ended.stderr
    assert "2 cannot be downloaded" in ended.stderr


def test_waits_only_if_asked(served: Served, house: Path) -> None:
    served.index.stale_reads = 3
    assert verify(served, house).exit_code == 10
    assert verify(served, house, "--confirm-timeout", "5").exit_code == 0


def test_logs_in_where_reading_requires_it(served: Served, house: Path) -> None:
    served.index.password, served.index.anonymous = (USER, PASSWORD), Reply(404)
    assert verify(served, house).exit_code == 10
    ended = verify(served, house, TWINE_USERNAME=USER, TWINE_PASSWORD=PASSWORD)
    assert ended.exit_code == 0, ended.stderr


def test_a_staging_place_is_verified_without_a_wheelhouse(served: Served, house: Path) -> None:
    target = ["--repository-url", served.upload_url, "--non-interactive"]
    ended = in_process.run("--verify", "-u", house, *target, "demo", "1.0", env={"HOME": str(house.parent)})
    assert ended.exit_code == 0, ended.stderr
    assert not list(house.parent.glob("wheelhouse"))


@pytest.mark.parametrize(
    "option",
    ["--sign", "--attest", "--ask", "--dry-run", "--rehearse", "--write-only", "--until=check", "-n"],
)
def test_options_that_contradict_it_are_refused(served: Served, house: Path, option: str) -> None:
    ended = verify(served, house, option)
    assert ended.exit_code == 2, ended.stderr
    assert "--verify" in ended.stderr
    assert served.index.gets == []


def test_a_configured_signature_does_not_hinder_it(
    served: Served, house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.parent)
    settings = ["[tool.wheel-uploader]", "sign = true", 'identity = "me@example.org"', "strict = true"]
    Path("pyproject.toml").write_text("\n".join(settings))
    ended = verify(served, house)
    assert ended.exit_code == 0, ended.stderr
    assert "no effect" not in ended.stderr


def test_a_real_pypiserver_is_verified(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "house", "demo", "1.0")
    store = tmp_path / "store"
    with indexes.pypiserver(store, users={USER: PASSWORD}) as url:
        source: list[str | Path] = ["--verify", "-w", tmp_path / "house", "--repository-url", url]
        environment = {"HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        codes = [in_process.run(*source, "demo", "1.0", env=environment).exit_code]
        (store / wheel.name).write_bytes(wheel.read_bytes())
        codes.append(in_process.run(*source, "demo", "1.0", env=environment).exit_code)
        (store / "demo-1.0.tar.gz").write_bytes(b"uploaded by someone else")
        codes.append(in_process.run(*source, "demo", "1.0", env=environment).exit_code)
    assert codes == [10, 0, 7]


def test_the_doctor_requires_no_login_for_it(served: Served, house: Path) -> None:
    ended = verify(served, house, "--doctor")
    assert "only if the index requires one for reading" in ended.stdout
    assert "no source given" not in ended.stdout
