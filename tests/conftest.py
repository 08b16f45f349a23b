"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from wheel_uploader.core import redaction

# The checkout is not searched first by what tests start in it: see tests/support/tested_package.py.
os.environ["PYTHONSAFEPATH"] = "1"

# The time of an example says how busy the machine is; what has to be fast has tests of its own.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment leads elsewhere: no proxy, and no .netrc, which requests would read.

    twine's variables name indexes and credentials; GitHub's name files that a run writes to.
    """
    for name in [name for name in os.environ if name.startswith(("TWINE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the key for cached results out of the home of whoever runs the tests."""
    # By the environment, so that child processes find the same key.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test uses as a password is an ordinary word in the next."""
    monkeypatch.setattr(redaction, "_secrets", type(redaction._secrets)())
