"""How time and memory grow: ``python -m benchmarks.growth [files|size|listing|findings]...``.

files: the whole job, list to confirm, with 1 to 2,000 tiny wheels; size: download and checks of one wheel
of 1 KB to 4.3 GB; listing: pages of 100 to 100,000 links; findings: each report of 1 to 100,000 findings.
Prints tables as Markdown and writes plots into benchmarks/plots. The exponent is the slope of the last step
in a log-log plot: 1 is linear. Time is CPU time, memory the peak (VmHWM), of all its
processes. Up to 9 GB of disk are used, and given back.
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

from benchmarks import big_wheels, loopback, plot
from benchmarks.memory import common
from tests import reports, wheels
from wheel_uploader import checks
from wheel_uploader.models import Finding, Report, Severity

PLOTS = Path(__file__).parent / "plots"
FILES = (1, 10, 100, 500, 2000)
SIZES = (1_000, 1_000_000, 30_000_000, 1_000_000_000, 4_300_000_000)
LINKS = (100, 1_000, 10_000, 99_000)
FORMATS = ("text", "json", "sarif", "markdown", "html")
FINDINGS = (1, 10, 100, 1_000, 10_000, 100_000)

#: What was varied, and of each series (what, CPU seconds or MiB) one figure for each step.
Row = tuple[int, dict[str, float]]

_RENDERED = """
import sys, time
from benchmarks.growth import report_of
from wheel_uploader import report
document = report_of(int(sys.argv[1]))
report.FORMATS[sys.argv[2]](report_of(1), True)
begun = time.process_time()
text = report.FORMATS[sys.argv[2]](document, True)
print(time.process_time() - begun, len(text))
"""


def main() -> None:
    asked = sys.argv[1:] or list(MEASURES)
    for name in asked:
        measure, across = MEASURES[name]
        with tempfile.TemporaryDirectory(prefix="wheel-uploader-growth-") as folder:
            rows = list(measure(Path(folder)))
        show(name, across, rows)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load:.1f}.")


def show(name: str, across: str, rows: Sequence[Row]) -> None:
    names = list(rows[0][1])
    print(f"| {across} | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for count, figures in rows:
        print(f"| {count:,} | {' | '.join(f'{figures[each]:.3g}' for each in names)} |")
    exponents = (exponent(rows, each) for each in names)
    print(f"| exponent of the last step | {' | '.join(f'{each:.2f}' for each in exponents)} |\n", flush=True)
    PLOTS.mkdir(exist_ok=True)
    series = {each: [(count, max(figures[each], 1e-4)) for count, figures in rows] for each in names}
    up = "CPU seconds; MiB" if any("MiB" in each for each in names) else "CPU seconds"
    svg = plot.log_log(f"Growth with {across}", across, up, series)
    (PLOTS / f"growth-{name}.svg").write_text(svg, encoding="utf-8")


def exponent(rows: Sequence[Row], name: str) -> float:
    (count, figures), (more, grown) = rows[-2:]
    return math.log(max(grown[name], 1e-9) / max(figures[name], 1e-9)) / math.log(more / count)


# --- what is measured ----------------------------------------------------------------------------------


def files(folder: Path) -> Iterator[Row]:
    """The whole job, and the same command again when everything is there."""
    for count in FILES:
        for number in range(count):
            wheels.make_wheel(folder / "staged", build=str(number))
        with loopback.loopback(folder / "staged") as ends:
            arguments = [*common(ends), "--repository-url", ends.upload, "--index-url", ends.index]
            first, again = (checked(folder, *arguments, "dipy", "1.11.0") for _ in range(2))
            if len(ends.posted) != count:
                raise SystemExit(f"{len(ends.posted)} of {count} files were posted")
        shutil.rmtree(folder / "staged")
        shutil.rmtree(folder / "wheelhouse")
        yield (
            count,
            {"job, s": first.cpu, "again, s": again.cpu, "job, MiB": first.peak, "again, MiB": again.peak},
        )


def size(folder: Path) -> Iterator[Row]:
    """Download and checks of one wheel, and the same command again, which only hashes."""
    for count in SIZES:
        big_wheels.make(folder / "staged", count)
        with loopback.loopback(folder / "staged") as ends:
            arguments = [*common(ends), "--until", "check", "dipy", "1.11.0"]
            first, again = (checked(folder, *arguments) for _ in range(2))
        shutil.rmtree(folder / "staged")
        shutil.rmtree(folder / "wheelhouse")
        yield count, {"first, s": first.cpu, "again, s": again.cpu, "MiB": max(first.peak, again.peak)}


def listing(folder: Path) -> Iterator[Row]:
    """One wheel of ours among the links of a page, in HTML and in JSON."""
    wheels.make_wheel(folder / "staged")
    with loopback.loopback(folder / "staged") as ends:
        for count in LINKS:
            ends.others = count - 1
            html = checked(folder, "--until", "list", "-u", f"{ends.files}html/", "dipy", "1.11.0")
            json = checked(folder, "--until", "list", "-u", ends.files, "dipy", "1.11.0")
            yield (
                count,
                {"HTML, s": html.cpu, "JSON, s": json.cpu, "HTML, MiB": html.peak, "JSON, MiB": json.peak},
            )


def findings(_: Path) -> Iterator[Row]:
    """Each report of so many findings."""
    for count in FINDINGS:
        yield (
            count,
            {f"{name}, s": rendered(count, name) for name in ("text", "json", "sarif", "markdown", "html")},
        )


def rendered(count: int, name: str) -> float:
    """CPU seconds of one report, in a process of its own."""
    command = [sys.executable, "-c", _RENDERED, str(count), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def report_of(count: int) -> Report:
    """A report with ``count`` findings of twenty checks in four files."""
    ids = [check.id for check in checks.CHECKS][:20]
    return reports.checked(
        *(
            Finding(
                check=ids[number % len(ids)],
                severity=list(Severity)[number % 3],
                subject=reports.WHEELS[number % len(reports.WHEELS)],
                member=f"dipy/module_{number}.py",
                message=f"it has {number} faults",
            )
            for number in range(count)
        )
    )


def checked(folder: Path, *arguments: str) -> loopback.Ran:
    ran = loopback.run(folder, *arguments)
    if ran.code:
        raise SystemExit(f"{arguments}: exit code {ran.code}\n{ran.output[-2000:]}")
    return ran


MEASURES: dict[str, tuple[Callable[[Path], Iterator[Row]], str]] = {
    "files": (files, "files of a release"),
    "size": (size, "bytes of a wheel"),
    "listing": (listing, "links of a listing"),
    "findings": (findings, "findings"),
}


if __name__ == "__main__":
    main()
