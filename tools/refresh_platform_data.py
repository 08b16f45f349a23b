"""Writes wheel_uploader/platforms/*.json anew, from auditwheel's policies and delvewheel's list of DLLs.

Run ``python tools/refresh_platform_data.py`` with the network at hand, read the difference, run the tests,
commit. Both projects are only taken apart here, never imported; their data is under the MIT licence.
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
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "wheel_uploader" / "platforms"
ARCHES = {"ignore_names_x86": "x86", "ignore_names_x64": "x86_64", "ignore_names_arm64": "arm64"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*command, "--only-binary", ":all:", "auditwheel", "delvewheel"], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("auditwheel-*.whl"))) as wheel:
            write("linux.json", linux(wheel), wheel)
        with zipfile.ZipFile(next(Path(folder).glob("delvewheel-*.whl"))) as wheel:
            write("windows.json", windows(wheel), wheel)


def write(name: str, data: dict[str, Any], wheel: zipfile.ZipFile) -> None:
    """Put ``data`` under a header that says where it came from, and when."""
    metadata = next(path for path in wheel.namelist() if path.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(wheel.read(metadata).decode())
    about = {
        "source": f"{headers['Name']} {headers['Version']}",
        "licence": headers["License-Expression"] or headers["License"],
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "made by": "tools/refresh_platform_data.py",
    }
    text = json.dumps({"about": about, **data}, indent=1, ensure_ascii=False)
    (DATA / name).write_text(f"{text}\n", encoding="utf-8")


def linux(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """The policies, with lists of versions cut down to the newest one and those that are no numbers."""
    return {
        "manylinux": [
            {
                "version": policy["name"].removeprefix("manylinux_"),
                "libraries": sorted(policy["lib_whitelist"]),
                "versions": {
                    arch: {prefix: newest(versions) for prefix, versions in sorted(prefixes.items())}
                    for arch, prefixes in sorted(policy["symbol_versions"].items())
                },
            }
            for policy in policies(wheel, "manylinux")
        ],
        "musllinux": [
            {
                "version": policy["name"].removeprefix("musllinux_"),
                "libraries": sorted(policy["lib_whitelist"]),
            }
            for policy in policies(wheel, "musllinux")
        ],
    }


def policies(wheel: zipfile.ZipFile, family: str) -> list[dict[str, Any]]:
    found = json.loads(wheel.read(f"auditwheel/policy/{family}-policy.json"))
    return [policy for policy in found if policy["name"].startswith(family)]


def newest(versions: list[str]) -> list[str]:
    """The highest number, or 0 when none is allowed, and then every name."""
    numbers = [version for version in versions if version[0].isdigit()]
    names = sorted(set(versions) - set(numbers))
    return [max(numbers, key=lambda number: [int(part) for part in number.split(".")], default="0"), *names]


def windows(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Every DLL of Windows, below the architectures that have it."""
    tree = ast.parse(wheel.read("delvewheel/_dll_list.py").decode())
    where: defaultdict[str, list[str]] = defaultdict(list)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(name := node.targets[0], ast.Name):
            for dll in ast.literal_eval(node.value) if name.id in ARCHES else ():
                where[dll].append(ARCHES[name.id])
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for dll, arches in sorted(where.items()):
        groups[" ".join(arches)].append(dll)
    return {"dlls": dict(sorted(groups.items()))}


if __name__ == "__main__":
    main()
