"""Shared fixtures and settings."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.support.cassettes import (  # noqa: F401 - pytest finds fixtures and hooks here
    devpi_url,
    live,
    pytest_recording_configure,
    pytest_runtest_call,
    vcr_cassette_dir,
    vcr_config,
)
from tests.support.distribution import (  # noqa: F401 - pytest finds fixtures and hooks here
    devpi,
    pytest_xdist_make_scheduler,
)
from tests.support.markers import (  # noqa: F401 - pytest finds fixtures and hooks here
    pytest_collection,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_terminal_summary,
)
from wheel_uploader.core import redaction

# Child processes must not find the checkout first: see tools/testing/tested_package.py.
os.environ["PYTHONSAFEPATH"] = "1"

# On a busy machine any example may be slow; speed has its own tests.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _isolated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxies, .netrc (which requests would read), and the variables of twine and GitHub.

    twine's variables name indexes and credentials; GitHub's name files that a run writes to.
    """
    for name in [name for name in os.environ if name.startswith(("TWINE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


@pytest.fixture(autouse=True)
def _separate_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the key for cached results out of the user's home directory."""
    # A variable, so that child processes use the same key.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _no_leftover_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of earlier tests, so that their passwords are not redacted in this one."""
    monkeypatch.setattr(redaction, "_secrets", type(redaction._secrets)())
    monkeypatch.setattr(redaction, "_uncommon_secrets", type(redaction._secrets)())
