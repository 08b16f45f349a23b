"""Runs of the command with a secret, a staging area, an index and a third host; every output is searched."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.support import canaries
from tests.support.canaries import (
    SECRET_INPUTS,
    Endpoints,
    Sandbox,
    StagingServer,
    Tunnel,
    UserHome,
    find_leak,
)
from tools.testing import gpg, indexes, servers, wheels
from tools.testing.indexes import Reply, Served
from tools.testing.scripted import Request, ScriptedServer, answer
from wheel_uploader.report.formats_table import FORMAT_BY_SUFFIX

_RST = wheels.METADATA.replace("text/plain", "text/x-rst").format(project="dipy", version="1.11.0")

#: Options that write every kind of report file.
_REPORTS = tuple(word for suffix in FORMAT_BY_SUFFIX for word in ("--report", f"out/report{suffix}"))

#: Options that write the longest reports, for runs that fail.
_PAGES = ("--report", "out/report.html", "--report", "out/report.md")

#: Each failure, with the report format of the run.
FAILURES = {
    "401": "text",
    "403": "sarif",
    "404": "json",
    "302": "text",
    "500": "json",
    "refused": "json",
    "certificate": "sarif",
    "bug": "json",
}


def release() -> dict[str, bytes]:
    """Return two wheels and an sdist with reStructuredText descriptions, which a child process renders."""
    files = {
        wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes(tag=tag, metadata=_RST)
        for tag in ("cp311-none-any", "cp312-none-any")
    }
    return {**files, "dipy-1.11.0.tar.gz": wheels.sdist_bytes(metadata=_RST)}


@contextlib.contextmanager
def signing_keyring() -> Iterator[gpg.Keyring]:
    with gpg.keyring() as keyring:
        keyring.make_key("Release Manager <me@example.com>")
        yield keyring


class LeakScenario:
    """The servers and the user of a run that gets a secret in one way; each run's outputs are searched."""

    def __init__(self, way: str, folder: Path, keys: gpg.Keyring) -> None:
        self.way, self.release, self.keys = SECRET_INPUTS[way], release(), keys
        self.sandbox = Sandbox(folder / "home", gpg.GPG)
        self.user_home = UserHome(folder / "home")
        #: Has another secret, which the command must not use.
        self.unrelated_home = UserHome(folder / "home")
        host = canaries.pypi_host()
        self.certificate = servers.certificate(folder, f"DNS:{host},DNS:{host.partition('.')[2]}")
        #: The number of searched outputs of each kind.
        self.inspected: Counter[str] = Counter()

    @contextlib.contextmanager
    def open(self) -> Iterator[LeakScenario]:
        with contextlib.ExitStack() as stack:
            self.third_host = stack.enter_context(ScriptedServer(self._serve_third_host, host="127.0.0.2"))
            self.staging = StagingServer(self.release, self._is_authorized, self.third_host.url)
            self.place = stack.enter_context(ScriptedServer(self.staging))
            tls = self.certificate.context() if self.way.pypi else None
            self.served: Served = stack.enter_context(indexes.scripted_index(tls))
            self.index = self.served.index
            if not self.way.staging and self.way.user:
                self.index.password = (self.way.user, self.secret)
            if self.way.pypi:
                port = int(self.served.url.rstrip("/").rpartition(":")[2])
                publisher = ScriptedServer(canaries.identity_server(self.user_home, self.index))
                self._act_as_pypi(stack.enter_context(Tunnel(port)).url, stack.enter_context(publisher).url)
            self.endpoints = Endpoints(self.place.url, self.served.upload_url)
            yield self

    @property
    def secret(self) -> str:
        return canaries.minted_token(self.user_home) if self.way.pypi else self.way.secret(self.user_home)

    def _act_as_pypi(self, proxy: str, identity: str) -> None:
        self.user_home.environment |= {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,127.0.0.2",
            "SSL_CERT_FILE": str(self.certificate.cert),
            "REQUESTS_CA_BUNDLE": str(self.certificate.cert),
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{identity}?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": f"request-{self.user_home.core}",
        }

    def _is_authorized(self, request: Request) -> bool:
        return self.way.is_authorized(self.user_home, request)

    def _serve_third_host(self, request: Request) -> Sequence[bytes]:
        name = request.target.rpartition("/")[2]
        return [answer(200 if name in self.release else 404, self.release.get(name, b""))]

    # --- runs ------------------------------------------------------------------------------------------

    def run(
        self, *more: str, endpoints: Endpoints | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command, and fail if any output has a part of a secret."""
        arguments = self.way.arguments(self.user_home, endpoints or self.endpoints)
        environment = {
            "GITHUB_TOKEN": f"ghs_{self.unrelated_home.core}",
            "MY_DEPLOY_TOKEN": self.unrelated_home.core,
        }
        home = self.user_home.path
        environment |= {"GITHUB_STEP_SUMMARY": str(home / "summary"), "GITHUB_OUTPUT": str(home / "outputs")}
        environment |= variables or {}
        if self.way.staging or not self.way.user:
            environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
        common = ("-w", "house", "dipy", "1.11.0")
        ended = self.sandbox.run(self.user_home, *arguments, *more, *common, **environment)
        self._check_outputs(ended)
        return ended

    def _check_outputs(self, ended: subprocess.CompletedProcess[bytes]) -> None:
        kind = next((word for word in ("json", "sarif") if word in ended.args), "text")
        places = {f"{kind} report": ended.stdout, "standard error": ended.stderr}
        places |= dict(self.sandbox.files()) | dict(self.sandbox.children())
        places["third host"] = repr(self.third_host.requests).encode()
        if self.way.staging:
            places["other end"] = repr([self.index.gets, self.index.posts]).encode()
        else:
            places["other end"] = repr(self.staging.requests).encode()
        for place, data in places.items():
            self.inspected[place.partition(":")[0]] += 1
            for secret in (self.user_home.core, self.unrelated_home.core):
                leak = find_leak(secret, data)
                assert not leak, f"{place} has the secret: {leak!r}\n{ended.stderr.decode()[-3000:]}"

    def publish(self) -> None:
        """Publish with every report, then run with --dry-run; check that the secret was really in use."""
        allowed = ("--allow-insecure-host", "127.0.0.2")
        sign = ("-s", "--sign-with", str(self.sandbox.gpg))
        variables = {"GITHUB_ACTIONS": "true", "GNUPGHOME": str(self.keys.home)}
        first = self.run("-vv", *_REPORTS, *allowed, *sign, variables=variables)
        assert first.returncode == 0, first.stderr.decode()
        # The secret was used, files were signed, the description was rendered, and the third host was used.
        assert self.index.files == self.release
        assert self.third_host.requests
        children = [name for name, _ in self.sandbox.children()]
        assert any("gpg" in name for name in children)
        assert any("python" in name for name in children)
        again = self.run("--dry-run", "-v", *allowed, "--format", "json")
        assert again.returncode == 0, again.stderr.decode()
        assert len(json.loads(again.stdout)["files"]) == len(self.release)

    def fail_with(self, failure: str) -> None:
        """Run with one failure, in which the server repeats the request in its response."""
        self.staging.redirect_base = self.third_host.url if self.way.staging else ""
        retries = "2" if failure == "500" else "1"
        options = (
            *_PAGES,
            "-vv",
            "--retries",
            retries,
            "--confirm-timeout",
            "5",
            "--format",
            FAILURES[failure],
        )
        with contextlib.ExitStack() as stack:
            endpoints, variables = self._set_up_failure(failure, stack)
            ended = self.run(*options, endpoints=endpoints, variables={"GITHUB_ACTIONS": "true", **variables})
        stderr = ended.stderr.decode()
        # A redirect of a page to another host is refused with the option that permits it.
        usage = {2} if failure == "302" else set()
        assert ended.returncode in ({1} if failure == "bug" else usage | {3, 4, 5, 8, 10}), stderr
        assert not (self.third_host.requests and self.way.staging), "a redirect was followed"
        if failure == "bug":
            assert "RuntimeError" in stderr, stderr
            assert stderr.splitlines()[-1] == "next: This is a bug in wheel-uploader: please report it."
        if ended.returncode == 8 and failure == "500":
            assert "to continue" in stderr

    def _set_up_failure(self, failure: str, stack: contextlib.ExitStack) -> tuple[Endpoints, dict[str, str]]:
        if failure.isdecimal():
            self._refuse(int(failure))
        elif failure == "bug":
            at_listing = self.way.staging or not self.way.user
            return self.endpoints, {"CANARY_BUG": "listing" if at_listing else "upload"}
        elif self.way.pypi and failure == "certificate":
            return self.endpoints, {"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": ""}
        elif self.way.pypi:
            return self.endpoints, {"HTTPS_PROXY": f"http://127.0.0.1:{servers.free_port()}"}
        else:
            broken = f"http://127.0.0.1:{servers.free_port()}/"
            if failure == "certificate":
                broken = stack.enter_context(ScriptedServer([b""], tls=self.certificate.context())).url
            if self.way.staging:
                return Endpoints(broken, self.endpoints.upload), {}
            return Endpoints(self.endpoints.staging, f"{broken}legacy/", self.served.index_url), {}
        return self.endpoints, {}

    def _refuse(self, status: int) -> None:
        header = indexes.basic(self.way.user or "me", self.secret)
        echoed = (
            f"{self.secret} {header} Authorization: {header} {json.dumps([self.secret])} <b>{self.secret}</b>"
        )
        refusal = Reply(
            status, echoed, {"Location": self.third_host.url + quote(self.secret, safe="")}, echoed
        )
        if self.way.staging:
            self.staging.error_status = status
        elif self.way.user:
            # The first file is uploaded, so that the command prints how to continue.
            self.index.script = [None, *[refusal] * 20]
        else:
            self.index.get_script = [refusal] * 20
