"""Responses and requests that are cut: a listing at every byte, a download and an upload at 256 places."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.soak import Figure
from tests.soak.forks import isolated_environment
from tests.soak.storms import StormResult, run_once
from tests.support import downloads
from tests.support.file_server import FileAnswer, FileServer, chunked, honest
from tests.support.listings import list_staged
from tools.testing import indexes, wheels
from tools.testing.indexes import Action, Cut, Reset, VirtualTime, local_file
from tools.testing.scripted import Request, ScriptedServer, Step
from wheel_uploader.core.errors import NetworkError, NothingFoundError, ReleaseError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.http.client import HttpClient

LISTING_SIZE = 4096
PLACES = 256


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Cut 4 KiB listings of five kinds at every byte, a download and an upload at 256 places."""
    with ProcessPoolExecutor(jobs, initializer=_isolate) as pool:
        kinds = list(LISTINGS)
        listings = list(pool.map(partial(cut_listing, part=part), kinds))
        yield Figure(
            f"listings ({', '.join(kinds)}) cut at {len(range(0, LISTING_SIZE, part))} of {LISTING_SIZE} "
            f"bytes, with a length, chunked, and without a length: {sum(map(len, listings))} wrong files",
            [problem for each in listings for problem in each],
        )
        places = range(0, PLACES, part)
        for what, work in (("a download", cut_download), ("an upload", cut_upload)):
            problems = [problem for each in pool.map(work, places, chunksize=4) for problem in each]
            yield Figure(
                f"{what} cut at {len(places)} of {PLACES} places, in three ways: {len(problems)} wrong files",
                problems,
            )


def _isolate() -> None:
    os.environ.update(isolated_environment(Path("/nowhere")))


# --- listings ------------------------------------------------------------------------------------------


def _names(count: int) -> list[str]:
    return [wheels.wheel_filename("dipy", "1.11.0", build=str(number)) for number in range(count)]


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _html(*, hashes: bool, count: int) -> str:
    lines = (
        f'<a href="{name}{f"#sha256={_sha256(name)}" if hashes else ""}">{name}</a> 2026-01-02 300K\n'
        for name in _names(count)
    )
    return f"<!DOCTYPE html><title>Index</title><h1>Index</h1>\n{''.join(lines)}</body></html>"


def _index_json(count: int) -> str:
    files = [
        {"filename": name, "url": name, "hashes": {"sha256": _sha256(name)}, "size": 300 + number}
        for number, name in enumerate(_names(count))
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files})


def _server_json(count: int) -> str:
    return json.dumps(
        [
            {"name": name, "type": "file", "mtime": "Fri, 02 Jan 2026 03:04:05 GMT", "size": 300 + number}
            for number, name in enumerate(_names(count))
        ]
    )


def _bucket_xml(count: int) -> str:
    keys = "".join(
        f"<Contents><Key>{name}</Key><Size>{300 + number}</Size></Contents>"
        for number, name in enumerate(_names(count))
    )
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
        f"<IsTruncated>false</IsTruncated>{keys}</ListBucketResult>"
    )


#: For each kind the content type, and a function that returns the text for a number of files.
LISTINGS: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "HTML": ("text/html", lambda count: _html(hashes=False, count=count)),
    "HTML with hashes": ("text/html", lambda count: _html(hashes=True, count=count)),
    "the JSON of an index": ("application/vnd.pypi.simple.v1+json", _index_json),
    "the JSON of a server": ("application/json", _server_json),
    "the XML of a bucket": ("application/xml", _bucket_xml),
}


def listing_text(kind: str) -> tuple[str, bytes]:
    """Return the content type and the text of a listing with exactly LISTING_SIZE bytes."""
    content_type, make = LISTINGS[kind]
    count = 1
    while len(make(count + 1)) <= LISTING_SIZE:
        count += 1
    # The listing is padded with blanks.
    return content_type, make(count).encode().ljust(LISTING_SIZE)


