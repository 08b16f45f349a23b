"""Compares our findings on a wheel with those of another checker; both may have settled disagreements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.testing import peer_tools
from wheel_uploader import checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, WheelContent, WheelName
from wheel_uploader.facts.archive import reader as archive_reader

#: Our equivalent checks, by the peer's package and complaint; ``*`` matches all other complaints.
EQUIVALENT_CHECKS = {
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
#: Complaints of a peer without an equivalent finding, and the reason.
SETTLED = {
    "W001": "bytecode next to its source, in a wheel for the same Python: an installer writes the same files",
    "W002": "duplicate files are harmless: empty modules, licences, test data",
    "W004": "numpy has test data and hooks of other programs that end in .py and are not modules",
    "W009": "several top-level packages are valid, as is the NAME.libs directory of a repair tool",
    "long_description_content_type": "a description without a content type is reStructuredText, and renders",
    "long_description": "a missing description is valid; metadata/thin notes it",
    "W010": "auditwheel and delvewheel put bundled libraries into such a directory (NAME.libs)",
}
#: Our findings without an equivalent complaint of a peer that has such a check, and the reason.
SETTLED_OURS: dict[tuple[str, str], str] = {}


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A complaint about a wheel that only one side has."""

    wheel: str
    peer: str
    #: True if the complaint is ours.
    ours: bool
    complaint: str

    @property
    def settled(self) -> str:
        """The reason why the disagreement is accepted; empty if it is not settled."""
        if self.ours:
            return SETTLED_OURS.get((self.peer, self.complaint), "")
        return SETTLED.get(self.complaint, "")

    def __str__(self) -> str:
        return f"{self.wheel}: reported only by {'us' if self.ours else self.peer}: {self.complaint}"


def compare(path: Path, peer: peer_tools.Peer, theirs: frozenset[str]) -> Iterator[Disagreement]:
    """Yield the disagreements between our findings on a wheel and ``theirs``, those of a peer."""
    ours = our_findings(path)
    # A nonzero exit code adds nothing to the complaints in the output.
    theirs = theirs - {"exit"} or theirs
    equivalent = EQUIVALENT_CHECKS[peer.package]
    for complaint in sorted(theirs):
        if not any(
            _is_one_of(check, equivalent.get(complaint, equivalent.get("*", set()))) for check in ours
        ):
            yield Disagreement(wheel=path.name, peer=peer.name, ours=False, complaint=complaint)
    reported = [
        ids for complaint, ids in equivalent.items() if complaint in theirs or (complaint == "*" and theirs)
    ]
    for check in sorted(ours):
        has_equivalent = any(_is_one_of(check, ids) for ids in equivalent.values())
        if has_equivalent and not any(_is_one_of(check, ids) for ids in reported):
            yield Disagreement(wheel=path.name, peer=peer.name, ours=True, complaint=check)


def our_findings(path: Path) -> frozenset[str]:
    """Return the ids of our checks with a finding on a wheel, other than notes."""
    name = filenames.parse_filename(path.name)
    assert isinstance(name, WheelName), path
    content = archive_reader.read_archive(path, name)
    assert isinstance(content, WheelContent), path
    findings = checks.check_contents([content], profile=CheckProfile.PYPI)
    return frozenset(finding.check for finding in findings if finding.severity.value != "note")


def _is_one_of(check: str, ids: set[str]) -> bool:
    return check in ids or f"{check.partition('/')[0]}/*" in ids
