"""Measures how time and memory grow: ``python -m benchmarks.growth [NAME]...``.

files: a complete run, list to confirm, with 1 to 2,000 tiny wheels; release: one with 1 to 20 wheels of
512 MiB; size: download and checks of one wheel of 1 KB to 4.3 GB; listing: pages of 100 to 100,000 links;
findings: each report of 1 to 100,000 findings. It prints tables as Markdown and writes plots into
benchmarks/plots. The exponent is the slope of the last step in a log-log plot: 1 is linear. Time is CPU time
and memory is peak memory (VmHWM), both of all processes of a run. Up to 11 GB of disk are used temporarily.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from benchmarks import loopback, plot
from benchmarks.memory import common
from tools.testing import big_wheels, wheels

PLOTS = Path(__file__).parent / "plots"
FILES = (1, 10, 100, 500, 2000)
WHEELS = (1, 5, 20)
WHEEL_SIZE = 512 << 20
SIZES = (1_000, 1_000_000, 30_000_000, 1_000_000_000, 4_300_000_000)
LINKS = (100, 1_000, 10_000, 99_000)
FORMATS = ("text", "json", "sarif", "markdown", "html")
FINDINGS = (1, 10, 100, 1_000, 10_000, 100_000)

#: The varied number, and the figure of each series (CPU seconds or MiB) by its label.
Row = tuple[int, dict[str, float]]

_RENDER_SCRIPT = """
import sys, time
from tools.testing.reports import with_findings
from wheel_uploader.report import formats_table
document = with_findings(int(sys.argv[1]))
formats_table.RENDERERS[sys.argv[2]](with_findings(1), True)
started_at = time.process_time()
text = formats_table.RENDERERS[sys.argv[2]](document, True)
print(time.process_time() - started_at, len(text))
"""


@click.command()
@click.argument("names", nargs=-1, metavar="[files|release|size|listing|findings]...")
def main(names: tuple[str, ...]) -> None:
    """Measure how time and memory grow."""
    if unknown := set(names) - set(MEASURES):
        raise click.UsageError(f"unknown: {', '.join(sorted(unknown))}")
    for name in names or MEASURES:
        measure, x_label = MEASURES[name]
        with tempfile.TemporaryDirectory(prefix="wheel-uploader-growth-") as folder:
            rows = list(measure(Path(folder)))
        print_table(name, x_label, rows)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f}.")


def print_table(name: str, x_label: str, rows: Sequence[Row]) -> None:
    labels = list(rows[0][1])
    print(f"| {x_label} | {' | '.join(labels)} |\n|{'---|' * (len(labels) + 1)}")
    for count, figures in rows:
        print(f"| {count:,} | {' | '.join(f'{figures[label]:.3g}' for label in labels)} |")
    exponents = (compute_exponent(rows, label) for label in labels)
    print(
        f"| exponent of the last step | {' | '.join(f'{value:.2f}' for value in exponents)} |\n", flush=True
    )
    PLOTS.mkdir(exist_ok=True)
    series = {label: [(count, max(figures[label], 1e-4)) for count, figures in rows] for label in labels}
    y_label = "CPU seconds; MiB" if any("MiB" in label for label in labels) else "CPU seconds"
    svg = plot.log_log(f"Growth with {x_label}", x_label, y_label, series)
    (PLOTS / f"growth-{name}.svg").write_text(svg, encoding="utf-8")


def compute_exponent(rows: Sequence[Row], name: str) -> float:
    (count, figures), (last_count, last_figures) = rows[-2:]
    return math.log(max(last_figures[name], 1e-9) / max(figures[name], 1e-9)) / math.log(last_count / count)


# --- the measurements ----------------------------------------------------------------------------------


def files(folder: Path) -> Iterator[Row]:
    """Measure a complete run, and a second one that finds everything done."""
    for count in FILES:
        for number in range(count):
            wheels.make_wheel(folder / "staged", build=str(number))
        yield count, measure_job(folder, count)


def release(folder: Path) -> Iterator[Row]:
    """Measure a complete run with large wheels, and a second one that finds everything done."""
    for count in WHEELS:
        for number in range(count):
            # Of different sizes: equal members are inspected once.
            tag = f"cp3{number}-cp3{number}-win_amd64"
            big_wheels.make(folder / "staged", WHEEL_SIZE + number, big_wheels.STORED, tag)
        size = sum(path.stat().st_size for path in (folder / "staged").iterdir())
        yield size, measure_job(folder, count)


def measure_job(folder: Path, count: int) -> dict[str, float]:
    """Return the figures of two complete runs with the ``count`` staged wheels."""
    with loopback.loopback(folder / "staged") as server:
        arguments = [*common(server), "--repository-url", server.upload, "--index-url", server.index]
        first, again = (run_checked(folder, *arguments, "dipy", "1.11.0") for _ in range(2))
        if len(server.posted) != count:
            raise SystemExit(f"{len(server.posted)} of {count} files were posted")
    shutil.rmtree(folder / "staged")
    shutil.rmtree(folder / "wheelhouse")
    return {"job, s": first.cpu, "again, s": again.cpu, "job, MiB": first.peak, "again, MiB": again.peak}


def size(folder: Path) -> Iterator[Row]:
    """Measure download and checks of one wheel, and a second run, which only hashes the file."""
    for count in SIZES:
        big_wheels.make(folder / "staged", count)
        with loopback.loopback(folder / "staged") as server:
            arguments = [*common(server), "--until", "check", "dipy", "1.11.0"]
            first, again = (run_checked(folder, *arguments) for _ in range(2))
        shutil.rmtree(folder / "staged")
        shutil.rmtree(folder / "wheelhouse")
        yield count, {"first, s": first.cpu, "again, s": again.cpu, "MiB": max(first.peak, again.peak)}


def listing(folder: Path) -> Iterator[Row]:
    """Measure listing a page with one matching wheel among its links, in HTML and in JSON."""
    wheels.make_wheel(folder / "staged")
    with loopback.loopback(folder / "staged") as server:
        for count in LINKS:
            server.other_files = count - 1
            html = run_checked(folder, "--until", "list", "-u", f"{server.files}html/", "dipy", "1.11.0")
            json = run_checked(folder, "--until", "list", "-u", server.files, "dipy", "1.11.0")
            yield (
                count,
                {"HTML, s": html.cpu, "JSON, s": json.cpu, "HTML, MiB": html.peak, "JSON, MiB": json.peak},
            )


def findings(_: Path) -> Iterator[Row]:
    """Measure each report format."""
    for count in FINDINGS:
        yield (
            count,
            {f"{name}, s": measure_rendering(count, name) for name in FORMATS},
        )


def measure_rendering(count: int, name: str) -> float:
    """Return the CPU seconds of rendering a report with ``count`` findings, in a separate process."""
    command = [sys.executable, "-c", _RENDER_SCRIPT, str(count), name]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(completed.stdout.split()[0])


def run_checked(folder: Path, *arguments: str) -> loopback.RunResult:
    result = loopback.run(folder, *arguments)
    if result.code:
        raise SystemExit(f"{arguments}: exit code {result.code}\n{result.output[-2000:]}")
    return result


MEASURES: dict[str, tuple[Callable[[Path], Iterator[Row]], str]] = {
    "files": (files, "files of a release"),
    "release": (release, "bytes of a release"),
    "size": (size, "bytes of a wheel"),
    "listing": (listing, "links of a listing"),
    "findings": (findings, "findings"),
}


if __name__ == "__main__":
    main()
