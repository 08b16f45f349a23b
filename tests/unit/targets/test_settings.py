"""Test targets that are sections of pyproject.toml or of .pypirc."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import Served
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import CheckProfile, Options, TargetSettings
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.targets import open_target

TOKEN = "a-token-of-the-nightlies"


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    return tmp_path


def write_config(folder: Path, *lines: str) -> None:
    text = "\n".join(["[tool.wheel-uploader.targets.nightly]", *lines])
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def publish(folder: Path, **env: str) -> Result:
    variables = {"HOME": str(folder), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **env}
    arguments = ("-u", "staged", "-r", "nightly", "--confirm-timeout", "3", "demo", "1.0")
    return in_process.run(*arguments, env=variables)


def test_a_section_names_the_url_and_the_variable_of_the_token(folder: Path, served: Served) -> None:
    write_config(
        folder,
        f'url = "{served.upload_url}"',
        f'index-url = "{served.index_url}"',
        'token-variable = "NIGHTLY_TOKEN"',
    )
    done = publish(folder, NIGHTLY_TOKEN=f"{TOKEN}\n")
    assert done.exit_code == 0, done.stderr
    assert len(served.index.files) == 1
    login = base64.b64encode(f"__token__:{TOKEN}".encode()).decode()
    [post] = served.index.posts
    assert post.headers["Authorization"] == f"Basic {login}"
    assert TOKEN not in done.stderr + done.stdout


def test_a_variable_that_is_not_set_ends_the_run_before_the_first_request(
    folder: Path, served: Served
) -> None:
    write_config(folder, f'url = "{served.upload_url}"', 'token-variable = "NIGHTLY_TOKEN"')
    done = publish(folder)
    assert done.exit_code == 4
    assert "NIGHTLY_TOKEN" in done.stderr
    assert (served.index.gets, served.index.posts) == ([], [])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('index-url = "https://index.example/simple/"',), "has no url"),
        (('url = "https://index.example/"', 'lables = "x"'), "unknown keys: lables"),
        (("url = 3",), "url is not a text"),
        (('url = "https://index.example/"', 'profile = "strict"'), "is not a rule set"),
    ],
)
def test_rejects_an_invalid_section(folder: Path, lines: tuple[str, ...], words: str) -> None:
    write_config(folder, *lines)
    done = publish(folder)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "tool.wheel-uploader.targets.nightly" in done.stderr


def test_rejects_targets_that_are_not_tables(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.wheel-uploader]\ntargets = 3\n", encoding="utf-8")
    done = publish(folder)
    assert done.exit_code == 2
    assert "'targets' in" in done.stderr


def test_a_section_of_pypirc_may_have_the_url_of_the_pages(folder: Path, served: Served) -> None:
    text = (
        "[distutils]\nindex-servers = nightly\n[nightly]\nusername = u\npassword = a-password-of-9\n"
        f"repository = {served.upload_url}\nindex-url = {served.index_url}\nprofile = any\n"
    )
    (folder / ".pypirc").write_text(text, encoding="utf-8")
    (folder / ".pypirc").chmod(0o600)
    done = publish(folder)
    assert done.exit_code == 0, done.stderr
    assert len(served.index.files) == 1


def test_the_rule_set_of_a_section_is_the_default() -> None:
    settings = TargetSettings(url="https://index.example/legacy/", profile=CheckProfile.PYPI)
    options = Options(
        project="demo",
        version="1.0",
        urls=("staged",),
        repository="nightly",
        targets={"nightly": settings},
        username="u",
        password="a-password-of-9",
    )
    target = open_target(options, SilentProgress())
    target.close()
    assert target.default_profile is CheckProfile.PYPI
    assert target.info.name == "nightly"


def test_the_api_rejects_targets_of_another_type() -> None:
    with pytest.raises(UsageError, match="targets"):
        Options(project="demo", version="1", urls=("x",), targets={"a": "https://index.example/"})  # type: ignore[dict-item]


def test_show_config_lists_the_targets(folder: Path) -> None:
    write_config(folder, 'url = "https://index.example/legacy/"')
    done = in_process.run("--show-config")
    assert "# target nightly: https://index.example/legacy/" in done.stdout


def test_labels_have_no_effect_at_an_index_and_a_line_says_so(folder: Path, served: Served) -> None:
    arguments = ("--repository-url", served.upload_url, "--label", "dev", "--dry-run")
    login = {"TWINE_USERNAME": "u", "TWINE_PASSWORD": TOKEN, "HOME": str(folder)}
    ended = in_process.run("-u", "staged", *arguments, "demo", "1.0", env=login)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr.count("--label has no effect: only anaconda.org has labels") == 1
