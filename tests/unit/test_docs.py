"""Test that the README and the pages of docs/ match the program."""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from twine.utils import DEFAULT_REPOSITORY, TEST_REPOSITORY

from tests.support import readme, upload_page
from tests.support.in_process import run
from tests.unit.core import test_errors
from wheel_uploader.checks import CHECKS
from wheel_uploader.checks.registry import Check
from wheel_uploader.core import errors


@pytest.mark.parametrize("name", readme.GENERATED)
def test_generated_parts_are_current(name: str) -> None:
    text = readme.page(name)
    for part, make in readme.GENERATED[name].items():
        written = f".. {part} begins\n\n{make()}\n\n.. {part} ends\n"
        assert written in text, "run: python -m tests.support.readme"


@pytest.mark.parametrize("name", readme.GENERATED)
def test_regenerating_a_page_changes_nothing(name: str) -> None:
    assert readme.with_generated_parts(name) == readme.page(name), "run: python -m tests.support.readme"


def test_the_page_about_the_upload_is_current() -> None:
    text = upload_page.PAGE.read_text(encoding="utf-8")
    assert upload_page.with_generated_parts(text) == text, "run: python -m tests.support.upload_page"


def test_lists_every_exit_code() -> None:
    in_table = set(re.findall(r"^(\d+)\s{2,}\S", readme.page("reference/exit-codes"), re.MULTILINE))
    in_program = {
        str(error.exit_code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ReleaseError)
    }
    assert in_program <= in_table
    assert in_table - in_program == {"0"}


def test_the_readme_renders() -> None:
    from readme_renderer import rst

    warnings = io.StringIO()
    assert rst.render(readme.README.read_text(encoding="utf-8"), stream=warnings) is not None
    assert warnings.getvalue() == ""


@pytest.mark.parametrize("code", ["128", *map(str, test_errors.CODES.values())])
def test_says_what_to_do_after_every_exit_code(code: str) -> None:
    text = readme.page("how-to/it-ended-with")
    assert re.search(rf"(?m)^\.\. _exit-{code}:\n\n{code}(\+N)?: ", text)


def load_check_pages() -> Any:
    """Import the Sphinx extension that writes the pages of the checks; it needs no Sphinx."""
    path = readme.DOCS / "extensions" / "check_pages.py"
    spec = importlib.util.spec_from_file_location("check_pages", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_check_has_a_page_at_the_address_of_its_id(tmp_path: Path) -> None:
    stale = tmp_path / "reference" / "checks" / "native" / "removed.rst"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    load_check_pages().write_pages(tmp_path)
    written = {path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.rst")}
    assert written == {f"reference/checks/{check.id}" for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_page_of_a_check_has_the_text_of_explain(check: Check[Any]) -> None:
    page = load_check_pages().check_page(check)
    text = re.sub(r":doc:`/reference/checks/([^`]+)`", r"\1", page).replace("\\", "")
    assert text.startswith(f"{check.id}\n===")
    assert f"**{check.title}.**" in text
    assert check.explanation.replace("\\", "") in text


@pytest.mark.parametrize("path", readme.pages(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_page_has_a_host_name_of_a_package_registry(path: Path) -> None:
    """Documentation and recipes use index.example; a copied command must not reach a real index."""
    hosts = {urlsplit(url).hostname or "" for url in (DEFAULT_REPOSITORY, TEST_REPOSITORY)}
    domains = {".".join(host.split(".")[-2:]) for host in hosts}
    assert [domain for domain in domains if domain in path.read_text(encoding="utf-8")] == []


def test_the_readme_is_an_introduction() -> None:
    assert readme.README.read_text(encoding="utf-8").count("\n") <= 150


def test_links_of_the_readme_work_on_an_index_and_lead_to_pages() -> None:
    project = tomllib.loads((readme.README.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = project["urls"]["Documentation"]
    links = re.findall(r"<([^>\s]+)>`_", readme.README.read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not link.startswith(site)] == []
    pages = [link.removeprefix(site).replace(".html", ".rst") for link in links]
    assert [page for page in pages if not (readme.DOCS / page).is_file()] == []


#: A profile for the commands that name one.
CONFIGURATION = '[tool.wheel-uploader.profiles.nightly]\nproject = "dipy"\nversion = "latest"\n'
PLACEHOLDERS = {"URL": "https://staging.example.com/", "INDEX-PAGE": "https://index.example/simple/dipy/"}
PLACEHOLDERS |= {"VERSION": "1.11.1", "DIR": "wheelhouse", "ID": "metadata/thin"}


def documented_commands() -> dict[str, str]:
    """Return every command in the README and in docs/, each with a page that has it."""
    found = {}
    for path in readme.pages():
        text = re.sub(r" *\\\n +", " ", path.read_text(encoding="utf-8"))
        blocks = re.findall(r"(?m)^ +(?:- run: )?(?:\$ )?(wheel-uploader [-a-z].*)$", text)
        # Neither the options in --help nor the names of other programs are commands.
        sentences = re.findall(r"``(wheel-uploader -[^`]*)``", re.sub(r"\s+", " ", text))
        for command in (*blocks, *sentences):
            found[re.split(r" [>|&;#]", command)[0].strip()] = f"{path.parent.name}/{path.stem}"
    return found


def test_finds_the_documented_commands() -> None:
    commands = documented_commands()
    assert len(commands) > 40
    assert {page.partition("/")[0] for page in commands.values()} >= {"tutorial", "how-to", "reference"}


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_are_valid(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pyproject.toml", "nightly.toml"):
        (tmp_path / name).write_text(CONFIGURATION)
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)[1:]]
    result = run("--show-config", *words)
    assert result.exit_code == 0, f"{documented_commands()[command]}: {result.stderr}"
