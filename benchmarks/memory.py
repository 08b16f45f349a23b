"""How much memory each stage needs, however large the wheels are: ``python -m benchmarks.memory [MB]``.

For a tiny wheel, and for wheels of that many MB (1,000) unpacked, stored, deflated, and with one native
library of that size, it runs the command as whole processes: as far as the download, the checks (on files
in the wheelhouse, with nothing remembered), and the index's confirmation. Prints the largest memory that
each run's processes ever had (VmHWM) as Markdown. Linux only; about 4 GB of disk are used, and given back.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.big_wheels import DEFLATED, KINDS, NATIVE, STORED, make
from benchmarks.loopback import Loopback, loopback, run

#: MB that no run may need.
GOAL = 150


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1000) * 1_000_000
    print(f"| wheel | file, MB | download | check | upload and confirm | seconds in all |\n{'|---' * 6}|")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-memory-") as folder:
        for kind, unpacked in ((STORED, 1000), *((kind, size) for kind in KINDS)):
            worst = max(worst, one(Path(folder), kind, unpacked))
        worst = max(worst, several(Path(folder), size // 4))
    said = "below" if worst < GOAL else "NOT below"
    print(f"\nMiB at the peak of each process; {said} {GOAL}. Python {sys.version.split()[0]}.")


def one(folder: Path, kind: str, size: int) -> float:
    path = make(folder / "staged", size, kind)
    return measured(folder, f"one {kind} member of {size / 1e6:,.3g} MB", path.stat().st_size)


def several(folder: Path, size: int) -> float:
    """Four at once, as many as there are kinds and a second one."""
    for number, kind in enumerate((DEFLATED, NATIVE, STORED, DEFLATED)):
        make(folder / "staged", size, kind, f"cp31{number}-cp31{number}-win_amd64" if kind != NATIVE else "")
    files = list((folder / "staged").iterdir())
    total = sum(path.stat().st_size for path in files)
    return measured(folder, f"{len(files)} wheels of {size / 1e6:,.3g} MB unpacked", total)


def measured(folder: Path, what: str, size: int) -> float:
    """Print one row; the largest figure in it."""
    with loopback(folder / "staged") as ends:
        whole = [*common(ends), "--repository-url", ends.upload, "--index-url", ends.index, "dipy", "1.11.0"]
        runs = []
        for stage in ("download", "check", "confirm"):
            ran = run(folder, "--until", stage, *whole)
            if ran.code:
                raise SystemExit(f"{what}, {stage}: exit code {ran.code}\n{ran.output}")
            runs.append(ran)
            for path in (folder / "wheelhouse" / ".wheel-uploader").glob("*.checked.json"):
                path.unlink()
    shutil.rmtree(folder / "wheelhouse")
    shutil.rmtree(folder / "staged")
    peaks = " | ".join(f"{each.peak:.0f}" for each in runs)
    print(f"| {what} | {size / 1e6:.1f} | {peaks} | {sum(each.wall for each in runs):.0f} |", flush=True)
    return max(each.peak for each in runs)


def common(ends: Loopback) -> list[str]:
    ignored = [
        f"--ignore={family}" for family in ("archive", "wheel", "native", "name", "content", "release")
    ]
    return ["-u", ends.files, "-w", "wheelhouse", "--confirm-timeout", "60", "--non-interactive", *ignored]


if __name__ == "__main__":
    if not os.path.exists("/proc/self/status"):  # noqa: PTH110 - a question, no file
        raise SystemExit("memory is read from /proc, which only Linux has")
    main()
