"""Measures downloads of a release's wheels over a line with high latency, compared with other tools.

``python -m benchmarks.download numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, and lets each contender download them, in turn, three times. Ours lists, downloads
and verifies (every CRC, hash and RECORD). The other programs are given the URLs, and the scripts read the
listing; they verify nothing. ``--size 192`` serves one generated wheel of 192 MB instead.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks.rig import link as lines
from benchmarks.rig import measure, options, places, releases, tables
from benchmarks.rig.measure import Contender, Cost
from tools.testing.servers import Certificate
from wheel_uploader import __version__

OURS, AGAIN = "wheel-uploader, verified", "run again, nothing to do"
#: Contenders that take a minute or more, which are run in one round only.
SLOW = ("historic script",)


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A release that is served behind a line, and the link to it."""

    link: lines.Link
    url: str
    tls: Certificate
    files: tuple[Path, ...]
    project: str
    version: str

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


# --- the contenders --------------------------------------------------------------------------------


def contenders(staged: Staged) -> Iterator[Contender]:
    """Yield every contender that is installed on this machine."""
    urls = [f"{staged.url}{name}" for name in staged.names]
    yield Contender(name=OURS, run=lambda folder: staged.run(build_command(staged, folder), folder))
    for name, build in _PROGRAMS.items():
        if shutil.which(name.split()[0].strip(",")):
            yield Contender(name=name, run=functools.partial(_run_program, staged, urls, build))
    for name, method in _SCRIPTS.items():
        yield Contender(name=name, run=functools.partial(_run_script, staged, method), once=name in SLOW)
    yield Contender(name=AGAIN, run=functools.partial(_run_again, staged))


CommandBuilder = Callable[[Staged, Sequence[str], Path], list[str]]


def _run_program(staged: Staged, urls: Sequence[str], build: CommandBuilder, folder: Path) -> Cost:
    return staged.run(build(staged, urls, folder), folder)


def _run_script(staged: Staged, method: str, folder: Path) -> Cost:
    return staged.run([sys.executable, "-m", "benchmarks.rig.ways", method, staged.url, str(folder)], folder)


def build_command(staged: Staged, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "--until", "download", "-w", str(folder)]
    return [*command, "-u", staged.url, staged.project, staged.version]


def _run_again(staged: Staged, folder: Path) -> Cost:
    """Return the cost of a second run, after a first one, not counted, has downloaded everything."""
    staged.run(build_command(staged, folder), folder)
    return staged.run(build_command(staged, folder), folder)


def _build_aria2c(
    staged: Staged, urls: Sequence[str], folder: Path, *, concurrency: int, ranges: int = 1
) -> list[str]:
    url_list = folder / "urls"
    url_list.write_text("\n".join(urls), encoding="utf-8")
    command = ["aria2c", "-q", f"-j{concurrency}", "-d", str(folder), "-i", str(url_list), "--no-conf"]
    command += [f"-x{ranges}", f"-s{ranges}", "-k1M", "--file-allocation=none"]
    return [*command, f"--ca-certificate={staged.tls.cert}"]


def _build_curl(staged: Staged, urls: Sequence[str], folder: Path, *, concurrency: int) -> list[str]:
    url_list = folder / "urls"
    url_list.write_text("".join(f"url={url}\n" for url in urls), encoding="utf-8")
    command = ["curl", "-q", "-s", "-S", "-f", "-Z", "--parallel-max", str(concurrency), "--remote-name-all"]
    return [*command, "--output-dir", str(folder), "-K", str(url_list), "--cacert", str(staged.tls.cert)]


def _build_curl_and_hash(staged: Staged, urls: Sequence[str], folder: Path) -> list[str]:
    command = _build_curl(staged, urls, folder, concurrency=16)
    return ["sh", "-c", '"$@" && sha256sum *.whl', "sh", *command]


def _build_wget(staged: Staged, urls: Sequence[str], folder: Path) -> list[str]:
    url_list = folder / "urls"
    url_list.write_text("\n".join(urls), encoding="utf-8")
    return [
        "wget",
        "-q",
        "--no-config",
        f"--ca-certificate={staged.tls.cert}",
        "-P",
        str(folder),
        "-i",
        str(url_list),
    ]


_PROGRAMS: Mapping[str, CommandBuilder] = {
    "aria2c, 5 files at once": lambda *arguments: _build_aria2c(*arguments, concurrency=5),
    "aria2c, 16 at once": lambda *arguments: _build_aria2c(*arguments, concurrency=16),
    "aria2c, 16 ranges of each": lambda *arguments: _build_aria2c(*arguments, concurrency=1, ranges=16),
    "curl -Z, 16 at once": lambda *arguments: _build_curl(*arguments, concurrency=16),
    "curl -Z, then sha256sum": _build_curl_and_hash,
    "wget": _build_wget,
}
_SCRIPTS = {"httpx, one by one": "one-by-one", "numpy's script": "numpy", "historic script": "historic"}


