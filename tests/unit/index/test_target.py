"""Test the selection of the target by options and variables, and the checks of its URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from wheel_uploader.core import redaction
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import Options
from wheel_uploader.core.models.target_settings import TargetSettings
from wheel_uploader.index import target as target_module
from wheel_uploader.index.target import (
    SelectedRepository,
    Target,
    find_certificate,
    has_ci_identity,
    is_interactive,
    option_or_variable,
    selected_repository,
    validate_upload_url,
)

CI_VARIABLES = ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME")
VARIABLES = ("TWINE_REPOSITORY", "TWINE_REPOSITORY_URL", "TWINE_NON_INTERACTIVE", *CI_VARIABLES)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def options(**values: Any) -> Options:
    return Options(project="demo", version="1.0", urls=("https://staging.example/",), **values)


URL, OTHER = "https://mine.example/upload/", "https://other.example/"


def test_the_page_of_a_release_is_known_for_pypi_only() -> None:
    target = Target(url=URL, is_pypi=False, name="mine")
    assert target.release_page_url("demo", Version("1.0")) == ""
    assert (target.is_testpypi, target.stores_attestations, target.pages_url) == (False, False, "")
    pypi = Target(url=URL, is_pypi=True, name="pypi", pages_url="https://pypi.example/")
    assert pypi.release_page_url("demo", Version("1.0")) == "https://pypi.example/project/demo/1.0/"


def test_the_command_line_comes_before_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    def selected(**values: Any) -> tuple[str, str, str, bool]:
        found = selected_repository(options(**values))
        return found.name, found.url, found.label, found.is_in_pypirc

    assert selected() == ("pypi", "", "pypi", True)
    assert selected(repository="mine") == ("mine", "", "mine", True)
    assert selected(repository_url=URL) == ("pypi", URL, URL, False)
    monkeypatch.setenv("TWINE_REPOSITORY", "from-variable")
    assert selected() == ("from-variable", "", "from-variable", True)
    assert selected(repository="mine") == ("mine", "", "mine", True)
    monkeypatch.setenv("TWINE_REPOSITORY_URL", OTHER)
    assert selected() == ("from-variable", OTHER, OTHER, False)
    assert selected(repository="mine") == ("mine", "", "mine", True)
    assert selected(repository_url=URL) == ("from-variable", URL, URL, False)


def test_a_target_of_the_configuration_has_its_name() -> None:
    settings = TargetSettings(url=URL)
    found = selected_repository(options(repository="mine", targets={"mine": settings}))
    assert found == SelectedRepository(name="mine", url=URL, is_configured=True)
    assert (found.label, found.is_in_pypirc) == ("mine", False)
    assert SelectedRepository(name="x", url="https://me:secret@h.example/?a=b").label == "https://h.example/"


def test_an_option_comes_before_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_VALUE", "variable")
    assert option_or_variable("option", "X_VALUE") == "option"
    assert option_or_variable(Path("option"), "X_VALUE") == "option"
    assert option_or_variable("", "X_VALUE") == ""
    assert option_or_variable(None, "X_VALUE") == "variable"
    monkeypatch.delenv("X_VALUE")
    assert option_or_variable(None, "X_VALUE") is None


class Input:
    def __init__(self, *, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("variable", "expected"),
    [(None, True), ("", True), ("0", True), ("False", True), ("no", True), ("1", False), ("yes", False)],
)
def test_a_run_at_a_terminal_is_interactive(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, expected: bool
) -> None:
    if variable is not None:
        monkeypatch.setenv("TWINE_NON_INTERACTIVE", variable)
    monkeypatch.setattr("sys.stdin", Input(is_terminal=True))
    assert is_interactive(options()) is expected
    assert not is_interactive(options(non_interactive=True))
    monkeypatch.setattr("sys.stdin", Input(is_terminal=False))
    assert not is_interactive(options())
    monkeypatch.setattr("sys.stdin", None)
    assert not is_interactive(options())


def test_knows_the_environments_with_an_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/sys/class/dmi/id/product_name") == target_module._GOOGLE_PRODUCT
    product = tmp_path / "product"
    monkeypatch.setattr(target_module, "_GOOGLE_PRODUCT", product)
    assert has_ci_identity() is False
    for text, expected in (("Google\n", True), ("Google Compute Engine\n", True), ("Other\n", False)):
        product.write_text(text)
        assert has_ci_identity() is expected
    for name in CI_VARIABLES:
        monkeypatch.setenv(name, "1")
        assert has_ci_identity() is True
        monkeypatch.setenv(name, "")
        assert has_ci_identity() is False


def test_finds_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "ca.pem"
    path.write_text("x")
    assert find_certificate(None) is find_certificate("") is None
    assert find_certificate(str(path)) == find_certificate("~/ca.pem") == path
    assert find_certificate(str(tmp_path)) == tmp_path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(("variable", "option"), [("", "--cert, --client-cert or .pypirc"), ("X", "X")])
def test_names_a_certificate_that_cannot_be_used(tmp_path: Path, variable: str, option: str) -> None:
    shown = f" ({variable})" if variable else ""
    missing, pipe = tmp_path / "missing.pem", tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, problem in ((missing, "not found"), (pipe, "is not a regular file"), ("x" * 5000, "not found")):
        with pytest.raises(UsageError) as caught:
            find_certificate(str(path), variable)
        assert caught.value.message.endswith(f"{problem}{shown}")
        assert caught.value.hint == f"Correct {option}."


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, (URL, "", "")),
        (" https://index.example/x/ ", ("https://index.example/x/", "", "")),
        ("https://m%40e:s%3Acret@index.example/x/", ("https://index.example/x/", "m@e", "s:cret")),
        ("http://127.0.0.1:8080/", ("http://127.0.0.1:8080/", "", "")),
        ("http://plain.example/", ("http://plain.example/", "", "")),
        ("https://pulp.example/pypi/main/simple/", ("https://pulp.example/pypi/main/simple/", "", "")),
        ("https://pulp.example/pypi/a/b/simple", ("https://pulp.example/pypi/a/b/simple", "", "")),
        ("https://index.example/simpleX", ("https://index.example/simpleX", "", "")),
    ],
)
def test_takes_an_upload_url_apart(url: str, expected: tuple[str, str, str]) -> None:
    assert validate_upload_url(url, ["PLAIN.example"]) == expected


BLANK = "the upload URL is not valid: it has a blank in it"
READING = "is the URL for reading an index, not for uploads"


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "https://h.example/ # mine",
            BLANK,
            "Remove what follows the URL. In .pypirc, a comment needs a line",
        ),
        (
            "h.example/upload",
            "the upload URL is not valid: ",
            "Give an absolute URL that begins with https://.",
        ),
        ("https://[x/", "the upload URL is not valid: ", "Give an absolute URL that begins with https://."),
        (
            "http://h.example/x",
            "refusing to send credentials and files to http://h.example/x without encryption",
            "Use https or, in a network that you trust, --allow-insecure-host h.example.",
        ),
        ("https://h.example/simple/", f"https://h.example/simple/ {READING}", "Pass the upload URL with "),
        (
            "https://h.example/a/+simple",
            f"https://h.example/a/+simple {READING}",
            "Pass the upload URL with ",
        ),
        ("https://h.example/api/pypi/a/simple/", READING, "Pass the upload URL with --repository-url; this"),
    ],
)
def test_refuses_another_upload_url(url: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_upload_url(url, ["plain.example"])
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_the_secrets_of_an_upload_url_are_never_shown() -> None:
    validate_upload_url("https://me:very-hidden-1@h.example/?token=very-hidden-2", [])
    assert "very-hidden" not in redaction.redact_secrets("very-hidden-1 very-hidden-2")
    assert "bWU6dmVyeS1oaWRkZW4tMQ" not in redaction.redact_secrets("bWU6dmVyeS1oaWRkZW4tMQ==")
