"""The least work of a verified download: ``python -m benchmarks.rig.least LISTING FOLDER``.

It receives and hashes each file once, and inflates and hashes each distinct member once. It compares the
results with nothing, retries nothing, and is the reference for the CPU time of a download.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import click

try:
    # As in the package itself.
    from zlib_ng.zlib_ng import decompress
except ImportError:
    from zlib import decompress

CONNECTIONS = 8
_LINK = re.compile(r'href="([^"]+\.whl)"')
_BUFFER_SIZE = 1 << 20
#: The lengths of the name and of the extra fields, and the size of a local header with them.
_LENGTHS = struct.Struct("<2H")
_LENGTHS_OFFSET, _HEADER_SIZE = 26, 30


class Connections(threading.local):
    """One connection of each thread to the server of a listing."""

    def __init__(self, listing: str) -> None:
        parts = urlsplit(listing)
        context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        self.connection = (
            http.client.HTTPSConnection(parts.netloc, context=context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc)
        )
        self.buffer = bytearray(_BUFFER_SIZE)

    def receive(self, url: str, consume: Callable[[memoryview], object]) -> None:
        """Pass the body of ``url`` to ``consume`` in pieces."""
        self.connection.request("GET", urlsplit(url).path)
        with self.connection.getresponse() as response:
            while size := response.readinto(self.buffer):
                consume(memoryview(self.buffer)[:size])


def download(connections: Connections, url: str, path: Path) -> None:
    sha256 = hashlib.sha256()
    with path.open("wb", buffering=0) as file:

        def consume(piece: memoryview) -> None:
            sha256.update(piece)
            file.write(piece)

        connections.receive(url, consume)


def verify(path: Path, known: set[tuple[str, int, int]]) -> None:
    """Inflate and hash the members whose name, CRC and size are not in ``known``."""
    with zipfile.ZipFile(path) as wheel, path.open("rb") as file:
        for member in wheel.infolist():
            key = (member.filename, member.CRC, member.file_size)
            if key in known:
                continue
            known.add(key)
            file.seek(member.header_offset + _LENGTHS_OFFSET)
            file.seek(member.header_offset + _HEADER_SIZE + sum(_LENGTHS.unpack(file.read(_LENGTHS.size))))
            data = file.read(member.compress_size)
            if member.compress_type == zipfile.ZIP_DEFLATED:
                data = decompress(data, -zlib.MAX_WBITS, member.file_size or 1)
            hashlib.sha256(data).digest()


@click.command()
@click.argument("listing")
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def main(listing: str, folder: Path) -> None:
    """Download all wheels of LISTING into FOLDER, and unpack them in memory."""
    connections = Connections(listing)
    page = bytearray()
    connections.receive(listing, page.extend)
    known: set[tuple[str, int, int]] = set()

    def work(link: str) -> None:
        path = folder / unquote(link.rpartition("/")[2])
        download(connections, urljoin(listing, link), path)
        verify(path, known)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, _LINK.findall(page.decode())))


if __name__ == "__main__":
    main()