# --- one run ---------------------------------------------------------------------------------------


@click.command()
@click.argument("project", default="numpy")
@click.argument("version", default="2.3.4")
@options.add_line_options
@click.option(
    "--loss", type=float, default=0.0, show_default=True, help="Percentage of bursts that are lost."
)
@click.option("--size", type=int, help="Serve one generated wheel of this many MB instead of a release.")
@click.option("--svg", type=click.Path(path_type=Path), help="Also write a bar chart to this file.")
def main(
    project: str,
    version: str,
    cache: Path,
    delay: float,
    rate: float,
    loss: float,
    runs: int,
    only: str | None,
    size: int | None,
    proxy: bool,
    rst: bool,
    svg: Path | None,
    scratch: Path | None,
) -> None:
    """Download the wheels of PROJECT VERSION with every installed contender."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6, loss=loss / 100)
    with contextlib.ExitStack() as stack:
        if size:
            generated = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="made-")))
            project, version, files = "made", "1.0", [releases.generate_wheel(generated, size * 1_000_000)]
        else:
            files = releases.get_wheels(project, version, cache)
        total_size = sum(path.stat().st_size for path in files)
        link = stack.enter_context(lines.open_link(line, proxy=proxy))
        tls = stack.enter_context(places.make_certificate(link))
        url = stack.enter_context(places.serve_files(link, tls, files))
        staged = Staged(link=link, url=url, tls=tls, files=tuple(files), project=project, version=version)
        capacity = measure_capacity(staged, stack)
        selected = [
            contender for contender in contenders(staged) if not only or re.search(only, contender.name)
        ]
        costs = measure.run_rounds(selected, runs, scratch)
    title = f"{project} {version}: {len(files)} wheels, {total_size / 1e6:.0f} MB; {line}"
    print(f"{title}\n\n{_build_table(costs, len(files), rst=rst)}\n")
    print(_describe_setup(runs, link, capacity, total_size * 8 / line.rate))
    if svg:
        walls = {name: cost.wall for name, cost in costs.items()}
        svg.write_text(tables.draw_bars(f"Download, {title}", walls, (OURS, AGAIN)), encoding="utf-8")


def measure_capacity(staged: Staged, stack: contextlib.ExitStack) -> str:
    """Return the throughput of the line, measured with curl on one connection and on eight."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    largest = sorted(staged.files, key=lambda path: -path.stat().st_size)
    results = []
    for count in (1, 8):
        files = (largest * count)[:count]
        config = folder / str(count)
        config_lines = [f'url="{staged.url}{path.name}"\noutput=/dev/null\n' for path in files]
        config.write_text("".join(config_lines), encoding="utf-8")
        cost = staged.run(["curl", "-q", "-s", "-S", "-f", "-Z", "-K", str(config)], folder)
        rate = sum(path.stat().st_size for path in files) * 8 / cost.wall / 1e6
        results.append(f"{rate:.0f} Mbit/s with {count} of the largest files")
    return " and ".join(results)


def _build_table(costs: Mapping[str, Cost], file_count: int, *, rst: bool) -> str:
    own = costs.get(OURS)
    head = ["tool", "seconds", "times ours", "CPU s", "peak MB", "files"]
    rows = [
        [
            name,
            f"{cost.wall:.2f}",
            f"{cost.wall / own.wall:.2f}" if own else "",
            f"{cost.cpu:.2f}",
            f"{cost.megabytes:.0f}",
            f"{cost.files} of {file_count}",
        ]
        for name, cost in costs.items()
    ]
    return tables.format_table(head, rows, rst=rst)


def _describe_setup(runs: int, link: lines.Link, capacity: str, transfer_seconds: float) -> str:
    versions = [measure.get_version("curl", "--version"), measure.get_version("aria2c", "--version")]
    versions += [measure.get_version("wget", "--version"), measure.get_version("nginx", "-v")]
    tools = "; ".join(" ".join(version.split()[:3]) for version in versions if version)
    return (
        f"Medians of {runs}, contenders in turn (slow ones once); whole processes. The payload "
        f"at the rate takes {transfer_seconds:.1f} s; curl alone achieves {capacity}.\n{link.kind}; nginx "
        f"with TLS, HTTP/1.1. {measure.describe_machine()}. wheel-uploader {__version__}; {tools}; Python "
        f"{sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
