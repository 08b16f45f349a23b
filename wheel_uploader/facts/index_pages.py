"""Parses JSON pages of a package index (PEP 691, 700, 792): the files of a project, or the list of projects.

A staging place may list anything, so entries that are not files are skipped there. On the page of the index
to publish to every entry counts: a file that is not seen there would be published again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError, UnsupportedVersionError
from wheel_uploader.core.models import IndexFile, ProjectPage, RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import quote, urljoin
from wheel_uploader.facts.listing_page import (
    MAX_LINKS,
    Listing,
    describe_withdrawal,
    get_yanked_reason,
    make_limit_error,
    normalize_digests,
    resolve_link,
)
from wheel_uploader.facts.listing_remarks import find_json_continuation

#: Limits against JSON bombs: a file is an object with two or three nested ones, and has about a dozen keys.
_MAX_OBJECTS, _MAX_COMMAS = 4 * MAX_LINKS, 20 * MAX_LINKS


def iter_json_files(text: str, base_url: str, source: str) -> Iterator[RemoteFile]:
    """Yield every file of a project's page; the parameters are those of ``iter_html_files``.

    Raises ListingError.
    """
    yield from read_json_listing(text, base_url, source).files


def read_json_listing(text: str, base_url: str, source: str) -> Listing:
    """Return the files of a project's page, or the pages of a list of projects. Raises ListingError."""
    return read_index_page(load_listing_json(text, source, _FILE_KEYS), base_url, source)


def load_listing_json(text: str, source: str, retained_keys: Collection[str] | None = None) -> Any:
    """Return the value of a JSON text. Raises ListingError if it is invalid, or too large for a listing.

    Of objects that have a ``filename`` and a ``url``, only ``retained_keys`` are retained, if they are given:
    on a large page the other keys take most of the memory.
    """
    if text.count("{") + text.count("[") > _MAX_OBJECTS or text.count(",") > _MAX_COMMAS:
        raise _build_limit_error(source)
    try:
        return bounds.load_json(
            text, None if retained_keys is None else lambda value: _keep_keys(value, retained_keys)
        )
    except ValueError:
        raise ListingError(f"{source} returned invalid JSON") from None


#: Keys of a file that are read. The digests are in a separate object under ``hashes``.
_FILE_KEYS = frozenset({"filename", "url", "size", "hashes", "upload-time", "yanked"})


def _keep_keys(value: dict[str, Any], keep: Collection[str]) -> dict[str, Any]:
    if "filename" in value and "url" in value and len(value) > len(keep):
        return {key: value[key] for key in keep if key in value}
    return value


def read_index_page(value: Any, base_url: str, source: str) -> Listing:
    """Return the listing of an index page, given its decoded JSON. Raises ListingError."""
    data = _check_index_page(value, source)
    files = data.get("files", [])
    projects = data.get("projects", [])
    if not isinstance(files, list) or not isinstance(projects, list):
        raise ListingError(f"{source} returned JSON in which files or projects are not a list")
    if len(files) + len(projects) > MAX_LINKS:
        raise _build_limit_error(source)
    status = _find_status(data)
    next_link = data.get("next")
    next_url, obstacle = find_json_continuation(data, base_url)
    if isinstance(next_link, str) and next_link:
        next_url = resolve_link(base_url, next_link) or next_url
    names = [project["name"] for project in projects if _has_text(project, "name")]
    return Listing(
        files=tuple(_parse_files(files, base_url, source, status)),
        next_url=next_url,
        obstacle=obstacle,
        is_index=not files and "projects" in data,
        subpage_urls={
            canonicalize_name(name): urljoin(base_url, f"{_quote_project(name)}/") for name in names
        },
    )


