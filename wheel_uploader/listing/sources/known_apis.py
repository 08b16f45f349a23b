"""Recognizes JSON of places that are read in another way, and says which."""

from __future__ import annotations

from typing import Any

from wheel_uploader.core.redaction import sanitize, sanitize_url
from wheel_uploader.core.urls import parse_qs, quote, urlsplit, urlunsplit


def suggest_source(data: object, url: str) -> str:
    """Return the hint that names the place whose API returned ``data``, and what to pass instead; else empty.

    ``url``: the URL of the response.
    """
    return next(filter(None, (suggest(data, url) for suggest in _SUGGESTIONS)), "")


def _suggest_for_artifactory(data: Any, url: str) -> str:
    if not _has_keys(data, repo=str, path=str) or "children" not in data:
        return ""
    folder = _with_path(url, urlsplit(url).path.replace("/api/storage/", "/", 1).rstrip("/") + "/")
    return f"This is Artifactory's storage API. Pass the folder itself: {folder}"


def _suggest_for_nexus(data: Any, url: str) -> str:
    if not _has_keys(data, items=list) or "continuationToken" not in data:
        return ""
    root = urlsplit(url).path.partition("/service/rest/")[0]
    name = parse_qs(urlsplit(url).query).get("repository", [""])[0]
    index = _with_path(url, f"{root}/repository/{quote(name, safe='') or 'REPOSITORY'}/simple/")
    return f"This is Nexus's REST API. Pass the index of the repository: {index}"


def _suggest_for_zenodo(data: Any, url: str) -> str:
    files = data.get("files", data.get("entries")) if isinstance(data, dict) else None
    if not isinstance(files, list) or not any(_has_keys(file, key=str, links=dict) for file in files):
        return ""
    record = _with_path(url, urlsplit(url).path.replace("/api/", "/", 1).removesuffix("/files"))
    return f"This is the API of Zenodo. Pass the page of the record: {record}"


def _suggest_for_hugging_face(data: Any, url: str) -> str:
    path = urlsplit(url).path
    if (
        isinstance(data, list)
        and data
        and all(_has_keys(entry, oid=str, path=str, type=str) for entry in data)
    ):
        repository, _, revision = path.removeprefix("/api/").removeprefix("models/").partition("/tree/")
    elif isinstance(data, dict) and isinstance(data.get("siblings"), list) and path.startswith("/api/"):
        repository, revision = path.removeprefix("/api/").removeprefix("models/"), "main"
    else:
        return ""
    page = _with_path(url, f"/{repository}/tree/{revision or 'main'}")
    return f"This is the API of Hugging Face. Pass the page with the files: {page}"


def _suggest_for_artifactory_list(data: Any, url: str) -> str:
    files = data.get("files") if _has_keys(data, uri=str, files=list) else None
    if not files or not all(_has_keys(file, uri=str) for file in files):
        return ""
    folder = _with_path(url, urlsplit(url).path.replace("/api/storage/", "/", 1).rstrip("/") + "/")
    return f"This is Artifactory's file list. Pass the folder itself: {folder}"


def _suggest_for_jenkins(data: Any, url: str) -> str:
    artifacts = data.get("artifacts") if isinstance(data, dict) else None
    if not isinstance(artifacts, list) or not any(_has_keys(entry, relativePath=str) for entry in artifacts):
        return ""
    page = _with_path(url, f"{urlsplit(url).path.partition('/api/')[0]}/artifact/")
    return f"This is the API of Jenkins. Pass the page with the artifacts: {page}"


_SUGGESTIONS = (
    _suggest_for_artifactory_list,
    _suggest_for_jenkins,
    _suggest_for_artifactory,
    _suggest_for_nexus,
    _suggest_for_zenodo,
    _suggest_for_hugging_face,
)


def find_error_message(data: object) -> str:
    """Return the message of a JSON object that reports an error, safe to print; empty if it reports none."""
    errors = data.get("errors") if isinstance(data, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    for source in (data, first):
        for key in ("message", "detail", "error_description", "error", "title"):
            value = source.get(key) if isinstance(source, dict) else None
            if isinstance(value, str) and value.strip():
                return sanitize(value, limit=200)
    return ""


def _has_keys(data: Any, **types: type) -> bool:
    return isinstance(data, dict) and all(isinstance(data.get(key), kind) for key, kind in types.items())


def _with_path(url: str, path: str) -> str:
    return sanitize_url(urlunsplit(urlsplit(url)._replace(path=path, query="", fragment="")), limit=300)
