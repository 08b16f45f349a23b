"""Counts how many planted faults other checkers detect.

``python -m benchmarks.peers FOLDER`` takes wheels and sdists with one planted fault each, which
``python -m tests.unit.checks.planted_faults FOLDER`` writes, and runs check-wheel-contents, ``twine check
--strict``, ``auditwheel show``, abi3audit, pydistcheck and ``uv publish --dry-run`` on the files that they
apply to. It prints how many faults each of them detects: by family, which is the table of
docs/explanation/other-checkers.rst, and by check.

A peer detects a fault if it has a complaint (see ``peer_tools.parse_complaints``) about the file that it does
not have about the same file without the fault. The rule favours the peers: any new complaint counts, as does
a traceback. The checks of the release as a whole are left out, because no peer looks at more than one file.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from tools.testing import peer_tools
from wheel_uploader import checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile
from wheel_uploader.facts.archive import reader as archive_reader

# --- the faults --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlantedFault:
    """A file with a planted fault, and the same file without it."""

    check: str
    path: Path
    good_path: Path


def read_planted_faults(folder: Path) -> list[PlantedFault]:
    """Return the faults that FOLDER/planted.json lists."""
    entries = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    return [
        PlantedFault(check=entry["check"], path=folder / entry["file"], good_path=folder / entry["good"])
        for entry in entries
    ]


def is_detected_by_us(fault: PlantedFault) -> bool:
    content = archive_reader.read_archive(fault.path, filenames.parse_filename(fault.path.name))
    findings = checks.check_contents([content], profile=CheckProfile.PYPI)
    return fault.check in {finding.check for finding in findings}


# --- detection by a peer -----------------------------------------------------------------------------


def detect_faults(peer: peer_tools.Peer, faults: Sequence[PlantedFault]) -> list[bool | None]:
    """Return for each fault whether the peer detects it; None if it does not apply to the file."""
    paths = list(
        dict.fromkeys(
            path for fault in faults for path in (fault.path, fault.good_path) if peer.takes(path.name)
        )
    )
    complaints = dict(zip(paths, peer_tools.against_each(peer, paths), strict=True))
    return [
        bool(complaints[fault.path] - complaints.get(fault.good_path, frozenset()))
        if peer.takes(fault.path.name)
        else None
        for fault in faults
    ]


# --- the tables --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The detection of a planted fault, by us and by each peer; None if the peer does not apply."""

    check: str
    ours: bool
    peers: dict[str, bool | None]

    @property
    def family(self) -> str:
        return self.check.partition("/")[0]


def count_detected(detections: Iterable[Detection], peer: str) -> str:
    """Return the number of faults that a peer detects; a dash if it applies to none of the files."""
    verdicts = [detection.peers.get(peer) for detection in detections]
    return "\N{EN DASH}" if all(verdict is None for verdict in verdicts) else str(sum(map(bool, verdicts)))


def by_family(detections: Sequence[Detection]) -> list[list[str]]:
    """Return a row for each checker, with a column for each family."""
    families = list(dict.fromkeys(detection.family for detection in detections))
    groups = [[item for item in detections if item.family == family] for family in families]
    groups.append(list(detections))
    rows = [["", *families, "together"], ["planted faults", *(str(len(group)) for group in groups)]]
    rows.append(["wheel-uploader", *(str(sum(item.ours for item in group)) for group in groups)])
    rows += [[name, *(count_detected(group, name) for group in groups)] for name in peer_tools.NAMES]
    rows.append(
        [
            "at least one of the six",
            *(str(sum(any(item.peers.values()) for item in group)) for group in groups),
        ]
    )
    return rows


def by_check(detections: Sequence[Detection]) -> list[list[str]]:
    """Return a row for each check."""
    rows = [["id", "planted", "ours", *peer_tools.NAMES]]
    for check, group in itertools.groupby(detections, lambda item: item.check):
        items = list(group)
        counts = [str(len(items)), str(sum(item.ours for item in items))]
        rows.append([f"``{check}``", *counts, *(count_detected(items, name) for name in peer_tools.NAMES)])
    return rows


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--venv", type=click.Path(path_type=Path), help="Keep the virtual environment of the peers here."
)
def main(folder: Path, venv: Path | None) -> None:
    """Print which faults in FOLDER the peers detect, by family and by check; fail if we miss one."""
    order = {check.id: position for position, check in enumerate(checks.CHECKS)}
    planted = sorted(read_planted_faults(folder), key=lambda fault: order[fault.check])
    with peer_tools.installed(venv) as peers, ThreadPoolExecutor(len(peers)) as pool:
        verdicts = dict(
            zip((p.name for p in peers), pool.map(lambda p: detect_faults(p, planted), peers), strict=True)
        )
    detections = [
        Detection(
            check=fault.check,
            ours=is_detected_by_us(fault),
            peers={name: verdict[number] for name, verdict in verdicts.items()},
        )
        for number, fault in enumerate(planted)
    ]
    print(format_table(by_family(detections)), end="\n\n")
    print(format_table(by_check(detections)), end="\n\n")
    print(", ".join(f"{peer.package} {peer.version}" for peer in peers))
    absent = set(peer_tools.NAMES) - {peer.name for peer in peers}
    print(f"absent: {', '.join(sorted(absent)) or 'none'}")
    without_fault = [check for check in order if check not in {fault.check for fault in planted}]
    print(f"checks without a planted fault: {', '.join(without_fault)}")
    if missed := [item.check for item in detections if not item.ours]:
        raise click.ClickException(f"planted faults that we missed: {', '.join(missed)}")


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a simple table in reStructuredText."""
    cells = [[cell or "\\" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


if __name__ == "__main__":
    main()
