"""How fast the wheels of a release arrive over a long line, beside other ways to fetch them, in one run.

``python -m benchmarks.download numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, and lets each contender bring them, in turn, three times. Ours lists, downloads and
verifies (every CRC, hash and RECORD); the others are given the URLs, or read the listing where they are
scripts, and verify nothing. ``--size 192`` serves one made wheel of so many MB instead.
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
from tests.servers import Certificate
from wheel_uploader import __version__

OURS, AGAIN = "wheel-uploader, verified", "the same again, all there"
#: These take a minute and more: one round tells enough.
SLOW = ("historic script",)


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A release behind a line, and the side from which it is fetched."""

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
        """What tells Python, curl and wget whom to trust, and leaves out what the person configured."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith(("TWINE_", "WHEEL_UPLOADER_"))
        }
        trust = {
            name: str(self.tls.cert) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        }
        # What is installed is compiled; here the first run may do it.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return {**kept, **trust, "NETRC": os.devnull, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(self, command: Sequence[str], folder: Path) -> Cost:
        """Run it on the near side, and count what it brought into ``folder`` whole."""
        cost = measure.run(self.link.client(command), cwd=folder, environment=self.environment)
        return replace(cost, files=self.arrived(folder))

    def arrived(self, folder: Path) -> int:
        whole = 0
        for path in self.files:
            brought = folder / path.name
            whole += brought.exists() and brought.stat().st_size == path.stat().st_size
        return whole


# --- the contenders --------------------------------------------------------------------------------


def contenders(staged: Staged) -> Iterator[Contender]:
    """Every way that is installed on this machine."""
    urls = [f"{staged.url}{name}" for name in staged.names]
    yield Contender(name=OURS, run=lambda folder: staged.run(ours(staged, folder), folder))
    for name, write in _PROGRAMS.items():
        if shutil.which(name.split()[0].strip(",")):
            yield Contender(name=name, run=functools.partial(_program, staged, urls, write))
    for name, way in _SCRIPTS.items():
        yield Contender(name=name, run=functools.partial(_script, staged, way), once=name in SLOW)
    yield Contender(name=AGAIN, run=functools.partial(_again, staged))


Write = Callable[[Staged, Sequence[str], Path], list[str]]


def _program(staged: Staged, urls: Sequence[str], write: Write, folder: Path) -> Cost:
    return staged.run(write(staged, urls, folder), folder)


def _script(staged: Staged, way: str, folder: Path) -> Cost:
    return staged.run([sys.executable, "-m", "benchmarks.rig.ways", way, staged.url, str(folder)], folder)


def ours(staged: Staged, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "--until", "download", "-w", str(folder)]
    return [*command, "-u", staged.url, staged.project, staged.version]


def _again(staged: Staged, folder: Path) -> Cost:
    """Our second run: everything is here, and was brought by a first run that is not counted."""
    staged.run(ours(staged, folder), folder)
    return staged.run(ours(staged, folder), folder)


def _aria2c(staged: Staged, urls: Sequence[str], folder: Path, *, at_once: int, ranges: int = 1) -> list[str]:
    listed = folder / "urls"
    listed.write_text("\n".join(urls), encoding="utf-8")
    command = ["aria2c", "-q", f"-j{at_once}", "-d", str(folder), "-i", str(listed), "--no-conf"]
    command += [f"-x{ranges}", f"-s{ranges}", "-k1M", "--file-allocation=none"]
    return [*command, f"--ca-certificate={staged.tls.cert}"]


def _curl(staged: Staged, urls: Sequence[str], folder: Path, *, at_once: int) -> list[str]:
    listed = folder / "urls"
    listed.write_text("".join(f"url={url}\n" for url in urls), encoding="utf-8")
    command = ["curl", "-q", "-s", "-S", "-f", "-Z", "--parallel-max", str(at_once), "--remote-name-all"]
    return [*command, "--output-dir", str(folder), "-K", str(listed), "--cacert", str(staged.tls.cert)]


def _curl_and_hash(staged: Staged, urls: Sequence[str], folder: Path) -> list[str]:
    command = _curl(staged, urls, folder, at_once=16)
    return ["sh", "-c", '"$@" && sha256sum *.whl', "sh", *command]


def _wget(staged: Staged, urls: Sequence[str], folder: Path) -> list[str]:
    listed = folder / "urls"
    listed.write_text("\n".join(urls), encoding="utf-8")
    return [
        "wget",
        "-q",
        "--no-config",
        f"--ca-certificate={staged.tls.cert}",
        "-P",
        str(folder),
        "-i",
        str(listed),
    ]


_PROGRAMS: Mapping[str, Write] = {
    "aria2c, 5 files at once": lambda *job: _aria2c(*job, at_once=5),
    "aria2c, 16 at once": lambda *job: _aria2c(*job, at_once=16),
    "aria2c, 16 ranges of each": lambda *job: _aria2c(*job, at_once=1, ranges=16),
    "curl -Z, 16 at once": lambda *job: _curl(*job, at_once=16),
    "curl -Z, then sha256sum": _curl_and_hash,
    "wget": _wget,
}
_SCRIPTS = {"httpx, one by one": "one-by-one", "numpy's script": "numpy", "historic script": "historic"}


# --- one run ---------------------------------------------------------------------------------------


@click.command()
@click.argument("project", default="numpy")
@click.argument("version", default="2.3.4")
@options.of_a_line
@click.option("--loss", type=float, default=0.0, show_default=True, help="Percent of the bursts.")
@click.option("--size", type=int, help="One made wheel of so many MB instead of a release.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw it as well.")
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
    """Fetch the wheels of PROJECT VERSION in every way that is installed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6, loss=loss / 100)
    with contextlib.ExitStack() as stack:
        if size:
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="made-")))
            project, version, files = "made", "1.0", [releases.made(made, size * 1_000_000)]
        else:
            files = releases.wheels(project, version, cache)
        payload = sum(path.stat().st_size for path in files)
        link = stack.enter_context(lines.joined(line, proxy=proxy))
        tls = stack.enter_context(places.certified(link))
        url = stack.enter_context(places.staging(link, tls, files))
        staged = Staged(link=link, url=url, tls=tls, files=tuple(files), project=project, version=version)
        carried = carries(staged, stack)
        chosen = [each for each in contenders(staged) if not only or re.search(only, each.name)]
        costs = measure.rounds(chosen, runs, scratch)
    title = f"{project} {version}: {len(files)} wheels, {payload / 1e6:.0f} MB; {line}"
    print(f"{title}\n\n{_table(costs, len(files), rst=rst)}\n")
    print(_how(runs, link, carried, payload * 8 / line.rate))
    if svg:
        walls = {name: cost.wall for name, cost in costs.items()}
        svg.write_text(tables.bars(f"Download, {title}", walls, (OURS, AGAIN)), encoding="utf-8")


