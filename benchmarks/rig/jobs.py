"""A release on one side of a line with high latency, and the servers on the other side."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.rig import indexes, link, measure, places
from benchmarks.rig.indexes import Index
from benchmarks.rig.link import Link
from benchmarks.rig.measure import Cost
from benchmarks.rig.options import Settings
from tools.testing.servers import Certificate


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A release, and the link to the servers behind the line."""

    link: Link
    #: URL of a server behind the line that lists the files; empty if there is none.
    url: str
    tls: Certificate
    files: tuple[Path, ...]
    project: str
    version: str

    @property
    def title(self) -> str:
        """The release, and the number and the size of its wheels."""
        size = sum(path.stat().st_size for path in self.files)
        return f"{self.project} {self.version}: {len(self.files)} wheels, {size / 1e6:.0f} MB"

    @property
    def names(self) -> list[str]:
        return [path.name for path in self.files]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a contender: it trusts the certificate, and lacks the user's configuration."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith(("TWINE_", "WHEEL_UPLOADER_"))
        }
        trust = {
            name: str(self.tls.cert) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        }
        # Installed packages have compiled bytecode; here the first run may write it.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        return {**inherited, **trust, "NETRC": os.devnull, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(self, command: Sequence[str], folder: Path) -> Cost:
        """Run a command on the client's side, and count the files that it downloaded completely."""
        cost = measure.run(self.link.client(command), cwd=folder, environment=self.environment)
        return replace(cost, files=self.count_complete(folder))

    def count_complete(self, folder: Path) -> int:
        complete = 0
        for path in self.files:
            downloaded = folder / path.name
            complete += downloaded.exists() and downloaded.stat().st_size == path.stat().st_size
        return complete


@contextlib.contextmanager
def open_release(settings: Settings, files: Sequence[Path], *, served: bool) -> Iterator[Staged]:
    """Open the line, and yield the release; ``served``: from a server behind the line."""
    # End the servers as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(link.open_link(settings.line, proxy=settings.proxy))
        tls = stack.enter_context(places.make_certificate(opened))
        yield Staged(
            link=opened,
            url=stack.enter_context(places.serve_files(opened, tls, files)) if served else "",
            tls=tls,
            files=tuple(files),
            project=settings.project,
            version=settings.version,
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """The release to upload, and the kind of index."""

    staged: Staged
    #: The source for our command: a folder, or the URL of the server.
    source: str
    kind: str
    think: float
    #: The cost of our upload stage in each round.
    stages: list[Cost] = field(default_factory=list)

    @property
    def index_description(self) -> str:
        return f"an index that takes {self.think} s per file" if self.kind == "slow" else self.kind

    @contextlib.contextmanager
    def fresh_index(self, folder: Path) -> Iterator[Index]:
        staged = self.staged
        with indexes.index(self.kind, staged.link, staged.tls, folder, think=self.think) as index:
            yield index

    def run(self, command: list[str], index: Index, folder: Path) -> Cost:
        environment = {**self.staged.environment, "XDG_CACHE_HOME": str(folder / "cache")}
        environment |= {"TWINE_USERNAME": index.username, "TWINE_PASSWORD": index.password}
        environment |= {"UV_PUBLISH_USERNAME": index.username, "UV_PUBLISH_PASSWORD": index.password}
        cost = measure.run(self.staged.link.client(command), cwd=folder, environment=environment)
        return replace(cost, files=index.count(self.staged.names), spread=index.spread())

    def run_ours(self, index: Index, folder: Path, *more: str) -> Cost:
        """Publish the release with our command; ``more``: further arguments."""
        command = [
            sys.executable,
            "-m",
            "wheel_uploader",
            "-u",
            self.source,
            "-w",
            str(folder / "wheelhouse"),
        ]
        command += ["--repository-url", index.upload_url, "--index-url", index.simple_url]
        # Some real releases have faults in compiled code; they are accepted here.
        command += ["--ignore", "native", "--cert", str(self.staged.tls.cert), *more]
        return self.run([*command, self.staged.project, self.staged.version], index, folder)

    def build_twine(self, index: Index) -> list[str]:
        """Return the command of twine without the files."""
        command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
        return [*command, "--cert", str(self.staged.tls.cert), "--repository-url", index.upload_url]
