"""A file as the pages of an index list it."""

from __future__ import annotations

from wheel_uploader.core.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to list, with the attributes that PEP 503, 658 and 691 define."""

    filename: str
    #: The link relative to the page, percent-encoded, without a fragment.
    href: str
    sha256: str
    size: int
    version: str
    requires_python: str = ""
    #: Hex sha256 of its ``.metadata`` file (PEP 658); empty if it has none.
    metadata_sha256: str = ""
    #: True if a signature with the suffix ``.asc`` is in the same directory.
    has_signature: bool = False
