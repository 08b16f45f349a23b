"""Measures downloads of a release's wheels over a line with high latency, compared with other tools.

``python -m benchmarks.download numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, and lets each contender download them, in turn, three times. Ours lists, downloads
and verifies (every CRC, hash and RECORD). The other programs are given the URLs, and the scripts read the
listing; they verify nothing, with two exceptions for comparing CPU time: curl followed by sha256sum and
``unzip -t``, and a program that does the least possible work (benchmarks/rig/least.py). ``--size 192`` serves
one generated wheel of 192 MB instead.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.rig import jobs, measure, options, releases, tables
from benchmarks.rig.jobs import Staged
from benchmarks.rig.link import Link
from benchmarks.rig.measure import Contender, Cost
from wheel_uploader import __version__

OURS, AGAIN = "wheel-uploader, verified", "run again, nothing to do"
UNPACKED = "curl -Z, then sha256sum and unzip -t"
#: Contenders that take a minute or more, which are run in one round only.
SLOW = ("historic script",)


# --- the contenders --------------------------------------------------------------------------------


def contenders(staged: Staged) -> Iterator[Contender]:
    """Yield every contender that is installed on this machine."""
    urls = [f"{staged.url}{name}" for name in staged.names]
    yield Contender(name=OURS, run=lambda folder: staged.run(build_command(staged, folder), folder))
    for name, build in _PROGRAMS.items():
        if shutil.which(name.split()[0].strip(",")) and (name != UNPACKED or shutil.which("unzip")):
            yield Contender(name=name, run=functools.partial(_run_program, staged, urls, build))
    for name, method in _SCRIPTS.items():
        yield Contender(name=name, run=functools.partial(_run_script, staged, method), once=name in SLOW)
    yield Contender(name="the least possible", run=functools.partial(_run_least, staged))
    yield Contender(name=AGAIN, run=functools.partial(_run_again, staged))


CommandBuilder = Callable[[Staged, Sequence[str], Path], list[str]]


def _run_program(staged: Staged, urls: Sequence[str], build: CommandBuilder, folder: Path) -> Cost:
    return staged.run(build(staged, urls, folder), folder)


def _run_script(staged: Staged, method: str, folder: Path) -> Cost:
    return staged.run([sys.executable, "-m", "benchmarks.rig.ways", method, staged.url, str(folder)], folder)


def _run_least(staged: Staged, folder: Path) -> Cost:
    return staged.run([sys.executable, "-m", "benchmarks.rig.least", staged.url, str(folder)], folder)


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


def _build_curl_and_unpack(staged: Staged, urls: Sequence[str], folder: Path) -> list[str]:
    command = _build_curl(staged, urls, folder, concurrency=16)
    # unzip treats several arguments as the members of the first one.
    script = '"$@" && sha256sum *.whl && for wheel in *.whl; do unzip -tqq "$wheel" || exit; done'
    return ["sh", "-c", script, "sh", *command]


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
    UNPACKED: _build_curl_and_unpack,
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
@options.add_chart_option
def main(size: int | None, **values: Any) -> None:
    """Download the wheels of PROJECT VERSION with every installed contender."""
    settings = options.Settings(**values)
    with contextlib.ExitStack() as stack:
        if size:
            generated = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="made-")))
            settings = replace(settings, project="made", version="1.0")
            files = [releases.generate_wheel(generated, size * 1_000_000)]
        else:
            files = releases.get_wheels(settings.project, settings.version, settings.cache)
        staged = stack.enter_context(jobs.open_release(settings, files, served=True))
        title = f"{staged.title}; {settings.line}"
        transfer_seconds = sum(path.stat().st_size for path in files) * 8 / settings.line.rate
        capacity = measure_capacity(staged, stack)
        costs = measure.run_rounds(settings.select(contenders(staged)), settings.runs, settings.scratch)
    table = tables.format_costs(costs, costs.get(OURS), len(files), rst=settings.rst)
    print(f"{title}\n\n{table}\n")
    print(_describe_setup(settings.runs, staged.link, capacity, transfer_seconds))
    if settings.svg:
        chart = tables.draw_costs(f"Download, {title}", costs, (OURS, AGAIN))
        settings.svg.write_text(chart, encoding="utf-8")


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


def _describe_setup(runs: int, link: Link, capacity: str, transfer_seconds: float) -> str:
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
