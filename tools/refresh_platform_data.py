"""Regenerates the data files in wheel_uploader: platforms, and the modules of the standard library.

The sources are auditwheel's policies, delvewheel's list of DLLs and the lists of stdlib-list, which PyPI
uses. Run ``python tools/refresh_platform_data.py`` with network access, review the diff, run the tests, and
commit.
The projects are only unpacked here, never imported; their data is under the MIT licence.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

PACKAGE = Path(__file__).parent.parent / "wheel_uploader"
PLATFORM_DATA = PACKAGE / "core" / "platforms" / "data"
CHECK_DATA = PACKAGE / "checks" / "data"
ARCHES = {"ignore_names_x86": "x86", "ignore_names_x64": "x86_64", "ignore_names_arm64": "arm64"}


def main() -> None:
    """Download the projects, and write their data."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run(
            [*command, "--only-binary", ":all:", "auditwheel", "delvewheel", "stdlib-list"], check=True
        )
        with zipfile.ZipFile(next(Path(folder).glob("auditwheel-*.whl"))) as wheel:
            write(PLATFORM_DATA / "linux.json", extract_policies(wheel), wheel)
        with zipfile.ZipFile(next(Path(folder).glob("delvewheel-*.whl"))) as wheel:
            write(PLATFORM_DATA / "windows.json", extract_dlls(wheel), wheel)
        with zipfile.ZipFile(next(Path(folder).glob("stdlib_list-*.whl"))) as wheel:
            write(CHECK_DATA / "standard_library.json", extract_modules(wheel), wheel)


def write(path: Path, data: dict[str, Any], wheel: zipfile.ZipFile) -> None:
    """Write ``data`` to a JSON file, with a header that states its source and date."""
    metadata = next(path for path in wheel.namelist() if path.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(wheel.read(metadata).decode())
    header = {
        "source": f"{headers['Name']} {headers['Version']}",
        "licence": headers["License-Expression"] or headers["License"] or read_license_classifier(headers),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "made by": "tools/refresh_platform_data.py",
    }
    text = json.dumps({"about": header, **data}, indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def read_license_classifier(headers: Message) -> str:
    """Return the licence that a classifier names, without the word "License"."""
    names = [text.rpartition(" :: ")[2] for text in headers.get_all("Classifier", []) if "License ::" in text]
    return " ".join(name.removesuffix(" License") for name in names)


def extract_policies(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Return the policies, with each list of versions reduced to the newest one and the non-numeric ones."""
    return {
        "manylinux": [
            {
                "version": policy["name"].removeprefix("manylinux_"),
                "libraries": sorted(policy["lib_whitelist"]),
                "versions": {
                    arch: {prefix: reduce_versions(versions) for prefix, versions in sorted(prefixes.items())}
                    for arch, prefixes in sorted(policy["symbol_versions"].items())
                },
            }
            for policy in read_policies(wheel, "manylinux")
        ],
        "musllinux": [
            {
                "version": policy["name"].removeprefix("musllinux_"),
                "libraries": sorted(policy["lib_whitelist"]),
            }
            for policy in read_policies(wheel, "musllinux")
        ],
    }


def read_policies(wheel: zipfile.ZipFile, family: str) -> list[dict[str, Any]]:
    """Return the policies of a family, as auditwheel has them."""
    policies = json.loads(wheel.read(f"auditwheel/policy/{family}-policy.json"))
    return [policy for policy in policies if policy["name"].startswith(family)]


def reduce_versions(versions: list[str]) -> list[str]:
    """Return the highest number, or 0 if there is none, followed by every name."""
    numbers = [version for version in versions if version[0].isdigit()]
    names = sorted(set(versions) - set(numbers))
    return [max(numbers, key=lambda number: [int(part) for part in number.split(".")], default="0"), *names]


def extract_dlls(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Return every DLL of Windows, grouped by the architectures that have it."""
    tree = ast.parse(wheel.read("delvewheel/_dll_list.py").decode())
    arches_by_dll: defaultdict[str, list[str]] = defaultdict(list)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(name := node.targets[0], ast.Name):
            for dll in ast.literal_eval(node.value) if name.id in ARCHES else ():
                arches_by_dll[dll].append(ARCHES[name.id])
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for dll, arches in sorted(arches_by_dll.items()):
        groups[" ".join(arches)].append(dll)
    return {"dlls": dict(sorted(groups.items()))}


def extract_modules(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Return the normalized names of all modules and their packages, grouped by their first letter."""
    names: set[str] = set()
    for path in wheel.namelist():
        if path.startswith("stdlib_list/lists/") and path.endswith(".txt"):
            for module in wheel.read(path).decode().split():
                parts = module.split(".")
                prefixes = (".".join(parts[: count + 1]) for count in range(len(parts)))
                names.update(canonicalize_name(prefix.strip("-_.")) for prefix in prefixes)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names - {""}):
        groups[name[0]].append(name)
    return {"modules": {letter: " ".join(group) for letter, group in groups.items()}}


if __name__ == "__main__":
    main()
