"""Whether other checkers of wheels say the same of real ones.

``python -m benchmarks.interoperate FOLDER...`` gives every wheel of the folders to check-wheel-contents,
``twine check --strict``, ``auditwheel show`` and abi3audit, where they are for such a wheel, and compares
what each has against it with our findings on that matter. It prints each disagreement, those that were
settled with the reason, and ends with 1 when one was not: then somebody has to find out who is right, and
write the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import peer_tools
from wheel_uploader import archive, checks, names
from wheel_uploader.models import Profile, WheelContent, WheelName

#: Our checks that say what a peer says, by its package and what it has against a wheel; ``*`` is all else.
SAME = {
    "check-wheel-contents": {
        "W001": {"content/bytecode"},
        **{code: {"content/stray-toplevel"} for code in ("W003", "W005", "W006")},
        **{code: {"content/empty"} for code in ("W007", "W008")},
        "invalid wheel": {"archive/*", "record/*", "wheel/*"},
    },
    "twine": {"*": {"metadata/*"}},
    "auditwheel": {
        "*": {
            *("native/glibc-too-new", "native/missing-library", "native/musl-vs-glibc"),
            *("native/links-libpython", "native/arch-mismatch", "native/isa-too-new"),
        }
    },
    "abi3audit": {"*": {"native/abi3-violation"}},
}
#: What a peer has against a wheel, and why we have not.
SETTLED = {
    "W001": "bytecode beside its source, in a wheel for that very Python: an installer writes the same",
    "W002": "two files with equal bytes break nothing: empty modules, licences, data of tests",
    "W004": "numpy has data of tests and hooks of other programs that are no modules and end in .py",
    "W009": "a package and what a repair tool puts beside it (NAME.libs), or several packages, are legal",
    "long_description_content_type": "a description without a type is reStructuredText, and renders",
    "long_description": "a project without a description is poor, not wrong: metadata/thin notes it",
    "W010": "the libraries that auditwheel and delvewheel bring lie in such a directory (NAME.libs)",
}
#: Ours that a peer does not say although it looks at such things, and why we do.
SETTLED_OURS: dict[tuple[str, str], str] = {}


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """One side has something against a wheel that the other has not."""

    wheel: str
    peer: str
    #: Who has it, and what it is.
    ours: bool
    what: str

    @property
    def settled(self) -> str:
        """Why it is as it should be; empty when nobody has said so."""
        return SETTLED_OURS.get((self.peer, self.what), "") if self.ours else SETTLED.get(self.what, "")

    def __str__(self) -> str:
        return f"{self.wheel}: {'we' if self.ours else self.peer} alone: {self.what}"


def compare(path: Path, peer: peer_tools.Peer, theirs: frozenset[str]) -> Iterator[Disagreement]:
    """Where we and a peer, which has ``theirs`` against a wheel, are not of one opinion."""
    ours = our_findings(path)
    # The exit code only repeats what the words say in more detail.
    theirs = theirs - {"exit"} or theirs
    same = SAME[peer.package]
    for what in sorted(theirs):
        if not any(_is_one_of(check, same.get(what, same.get("*", set()))) for check in ours):
            yield Disagreement(wheel=path.name, peer=peer.name, ours=False, what=what)
    told = [ids for what, ids in same.items() if what in theirs or (what == "*" and theirs)]
    for check in sorted(ours):
        judged = any(_is_one_of(check, ids) for ids in same.values())
        if judged and not any(_is_one_of(check, ids) for ids in told):
            yield Disagreement(wheel=path.name, peer=peer.name, ours=True, what=check)


def our_findings(path: Path) -> frozenset[str]:
    """The checks that have something against a wheel; notes are no opinion."""
    name = names.parse(path.name)
    assert isinstance(name, WheelName), path
    content = archive.read(path, name)
    assert isinstance(content, WheelContent), path
    found = checks.run([content], profile=Profile.PYPI)
    return frozenset(finding.check for finding in found if finding.severity.value != "note")


def _is_one_of(check: str, ids: set[str]) -> bool:
    return check in ids or f"{check.partition('/')[0]}/*" in ids


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--venv", type=click.Path(path_type=Path), help="Keep the peers here, for another run.")
@click.option("--jobs", default=2, show_default=True, help="Peers that run at once.")
def main(folders: Sequence[Path], venv: Path | None, jobs: int) -> None:
    """Compare our verdicts on the wheels in FOLDERS with those of other checkers."""
    files = [path for folder in folders for path in sorted(folder.glob("*.whl"))]
    with peer_tools.installed(venv, peer_tools.IN_TURN) as peers, ThreadPoolExecutor(jobs) as pool:
        pairs = [(path, peer) for path in files for peer in peers if peer.takes(path.name)]
        verdicts = pool.map(lambda pair: peer_tools.against(pair[1], pair[0]), pairs)
        every = [
            each for pair, theirs in zip(pairs, verdicts, strict=True) for each in compare(*pair, theirs)
        ]
    settled: dict[str, list[Disagreement]] = {}
    for each in every:
        if each.settled:
            settled.setdefault(f"{'we' if each.ours else each.peer} {each.what}", []).append(each)
    print(
        f"{len(files)} wheels, {len(pairs)} verdicts of {', '.join(f'{p.name} {p.version}' for p in peers)}"
    )
    agreed = len(pairs) - len({(each.wheel, each.peer) for each in every})
    print(f"{agreed} agree with ours")
    for what, those in sorted(settled.items()):
        print(f"settled: {what} on {len(those)} wheels: {those[0].settled}")
    left = [each for each in every if not each.settled]
    for each in left:
        print(f"not settled: {each}")
    if left:
        raise click.ClickException(f"{len(left)} disagreements are not settled")


if __name__ == "__main__":
    main()
