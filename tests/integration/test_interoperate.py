"""Other checkers of wheels and we have one opinion, or it was settled who is right.

Real wheels are compared by ``python -m benchmarks.interoperate``; here each kind of agreement and each
settled disagreement stands as a small wheel, with code that a real compiler made.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from benchmarks import interoperate, peer_tools
from tests.support.wheels import METADATA, wheel_bytes

PEERS = {peer.package: peer for peer in peer_tools.in_this_python()}
IS_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"

LINUX = "cp39-abi3-manylinux_2_17_x86_64"
OLDER = "cp39-abi3-manylinux_2_12_x86_64"
ANY = "py3-none-any"

Files = Mapping[str, bytes]


@cache
def code(module: str) -> bytes:
    """A compiled module of a library that we depend on."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None or not found.origin.endswith(".so"):
        pytest.skip(f"{module} is not compiled here")
    return Path(found.origin).read_bytes()


def needs_what_nobody_has() -> Files:
    data = code("cmarkgfm._cmark")
    assert b"libpthread.so.0\0" in data
    return {"dipy/x.abi3.so": data.replace(b"libpthread.so.0\0", b"libpthreax.so.0\0")}


#: Peer, tag of the wheel, and the code in it.
GOOD: dict[str, tuple[str, str, Callable[[], Files]]] = {
    "a pure wheel": ("check-wheel-contents", ANY, dict),
    "a pure wheel for an upload": ("twine", ANY, dict),
    "what its tag promises": ("auditwheel", LINUX, lambda: {"dipy/x.abi3.so": code("cmarkgfm._cmark")}),
    "of the stable ABI": ("abi3audit", LINUX, lambda: {"dipy/x.abi3.so": code("cmarkgfm._cmark")}),
    "of the stable ABI of 3.8": ("abi3audit", LINUX, lambda: {"dipy/x.abi3.so": code("nh3.nh3")}),
}
FAULTS: dict[str, tuple[str, str, Callable[[], Files]]] = {
    "bytecode alone": ("check-wheel-contents", ANY, lambda: {"dipy/x.pyc": b"\0"}),
    "bytecode of another Python": (
        "check-wheel-contents",
        "cp312-cp312-any",
        lambda: {"dipy/x.py": b"x = 1\n", "dipy/__pycache__/x.cpython-311.pyc": b"\0"},
    ),
    "a file beside the package": ("check-wheel-contents", ANY, lambda: {"README.md": b"#"}),
    "a wheel in the wheel": (
        "check-wheel-contents",
        ANY,
        lambda: {"dipy-1.11.0-cp314-cp314-win_amd64.whl": b""},
    ),
    "tests beside the package": ("check-wheel-contents", ANY, lambda: {"tests/__init__.py": b"x = 2\n"}),
    "a newer glibc": ("auditwheel", OLDER, lambda: {"dipy/x.abi3.so": code("cmarkgfm._cmark")}),
    "a library that nobody has": ("auditwheel", LINUX, needs_what_nobody_has),
    "the other C library": (
        "auditwheel",
        "cp39-abi3-musllinux_1_1_x86_64",
        lambda: {"dipy/x.abi3.so": code("cmarkgfm._cmark")},
    ),
    "newer than the tag's Python": (
        "abi3audit",
        "cp32-abi3-manylinux_2_17_x86_64",
        lambda: {"dipy/x.abi3.so": code("nh3.nh3")},
    ),
    "outside of the stable ABI": ("abi3audit", LINUX, lambda: {"dipy/x.abi3.so": code("lxml.builder")}),
}
BARE = METADATA.format(project="dipy", version="1.11.0").replace("Description-Content-Type: text/plain\n", "")
CWC = "check-wheel-contents"
#: What a peer says, and a wheel that makes it say so: who, its tag, more files, and other metadata.
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
    "long_description_content_type": ("twine", ANY, {}, BARE),
    "long_description": ("twine", ANY, {}, BARE.partition("\n\n")[0] + "\n\n"),
}


def verdict(
    folder: Path, package: str, tag: str, files: Files, metadata: str = ""
) -> tuple[frozenset[str], list[str]]:
    """What the peer has against a wheel, and where we are not of its opinion, or that of who is settled."""
    if package not in PEERS:
        pytest.skip(f"{package} is not installed")
    if package in {"auditwheel", "abi3audit"} and not IS_LINUX:
        pytest.skip("there are no modules for Linux on x86_64 here")
    path = folder / f"dipy-1.11.0-{tag}.whl"
    parts = {"metadata": metadata} if metadata else {}
    path.write_bytes(wheel_bytes(tag=tag, files=files, **parts))  # type: ignore[arg-type]
    theirs = peer_tools.against(PEERS[package], path)
    apart = interoperate.compare(path, PEERS[package], theirs)
    return theirs, [each.settled or str(each) for each in apart]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_for_a_peer_is_good_for_us(name: str, tmp_path: Path) -> None:
    package, tag, files = GOOD[name]
    assert verdict(tmp_path, package, tag, files()) == (frozenset(), [])


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_a_fault_for_a_peer_is_one_for_us(name: str, tmp_path: Path) -> None:
    package, tag, files = FAULTS[name]
    theirs, apart = verdict(tmp_path, package, tag, files())
    assert theirs
    assert [each for each in apart if each not in interoperate.SETTLED.values()] == []


def test_a_description_that_does_not_render_is_a_fault_for_both(tmp_path: Path) -> None:
    metadata = METADATA.format(project="dipy", version="1.11.0").replace("text/plain", "text/x-rst")
    theirs, apart = verdict(tmp_path, "twine", ANY, {}, f"{metadata}\n.. nothing::\n\n`open\n")
    assert theirs == {"exit", "rendering"}
    assert apart == []


@pytest.mark.parametrize("what", interoperate.SETTLED)
def test_what_is_settled_is_what_a_peer_says_and_we_do_not(what: str, tmp_path: Path) -> None:
    theirs, apart = verdict(tmp_path, *SETTLED[what])
    assert what in theirs
    assert interoperate.SETTLED[what] in apart
    assert set(apart) <= set(interoperate.SETTLED.values())


def test_a_disagreement_is_told_whoever_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "dipy-1.11.0-py3-none-any.whl"
    path.write_bytes(wheel_bytes(files={"README.md": b"#"}))
    peer = peer_tools.Peer(
        name="check-wheel-contents",
        package="check-wheel-contents",
        command=(),
        version="1",
        accepts_many=True,
    )
    told = [str(each) for each in interoperate.compare(path, peer, frozenset({"exit", "W008"}))]
    assert told == [
        f"{path.name}: reported only by check-wheel-contents: W008",
        f"{path.name}: reported only by us: content/stray-toplevel",
    ]
    assert list(interoperate.compare(path, peer, frozenset({"exit", "W003"}))) == []
