"""What every source is: the two-member interface, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from wheel_uploader.models import RemoteFile


class Source(Protocol):
    """A kind of staging place, opened for one URL."""

    def files(self, project: str) -> Iterator[RemoteFile]:
        """Every file that is offered, of whatever project and version; nothing is chosen here.

        ``project`` is a help for places that have a page for each project. Raises NetworkError or
        ListingError.
        """
        ...