def cut_listing(kind: str, part: int = 1) -> list[str]:
    """Cut a listing at every byte, or every n-th; return the files that the whole listing does not have."""
    content_type, text = listing_text(kind)
    cut = LISTING_SIZE
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    ways: dict[str, Callable[[], bytes]] = {
        "with a length": lambda: f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text[:cut],
        "chunked": lambda: (
            f"{head}Transfer-Encoding: chunked\r\n\r\n{cut:x}\r\n".encode() + text[:cut] + b"\r\n"
        ),
        "without a length": lambda: f"{head}\r\n".encode() + text[:cut],
    }
    problems, way = [], ways["without a length"]

    def answer(_: Request) -> list[Step]:
        return [way()]

    with ScriptedServer(answer) as server, HttpClient(user_urls=[server.url], retries=1) as http:
        whole_listing = _list_files(server.url, http)
        assert isinstance(whole_listing, frozenset), whole_listing
        assert whole_listing, kind
        for name, each in ways.items():
            way = each
            for cut in range(1 if name == "chunked" else 0, LISTING_SIZE, part):
                files = _list_files(server.url, http)
                if name != "without a length" and isinstance(files, frozenset):
                    problems.append(f"{kind}, {name}, cut at {cut}: accepted as complete")
                elif isinstance(files, frozenset) and not files <= whole_listing:
                    problems.append(f"{kind}, {name}, cut at {cut}: {sorted(files - whole_listing)}")
    return problems


def _list_files(url: str, http: HttpClient) -> frozenset[tuple[object, ...]] | ReleaseError:
    def facts(file: RemoteFile) -> tuple[object, ...]:
        return (file.filename, file.url, file.size, tuple(sorted(file.hashes.items())))

    try:
        return frozenset(map(facts, list_staged([url], "dipy", http)))
    except (NetworkError, NothingFoundError) as error:
        return error


# --- a download ----------------------------------------------------------------------------------------


def cut_download(place: int) -> list[str]:
    """Cut every download of a wheel, and then only the first; return the wrong files in the wheelhouse."""
    cut = len(downloads.WHEEL) * place // PLACES
    ways: dict[str, FileAnswer] = {
        "with a length": honest(until=cut),
        "without a length": honest(until=cut, without=("Content-Length",)),
        "chunked": chunked(until=cut) if cut else honest(until=0),
    }
    problems = []
    for name, answer in ways.items():
        for etags in ("strong", ""):
            with (
                tempfile.TemporaryDirectory(prefix="wheel-uploader-cuts-") as folder,
                FileServer({downloads.NAME: downloads.WHEEL}, etags=etags).running() as server,
            ):
                wheelhouse, where = Path(folder) / "house", f"cut at {cut}, {name}, ETag: {etags or 'none'}"
                server.plan = [answer] * 50
                try:
                    # With a strong ETag each attempt resumes where the previous one was cut.
                    downloads.fetch(server, wheelhouse)
                    if (wheelhouse / downloads.NAME).read_bytes() != downloads.WHEEL:
                        problems.append(f"{where}: accepted as complete")
                except ReleaseError:
                    if left := downloads.finished(wheelhouse):
                        problems.append(f"{where}: the wheelhouse has {left}")
                server.plan = [answer]
                try:
                    downloads.fetch(server, wheelhouse)
                except ReleaseError:
                    # A cut that the protocol does not show makes a damaged file, which the next run restarts.
                    downloads.fetch(server, wheelhouse)
                if (wheelhouse / downloads.NAME).read_bytes() != downloads.WHEEL or downloads.left_over(
                    wheelhouse
                ):
                    problems.append(f"{where}: the next run's file differs from the server's")
    return problems


# --- an upload -----------------------------------------------------------------------------------------


def cut_upload(place: int) -> list[str]:
    """Cut the request, or the response, with the file stored or not; return the wrong files on the index."""
    problems = []
    ways: dict[str, Callable[[int], Action]] = {
        "the request": lambda size: Reset(after=size * place // PLACES),
        "the response": lambda _: Cut(),
        "the response, with the file stored": lambda _: Cut(stores=True),
    }
    for name, way in ways.items():
        with tempfile.TemporaryDirectory(prefix="wheel-uploader-cuts-") as folder:
            noise = {"dipy/noise": hashlib.shake_256(bytes([place])).digest(20_000)}
            path = wheels.make_wheel(Path(folder), files=noise)
            data = path.read_bytes()
            with indexes.scripted_index() as served:
                served.index.script = [way(len(data))] * 3
                done = StormResult(place)
                ended = run_once(served, [local_file(path)], VirtualTime(), done)
                problems += done.problems
                if ended or served.index.files != {path.name: data}:
                    problems.append(f"{name} cut at place {place}: {ended or sorted(served.index.files)}")
    return problems
