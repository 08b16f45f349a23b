"""Which of our checks the checkers of the field have too, by planted faults.

``python -m benchmarks.peers`` takes the wheels and sdists of tests/test_checks_*.py, which have one planted
fault each, gives each to those of check-wheel-contents, ``twine check --strict``, ``auditwheel show``,
abi3audit, pydistcheck and ``uv publish --dry-run`` that are for such a file, and prints how many each of them
sees: by family, which is the table of README.rst, and by check.

A peer sees a fault when it has something against the file (see ``peer_tools.meaning``) that it has not
against the same file without the fault. The rule is kind: any other complaint than the one about the fault
counts, and so does a traceback. The checks of the release as a whole are left out: no peer looks at more
than a file.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import peer_tools
from tests import (
    test_checks_archive,
    test_checks_content,
    test_checks_metadata,
    test_checks_native,
    test_checks_record,
    test_checks_sdist,
    test_checks_wheel,
)
from tests.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_members, zip_bytes
from tests.zips import DIST_INFO, SDIST, WHEEL, content, tagged
from wheel_uploader import checks
from wheel_uploader.models import Profile

#: Names with one fault each; tests/test_checks_name.py has more of each kind.
NAMES = (
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
    """A file with a planted fault, and the same without it."""

    check: str
    filename: str
    data: bytes
    good_filename: str
    good: bytes


def cases() -> Iterator[Case]:
    """Every wheel and sdist of the tests that has a planted fault."""
    for project, version, tag, check in ((p, v, t, c) for c, p, v, t in NAMES):
        data = wheel_bytes(project, version, tag, metadata=METADATA.format(project=project, version=version))
        yield case(check, f"{project}-{version}-{tag}.whl", data)
    for module in (test_checks_archive, test_checks_record, test_checks_metadata):
        for data, check in module.FAULTS.values():
            yield case(check, WHEEL, data)
    for fault, (data, check, _) in test_checks_content.FAULTS.items():
        yield case(check, tagged(test_checks_content.LINUX) if fault.startswith("bytecode ") else WHEEL, data)
    for data, filename, check in test_checks_wheel.FAULTS.values():
        yield case(check, filename, data)
    for data, filename, check in test_checks_sdist.FAULTS.values():
        yield Case(check=check, filename=filename, data=data, good_filename=SDIST, good=sdist_bytes())
    yield from _native()
    yield from _by_hand()


def case(check: str, filename: str, data: bytes) -> Case:
    """A wheel; without its fault it is a good one for the same system, where that is a system."""
    tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
    if "linux" not in tag:
        tag = "py3-none-any"
    return Case(
        check=check, filename=filename, data=data, good_filename=tagged(tag), good=wheel_bytes(tag=tag)
    )


def _native() -> Iterator[Case]:
    for check, tag, files, without in test_checks_native.FAULTS.values():
        good_tag, good_files = (without, files) if isinstance(without, str) else (tag, without)
        yield Case(
            check=check,
            filename=tagged(tag),
            data=wheel_bytes(tag=tag, files=files),
            good_filename=tagged(good_tag),
            good=wheel_bytes(tag=good_tag, files=good_files),
        )


def _by_hand() -> Iterator[Case]:
    """Faults that stand in no table, because they trip several checks."""
    yield case("archive/bomb", WHEEL, test_checks_archive.bomb("dipy/zeros", 128 << 20))
    for check, member, data in (
        ("wheel/not-utf8", "WHEEL", b"Wheel-Version: 1.0\nGenerator: \xff\nRoot-Is-Purelib: true\n"),
        ("metadata/not-utf8", "METADATA", test_checks_metadata.GOOD.replace("A.", "\xc4.").encode("latin-1")),
    ):
        yield case(check, WHEEL, zip_bytes({**wheel_members(), f"{DIST_INFO}/{member}": data}))


def seen_by_us(planted: Case) -> bool:
    found = checks.run([content(planted.data, planted.filename)], profile=Profile.PYPI)
    return planted.check in {finding.check for finding in found}


# --- what a peer says --------------------------------------------------------------------------------


def seen_by(peer: peer_tools.Peer, planted: Sequence[Case]) -> list[bool | None]:
    """Whether the peer sees the fault of each; None for a file that it is not for."""
    files: dict[tuple[str, bytes], frozenset[str]] = {
        file: frozenset()
        for each in planted
        for file in ((each.filename, each.data), (each.good_filename, each.good))
        if peer.takes(file[0])
    }
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        paths = [Path(folder) / str(number) / name for number, (name, _) in enumerate(files)]
        for path, (_, data) in zip(paths, files, strict=True):
            path.parent.mkdir()
            path.write_bytes(data)
        files.update(zip(files, peer_tools.against_each(peer, paths), strict=True))
    return [
        bool(files[each.filename, each.data] - files.get((each.good_filename, each.good), frozenset()))
        if peer.takes(each.filename)
        else None
        for each in planted
    ]


# --- the tables --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A planted fault, and who sees it; None for a peer that the file is not for."""

    check: str
    ours: bool
    peers: dict[str, bool | None]

    @property
    def family(self) -> str:
        return self.check.partition("/")[0]


