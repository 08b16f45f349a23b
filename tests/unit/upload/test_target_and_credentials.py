"""Test target and credentials from options, TWINE_* variables, .pypirc, keyring and CI."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from packaging.version import Version
from twine import auth, utils

from wheel_uploader.core import redaction
from wheel_uploader.core.errors import CredentialsError, UsageError
from wheel_uploader.core.models import Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.upload.twine_uploader import TwineUploader, resolve_target

PYPIRC = """\
[distutils]
index-servers =
    pypi
    mine
    open
    nourl

[pypi]
username = __token__
password = pypi-AgTokenOfMine123456

[mine]
repository = https://pypi.example.com/upload/
username = me
password = mine-secret-1
ca_cert = {ca}

[open]
repository = https://who:in-the-url-2@open.example.com/upload/

[nourl]
username = me
password = nourl-secret-3
"""


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run without .pypirc, keyring, netrc, CI, variables and terminal."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", "/dev/null")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("USERNAME", "PASSWORD", "REPOSITORY", "REPOSITORY_URL", "CERT", "NON_INTERACTIVE"):
        monkeypatch.delenv(f"TWINE_{name}", raising=False)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("wheel_uploader.index.target._GOOGLE_PRODUCT", tmp_path / "no-such-file")
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def pypirc(tmp_path: Path) -> Path:
    ca = tmp_path / "ca.pem"
    ca.touch()
    path = tmp_path / "pypirc"
    path.write_text(PYPIRC.format(ca=ca))
    return path


def options(
    *,
    repository: str | None = None,
    repository_url: str | None = None,
    config_file: Path | None = None,
    username: str | None = None,
    password: str | None = None,
    cert: Path | None = None,
    client_cert: Path | None = None,
    non_interactive: bool = False,
    allow_insecure_hosts: tuple[str, ...] = (),
) -> Options:
    return Options(
        project="dipy",
        version="1.0",
        urls=("https://staging.example.com/",),
        repository=repository,
        repository_url=repository_url,
        config_file=config_file,
        username=username,
        password=password,
        cert=cert,
        client_cert=client_cert,
        non_interactive=non_interactive,
        allow_insecure_hosts=allow_insecure_hosts,
    )


def credentials(chosen_options: Options) -> tuple[str, str] | None:
    return TwineUploader(chosen_options, resolve_target(chosen_options), SilentProgress()).credentials()


# --- target ----------------------------------------------------------------------------------------


def test_pypi_is_the_default() -> None:
    target = resolve_target(options())
    assert (target.url, target.is_pypi, target.name) == (utils.DEFAULT_REPOSITORY, True, "pypi")
    target = resolve_target(options(repository="testpypi"))
    assert (target.url, target.is_pypi, target.name) == (utils.TEST_REPOSITORY, True, "testpypi")


def test_returns_the_release_page_url(pypirc: Path) -> None:
    def release_page(chosen_options: Options) -> str:
        return resolve_target(chosen_options).release_page_url("dipy", Version("1.0"))

    web = utils.DEFAULT_REPOSITORY.replace("upload.", "").removesuffix("legacy/")
    assert release_page(options()) == f"{web}project/dipy/1.0/"
    web = utils.TEST_REPOSITORY.removesuffix("legacy/")
    assert release_page(options(repository="testpypi")) == f"{web}project/dipy/1.0/"
    assert release_page(options(repository="mine", config_file=pypirc)) == ""


def test_adds_the_trailing_slash_to_the_pypi_url() -> None:
    host = urlsplit(utils.DEFAULT_REPOSITORY).netloc
    for spelling in (host, host.upper(), f"{host}:443", f"{host}.", f"{host.title()}.:443"):
        for path in ("/legacy/", "/legacy"):
            target = resolve_target(options(repository_url=f"https://{spelling}{path}"))
            assert (target.url, target.is_pypi) == (utils.DEFAULT_REPOSITORY, True), spelling
    assert not resolve_target(options(repository_url=f"https://{host}:8443/legacy/")).is_pypi


def test_reads_a_section_of_pypirc(pypirc: Path, tmp_path: Path) -> None:
    target = resolve_target(options(repository="mine", config_file=pypirc))
    assert (target.url, target.is_pypi, target.name) == ("https://pypi.example.com/upload/", False, "mine")
    assert target.cert == tmp_path / "ca.pem"


def test_removes_credentials_from_the_url(pypirc: Path) -> None:
    for chosen_options in (
        options(repository="open", config_file=pypirc),
        options(repository_url="https://who:in-the-url-2@open.example.com/upload/"),
    ):
        target = resolve_target(chosen_options)
        assert target.url == "https://open.example.com/upload/"
        assert "in-the-url-2" not in repr(target)
        assert credentials(chosen_options) == ("who", "in-the-url-2")


def test_decodes_percent_encoded_credentials_in_a_url() -> None:
    chosen_options = options(repository_url="https://a%40b:p%2Fw%20d%C3%A9@example.com/")
    assert credentials(chosen_options) == ("a@b", "p/w dé")


def test_the_command_line_overrides_the_environment(pypirc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINE_REPOSITORY", "mine")
    assert resolve_target(options(config_file=pypirc)).name == "mine"
    monkeypatch.setenv("TWINE_REPOSITORY_URL", "https://env.example.com/")
    assert resolve_target(options(config_file=pypirc)).url == "https://env.example.com/"
    # The command line overrides variables: a forgotten one must not redirect a release.
    assert resolve_target(options(config_file=pypirc, repository="pypi")).is_pypi
    assert (
        resolve_target(options(repository_url="https://typed.example.com/")).name
        == "https://typed.example.com/"
    )


def test_resolves_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = tmp_path / "c.pem"
    pem.touch()
    url = "https://example.com/"
    assert resolve_target(options(repository_url=url, cert=pem)).cert == pem
    assert resolve_target(options(repository_url=url, client_cert=pem)).client_cert == pem
    monkeypatch.setenv("TWINE_CERT", str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=r"certificate file .*none\.pem not found \(TWINE_CERT\)"):
        resolve_target(options(repository_url=url))


def test_lists_known_repositories_for_an_unknown_one(pypirc: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_target(options(repository="yours", config_file=pypirc))
    assert caught.value.message == f"repository 'yours' not found in {pypirc}"
    assert caught.value.hint == "Use one of mine, nourl, open, pypi, or pass --repository-url."


def test_knows_two_repositories_without_a_pypirc() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_target(options(repository="mine"))
    assert caught.value.message == "repository 'mine' not found in ~/.pypirc"
    assert "Use one of pypi, testpypi," in caught.value.hint


def test_rejects_a_section_without_a_url(pypirc: Path) -> None:
    with pytest.raises(UsageError, match=r"the section \[nourl\] of .* has no upload URL"):
        resolve_target(options(repository="nourl", config_file=pypirc))


@pytest.mark.parametrize(
    "content",
    [
        b"password = top-secret-9\n[distutils]\n",
        b"[pypi]\npassword top-secret-9\n",
        b"[pypi]\nusername = a\nusername = top-secret-9\n",
        b"[pypi]\npassword = top-secret-9\xff\xfe\n",
    ],
)
def test_reports_an_invalid_pypirc_without_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        resolve_target(options(config_file=path))
    assert caught.value.message.startswith(f"cannot parse {path} as .pypirc: ")
    assert "top-secret-9" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(("name", "reason"), [("none", "No such file or directory"), (".", "Is a directory")])
def test_reports_an_unreadable_pypirc(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"cannot read .*: {reason}"):
        resolve_target(options(config_file=tmp_path / name))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "its scheme is ftp, not https"),
        ("example.com/upload", "its scheme is missing"),
        ("https:///upload", "it has no host"),
        ("https://[::1/", "it is not a URL"),
        ("https://example.com:99999/", "it is not a URL"),
        ("https://example.com:-1/", "it is not a URL"),
        ("https://example.com:٤٤٣/", "it is not a URL"),
        (f"https://example.com:{'9' * 5000}/", "it is"),
        ("https://example.com:0/", "its port is 0"),
        ("http://example.com/upload/", "without encryption"),
        ("https://example.com/simple/", "is the URL for reading an index"),
        ("https://devpi.example.com/me/dev/+simple", "is the URL for reading an index"),
    ],
)
def test_rejects_unsupported_upload_urls(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        resolve_target(options(repository_url=url))


@pytest.mark.parametrize("port", ["99999", "-1", "٤٤٣", "0", "9" * 5000])
def test_rejects_an_invalid_port_in_pypirc(tmp_path: Path, port: str) -> None:
    path = tmp_path / "pypirc"
    path.write_text(f"[distutils]\nindex-servers = own\n[own]\nrepository = https://h.example:{port}/\n")
    with pytest.raises(UsageError) as caught:
        resolve_target(options(repository="own", config_file=path))
    assert len(str(caught.value)) < 6000


def test_rejects_the_legacy_pypi_url() -> None:
    """Its host no longer exists, but twine still accepts the URL."""
    from twine.repository import LEGACY_PYPI

    with pytest.raises(UsageError, match="unsupported upload URL"):
        resolve_target(options(repository_url=f"{LEGACY_PYPI}pypi"))


def test_allows_http_for_loopback_and_listed_hosts() -> None:
    assert resolve_target(options(repository_url="http://127.0.0.1:8080/")).url == "http://127.0.0.1:8080/"
    chosen_options = options(repository_url="http://pypi.lan/", allow_insecure_hosts=("PyPI.lan",))
    assert resolve_target(chosen_options).url == "http://pypi.lan/"


# --- credentials -----------------------------------------------------------------------------------


def test_resolves_credentials_by_precedence(pypirc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert credentials(options(repository="mine", config_file=pypirc)) == ("me", "mine-secret-1")
    monkeypatch.setenv("TWINE_USERNAME", "env")
    monkeypatch.setenv("TWINE_PASSWORD", "env-secret-4")
    assert credentials(options(repository="mine", config_file=pypirc)) == ("env", "env-secret-4")
    typed_options = options(
        repository="mine", config_file=pypirc, username="typed", password="typed-secret-5"
    )
    assert credentials(typed_options) == ("typed", "typed-secret-5")
    redacted = redaction.redact_secrets("mine-secret-1 env-secret-4 typed-secret-5")
    assert redacted == "*** *** ***"


def test_reads_credentials_from_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyring:
        @staticmethod
        def get_credential(system: str, name: None) -> auth.CredentialInput:
            assert system == "https://example.com/upload/"
            return auth.CredentialInput("ring", "unused")

        @staticmethod
        def get_password(system: str, name: str) -> str:
            assert (system, name) == ("https://example.com/upload/", "ring")
            return "ring-secret-6"

    monkeypatch.setattr(auth, "keyring", Keyring)
    assert credentials(options(repository_url="https://example.com/upload/")) == ("ring", "ring-secret-6")


def test_reports_a_keyring_failure_only_in_verbose_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyring:
        @staticmethod
        def get_credential(*_: object) -> None:
            raise RuntimeError("the daemon \x1b[31mhas gone")

        get_password = get_credential

    class DebugCollector(SilentProgress):
        def debug(self, text: str) -> None:
            lines.append(text)

    lines: list[str] = []
    monkeypatch.setattr(auth, "keyring", Keyring)
    chosen_options = options(repository_url="https://example.com/", username="me")
    with pytest.raises(CredentialsError):
        TwineUploader(chosen_options, resolve_target(chosen_options), DebugCollector()).credentials()
    assert lines == ["twine: Error getting password from keyring"]


def test_empty_credentials_mean_an_anonymous_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINE_USERNAME", "")
    monkeypatch.setenv("TWINE_PASSWORD", "")
    assert credentials(options(repository_url="https://example.com/")) is None


def test_needs_no_password_with_a_client_certificate(tmp_path: Path) -> None:
    pem = tmp_path / "client.pem"
    pem.touch()
    assert credentials(options(repository_url="https://example.com/", client_cert=pem)) is None


@pytest.mark.parametrize("password", [None, ""])
def test_fails_without_credentials_if_not_interactive(password: str | None) -> None:
    with pytest.raises(CredentialsError) as caught:
        credentials(options(password=password))
    assert (
        caught.value.message == f"no API token for {utils.DEFAULT_REPOSITORY}, and the run is not interactive"
    )
    with pytest.raises(CredentialsError, match=r"no username for https://example\.com/"):
        credentials(options(repository_url="https://example.com/"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_prompts_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def getpass(prompt: str) -> str:
        prompts.append(prompt)
        return "pypi-AgTyped1234567"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", getpass)
    chosen_options = options()
    uploader = TwineUploader(chosen_options, resolve_target(chosen_options), SilentProgress())
    assert uploader.credentials() == uploader.credentials() == ("__token__", "pypi-AgTyped1234567")
    assert prompts == [f"Enter your API token for {utils.DEFAULT_REPOSITORY}: "]


def test_fails_if_the_prompt_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_eof(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", raise_eof)
    with pytest.raises(CredentialsError, match=r"no API token for .* was entered"):
        credentials(options())


def test_never_prompts_if_non_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("prompted"))
    with pytest.raises(CredentialsError):
        credentials(options(non_interactive=True))
    monkeypatch.setenv("TWINE_NON_INTERACTIVE", "1")
    with pytest.raises(CredentialsError):
        credentials(options())


def test_pypi_accepts_only_tokens() -> None:
    with pytest.raises(CredentialsError, match="accepts only API tokens") as caught:
        credentials(options(username="me", password="hunter2-hunter2"))
    assert "hunter2" not in caught.value.message
    assert credentials(options(username="me", password="pypi-AgReal1234567")) == (
        "__token__",
        "pypi-AgReal1234567",
    )


def test_fails_quickly_without_credentials_and_terminal(tmp_path: Path) -> None:
    """Run a new process without standard input, as cron does."""
    code = (
        "from wheel_uploader.core import errors\nfrom wheel_uploader.upload import twine_uploader\n"
        "from wheel_uploader.core.models import Options\n"
        "from wheel_uploader.core.progress import SilentProgress\n"
        "options = Options(project='p', version='1', urls=('x',), repository_url='https://example.com/')\n"
        "try:\n"
        "    target = twine_uploader.resolve_target(options)\n"
        "    twine_uploader.TwineUploader(options, target, SilentProgress()).credentials()\n"
        "except errors.CredentialsError as error:\n"
        "    raise SystemExit(error.exit_code)\n"
    )
    # Measure CPU time, because other tests keep the machine busy.
    before = os.times().children_user
    completed = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    assert completed.returncode == CredentialsError.exit_code
    assert os.times().children_user - before < 2


# --- trusted publishing ----------------------------------------------------------------------------


class Warehouse:
    """The two endpoints of trusted publishing, with a list of responses instead of a network."""

    def __init__(self) -> None:
        self.minted: list[dict[str, object] | Exception] = []
        self.identities: list[str] = []
        self.lock = threading.Lock()

    def __call__(self) -> Warehouse:
        return self

    def get(self, url: str, timeout: float) -> requests.Response:
        return _response(200, b'{"audience": "pypi"}')

    def post(self, url: str, json: dict[str, str], timeout: float) -> requests.Response:
        with self.lock:
            self.identities.append(json["token"])
            answer = self.minted.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status = 200 if "token" in answer else 422
        return _response(status, __import__("json").dumps(answer).encode())


def _response(status: int, body: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.raw = io.BytesIO(body)
    return response


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    instance = Warehouse()
    monkeypatch.setattr(utils, "make_requests_session", instance)
    numbers = iter(range(1, 100))
    monkeypatch.setattr(auth, "detect_credential", lambda audience: f"identity-{next(numbers)}")
    return instance


def token(number: int, *, seconds: int = 900) -> dict[str, object]:
    return {"success": True, "token": f"pypi-AgMinted{number}000", "expires": int(time.time()) + seconds}


def test_trusted_publishing(warehouse: Warehouse) -> None:
    warehouse.minted = [token(1)]
    assert credentials(options()) == ("__token__", "pypi-AgMinted1000")
    assert redaction.redact_secrets("pypi-AgMinted1000") != "pypi-AgMinted1000"


def test_renews_the_token_once_for_all_threads(warehouse: Warehouse) -> None:
    """The first token is about to expire; the threads of an upload share the second."""
    warehouse.minted = [token(1, seconds=10), token(2)]
    chosen_options = options()
    uploader = TwineUploader(chosen_options, resolve_target(chosen_options), SilentProgress())
    uploader.credentials()
    login = uploader._login
    assert login is not None
    headers: list[str] = []

    def authenticate() -> None:
        request = requests.Request("POST", "https://example.com/").prepare()
        headers.append(str(login(request).headers["Authorization"]))

    threads = [threading.Thread(target=authenticate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(headers)) == 1
    assert warehouse.identities == ["identity-1", "identity-2"]


def test_retries_minting_with_a_new_identity(warehouse: Warehouse) -> None:
    warehouse.minted = [requests.ReadTimeout("slow"), token(2)]
    assert credentials(options()) == ("__token__", "pypi-AgMinted2000")
    assert warehouse.identities == ["identity-1", "identity-2"]


def test_replaces_a_reused_identity(warehouse: Warehouse) -> None:
    reused: dict[str, object] = {"errors": [{"code": "invalid-reuse-token", "description": "used"}]}
    warehouse.minted = [reused, token(2)]
    assert credentials(options()) == ("__token__", "pypi-AgMinted2000")
    warehouse.minted = [reused, reused, reused]
    with pytest.raises(CredentialsError, match="was used before"):
        credentials(options())


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (
            [{"errors": [{"code": "invalid-publisher", "description": "no match"}]}],
            r"no publisher on the index matches .*invalid-publisher: no match",
        ),
        ([requests.ReadTimeout("slow")] * 3, "did not answer in time"),
        ([{"message": "odd"}], "failed"),
    ],
)
def test_reports_failed_trusted_publishing(
    warehouse: Warehouse, answers: list[dict[str, object] | Exception], reason: str
) -> None:
    warehouse.minted = answers
    with pytest.raises(CredentialsError, match=reason) as caught:
        credentials(options())
    assert "id-token: write" in caught.value.hint
    assert "identity-" not in caught.value.message


def test_fails_in_a_ci_job_without_an_identity(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "detect_credential", lambda audience: None)
    with pytest.raises(CredentialsError, match="the run is not interactive"):
        credentials(options())


def test_detects_google_cloud_by_its_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = tmp_path / "product"
    product.write_text("Google\n")
    monkeypatch.setattr("wheel_uploader.index.target._GOOGLE_PRODUCT", product)
    calls: list[str] = []

    def answer(self: object) -> str:
        calls.append("minted")
        return "pypi-AgGoogle12345"

    mint: Callable[[object], str] = answer
    monkeypatch.setattr(auth.Resolver, "make_trusted_publishing_token", mint)
    assert credentials(options()) == ("__token__", "pypi-AgGoogle12345")
    assert calls == ["minted"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize("problem", ["another owner", "writable file", "writable home"])
def test_rejects_a_pypirc_that_other_users_could_have_written(
    tmp_path: Path, pypirc: Path, problem: str
) -> None:
    """The file names the index that receives the token, so it must be trusted."""
    home = tmp_path / "other home"
    home.mkdir()
    home_pypirc = pypirc.rename(home / ".pypirc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        assert resolve_target(options(repository="mine")).name == "mine"
        match problem:
            case "another owner":
                if os.geteuid():
                    pytest.skip("only root can give a file away")
                os.chown(home_pypirc, 65534, 65534)
            case "writable file":
                home_pypirc.chmod(0o666)
            case _:
                home.chmod(0o777)
        with pytest.raises(UsageError, match=r"refusing to use .*: it belongs to ") as caught:
            resolve_target(options(repository="mine"))
        assert str(home_pypirc) in caught.value.message
        assert caught.value.hint == f"If you trust the file, pass it with --config-file {home_pypirc}."
        assert resolve_target(options(repository="mine", config_file=home_pypirc)).name == "mine"
        url = "https://index.example.com/upload/"
        assert resolve_target(options(repository_url=url)).url == url


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, True), (0o640, True)])
def test_warns_about_a_readable_pypirc_with_a_password(pypirc: Path, mode: int, warned: bool) -> None:
    lines: list[str] = []

    class LineCollector(SilentProgress):
        def info(self, text: str) -> None:
            lines.append(text)

    pypirc.chmod(mode)
    pypirc_options = options(repository="mine", config_file=pypirc)
    TwineUploader(pypirc_options, resolve_target(pypirc_options), LineCollector())
    warning = f"warning: {pypirc} contains a password and is readable by other users; run: chmod 600 {pypirc}"
    assert lines == ([warning] if warned else [])
