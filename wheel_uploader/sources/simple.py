"""The JSON pages of a package index (PEP 691, 700): the files of a project, or the projects."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader import bounded
from wheel_uploader.display import printable
from wheel_uploader.errors import ListingError
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import MAX_LINKS, Listing, digests
from wheel_uploader.urls import quote, urljoin, urlsplit

#: A file of an index is an object with two or three more in it, and a dozen keys: more is a bomb.
_MAX_OBJECTS, _MAX_COMMAS = 4 * MAX_LINKS, 20 * MAX_LINKS


def parse_json(text: str, base_url: str, source: str) -> Iterator[RemoteFile]:
    """Every file of a project's page; ``base_url`` and ``source`` as for HTML. Raises ListingError."""
    yield from read_json(text, base_url, source).files


def read_json(text: str, base_url: str, source: str) -> Listing:
    """The files of a project's page, or the pages of the projects. Raises ListingError."""
    return read_index(load(text, source, _KEYS), base_url, source)


def load(text: str, source: str, keep: Collection[str] | None = None) -> Any:
    """Return any JSON of a size that a listing can have. Raises ListingError.

    ``keep``: the keys that are wanted of the objects that have a ``filename`` and a ``url``; of a large page
    the others are most of the memory.
    """
    if text.count("{") + text.count("[") > _MAX_OBJECTS or text.count(",") > _MAX_COMMAS:
        raise _too_much(source)
    try:
        return bounded.load_json(text, None if keep is None else lambda found: _without(found, keep))
    except ValueError:
        raise ListingError(f"{source} answers with JSON that cannot be read") from None


#: What is read of a file; the names of the algorithms are in an object of their own.
_KEYS = frozenset({"filename", "url", "size", "hashes", "upload-time"})


def _without(found: dict[str, Any], keep: Collection[str]) -> dict[str, Any]:
    if "filename" in found and "url" in found and len(found) > len(keep):
        return {key: found[key] for key in keep if key in found}
    return found


def read_index(value: Any, base_url: str, source: str) -> Listing:
    """As ``read_json``, of what was loaded already."""
    data = _page_of_index(value, source)
    files = data.get("files", [])
    projects = data.get("projects", [])
    if not isinstance(files, list) or not isinstance(projects, list):
        raise ListingError(f"{source} answers with JSON in which files or projects are no list")
    if len(files) + len(projects) > MAX_LINKS:
        raise _too_much(source)
    names = [project["name"] for project in projects if _has_text(project, "name")]
    return Listing(
        files=tuple(_files(files, base_url, source)),
        pages={canonicalize_name(name): urljoin(base_url, f"{_page(name)}/") for name in names},
    )


def _page_of_index(data: Any, source: str) -> dict[str, Any]:
    meta = data.get("meta") if isinstance(data, dict) else None
    version = meta.get("api-version") if isinstance(meta, dict) else None
    if not isinstance(version, str) or not ("files" in data or "projects" in data):
        raise ListingError(
            f"{source} answers with JSON that is no page of a package index (PEP 691)",
            hint="Give a directory listing in HTML, or the page of the project on an index.",
        )
    if version.partition(".")[0] != "1":
        raise ListingError(
            f"{source} answers in version {printable(version, limit=20)} of the index API; 1 is known here",
            hint="A newer wheel-uploader may know it.",
        )
    return dict(data)


def _too_much(source: str) -> ListingError:
    return ListingError(
        f"{source} lists more than {MAX_LINKS} files or projects",
        hint="Give the URL of the project's own page.",
    )


def _files(files: list[Any], base_url: str, source: str) -> Iterator[RemoteFile]:
    # Each is given up once it is read: both forms of 100,000 files at once would be too much.
    files.reverse()
    while files:
        file = files.pop()
        if not (_has_text(file, "filename") and _has_text(file, "url")):
            continue
        try:
            url = urljoin(base_url, file["url"]).partition("#")[0]
            scheme = urlsplit(url).scheme
        except ValueError:
            continue
        size, excess = bounded.listed_size(file.get("size"))
        if scheme in {"http", "https"}:
            yield RemoteFile(
                filename=file["filename"],
                url=url,
                size=size,
                hashes=_hashes(file.get("hashes")),
                source=source,
                modified=bounded.moment(file.get("upload-time")),
                refused=excess,
            )


def _hashes(hashes: object) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return digests({key: value for key, value in hashes.items() if isinstance(value, str)})


def _has_text(value: object, key: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get(key), str)


def _page(name: str) -> str:
    return quote(canonicalize_name(name), safe="", errors="replace")
