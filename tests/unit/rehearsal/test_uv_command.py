"""The settings of pip as arguments of uv."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from wheel_uploader.rehearsal import uv_command
from wheel_uploader.rehearsal.uv_command import UvSettings

STRATEGY = ["--index-strategy", "unsafe-best-match"]
needs_uv = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")


def find_settings(
    monkeypatch: pytest.MonkeyPatch, config: str, folder: Path, **env: str
) -> UvSettings | None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (folder / "pip.conf").write_text(config)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
    # No configuration of the user.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(folder))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    uv = uv_command.find_uv()
    assert uv
    return uv.settings


@needs_uv
def test_uv_gets_the_indexes_of_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = """\
[global]
index-url = https://index.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
timeout = 60
[install]
index-url = https://install.example/simple
[download]
proxy = https://proxy.example
"""
    variables = {"PIP_FIND_LINKS": "/a /b", "PIP_CONSTRAINT": "/c.txt", "PIP_CERT": "/ca.pem"}
    settings = find_settings(monkeypatch, config, tmp_path, **variables)
    assert settings
    assert sorted(settings.arguments) == sorted(
        [
            *STRATEGY,
            *("--default-index", "https://install.example/simple"),
            *("--index", "https://one.example/simple", "--index", "https://two.example/simple"),
            *("--find-links", "/a", "--find-links", "/b", "--constraint", "/c.txt"),
        ]
    )
    assert settings.variables == {"SSL_CERT_FILE": "/ca.pem"}


@needs_uv
@pytest.mark.parametrize(
    "setting",
    ["pre = true", "trusted-host = index.example", "index-url = https://me:" + "secret@index.example/simple"],
    ids=["a setting without counterpart", "a host without TLS", "a login"],
)
def test_pip_installs_what_uv_might_not_find(
    setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_settings(monkeypatch, f"[global]\n{setting}\n", tmp_path) is None


@needs_uv
def test_uv_uses_no_index_if_pip_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = find_settings(monkeypatch, "", tmp_path, PIP_NO_INDEX="1")
    assert settings
    assert settings.arguments == [*STRATEGY, "--no-index"]


def test_a_uv_that_does_not_work_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert uv_command.find_uv() is None
