"""One secret and the command: a staging place, an index and a third host, and whether anything comes out."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.support import canaries, gpg, indexes, servers, wheels
from tests.support.canaries import (
    SECRET_INPUTS,
    Endpoints,
    Sandbox,
    StagingServer,
    Tunnel,
    UserHome,
    find_leak,
)
from tests.support.indexes import Reply, Served
from tests.support.scripted import Request, ScriptedServer, answer
from wheel_uploader.report.formats_table import FORMAT_BY_SUFFIX

_RST = wheels.METADATA.replace("text/plain", "text/x-rst").format(project="dipy", version="1.11.0")

#: Every report that is a file.
_REPORTS = tuple(word for suffix in FORMAT_BY_SUFFIX for word in ("--report", f"out/report{suffix}"))

#: Those that are longest, for runs that fail.
_PAGES = ("--report", "out/report.html", "--report", "out/report.md")

#: What goes wrong, and the report that is asked for then.
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
    """Two wheels and an sdist, whose description has to be rendered, which takes a process."""
    files = {
        wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes(tag=tag, metadata=_RST)
        for tag in ("cp311-none-any", "cp312-none-any")
    }
    return {**files, "dipy-1.11.0.tar.gz": wheels.sdist_bytes(metadata=_RST)}


@contextlib.contextmanager
def signing_keyring() -> Iterator[gpg.Keyring]:
    with gpg.keyring() as made:
        made.make_key("Release Manager <me@example.com>")
        yield made


class LeakScenario:
    """What is around a run in which a secret gets in on one way; each run is judged."""

    def __init__(self, way: str, folder: Path, keys: gpg.Keyring) -> None:
        self.way, self.release, self.keys = SECRET_INPUTS[way], release(), keys
        self.machine = Sandbox(folder / "home", gpg.GPG)
        self.visit = UserHome(folder / "home")
        #: Another secret, which is none of the command's business.
        self.stranger = UserHome(folder / "home")
        host = canaries.pypi_host()
        self.certificate = servers.certificate(folder, f"DNS:{host},DNS:{host.partition('.')[2]}")
        #: How often each way out was looked at.
        self.looked: Counter[str] = Counter()

    @contextlib.contextmanager
    def open(self) -> Iterator[LeakScenario]:
        with contextlib.ExitStack() as stack:
            self.third = stack.enter_context(ScriptedServer(self._third, host="127.0.0.2"))
            self.staging = StagingServer(self.release, self._lets_in, self.third.url)
            self.place = stack.enter_context(ScriptedServer(self.staging))
            tls = self.certificate.context() if self.way.pypi else None
            self.served: Served = stack.enter_context(indexes.scripted_index(tls))
            self.index = self.served.index
            if not self.way.staging and self.way.user:
                self.index.password = (self.way.user, self.secret)
            if self.way.pypi:
                port = int(self.served.url.rstrip("/").rpartition(":")[2])
                publisher = ScriptedServer(canaries.identity_server(self.visit, self.index))
                self._take_for_pypi(stack.enter_context(Tunnel(port)).url, stack.enter_context(publisher).url)
            self.ends = Endpoints(self.place.url, self.served.upload_url)
            yield self

    @property
    def secret(self) -> str:
        return canaries.minted_token(self.visit) if self.way.pypi else self.way.secret(self.visit)

    def _take_for_pypi(self, proxy: str, identity: str) -> None:
        self.visit.environment |= {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,127.0.0.2",
            "SSL_CERT_FILE": str(self.certificate.cert),
            "REQUESTS_CA_BUNDLE": str(self.certificate.cert),
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{identity}?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": f"request-{self.visit.core}",
        }

    def _lets_in(self, request: Request) -> bool:
        return self.way.is_authorized(self.visit, request)

    def _third(self, request: Request) -> Sequence[bytes]:
        name = request.target.rpartition("/")[2]
        return [answer(200 if name in self.release else 404, self.release.get(name, b""))]

    # --- runs ------------------------------------------------------------------------------------------

    def run(
        self, *more: str, ends: Endpoints | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """The command, which leaks nothing on any way out."""
        arguments = self.way.arguments(self.visit, ends or self.ends)
        environment = {"GITHUB_TOKEN": f"ghs_{self.stranger.core}", "MY_DEPLOY_TOKEN": self.stranger.core}
        home = self.visit.home
        environment |= {"GITHUB_STEP_SUMMARY": str(home / "summary"), "GITHUB_OUTPUT": str(home / "outputs")}
        environment |= variables or {}
        if self.way.staging or not self.way.user:
            environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
        common = ("-w", "house", "dipy", "1.11.0")
        ended = self.machine.run(self.visit, *arguments, *more, *common, **environment)
        self._judge(ended)
        return ended

    def _judge(self, ended: subprocess.CompletedProcess[bytes]) -> None:
        kind = next((word for word in ("json", "sarif") if word in ended.args), "text")
        places = {f"{kind} report": ended.stdout, "standard error": ended.stderr}
        places |= dict(self.machine.files()) | dict(self.machine.children())
        places["third host"] = repr(self.third.requests).encode()
        if self.way.staging:
            places["other end"] = repr([self.index.gets, self.index.posts]).encode()
        else:
            places["other end"] = repr(self.staging.asked).encode()
        for place, data in places.items():
            self.looked[place.partition(":")[0]] += 1
            for secret in (self.visit.core, self.stranger.core):
                found = find_leak(secret, data)
                assert not found, f"{place} has the secret: {found!r}\n{ended.stderr.decode()[-3000:]}"

    def publishes(self) -> None:
        """Text, annotations, -vv, JSON, --dry-run, what lies about, gpg and the renderer, a third host."""
        allowed = ("--allow-insecure-host", "127.0.0.2")
        sign = ("-s", "--sign-with", str(self.machine.gpg))
        variables = {"GITHUB_ACTIONS": "true", "GNUPGHOME": str(self.keys.home)}
        first = self.run("-vv", *_REPORTS, *allowed, *sign, variables=variables)
        assert first.returncode == 0, first.stderr.decode()
        # The secret was used, signatures were made, the description was rendered, somebody else was asked.
        assert self.index.files == self.release
        assert self.third.requests
        children = [name for name, _ in self.machine.children()]
        assert any("gpg" in name for name in children)
        assert any("python" in name for name in children)
        again = self.run("--dry-run", "-v", *allowed, "--format", "json")
        assert again.returncode == 0, again.stderr.decode()
        assert len(json.loads(again.stdout)["files"]) == len(self.release)

    def meets(self, trouble: str) -> None:
        """One way to fail, in which whoever answers repeats all that it was told."""
        self.staging.elsewhere = self.third.url if self.way.staging else ""
        retries = "2" if trouble == "500" else "1"
        options = (
            *_PAGES,
            "-vv",
            "--retries",
            retries,
            "--confirm-timeout",
            "5",
            "--format",
            FAILURES[trouble],
        )
        with contextlib.ExitStack() as stack:
            ends, variables = self._troubled(trouble, stack)
            ended = self.run(*options, ends=ends, variables={"GITHUB_ACTIONS": "true", **variables})
        talk = ended.stderr.decode()
        assert ended.returncode in ({1} if trouble == "bug" else {3, 4, 5, 8, 10}), talk
        assert not (self.third.requests and self.way.staging), "a redirect was followed"
        if trouble == "bug":
            assert "RuntimeError" in talk
            assert talk.splitlines()[-1] == "next: This is a bug in wheel-uploader: please report it."
        if ended.returncode == 8 and trouble == "500":
            assert "to continue" in talk

    def _troubled(self, trouble: str, stack: contextlib.ExitStack) -> tuple[Endpoints, dict[str, str]]:
        if trouble.isdecimal():
            self._refuse(int(trouble))
        elif trouble == "bug":
            at_listing = self.way.staging or not self.way.user
            return self.ends, {"CANARY_BUG": "listing" if at_listing else "upload"}
        elif self.way.pypi and trouble == "certificate":
            return self.ends, {"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": ""}
        elif self.way.pypi:
            return self.ends, {"HTTPS_PROXY": f"http://127.0.0.1:{servers.free_port()}"}
        else:
            broken = f"http://127.0.0.1:{servers.free_port()}/"
            if trouble == "certificate":
                broken = stack.enter_context(ScriptedServer([b""], tls=self.certificate.context())).url
            if self.way.staging:
                return Endpoints(broken, self.ends.upload), {}
            return Endpoints(self.ends.staging, f"{broken}legacy/", self.served.index_url), {}
        return self.ends, {}

    def _refuse(self, status: int) -> None:
        header = indexes.basic(self.way.user or "me", self.secret)
        told = (
            f"{self.secret} {header} Authorization: {header} {json.dumps([self.secret])} <b>{self.secret}</b>"
        )
        refusal = Reply(status, told, {"Location": self.third.url + quote(self.secret, safe="")}, told)
        if self.way.staging:
            self.staging.refuses = status
        elif self.way.user:
            # The first file arrives, so that there is a line that says how to continue.
            self.index.script = [None, *[refusal] * 20]
        else:
            self.index.get_script = [refusal] * 20
