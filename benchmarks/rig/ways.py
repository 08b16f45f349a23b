"""Short equivalents of other scripts that download the wheels of a listing, to be run as processes.

``python -m benchmarks.rig.ways WAY LISTING FOLDER``: ``historic``, ``numpy`` or ``one-by-one``.
"""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urljoin

import click

_LINK = re.compile(r'href="([^"]+\.whl)"')


def download_historic(listing: str, folder: Path) -> None:
    """Download like the script that this program replaces: with urlretrieve, one connection per file."""
    with urllib.request.urlopen(listing) as page:
        text = page.read().decode()
    for link in _LINK.findall(text):
        urllib.request.urlretrieve(urljoin(listing, link), folder / unquote(link.rpartition("/")[2]))


def download_numpy(listing: str, folder: Path) -> None:
    """Download like numpy's script: with BeautifulSoup, and urllib3 on one connection."""
    import urllib3
    from bs4 import BeautifulSoup

    http = urllib3.PoolManager(ca_certs=_get_certificates())
    soup = BeautifulSoup(http.request("GET", listing).data, "html.parser")
    for link in soup.find_all("a", href=re.compile(r"\.whl$")):
        name = unquote(str(link["href"]).rpartition("/")[2])
        response = http.request("GET", urljoin(listing, str(link["href"])), preload_content=False)
        with response, (folder / name).open("wb") as target:
            shutil.copyfileobj(response, target)


def download_one_by_one(listing: str, folder: Path) -> None:
    """Download with httpx, one file after another on one connection."""
    import httpx

    with httpx.Client(timeout=60) as client:
        for link in _LINK.findall(client.get(listing).text):
            with (
                client.stream("GET", urljoin(listing, link)) as response,
                (folder / unquote(link.rpartition("/")[2])).open("wb") as target,
            ):
                for chunk in response.iter_raw(128 * 1024):
                    target.write(chunk)


def _get_certificates() -> str:
    import os

    return os.environ["SSL_CERT_FILE"]


WAYS: dict[str, Callable[[str, Path], None]] = {
    "historic": download_historic,
    "numpy": download_numpy,
    "one-by-one": download_one_by_one,
}


@click.command()
@click.argument("way", type=click.Choice(sorted(WAYS)))
@click.argument("listing")
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def main(way: str, listing: str, folder: Path) -> None:
    """Download all wheels of LISTING into FOLDER."""
    WAYS[way](listing, folder)


if __name__ == "__main__":
    main()
