"""Tiny wheels and sdists, built from plain values, with any part replaced by a test."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack

#: 1980-01-01, the oldest time of a ZIP, so that the same call always returns the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)

METADATA = """\
Metadata-Version: 2.1
Name: {project}
Version: {version}
Summary: A project for tests
Home-page: https://example.com/{project}
Author: A. Tester
Author-email: tester@example.com
License: BSD
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.9
Description-Content-Type: text/plain

{project} is a project for tests.
"""


def _normalized(project: str) -> str:
    return project.lower().replace("-", "_").replace(".", "_")


def wheel_filename(project: str, version: str, tag: str = "py3-none-any", build: str = "") -> str:
    """Return ``project-version(-build)-tag.whl``, with the project normalized as in PEP 427."""
    return "-".join(part for part in (_normalized(project), version, build, tag) if part) + ".whl"


def record_line(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


class Parts(TypedDict, total=False):
    """The parts of a good wheel that a test may replace."""

    build: str
    #: More members, by path.
    files: Mapping[str, bytes]
    #: The whole text of METADATA, WHEEL or RECORD.
    metadata: str
    wheel: str
    record: str
    #: Paths of members to omit, although RECORD lists them.
    without: tuple[str, ...]


def wheel_members(
    project: str = "dipy", version: str = "1.11.0", tag: str = "py3-none-any", **parts: Unpack[Parts]
) -> dict[str, bytes]:
    """Return the members of a good wheel by path, in order, with the given parts replaced."""
    name = _normalized(project)
    dist_info = f"{name}-{version}.dist-info"
    wheel = parts.get("wheel", _wheel_text(tag, parts.get("build", "")))
    metadata = parts.get("metadata", METADATA.format(project=project, version=version))
    members = {f"{name}/__init__.py": f'__version__ = "{version}"\n'.encode(), **parts.get("files", {})}
    members[f"{dist_info}/METADATA"] = metadata.encode()
    members[f"{dist_info}/WHEEL"] = wheel.encode()
    record = "".join(record_line(path, data) for path, data in members.items() if not path.endswith("/"))
    members[f"{dist_info}/RECORD"] = parts.get("record", f"{record}{dist_info}/RECORD,,\n").encode()
    return {path: data for path, data in members.items() if path not in parts.get("without", ())}


def _wheel_text(tag: str, build: str) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    pure = str(platforms == ["any"]).lower()
    lines = ["Wheel-Version: 1.0", "Generator: tests 1", f"Root-Is-Purelib: {pure}"]
    lines += [f"Build: {build}"] if build else []
    lines += [f"Tag: {'-'.join(each)}" for each in itertools.product(pythons, abis, platforms)]
    return "\n".join(lines) + "\n"


def zip_bytes(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP of ``members``; the same input gives the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path, _EPOCH)
            info.compress_type = compression
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return stream.getvalue()


def wheel_bytes(
    project: str = "dipy", version: str = "1.11.0", tag: str = "py3-none-any", **parts: Unpack[Parts]
) -> bytes:
    """Return a good wheel, with the given parts replaced."""
    return zip_bytes(wheel_members(project, version, tag, **parts))


def make_wheel(
    folder: Path,
    project: str = "dipy",
    version: str = "1.11.0",
    tag: str = "py3-none-any",
    **parts: Unpack[Parts],
) -> Path:
    """Write ``wheel_bytes(...)`` into ``folder`` under the wheel's file name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel_filename(project, version, tag, parts.get("build", ""))
    path.write_bytes(wheel_bytes(project, version, tag, **parts))
    return path


def sdist_bytes(
    project: str = "dipy",
    version: str = "1.11.0",
    *,
    metadata: str | None = None,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a good sdist; ``files``: more members by path below its top directory."""
    top = f"{_normalized(project)}-{version}"
    text = METADATA.format(project=project, version=version) if metadata is None else metadata
    members = {"PKG-INFO": text.encode(), "pyproject.toml": b"", **(files or {})}
    stream = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, data in members.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def make_sdist(
    folder: Path,
    project: str = "dipy",
    version: str = "1.11.0",
    *,
    metadata: str | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write ``sdist_bytes(...)`` into ``folder`` under the sdist's file name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_normalized(project)}-{version}.tar.gz"
    path.write_bytes(sdist_bytes(project, version, metadata=metadata, files=files))
    return path


#: Tags of a release by cibuildwheel; nginx cuts the manylinux names, which have over 50 characters.
RELEASE_TAGS = (
    "cp311-cp311-macosx_11_0_arm64",
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "cp312-cp312-musllinux_1_2_x86_64",
    "cp312-cp312-win_amd64",
)


def make_release(folder: Path, project: str = "dipy", version: str = "1.11.0") -> list[Path]:
    """Write wheels with the ``RELEASE_TAGS`` and an sdist into ``folder``, and return their paths."""
    paths = [
        make_wheel(
            folder,
            project,
            version,
            tag,
            files={f"{project.lower()}/data.txt": (tag * 50).encode()},
        )
        for tag in RELEASE_TAGS
    ]
    return [*paths, make_sdist(folder, project, version)]
