"""The environment of child processes: an allow-list of names, and a filter for values."""

from __future__ import annotations

import os

import pytest

from wheel_uploader.core import redaction
from wheel_uploader.core.child_processes.environment import (
    ChildKind,
    build_environment,
    check_extra_names,
    list_filtered_names,
)
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.secret_patterns import SecretSet

SECRET = "S3cr3t-v4lue-xyz"

#: Variables that children must not inherit, some with harmless names.
NOT_INHERITED = (
    *(
        "TWINE_PASSWORD",
        "TWINE_USERNAME",
        "WHEEL_UPLOADER_URL_TOKEN",
        "PYPI_API_KEY",
        "GH_PAT",
        "DATABASE_URL",
    ),
    *("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "GPG_PASSPHRASE", "GPG_KEY", "VAULT_ADDR", "SENTRY_DSN"),
    *(
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "CI_JOB_JWT",
        "NPM_CONFIG__AUTH",
        "MYAPP",
        "pypi",
        "PINENTRY_USER_DATA",
    ),
    *(
        "SSH_AUTH_SOCK",
        "BASH_ENV",
        "LD_PRELOAD",
        "GIT_ASKPASS",
        "KUBECONFIG",
        "UV_PUBLISH_TOKEN",
        "PIP_TOKEN",
    ),
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        monkeypatch.delenv(name)
    monkeypatch.setattr(redaction, "_secrets", SecretSet())
    monkeypatch.setattr(redaction, "_uncommon_secrets", SecretSet())


@pytest.mark.parametrize("kind", ChildKind)
def test_does_not_inherit_a_name_outside_the_list(kind: ChildKind, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOT_INHERITED:
        monkeypatch.setenv(name, SECRET)
    for name, value in (("PATH", "/bin"), ("HOME", "/root"), ("LC_ALL", "C"), ("TMPDIR", "/tmp")):
        monkeypatch.setenv(name, value)
    assert build_environment(kind) == {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "TMPDIR": "/tmp"}


def test_each_kind_of_child_inherits_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {
        ChildKind.GPG: ("GNUPGHOME", "GPG_TTY", "XDG_RUNTIME_DIR"),
        ChildKind.PIP: ("PIP_NO_INDEX", "NETRC", "https_proxy", "REQUESTS_CA_BUNDLE", "CFLAGS"),
        ChildKind.SMOKE_COMMAND: ("PIP_NO_INDEX", "NO_PROXY", "OMP_NUM_THREADS", "PYTHONHASHSEED"),
        ChildKind.WORKER: ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"),
    }
    for name in {name for names in needs.values() for name in names}:
        monkeypatch.setenv(name, "1")
    for kind, names in needs.items():
        assert set(names) <= build_environment(kind).keys()
    # These would break the Python of another environment.
    for kind in (ChildKind.PIP, ChildKind.PIP_LOCAL_INDEX, ChildKind.SMOKE_COMMAND, ChildKind.PYTHON):
        assert not {"PYTHONPATH", "PYTHONHOME"} & build_environment(kind).keys()
    assert "PIP_NO_INDEX" not in build_environment(ChildKind.PIP_LOCAL_INDEX)
    assert "NETRC" not in build_environment(ChildKind.SMOKE_COMMAND)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # The URL stays, so that pip uses the same index and proxy; its credentials are removed.
        ("HTTPS_PROXY", f"http://me:{SECRET}@proxy:3128", "http://proxy:3128"),
        ("http_proxy", f"me:{SECRET}@proxy:3128", "proxy:3128"),
        ("ALL_PROXY", f"socks5h://{SECRET}@proxy", "socks5h://proxy"),
        ("PIP_PROXY", f"http://me:a/{SECRET}@proxy:3128", "http://proxy:3128"),
        ("PIP_INDEX_URL", f"https://me:{SECRET}@index/simple", "https://index/simple"),
        ("PIP_EXTRA_INDEX_URL", f"https://a/simple https://{SECRET}@b/", "https://a/simple https://b/"),
        ("PIP_INDEX_URL", f"https://index/t/{SECRET}/simple", "https://index/t/***/simple"),
        ("PIP_FIND_LINKS", f"https://index/?token={SECRET}", "https://index/"),
        ("PIP_DEFAULT", f"pypi-AgEI{SECRET}", None),
        ("PIP_API_KEY", "anything", None),
        # Unchanged.
        ("HTTPS_PROXY", "http://proxy:3128", "http://proxy:3128"),
        ("NO_PROXY", "127.0.0.1,localhost,.example.com", "127.0.0.1,localhost,.example.com"),
        ("PIP_INDEX_URL", "https://index/simple", "https://index/simple"),
        ("PIP_FIND_LINKS", "/any/t/demo", "/any/t/demo"),
        ("PIP_TRUSTED_HOST", "index:8080", "index:8080"),
        ("PATH", "/any/t/bin:/bin", "/any/t/bin:/bin"),
        ("HOME", "/t/home", "/t/home"),
    ],
)
def test_removes_credentials_from_inherited_values(
    name: str, value: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    for kind in (ChildKind.PIP, ChildKind.SMOKE_COMMAND):
        assert build_environment(kind).get(name) == expected
    assert list_filtered_names(ChildKind.PIP) == (() if value == expected else (name,))


@pytest.mark.parametrize(
    "name", ["LC_PAPER", "LANG", "PIP_TIMEOUT", "TZ", "CI", "PATH", "GNUPGHOME", "NO_PROXY"]
)
def test_does_not_inherit_a_value_with_a_registered_secret(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    redaction.register_secret(SECRET)
    monkeypatch.setenv(name, f"x{SECRET}y")
    assert not [kind for kind in ChildKind if build_environment(kind).get(name)]


def test_does_not_inherit_a_value_with_the_secret_of_another_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEPLOY_KEY", SECRET)
    monkeypatch.setenv("LC_PAPER", SECRET)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://index/{SECRET}/simple")
    assert build_environment(ChildKind.PIP) == {"PIP_INDEX_URL": "https://index/***/simple"}


def test_inherits_a_path_that_contains_a_short_password(monkeypatch: pytest.MonkeyPatch) -> None:
    redaction.register_secret("jenkins")
    monkeypatch.setenv("TWINE_PASSWORD", "jenkins")
    monkeypatch.setenv("HOME", "/home/jenkins")
    monkeypatch.setenv("PATH", "/home/jenkins/bin:/bin")
    assert build_environment(ChildKind.GPG) == {"HOME": "/home/jenkins", "PATH": "/home/jenkins/bin:/bin"}


def test_passes_on_a_requested_variable_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{SECRET}@db/")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy")
    environment = build_environment(ChildKind.SMOKE_COMMAND, ("DATABASE_URL", "HTTPS_PROXY", "NOT_SET"))
    assert environment == {name: os.environ[name] for name in ("DATABASE_URL", "HTTPS_PROXY")}


@pytest.mark.parametrize(
    "name", ["TWINE_PASSWORD", "wheel_uploader_url_token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
)
def test_refuses_to_pass_on_publishing_credentials(name: str) -> None:
    with pytest.raises(UsageError, match="refusing to pass "):
        check_extra_names(["DATABASE_URL", name])


@pytest.mark.parametrize("name", ["", "A=B", f"TOKEN={SECRET}"])
def test_rejects_an_invalid_variable_name(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a variable") as caught:
        check_extra_names([name])
    assert SECRET not in str(caught.value)
