"""Test that our checks agree with other wheel checkers, except for settled disagreements.

``python -m benchmarks.interoperate`` compares real wheels; these tests use one small wheel with compiled code
for each kind of agreement and each settled disagreement.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from tools.testing import peer_comparison, peer_tools
from tools.testing.wheels import METADATA, wheel_bytes

PEERS = {peer.package: peer for peer in peer_tools.in_this_python()}
IS_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"

LINUX = "cp39-abi3-manylinux_2_17_x86_64"
OLDER = "cp39-abi3-manylinux_2_12_x86_64"
ANY = "py3-none-any"

Files = Mapping[str, bytes]


@cache
def compiled_module(module: str) -> bytes:
    """Return a compiled module of one of our dependencies."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".so"):
        pytest.skip(f"{module} is not compiled here")
    return Path(spec.origin).read_bytes()


def wheel_with_unknown_dependency() -> Files:
    data = compiled_module("cmarkgfm._cmark")
    assert b"libpthread.so.0\0" in data
    return {"dipy/x.abi3.so": data.replace(b"libpthread.so.0\0", b"libpthreax.so.0\0")}


#: Peer, wheel tag, and compiled code.
ACCEPTED: dict[str, tuple[str, str, Callable[[], Files]]] = {
    "a pure wheel": ("check-wheel-contents", ANY, dict),
    "a pure wheel for an upload": ("twine", ANY, dict),
    "compatible with its tag": (
        "auditwheel",
        LINUX,
        lambda: {"dipy/x.abi3.so": compiled_module("cmarkgfm._cmark")},
    ),
    "stable ABI": ("abi3audit", LINUX, lambda: {"dipy/x.abi3.so": compiled_module("cmarkgfm._cmark")}),
    "stable ABI of 3.8": ("abi3audit", LINUX, lambda: {"dipy/x.abi3.so": compiled_module("nh3.nh3")}),
}
REJECTED: dict[str, tuple[str, str, Callable[[], Files]]] = {
    "bytecode alone": ("check-wheel-contents", ANY, lambda: {"dipy/x.pyc": b"\0"}),
    "bytecode of another Python": (
        "check-wheel-contents",
        "cp312-cp312-any",
        lambda: {"dipy/x.py": b"x = 1\n", "dipy/__pycache__/x.cpython-311.pyc": b"\0"},
    ),
    "a file outside the package": ("check-wheel-contents", ANY, lambda: {"README.md": b"#"}),
    "a wheel in the wheel": (
        "check-wheel-contents",
        ANY,
        lambda: {"dipy-1.11.0-cp314-cp314-win_amd64.whl": b""},
    ),
    "tests outside the package": ("check-wheel-contents", ANY, lambda: {"tests/__init__.py": b"x = 2\n"}),
    "a newer glibc": ("auditwheel", OLDER, lambda: {"dipy/x.abi3.so": compiled_module("cmarkgfm._cmark")}),
    "an unknown library": ("auditwheel", LINUX, wheel_with_unknown_dependency),
    "the other C library": (
        "auditwheel",
        "cp39-abi3-musllinux_1_1_x86_64",
        lambda: {"dipy/x.abi3.so": compiled_module("cmarkgfm._cmark")},
    ),
    "newer than the tag's Python": (
        "abi3audit",
        "cp32-abi3-manylinux_2_17_x86_64",
        lambda: {"dipy/x.abi3.so": compiled_module("nh3.nh3")},
    ),
    "outside of the stable ABI": (
        "abi3audit",
        LINUX,
        lambda: {"dipy/x.abi3.so": compiled_module("lxml.builder")},
    ),
}
MINIMAL_METADATA = METADATA.format(project="dipy", version="1.11.0").replace(
    "Description-Content-Type: text/plain\n", ""
)
CWC = "check-wheel-contents"
#: A finding of a peer, and the wheel that causes it: peer, wheel tag, extra files, and metadata.
SETTLED: dict[str, tuple[str, str, Files, str]] = {
    "W001": (
        CWC,
        "cp311-cp311-any",
        {"dipy/x.py": b"x = 1\n", "dipy/__pycache__/x.cpython-311.pyc": b"\0"},
        "",
    ),
    "W002": (CWC, ANY, {"dipy/a.txt": b"the same", "dipy/b.txt": b"the same"}, ""),
    "W004": (CWC, ANY, {"dipy/hook-dipy.py": b"x = 1\n"}, ""),
    "W009": (CWC, ANY, {"horizon/__init__.py": b"x = 1\n"}, ""),
    "W010": (CWC, ANY, {"dipy.libs/liba-1234.so.txt": b"x"}, ""),
    "long_description_content_type": ("twine", ANY, {}, MINIMAL_METADATA),
    "long_description": ("twine", ANY, {}, MINIMAL_METADATA.partition("\n\n")[0] + "\n\n"),
}


