"""Measures the peak memory of each stage with large wheels: ``python -m benchmarks.memory [MB]``.

For a tiny wheel, and for wheels of MB (default 1000) megabytes unpacked (stored, deflated, and with one
native library of that size), it runs the command as whole processes until the download, until the checks (on
files in the wheelhouse, without cached inspections), and until the confirmation. It prints the peak memory
(VmHWM) of each run's processes as Markdown. Linux only; about 4 GB of disk are used temporarily.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.loopback import Loopback, loopback, run
from tools.testing.big_wheels import DEFLATED, KINDS, NATIVE, STORED, make

#: Limit in MB for every run.
LIMIT_MB = 150


@click.command()
@click.argument("megabytes", metavar="[MB]", default=1000)
def main(megabytes: int) -> None:
    """Measure the peak memory of each stage with wheels of MB megabytes unpacked."""
    size = megabytes * 1_000_000
    print(f"| wheel | file, MB | download | check | upload and confirm | total seconds |\n{'|---' * 6}|")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-memory-") as folder:
        for kind, unpacked in ((STORED, 1000), *((kind, size) for kind in KINDS)):
            worst = max(worst, measure_single(Path(folder), kind, unpacked))
        worst = max(worst, measure_several(Path(folder), size // 4))
    verdict = "below" if worst < LIMIT_MB else "NOT below"
    print(f"\nPeak memory of each run in MiB; {verdict} {LIMIT_MB}. Python {sys.version.split()[0]}.")


def measure_single(folder: Path, kind: str, size: int) -> float:
    path = make(folder / "staged", size, kind)
    return measure_stages(folder, f"one {kind} member of {size / 1e6:,.3g} MB", path.stat().st_size)


def measure_several(folder: Path, size: int) -> float:
    """Measure four wheels in one release: one of each kind, and a second deflated one."""
    for number, kind in enumerate((DEFLATED, NATIVE, STORED, DEFLATED)):
        make(folder / "staged", size, kind, f"cp31{number}-cp31{number}-win_amd64" if kind != NATIVE else "")
    files = list((folder / "staged").iterdir())
    total = sum(path.stat().st_size for path in files)
    return measure_stages(folder, f"{len(files)} wheels of {size / 1e6:,.3g} MB unpacked", total)


def measure_stages(folder: Path, title: str, size: int) -> float:
    """Print one row, and return the highest peak in it."""
    with loopback(folder / "staged") as server:
        arguments = [
            *common(server),
            "--repository-url",
            server.upload,
            "--index-url",
            server.index,
            "dipy",
            "1.11.0",
        ]
        runs = []
        for stage in ("download", "check", "confirm"):
            result = run(folder, "--until", stage, *arguments)
            if result.code:
                raise SystemExit(f"{title}, {stage}: exit code {result.code}\n{result.output}")
            runs.append(result)
            for path in (folder / "wheelhouse" / ".wheel-uploader").glob("*.checked.json"):
                path.unlink()
    shutil.rmtree(folder / "wheelhouse")
    shutil.rmtree(folder / "staged")
    peaks = " | ".join(f"{result.peak:.0f}" for result in runs)
    print(f"| {title} | {size / 1e6:.1f} | {peaks} | {sum(result.wall for result in runs):.0f} |", flush=True)
    return max(result.peak for result in runs)


def common(server: Loopback) -> list[str]:
    ignore_options = [
        f"--ignore={family}" for family in ("archive", "wheel", "native", "name", "content", "release")
    ]
    return [
        "-u",
        server.files,
        "-w",
        "wheelhouse",
        "--confirm-timeout",
        "60",
        "--non-interactive",
        *ignore_options,
    ]


if __name__ == "__main__":
    if not os.path.exists("/proc/self/status"):  # noqa: PTH110 - Path is not needed for one check
        raise SystemExit("this benchmark reads memory usage from /proc, so it needs Linux")
    main()
