"""The interface of the stores that a static index may be in: a folder, or a bucket of S3 or Google.

A key is a path below the store's prefix, with slashes: ``simple/demo/index.html``. Methods may be called from
any thread. They raise CredentialsError, HttpStatusError, TransportError, NetworkError or StorageError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import BinaryIO, Protocol

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize

#: Bytes of a page; a larger one lists more than one project.
MAX_PAGE_SIZE = 32 << 20
#: Names of one folder that are read.
MAX_LISTED_NAMES = 20_000
#: Bytes that are read at a time.
CHUNK_SIZE = 1 << 20


class PreconditionFailed(Exception):
    """The object changed or appeared since it was read, so that nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPage:
    """The bytes of a page, and what identifies this version of it."""

    data: bytes
    #: ETag, generation or hash; the condition of ``replace``.
    version: str
    #: Headers that a new version keeps: Content-Type, Cache-Control and others.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """The facts of an object that is not read."""

    size: int
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNames:
    """The names directly below a folder."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    is_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """An object to create: an open stream, which may be read several times, and its size."""

    content: BinaryIO
    size: int
    sha256: str
    content_type: str
    #: Called with the number of bytes that were sent.
    on_sent: Callable[[int], object] = id


class ObjectStore(Protocol):
    """A store of objects with conditional writes."""

    #: For messages, with a slash at the end: ``s3://bucket/prefix/``.
    location: str
    #: True if a key may end with a slash, so that a page can be at the URL that installers ask.
    has_exact_keys: bool

    @property
    def served_url(self) -> str:
        """The URL at which the store itself serves ``location``; empty if it does not."""
        ...

    def log_in(self) -> str:
        """Find credentials, and return which. Raises CredentialsError."""
        ...

    def make_headers(self, content_type: str, cache_control: str) -> Mapping[str, str]:
        """Return the headers of a new page."""
        ...

    def read_page(self, key: str) -> StoredPage | None:
        """Return a page, or None if it does not exist."""
        ...

    def stat(self, key: str) -> StoredFile | None:
        """Return the facts of an object, or None if it does not exist."""
        ...

    def compute_sha256(self, key: str) -> str:
        """Return the hex sha256 of an object, computed from its bytes."""
        ...

    def create(self, key: str, new: NewObject) -> None:
        """Create an object. Raises PreconditionFailed if it exists."""
        ...

    def replace(self, key: str, page: StoredPage) -> None:
        """Write a page, if its version is still ``page.version``; an empty one means that it must not exist.

        Raises PreconditionFailed.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove one object; it is not an error if it does not exist."""
        ...

    def list_names(self, folder: str) -> ListedNames:
        """Return the names below ``folder``, which is empty or ends with a slash."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def shorten(error: BaseException) -> str:
    """Return the message of a library's error, for a message of ours."""
    return sanitize(str(error), limit=300)
