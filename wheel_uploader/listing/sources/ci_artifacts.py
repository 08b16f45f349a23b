"""Downloads the zip archives that CI stores as artifacts, and extracts the project's wheels and sdists."""

from __future__ import annotations

from datetime import datetime

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources.temporary_directory import UnpackDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A zip archive of a CI run or job."""

    name: str
    #: URL of the download.
    url: str
    #: URL of the page to name in messages.
    source: str
    #: SHA-256 of the zip in hexadecimal; empty if the server does not list it.
    sha256: str = ""
    modified: datetime | None = None


class ArtifactSource:
    """Base class of sources that list files by unpacking archives."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._url = url
        self._http = http
        #: Holds the listed files: keep it open for as long as they are needed.
        self.unpack_directory = UnpackDirectory()