def _find_status(data: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a project (PEP 792); some servers give only its name, or have it in ``meta``."""
    meta = data.get("meta")
    status = data.get("project-status", meta.get("project-status") if isinstance(meta, dict) else None)
    if isinstance(status, str):
        return {"status": status}
    return status if isinstance(status, dict) else {}


def read_project_page(text: str, url: str, source: str) -> ProjectPage:
    """Return the page of a project on the index to publish to.

    Raises UnsupportedVersionError, and ListingError if it is another page, if an entry is not a file, or if
    it exceeds the limits for listings.
    """
    data = load_listing_json(text, source, _FILE_KEYS | {"provenance"})
    if isinstance(data, dict) and data.get("meta"):
        check_version(_get_version(data), source)
    files = data.get("files") if isinstance(data, dict) else None
    status = data.get("project-status") or {} if isinstance(data, dict) else None
    if not isinstance(files, list) or not isinstance(status, dict):
        raise ListingError(f"{source} returned JSON that is not a project's page (PEP 691)")
    if len(files) > MAX_LINKS:
        raise _build_limit_error(source)
    next_url, obstacle = find_json_continuation(data, url)
    if next_url or obstacle:
        raise ListingError(f"{source} lists only a part of the files: {obstacle or 'it names a next page'}")
    return ProjectPage(
        url=url,
        exists=True,
        files=tuple(_parse_index_file(entry, url, source) for entry in _take_entries(files)),
        status=str(status.get("status") or "active"),
        status_reason=sanitize(str(status.get("reason") or "")),
        page_format="json",
    )


def _parse_index_file(entry: Any, base_url: str, source: str) -> IndexFile:
    file = _parse_file(entry, base_url, source, {})
    if file is None or not file.url:
        raise ListingError(f"{source} returned JSON with an entry that is not a file (PEP 691)")
    return IndexFile(
        filename=file.filename,
        url=file.url,
        hashes=file.hashes,
        size=file.size,
        upload_time=file.modified_at,
        yanked=bool(entry.get("yanked")),
        yanked_reason=get_yanked_reason(file.unavailable_reason),
        provenance_url=resolve_link(base_url, entry["provenance"]) if _has_text(entry, "provenance") else "",
    )


def check_version(version: object, source: str) -> None:
    """Raise UnsupportedVersionError unless ``version`` is one of the index API that is read here."""
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise UnsupportedVersionError(
            f"{source} uses version {sanitize(str(version), limit=20)} of the index API, "
            "which is not supported"
        )


def _get_version(data: dict[str, Any]) -> object:
    meta = data.get("meta")
    return meta.get("api-version") if isinstance(meta, dict) else None


def _check_index_page(data: Any, source: str) -> dict[str, Any]:
    version = _get_version(data) if isinstance(data, dict) else None
    if not isinstance(version, str) or not ("files" in data or "projects" in data):
        raise ListingError(
            f"{source} returned JSON that is not an index page (PEP 691)",
            hint="Pass the URL of a directory listing in HTML, or of the project's page on an index.",
        ).as_permanent()
    check_version(version, source)
    return dict(data)


def _build_limit_error(source: str) -> ListingError:
    return make_limit_error(
        f"{source} lists more than {MAX_LINKS} files or projects", "Pass the URL of the project's page."
    )


def _parse_files(
    files: list[Any], base_url: str, source: str, status: dict[str, Any]
) -> Iterator[RemoteFile]:
    for entry in _take_entries(files):
        file = _parse_file(entry, base_url, source, status)
        if file is not None:
            yield file


def _take_entries(entries: list[Any]) -> Iterator[Any]:
    """Yield the entries and free them one by one: 100,000 files in two forms would take too much memory."""
    entries.reverse()
    while entries:
        yield entries.pop()


def _parse_file(entry: Any, base_url: str, source: str, status: dict[str, Any]) -> RemoteFile | None:
    """Return the file of an entry; None if the entry is not a file."""
    if not _has_text(entry, "filename"):
        return None
    link = entry["url"] if _has_text(entry, "url") else None
    url = resolve_link(base_url, link).partition("#")[0] if link is not None else ""
    link_error = "" if url else "its link is not valid: it is neither http nor https"
    if link is None:
        link_error = "the listing has no link to it"
    size, size_error = bounds.parse_listed_size(entry.get("size"))
    withdrawal = describe_withdrawal(entry.get("yanked"), status.get("status"), status.get("reason"))
    return RemoteFile(
        filename=entry["filename"],
        url=url,
        size=size,
        hashes=_parse_hashes(entry.get("hashes")),
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("upload-time")),
        unavailable_reason=withdrawal or link_error or size_error,
        is_withdrawn=bool(withdrawal),
    )


def _parse_hashes(hashes: object) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return normalize_digests({key: value for key, value in hashes.items() if isinstance(value, str)})


def _has_text(value: object, key: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get(key), str)


def _quote_project(name: str) -> str:
    return quote(canonicalize_name(name), safe="", errors="replace")
