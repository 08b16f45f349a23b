"""The attributes of a file that the pages list: its Requires-Python and its core metadata (PEP 658)."""

from __future__ import annotations

import io
from collections.abc import Sequence

from packaging import metadata

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import LocalFile, WheelName
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.facts.archive import core_metadata

#: Bytes.
_BUFFER = 128 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The attributes of a file on the pages, apart from its name and hash."""

    requires_python: str = ""
    #: The bytes of METADATA of a wheel, which installers read instead of the wheel; empty for an sdist.
    metadata: bytes = b""


def read_file_facts(file: LocalFile, content: VerifiedFile) -> FileFacts:
    """Return the facts of a file that is open. Raises FileError if it has changed since the check."""
    stream = io.BufferedReader(content, _BUFFER)
    try:
        data = core_metadata.read_core_metadata(stream, content.size, file.name, _candidates)
    except core_metadata.CoreMetadataNotFound:
        return FileFacts()
    finally:
        stream.detach()
    value = metadata.parse_email(data)[0].get("requires_python", "")
    is_wheel = isinstance(file.name, WheelName)
    return FileFacts(requires_python=" ".join(value.split()), metadata=data if is_wheel else b"")


def _candidates(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.count("/") == 1 and name.endswith(".dist-info/METADATA"))
