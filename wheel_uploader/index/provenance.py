"""Compares the attestations that an index serves for a file with ours (PEP 740)."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import CredentialsError, HttpStatusError, NetworkError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import IndexFile
from wheel_uploader.index.client import IndexClient

#: Bytes; PyPI accepts two attestations of about 5 kB for a file.
_MAX_SIZE = 4 << 20

#: The signed statement and its signature, which identify an attestation however its JSON is written.
_Identity = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceComparison:
    """Our attestations of one file, compared with those that the index serves for it."""

    filename: str
    #: Numbers of ours that the index serves and does not serve, and of those it serves that are not ours.
    served: int = 0
    missing: int = 0
    additional: int = 0
    #: The reason, in one clause, if they were not compared; empty if they were.
    reason: str = ""


def compare_provenance(
    index: IndexClient, served_file: IndexFile, contents: Iterable[bytes]
) -> ProvenanceComparison:
    """Compare the attestations ``contents`` of a file with those that the index serves for it."""
    filename = served_file.filename
    ours = {identity for content in contents for identity in _read_attestation(content)}
    if not served_file.provenance_url:
        return ProvenanceComparison(filename=filename, reason="the index does not serve them")
    try:
        document = bounds.load_json(index.fetch_linked_bytes(served_file.provenance_url, _MAX_SIZE))
        served = set(_read_provenance(document))
    except HttpStatusError as error:
        is_absent = error.status in (404, 410)
        return ProvenanceComparison(
            filename=filename, reason="the index does not serve them" if is_absent else error.message
        )
    except (NetworkError, CredentialsError) as error:
        return ProvenanceComparison(filename=filename, reason=error.message)
    except ValueError:
        return ProvenanceComparison(
            filename=filename, reason="what the index serves as their provenance is malformed (PEP 740)"
        )
    return ProvenanceComparison(
        filename=filename,
        served=len(ours & served),
        missing=len(ours - served),
        additional=len(served - ours),
    )


def _read_attestation(content: bytes) -> Iterator[_Identity]:
    """Yield the identity of an attestation; nothing if it is malformed, because it is not uploaded then."""
    try:
        yield _identify(bounds.load_json(content))
    except ValueError:
        return


def _read_provenance(document: Any) -> Iterator[_Identity]:
    """Yield the identity of each attestation in a provenance object. Raises ValueError."""
    match document:
        case {"attestation_bundles": list(bundles)}:
            for bundle in bundles:
                match bundle:
                    case {"attestations": list(attestations)}:
                        yield from map(_identify, attestations)
                    case _:
                        raise ValueError("a bundle has no attestations")
        case _:
            raise ValueError("it has no attestation bundles")


def _identify(attestation: Any) -> _Identity:
    match attestation:
        case {"envelope": {"statement": str(statement), "signature": str(signature)}}:
            # Line ends in the base64 text do not matter.
            return binascii.a2b_base64(statement), binascii.a2b_base64(signature)
        case _:
            raise ValueError("it has no envelope")
