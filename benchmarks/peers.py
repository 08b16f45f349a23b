"""Counts how many planted faults other checkers detect.

``python -m benchmarks.peers`` takes the wheels and sdists of tests/unit/checks, which have one planted
fault each, and runs check-wheel-contents, ``twine check --strict``, ``auditwheel show``, abi3audit,
pydistcheck and ``uv publish --dry-run`` on the files that they apply to. It prints how many faults each of
them detects: by family, which is the table of README.rst, and by check.

A peer detects a fault if it has a complaint (see ``peer_tools.parse_complaints``) about the file that it does
not have about the same file without the fault. The rule favours the peers: any new complaint counts, as does
a traceback. The checks of the release as a whole are left out, because no peer looks at more than one file.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from tests.support.zips import DIST_INFO, SDIST, WHEEL, content, filename_with_tag
from tests.unit.checks import (
    test_archive,
    test_content,
    test_metadata,
    test_native,
    test_record,
    test_sdist,
    test_wheel,
)
from tools.testing import peer_tools
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_members, zip_bytes
from wheel_uploader import checks
from wheel_uploader.core.models import CheckProfile

#: Names with one fault each: check, project, version, tag.
#: tests/unit/checks/test_name.py has more of each kind.
FAULTY_NAMES = (
    ("name/invalid", "dipy", "1.0_1", "py3-none-any"),
    ("name/not-normalized", "Some_Thing", "1.0", "py3-none-any"),
    ("name/not-normalized", "some.thing", "1.0", "py3-none-any"),
    ("name/version-not-normalized", "dipy", "1.00", "py3-none-any"),
    ("name/local-version", "dipy", "1.0+cu128", "py3-none-any"),
    ("name/platform-refused", "dipy", "1.0", "cp312-cp312-linux_x86_64"),
    ("name/platform-refused", "dipy", "1.0", "cp312-cp312-macosx_11_2_arm64"),
    ("name/tags-unsorted", "dipy", "1.0", "py3.py2-none-any"),
    ("name/unknown-tag", "dipy", "1.0", "cp312-banana-any"),
)

# --- the faults --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file with a planted fault, and the same file without it."""

    check: str
    filename: str
    data: bytes
    good_filename: str
    good: bytes


def cases() -> Iterator[Case]:
    """Yield every wheel and sdist of the tests that has a planted fault."""
    for project, version, tag, check in ((p, v, t, c) for c, p, v, t in FAULTY_NAMES):
        data = wheel_bytes(project, version, tag, metadata=METADATA.format(project=project, version=version))
        yield make_wheel_case(check, f"{project}-{version}-{tag}.whl", data)
    for module in (test_archive, test_record, test_metadata):
        for data, check in module.FAULTS.values():
            yield make_wheel_case(check, WHEEL, data)
    for fault, (data, check, _) in test_content.FAULTS.items():
        yield make_wheel_case(
            check, filename_with_tag(test_content.LINUX) if fault.startswith("bytecode ") else WHEEL, data
        )
    for data, filename, check in test_wheel.FAULTS.values():
        yield make_wheel_case(check, filename, data)
    for data, filename, check in test_sdist.FAULTS.values():
        yield Case(check=check, filename=filename, data=data, good_filename=SDIST, good=sdist_bytes())
    yield from _native_cases()
    yield from _handmade_cases()


def make_wheel_case(check: str, filename: str, data: bytes) -> Case:
    """Return the case of a wheel; without the fault it is a valid wheel for the same Linux tag, or pure."""
    tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
    if "linux" not in tag:
        tag = "py3-none-any"
    return Case(
        check=check,
        filename=filename,
        data=data,
        good_filename=filename_with_tag(tag),
        good=wheel_bytes(tag=tag),
    )


def _native_cases() -> Iterator[Case]:
    for check, tag, files, without in test_native.FAULTS.values():
        good_tag, good_files = (without, files) if isinstance(without, str) else (tag, without)
        yield Case(
            check=check,
            filename=filename_with_tag(tag),
            data=wheel_bytes(tag=tag, files=files),
            good_filename=filename_with_tag(good_tag),
            good=wheel_bytes(tag=good_tag, files=good_files),
        )


def _handmade_cases() -> Iterator[Case]:
    """Yield faults that the tables of the tests lack, because they trigger several checks."""
    yield make_wheel_case("archive/bomb", WHEEL, test_archive.make_bomb("dipy/zeros", 128 << 20))
    for check, member, data in (
        ("wheel/not-utf8", "WHEEL", b"Wheel-Version: 1.0\nGenerator: \xff\nRoot-Is-Purelib: true\n"),
        ("metadata/not-utf8", "METADATA", test_metadata.GOOD.replace("A.", "\xc4.").encode("latin-1")),
    ):
        yield make_wheel_case(check, WHEEL, zip_bytes({**wheel_members(), f"{DIST_INFO}/{member}": data}))


def is_detected_by_us(planted: Case) -> bool:
    findings = checks.check_contents([content(planted.data, planted.filename)], profile=CheckProfile.PYPI)
    return planted.check in {finding.check for finding in findings}


# --- detection by a peer -----------------------------------------------------------------------------


def detect_faults(peer: peer_tools.Peer, planted: Sequence[Case]) -> list[bool | None]:
    """Return for each case whether the peer detects the fault; None if it does not apply to the file."""
    files: dict[tuple[str, bytes], frozenset[str]] = {
        file: frozenset()
        for case in planted
        for file in ((case.filename, case.data), (case.good_filename, case.good))
        if peer.takes(file[0])
    }
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        paths = [Path(folder) / str(number) / name for number, (name, _) in enumerate(files)]
        for path, (_, data) in zip(paths, files, strict=True):
            path.parent.mkdir()
            path.write_bytes(data)
        files.update(zip(files, peer_tools.against_each(peer, paths), strict=True))
    return [
        bool(files[case.filename, case.data] - files.get((case.good_filename, case.good), frozenset()))
        if peer.takes(case.filename)
        else None
        for case in planted
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
@click.option(
    "--venv", type=click.Path(path_type=Path), help="Keep the virtual environment of the peers here."
)
def main(venv: Path | None) -> None:
    """Print which planted faults the peers detect, by family and by check; fail if we miss one."""
    order = {check.id: position for position, check in enumerate(checks.CHECKS)}
    planted = sorted(cases(), key=lambda case: order[case.check])
    with peer_tools.installed(venv) as peers, ThreadPoolExecutor(len(peers)) as pool:
        verdicts = dict(
            zip((p.name for p in peers), pool.map(lambda p: detect_faults(p, planted), peers), strict=True)
        )
    detections = [
        Detection(
            check=case.check,
            ours=is_detected_by_us(case),
            peers={name: verdict[number] for name, verdict in verdicts.items()},
        )
        for number, case in enumerate(planted)
    ]
    print(format_table(by_family(detections)), end="\n\n")
    print(format_table(by_check(detections)), end="\n\n")
    print(", ".join(f"{peer.package} {peer.version}" for peer in peers))
    absent = set(peer_tools.NAMES) - {peer.name for peer in peers}
    print(f"absent: {', '.join(sorted(absent)) or 'none'}")
    without_case = [check for check in order if check not in {case.check for case in planted}]
    print(f"checks without a planted fault: {', '.join(without_case)}")
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