def compare_with_peer(
    folder: Path, package: str, tag: str, files: Files, metadata: str = ""
) -> tuple[frozenset[str], list[str]]:
    """Return the findings of the peer, and our disagreements with it as reported or as settled."""
    if package not in PEERS:
        pytest.skip(f"{package} is not installed")
    if package in {"auditwheel", "abi3audit"} and not IS_LINUX:
        pytest.skip("there are no modules for Linux on x86_64 here")
    path = folder / f"dipy-1.11.0-{tag}.whl"
    parts = {"metadata": metadata} if metadata else {}
    path.write_bytes(wheel_bytes(tag=tag, files=files, **parts))  # type: ignore[arg-type]
    peer_findings = peer_tools.against(PEERS[package], path)
    disagreements = peer_comparison.compare(path, PEERS[package], peer_findings)
    return peer_findings, [disagreement.settled or str(disagreement) for disagreement in disagreements]


@pytest.mark.parametrize("name", ACCEPTED)
def test_agrees_with_a_peer_that_accepts_a_wheel(name: str, tmp_path: Path) -> None:
    package, tag, files = ACCEPTED[name]
    assert compare_with_peer(tmp_path, package, tag, files()) == (frozenset(), [])


@pytest.mark.parametrize("name", REJECTED)
def test_agrees_with_a_peer_that_rejects_a_wheel(name: str, tmp_path: Path) -> None:
    package, tag, files = REJECTED[name]
    peer_findings, disagreements = compare_with_peer(tmp_path, package, tag, files())
    assert peer_findings
    assert set(disagreements) <= set(peer_comparison.SETTLED.values())


def test_agrees_with_twine_about_an_invalid_description(tmp_path: Path) -> None:
    metadata = METADATA.format(project="dipy", version="1.11.0").replace("text/plain", "text/x-rst")
    peer_findings, disagreements = compare_with_peer(
        tmp_path, "twine", ANY, {}, f"{metadata}\n.. nothing::\n\n`open\n"
    )
    assert peer_findings == {"exit", "rendering"}
    assert disagreements == []


@pytest.mark.parametrize("peer_finding", peer_comparison.SETTLED)
def test_settled_disagreements_occur(peer_finding: str, tmp_path: Path) -> None:
    peer_findings, disagreements = compare_with_peer(tmp_path, *SETTLED[peer_finding])
    assert peer_finding in peer_findings
    assert peer_comparison.SETTLED[peer_finding] in disagreements
    assert set(disagreements) <= set(peer_comparison.SETTLED.values())


def test_reports_disagreements_of_either_side(tmp_path: Path) -> None:
    path = tmp_path / "dipy-1.11.0-py3-none-any.whl"
    path.write_bytes(wheel_bytes(files={"README.md": b"#"}))
    peer = peer_tools.Peer(
        name="check-wheel-contents",
        package="check-wheel-contents",
        arguments=(),
        accepts_many=True,
        python="",
        version="1",
    )
    lines = [str(line) for line in peer_comparison.compare(path, peer, frozenset({"exit", "W008"}))]
    assert lines == [
        f"{path.name}: reported only by check-wheel-contents: W008",
        f"{path.name}: reported only by us: content/stray-toplevel",
    ]
    assert list(peer_comparison.compare(path, peer, frozenset({"exit", "W003"}))) == []
