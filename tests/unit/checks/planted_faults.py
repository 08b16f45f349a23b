"""Writes a file for each planted fault of the tests: ``python -m tests.unit.checks.planted_faults FOLDER``.

``python -m benchmarks.peers FOLDER`` runs other checkers on them. FOLDER/planted.json lists the faults: the
check that finds it, the file, and the same file without the fault, both as paths in FOLDER.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.zips import DIST_INFO, SDIST, WHEEL, filename_with_tag
from tests.unit.checks import (
    test_archive,
    test_content,
    test_dangers,
    test_installation,
    test_metadata,
    test_native,
    test_record,
    test_requirements,
    test_sdist,
    test_standards,
    test_wheel,
)
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_members, zip_bytes

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


#: Lines of metadata with one fault each, and the check that finds it.
FAULTY_METADATA = (
    *(
        ("metadata/excludes-patch-releases", f"Requires-Python: {value}")
        for value in ("<=3.14", "==3.13", "<=3")
    ),
    *(
        ("metadata/excludes-every-python", f"Requires-Python: {value}")
        for value in (">=3.10,<3.10", ">=3.9,<3.8", "==3.12.*,!=3.12.*")
    ),
    ("metadata/local-version-requirement", "Requires-Dist: torch==2.5.1+cu124\nRequires-Python: >=3.9"),
)
#: Files of a wheel with one fault each, and the check that finds it.
FAULTY_MEMBERS: tuple[tuple[str, dict[str, str | bytes]], ...] = (
    ("content/private-key", {"dipy/server.pem": test_dangers.pem("")}),
    ("content/merge-conflict", {"dipy/b.py": test_dangers.CONFLICT}),
    ("content/merge-conflict", {"dipy/b.json": test_dangers.CONFLICT}),
    ("content/invalid-syntax", {"dipy/b.py": "print 'x'\n"}),
    ("content/invalid-syntax", {"dipy/b.py": "try:\n    pass\nexcept* ValueError:\n    pass\n"}),
    ("archive/unicode-collision", {"dipy/caf\u00e9.txt": b"", "dipy/cafe\u0301.txt": b""}),
    ("wheel/bad-sbom", {f"{test_standards.SBOMS}/a.json": b""}),
    ("wheel/bad-sbom", {f"{test_standards.SBOMS}/a.json": b"{}"}),
)


@dataclass(frozen=True, kw_only=True)
class PlantedFault:
    """A file with a planted fault, and the same file without it."""

    check: str
    filename: str
    data: bytes
    good_filename: str
    good: bytes


def planted_faults() -> Iterator[PlantedFault]:
    """Yield every wheel and sdist of the tests that has a planted fault."""
    for project, version, tag, check in ((p, v, t, c) for c, p, v, t in FAULTY_NAMES):
        data = wheel_bytes(project, version, tag, metadata=METADATA.format(project=project, version=version))
        yield _plant_in_wheel(check, f"{project}-{version}-{tag}.whl", data)
    for module in (test_archive, test_record, test_metadata):
        for data, check in module.FAULTS.values():
            yield _plant_in_wheel(check, WHEEL, data)
    for fault, (data, check, _) in test_content.FAULTS.items():
        yield _plant_in_wheel(
            check, filename_with_tag(test_content.LINUX) if fault.startswith("bytecode ") else WHEEL, data
        )
    for data, filename, check in test_wheel.FAULTS.values():
        yield _plant_in_wheel(check, filename, data)
    for data, filename, check in test_sdist.FAULTS.values():
        yield PlantedFault(check=check, filename=filename, data=data, good_filename=SDIST, good=sdist_bytes())
    yield from _native_faults()
    yield from _handmade_faults()
    yield from _installation_faults()
    yield from _dangerous_files()
    yield from _metadata_faults()


def _plant_in_wheel(check: str, filename: str, data: bytes) -> PlantedFault:
    """Return the fault of a wheel; without the fault it is a valid wheel for the same Linux tag, or pure."""
    tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
    if "linux" not in tag:
        tag = "py3-none-any"
    return PlantedFault(
        check=check,
        filename=filename,
        data=data,
        good_filename=filename_with_tag(tag),
        good=wheel_bytes(tag=tag),
    )


def _native_faults() -> Iterator[PlantedFault]:
    for check, tag, files, without in test_native.FAULTS.values():
        good_tag, good_files = (without, files) if isinstance(without, str) else (tag, without)
        yield PlantedFault(
            check=check,
            filename=filename_with_tag(tag),
            data=wheel_bytes(tag=tag, files=files),
            good_filename=filename_with_tag(good_tag),
            good=wheel_bytes(tag=good_tag, files=good_files),
        )


def _handmade_faults() -> Iterator[PlantedFault]:
    """Yield faults that the tables of the tests lack, because they trigger several checks."""
    yield _plant_in_wheel("archive/bomb", WHEEL, test_archive.make_bomb("dipy/zeros", 128 << 20))
    for check, member, data in (
        ("wheel/not-utf8", "WHEEL", b"Wheel-Version: 1.0\nGenerator: \xff\nRoot-Is-Purelib: true\n"),
        ("metadata/not-utf8", "METADATA", test_metadata.GOOD.replace("A.", "\xc4.").encode("latin-1")),
    ):
        yield _plant_in_wheel(check, WHEEL, zip_bytes({**wheel_members(), f"{DIST_INFO}/{member}": data}))


def _installation_faults() -> Iterator[PlantedFault]:
    """Yield wheels that an installer refuses, or installs differently than intended."""
    for data, check, _ in test_installation.FAULTS.values():
        yield _plant_in_wheel(check, WHEEL, data)
    for script, check, _ in test_installation.SCRIPT_FAULTS.values():
        yield _plant_in_wheel(check, WHEEL, script.wheel())
    signed = wheel_bytes(files={f"{DIST_INFO}/RECORD.jws": b"x"}, record="")
    yield _plant_in_wheel("record/signature-file", WHEEL, signed)


def _dangerous_files() -> Iterator[PlantedFault]:
    """Yield wheels with a secret, a left-over, code that cannot be parsed or that runs at start-up."""
    for token in test_dangers.TOKENS.values():
        yield _plant_member("content/secret", {"dipy/settings.json": f'token = "{token}"\n'})
    for path in test_dangers.UNWANTED:
        yield _plant_member("content/unwanted-file", {path: b"x"})
    for files in test_dangers.STARTUP.values():
        yield _plant_member("content/startup-code", files)
    for check, files in FAULTY_MEMBERS:
        yield _plant_member(check, files)


def _plant_member(check: str, files: Mapping[str, str | bytes]) -> PlantedFault:
    """Return the fault of these files; paths of the project demo 1.0 become those of ours."""
    members = {
        path.replace("demo-1.0", "dipy-1.11.0").replace("demo/", "dipy/"): data.encode()
        if isinstance(data, str)
        else data
        for path, data in files.items()
    }
    return _plant_in_wheel(check, WHEEL, wheel_bytes(files=members))


def _metadata_faults() -> Iterator[PlantedFault]:
    good = METADATA.format(project="dipy", version="1.11.0")
    for requirements in test_requirements.UNSATISFIABLE:
        lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
        text = good.replace("Requires-Python", f"Provides-Extra: gpu\n{lines}Requires-Python")
        check = "metadata/unsatisfiable-requirement"
        yield _plant_in_wheel(check, WHEEL, wheel_bytes(metadata=text))
    for check, line in FAULTY_METADATA:
        yield _plant_in_wheel(
            check, WHEEL, wheel_bytes(metadata=good.replace("Requires-Python: >=3.9", line))
        )
    for name in ("Import-Name: dipi", "Import-Namespace: core"):
        data = wheel_bytes(metadata=test_standards.with_names(name))
        yield _plant_in_wheel("wheel/import-name", WHEEL, data)


def write_planted_faults(faults: Iterable[PlantedFault], folder: Path) -> None:
    """Write the files, each in a folder of its own, and planted.json."""
    written: dict[tuple[str, bytes], str] = {}

    def write(name: str, data: bytes) -> str:
        if (name, data) not in written:
            path = folder / str(len(written)) / name
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
            written[name, data] = path.relative_to(folder).as_posix()
        return written[name, data]

    entries = [
        {
            "check": fault.check,
            "file": write(fault.filename, fault.data),
            "good": write(fault.good_filename, fault.good),
        }
        for fault in faults
    ]
    (folder / "planted.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")


if __name__ == "__main__":
    write_planted_faults(planted_faults(), Path(sys.argv[1]))