def carries(staged: Staged, stack: contextlib.ExitStack) -> str:
    """What the line itself carries, by curl: one file on one connection, and eight at once, thrown away."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    largest = sorted(staged.files, key=lambda path: -path.stat().st_size)
    said = []
    for count in (1, 8):
        chosen = (largest * count)[:count]
        listed = folder / str(count)
        lines_ = [f'url="{staged.url}{path.name}"\noutput=/dev/null\n' for path in chosen]
        listed.write_text("".join(lines_), encoding="utf-8")
        cost = staged.run(["curl", "-q", "-s", "-S", "-f", "-Z", "-K", str(listed)], folder)
        rate = sum(path.stat().st_size for path in chosen) * 8 / cost.wall / 1e6
        said.append(f"{rate:.0f} Mbit/s with {count} of the largest files")
    return " and ".join(said)


def _table(costs: Mapping[str, Cost], wanted: int, *, rst: bool) -> str:
    own = costs.get(OURS)
    head = ["way", "seconds", "times ours", "CPU s", "peak MB", "files"]
    rows = [
        [
            name,
            f"{cost.wall:.2f}",
            f"{cost.wall / own.wall:.2f}" if own else "",
            f"{cost.cpu:.2f}",
            f"{cost.megabytes:.0f}",
            f"{cost.files} of {wanted}",
        ]
        for name, cost in costs.items()
    ]
    return tables.table(head, rows, rst=rst)


def _how(runs: int, link: lines.Link, carried: str, payload: float) -> str:
    versions = [measure.version("curl", "--version"), measure.version("aria2c", "--version")]
    versions += [measure.version("wget", "--version"), measure.version("nginx", "-v")]
    said = "; ".join(" ".join(each.split()[:3]) for each in versions if each)
    return (
        f"Medians of {runs}, contenders in turn, those that take minutes once; whole processes. The payload "
        f"at the rate takes {payload:.1f} s; curl alone gets {carried} through it.\n{link.kind}; nginx "
        f"with TLS, HTTP/1.1. {measure.machine()}. wheel-uploader {__version__}; {said}; Python "
        f"{sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