def seen(judged: Iterable[Judged], by: str) -> str:
    """How many of these faults a peer sees; a dash where it is for none of the files."""
    verdicts = [each.peers.get(by) for each in judged]
    return "\N{EN DASH}" if all(verdict is None for verdict in verdicts) else str(sum(map(bool, verdicts)))


def by_family(judged: Sequence[Judged]) -> list[list[str]]:
    """A row for each of those who look, a column for each family."""
    families = list(dict.fromkeys(each.family for each in judged))
    groups = [*([each for each in judged if each.family == family] for family in families), list(judged)]
    rows = [["", *families, "together"], ["planted faults", *(str(len(group)) for group in groups)]]
    rows.append(["wheel-uploader", *(str(sum(each.ours for each in group)) for group in groups)])
    rows += [[name, *(seen(group, name) for group in groups)] for name in peer_tools.NAMES]
    rows.append(["at least one of the six", *(str(sum(any(e.peers.values()) for e in g)) for g in groups)])
    return rows


def by_check(judged: Sequence[Judged]) -> list[list[str]]:
    """A row for each check."""
    rows = [["id", "planted", "ours", *peer_tools.NAMES]]
    for check, group in itertools.groupby(judged, lambda each: each.check):
        those = list(group)
        counts = [str(len(those)), str(sum(each.ours for each in those))]
        rows.append([f"``{check}``", *counts, *(seen(those, name) for name in peer_tools.NAMES)])
    return rows


@click.command()
@click.option("--venv", type=click.Path(path_type=Path), help="Keep the peers here, for another run.")
def main(venv: Path | None) -> None:
    """Print which planted faults the peers see, by family and by check; fail when one of ours is not seen."""
    order = {check.id: at for at, check in enumerate(checks.CHECKS)}
    planted = sorted(cases(), key=lambda each: order[each.check])
    with peer_tools.installed(venv) as peers, ThreadPoolExecutor(len(peers)) as pool:
        verdicts = dict(
            zip((p.name for p in peers), pool.map(lambda p: seen_by(p, planted), peers), strict=True)
        )
    judged = [
        Judged(
            check=each.check,
            ours=seen_by_us(each),
            peers={name: seen[number] for name, seen in verdicts.items()},
        )
        for number, each in enumerate(planted)
    ]
    print(table(by_family(judged)), end="\n\n")
    print(table(by_check(judged)), end="\n\n")
    print(", ".join(f"{peer.package} {peer.version}" for peer in peers))
    absent = set(peer_tools.NAMES) - {peer.name for peer in peers}
    print(f"absent: {', '.join(sorted(absent)) or 'none'}")
    without = [each for each in order if each not in {case.check for case in planted}]
    print(f"checks without a file of their own here: {', '.join(without)}")
    if missed := [each.check for each in judged if not each.ours]:
        raise click.ClickException(f"planted and not seen by us: {', '.join(missed)}")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A simple table of reStructuredText."""
    cells = [[cell or "\\" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


if __name__ == "__main__":
    main()
