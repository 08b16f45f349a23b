"""Test the manual page, as built into the wheel and as mandoc and groff read it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
import pytest

from tools.testing import tested_package
from wheel_uploader import cli
from wheel_uploader.cli import completion, man_page
from wheel_uploader.core import errors

ROOT = tested_package.ROOT
PAGE = man_page.man_page(cli.command, date(2026, 11, 21))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "wheel-uploader.1"
    path.write_text(PAGE)
    return path


def output_of(*command: str | Path) -> str:
    """Return everything that a program prints, which is empty if it reports no problem."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MANWIDTH": "80", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    )
    return done.stdout + done.stderr


@needs("mandoc")
def test_mandoc_reports_no_problems(page: Path) -> None:
    assert output_of("mandoc", "-Tlint", page) == ""


@needs("groff")
def test_groff_reports_no_problems(page: Path) -> None:
    assert output_of("groff", "-man", "-ww", "-z", "-Tutf8", page) == ""


@needs("mandoc")
def test_shows_every_option_and_exit_code(page: Path) -> None:
    shown = re.sub(".\b", "", output_of("mandoc", "-Tutf8", page))
    options = [parameter for parameter in cli.command.params if isinstance(parameter, click.Option)]
    options = [option for option in options if not option.hidden]
    for option in options:
        assert any(name in shown for name in [*option.opts, *option.secondary_opts]), option.name
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13):
        assert re.search(rf"^ +{code} +\S", shown, re.MULTILINE), code
    assert "list -> download -> check -> sign -> upload -> confirm" in shown


def test_lists_the_exit_code_of_every_error() -> None:
    exit_codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.ReleaseError)
    }
    assert set(man_page.exit_codes()) == exit_codes


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Return the wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1795219200"},
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as opened:
        yield opened


def test_the_wheel_contains_the_page_and_the_completions(wheel: zipfile.ZipFile) -> None:
    data = {name.partition(".data/data/")[2]: name for name in wheel.namelist() if ".data/data/" in name}
    assert wheel.read(data.pop("share/man/man1/wheel-uploader.1")).decode() == PAGE
    assert {path.split("/")[1] for path in data} == {"bash-completion", "zsh", "fish"}
    for path, name in data.items():
        shell = next(shell for shell in completion.SHELLS if f"share/{shell}" in path)
        assert wheel.read(name).decode() == completion.completion_script(cli.command, shell)
