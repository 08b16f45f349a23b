"""The same tree of files gives the same answer in every format of listings, and on a disk."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.support import tree_listings
from tests.support.tree_listings import FORMATS, Tree
from wheel_uploader.core.models import GapRemedy, ListingGap, StagedFiles
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources import ReleaseQuery, list_staged_files, tree
from wheel_uploader.listing.sources.folder_names import FolderClassifier, FolderRole

QUERY = ReleaseQuery(project="di-py", version="1.11.0")
WHEEL = "di_py-1.11.0-py3-none-any.whl"


def list_tree(name: str, files: Tree, query: ReleaseQuery = QUERY) -> StagedFiles:
    """List a tree in one of the formats."""
    listing = FORMATS[name]
    transport = httpx.MockTransport(listing.serve(files))
    with HttpClient(user_urls=[listing.url], retries=1, transport=transport) as http:
        return list_staged_files([listing.url], query, http)


def list_disk(files: Tree, query: ReleaseQuery = QUERY) -> StagedFiles:
    with tempfile.TemporaryDirectory() as folder, HttpClient() as http:
        tree_listings.write(files, Path(folder))
        return list_staged_files([folder], query, http)


def count_names(staged: StagedFiles) -> Counter[str]:
    """Count the names of listed files that may belong to a release: a disk has no others in folders."""
    return Counter(file.filename for file in staged.files if ".whl" in file.filename.lower())


#: Folders that are read, and folders that are not.
READ = [
    "di-py",
    "Di.Py",
    "1.11.0",
    "v1.11",
    "di_py-1.11.0",
    "wheels",
    "dist",
    "win_amd64",
    "wheels-ubuntu-22.04",
]
READ += [
    "cibw-0.whl",
    "old",
    "20261128",
    "3.12",
    "1",
    "a b+&%41;",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "x",
]
SKIPPED = [
    ".venv",
    ".cache",
    "venv",
    "node_modules",
    "__pycache__",
    "site-packages",
    "di_py-1.11.0.dist-info",
]
SKIPPED += ["1.10.0", "v1.10.0", "di-py-1.10", "di_py-1.11.1", "1.11.0rc1", "1.11.0.post1"]
FILES = [
    *(f"di_py-1.11.0-cp31{minor}-cp31{minor}-win_amd64.whl" for minor in range(4)),
    *(
        "di_py-1.11.0+cu121-py3-none-any.whl",
        "di_py-1!1.11.0-py3-none-any.whl",
        "di_py-1.11.0-py3-any (1).whl",
    ),
    *("di_py-1.11.0-cp39-cp39-win_amd64.WHL", "numpy-2.0-py3-none-any.whl", "notes.txt", "a & b.txt"),
]


def count_expected(files: Tree) -> Counter[str]:
    """Count the same names as the walk should, by another way."""
    expected: Counter[str] = Counter()
    for name, node in files.items():
        if isinstance(node, bytes):
            expected[name] += ".whl" in name.lower()
        elif name not in SKIPPED:
            expected += count_expected(node)
    return +expected


def _grow(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(
        lambda files, folders: {**folders, **files},
        st.dictionaries(st.sampled_from(FILES), st.binary(max_size=3), max_size=5),
        st.dictionaries(st.sampled_from(READ + SKIPPED), children, max_size=4),
    )


TREES = st.recursive(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=3)), _grow, max_leaves=12)


def repeats_a_folder_above(files: Tree, above: frozenset[frozenset[str]] = frozenset()) -> bool:
    """Return whether a folder has the names of one above it: without inodes, that looks like a link."""
    names = frozenset(files)
    folders = [content for content in files.values() if isinstance(content, dict)]
    return names in above or any(repeats_a_folder_above(folder, above | {names}) for folder in folders)


@settings(max_examples=40, deadline=None)
@given(TREES)
@example(
    {"wheels": {"win_amd64": {FILES[0]: b"x"}, "macosx": {FILES[1]: b""}}, "di-py": {"1.11.0": {WHEEL: b""}}}
)
@example({"x": {"x": {"x": {WHEEL: b""}}}, "old": {"old": {WHEEL: b"2"}}})
def test_a_tree_gives_the_same_files_in_every_format(files: Tree) -> None:
    assume(not repeats_a_folder_above(files))
    expected = count_expected(files)
    found = {name: list_tree(name, files) for name in FORMATS} | {"disk": list_disk(files)}
    assert {name: count_names(staged) for name, staged in found.items()} == dict.fromkeys(found, expected)
    assert not [gap for staged in found.values() for gap in staged.gaps]


def nest(depth: int) -> Tree:
    files: Tree = {WHEEL: b"x"}
    for level in range(depth):
        files = {f"level{level}": files}
    return files


@pytest.mark.parametrize("name", [*FORMATS, "disk"])
def test_a_folder_that_is_too_deep_is_a_gap(name: str) -> None:
    def list_nested(depth: int) -> StagedFiles:
        files = {**nest(depth), "di_py-1.11.0.tar.gz": b"x"}
        return list_disk(files) if name == "disk" else list_tree(name, files)

    assert WHEEL in count_names(list_nested(tree.MAX_DEPTH))
    staged = list_nested(tree.MAX_DEPTH + 1)
    (gap,) = staged.gaps
    assert gap.remedy is GapRemedy.LAYOUT
    assert "more than 12 levels deep, and not read: level12/level11/" in gap.message
    assert gap.hint == "Pass the folders that hold the release, each with -u."


def test_too_many_folders_are_a_gap() -> None:
    files: Tree = {f"part{number}": {f"wheels{inner}": {} for inner in range(9)} for number in range(40)}
    (gap,) = list_tree("nginx", files).gaps
    assert "there are more than 200 folders or 100000 files; not read: part" in gap.message


def test_a_large_index_is_not_walked() -> None:
    projects: dict[str, Tree] = {f"project{number}": {WHEEL: b""} for number in range(400)}
    (gap,) = list_tree("nginx", projects).gaps
    assert gap.remedy is GapRemedy.WAIT
    assert "400 folders not read: project0/, project1/" in gap.message
    with_project = list_tree("nginx", {**projects, "di-py": {WHEEL: b"x"}})
    assert (count_names(with_project), with_project.gaps) == ({WHEEL: 1}, ())
    # Files of the release are listed, and more may be in the folders.
    with_file = list_tree("nginx", {**projects, WHEEL: b"x"})
    assert [gap.remedy for gap in with_file.gaps] == [GapRemedy.LAYOUT]


def test_latest_takes_the_newest_of_many_version_folders() -> None:
    versions: Tree = {f"1.{minor}.0": {f"di_py-1.{minor}.0-py3-none-any.whl": b""} for minor in range(120)}
    staged = list_tree("nginx", {"di-py": versions}, ReleaseQuery(project="di-py", version="latest"))
    assert not staged.gaps
    assert "di_py-1.119.0-py3-none-any.whl" in count_names(staged)


def test_a_link_to_a_folder_above_is_read_once() -> None:
    inner: dict[str, Tree | bytes] = {WHEEL: b"x"}
    looped: dict[str, Tree | bytes] = {WHEEL: b"x", "loop": inner}
    inner["loop"] = looped
    staged = list_tree("nginx", looped)
    assert (count_names(staged), staged.gaps) == ({WHEEL: 1}, ())


def test_slow_folders_are_a_gap() -> None:
    clock = iter(range(0, 10_000, 50)).__next__
    entries = tree.walk(
        "root",
        lambda folder: tree.FolderContents(
            folders=tuple(
                tree.Folder(name=f"x{number}", address=f"{folder.address}/{number}") for number in "ab"
            )
        ),
        QUERY,
        tree.WalkLimits(folders=100, unknown_folders=50, seconds=120.0),
        "https://staging.example/",
        clock,
    )
    gaps = [entry for entry in entries if isinstance(entry, ListingGap)]
    assert [gap.remedy for gap in gaps] == [GapRemedy.WAIT]
    assert "not read within 2 min: xa/" in gaps[0].message


@pytest.mark.parametrize(
    ("version", "roles"),
    [
        ("1.11.0", {"1.11": "RELEASE", "v1.11.0": "RELEASE", "Release-1.11.0": "RELEASE", "1": "ARTIFACTS"}),
        ("1.11.2", {"1.11": "ARTIFACTS", "1.11.0": "OTHER_VERSION", "1.11.2rc1": "OTHER_VERSION"}),
        ("1.0rc1", {"1.0": "ARTIFACTS", "1.0rc1": "RELEASE", "1.0rc2": "OTHER_VERSION"}),
        (
            "2.5.0.dev0+git1",
            {"2.5.0.dev0": "RELEASE", "2.5.0": "ARTIFACTS", "2.5.0.dev0+git2": "OTHER_VERSION"},
        ),
        ("1.0", {"2026.11.28": "UNKNOWN", "20261128": "UNKNOWN", "3.12": "UNKNOWN", "10.9": "UNKNOWN"}),
        ("2026.1.0", {"2026.11.28": "OTHER_VERSION"}),
        ("latest", {"1.11.0": "UNKNOWN", "demo-1.0": "UNKNOWN", "v2": "UNKNOWN"}),
        ("1.0", {"demo": "RELEASE", "DEMO_": "UNKNOWN", "demo-1.0": "RELEASE", "demo_2.0": "OTHER_VERSION"}),
        ("1.0", {"demo-extras": "UNKNOWN", "demo-linux": "ARTIFACTS", "demo-extras-1.0": "UNKNOWN"}),
        ("1.0", {"wheels-macos-14": "ARTIFACTS", "cp312": "ARTIFACTS", "manylinux_2_28_x86_64": "ARTIFACTS"}),
        ("1.0", {"": "ENVIRONMENT", ".": "ENVIRONMENT", ".git": "ENVIRONMENT", "x" * 300: "ENVIRONMENT"}),
    ],
)
def test_roles_of_folders(version: str, roles: dict[str, str]) -> None:
    classifier = FolderClassifier(ReleaseQuery(project="Demo", version=version))
    assert {name: classifier.classify(name) for name in roles} == {
        name: FolderRole[role] for name, role in roles.items()
    }
