"""One tree of files, listed in every format by servers that answer an HttpClient in this process."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

from wheel_uploader.http.httpx_import import httpx

#: A folder: names to folders, or to the contents of files.
Tree = Mapping[str, "Tree | bytes"]

Respond = Callable[[httpx.Request], httpx.Response]
_MODIFIED = "Tue, 16 Sep 2025 07:20:00 GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFormat:
    """A format: the URL of the root, and the server."""

    url: str
    serve: Callable[[Tree], Respond]


def find(tree: Tree, path: str) -> Tree | bytes | None:
    """Return the folder or file at a path, whose segments are separated by slashes."""
    node: Tree | bytes | None = tree
    for name in filter(None, path.split("/")):
        node = None if isinstance(node, bytes) or node is None else node.get(name)
    return node


def write(tree: Tree, folder: Path) -> None:
    """Write a tree to a disk."""
    folder.mkdir(exist_ok=True)
    for name, node in tree.items():
        if isinstance(node, bytes):
            (folder / name).write_bytes(node)
        else:
            write(node, folder / name)


def list_keys(tree: Tree, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tree as the keys of an object store; folders without files do not exist there."""
    for name, node in sorted(tree.items()):
        if isinstance(node, bytes):
            yield f"{prefix}{name}", node
        else:
            yield from list_keys(node, f"{prefix}{name}/")


# --- directories -----------------------------------------------------------------------------------

ListPage = Callable[[str, Tree, Mapping[str, str]], tuple[str, str]]


def _serve_directories(list_page: ListPage) -> Callable[[Tree], Respond]:
    def serve(tree: Tree) -> Respond:
        def respond(request: httpx.Request) -> httpx.Response:
            parts = urlsplit(str(request.url))
            path = unquote(parts.path).removeprefix("/wheels/")
            node = find(tree, path)
            if not path.endswith("/") and path and node is not None and not isinstance(node, bytes):
                return httpx.Response(301, headers={"Location": f"{parts.path}/"})
            if node is None:
                return httpx.Response(404, text="Not found")
            if isinstance(node, bytes):
                return httpx.Response(200, content=node)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            text, kind = list_page(path, node, query)
            return httpx.Response(200, text=text, headers={"Content-Type": kind})

        return respond

    return serve


def _entries(tree: Tree) -> Iterator[tuple[str, bool, int]]:
    for name, node in sorted(tree.items()):
        yield name, not isinstance(node, bytes), len(node)


def _nginx_html(path: str, tree: Tree, _: Mapping[str, str]) -> tuple[str, str]:
    rows = [
        f'<a href="{quote(name)}{"/" * is_folder}">{html.escape(_cut(name + "/" * is_folder))}</a>'
        f"       16-Sep-2025 07:20       {'-' if is_folder else size}\r\n"
        for name, is_folder, size in _entries(tree)
    ]
    title = f"Index of /wheels/{html.escape(path)}"
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr><pre>"
    return f'{head}<a href="../">../</a>\r\n{"".join(rows)}</pre><hr></body>\r\n</html>', "text/html"


def _cut(name: str) -> str:
    return name if len(name) <= 50 else f"{name[:47]}..>"


def _python_html(path: str, tree: Tree, _: Mapping[str, str]) -> tuple[str, str]:
    rows = [
        f'<li><a href="{quote(name)}{"/" * is_folder}">{html.escape(name)}{"/" * is_folder}</a></li>'
        for name, is_folder, _ in _entries(tree)
    ]
    title = f"Directory listing for /wheels/{html.escape(path)}"
    return f"<title>{title}</title><ul>{''.join(rows)}</ul>", "text/html; charset=utf-8"


def _paged_html(_: str, tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    """Return a page of three entries, with navigation, and the next page by ``rel`` or by number."""
    page = int(query.get("page", "1"))
    entries = list(_entries(tree))
    rows = [
        f'<tr><td><a href="./{quote(name)}{"/" * is_folder}">{html.escape(name)}{"/" * is_folder}</a></tr>'
        for name, is_folder, _ in entries[3 * page - 3 : 3 * page]
    ]
    numbers = range(1, (len(entries) + 2) // 3 + 1)
    links = "".join(f'<a href="?page={number}">{number}</a>' for number in numbers if number != page)
    if page % 2 and 3 * page < len(entries):
        links += f'<a href="?page={page + 1}" rel="nofollow next">older</a>'
    navigation = '<a href="/">Home</a><a href="/about/">About</a><a href="?C=N;O=D">Name</a>'
    return f"<html><body>{navigation}<table>{''.join(rows)}</table>{links}</body></html>", "text/html"


def _nginx_json(_: str, tree: Tree, __: Mapping[str, str]) -> tuple[str, str]:
    entries = [
        {"name": name, "type": "directory" if is_folder else "file", "mtime": _MODIFIED}
        | ({} if is_folder else {"size": size})
        for name, is_folder, size in _entries(tree)
    ]
    return json.dumps(entries), "application/json"


def _caddy_json(_: str, tree: Tree, __: Mapping[str, str]) -> tuple[str, str]:
    entries = [
        {
            "name": name + "/" * is_folder,
            "size": size,
            "url": f"./{quote(name)}{'/' * is_folder}",
            "is_dir": is_folder,
        }
        for name, is_folder, size in _entries(tree)
    ]
    return json.dumps(entries), "application/json"


def _serve_json(path: str, tree: Tree, _: Mapping[str, str]) -> tuple[str, str]:
    entries = [
        {"base": name + "/" * is_folder, "name": name, "type": "folder" if is_folder else "file"}
        for name, is_folder, _ in _entries(tree)
    ]
    parent = [{"base": "../", "name": "..", "type": "folder"}] if path else []
    return json.dumps({"files": [*parent, *entries], "directory": path, "paths": []}), "application/json"


def _nginx_xml(_: str, tree: Tree, __: Mapping[str, str]) -> tuple[str, str]:
    rows = [
        f'<directory mtime="2025-09-16T07:20:00Z">{escape(name)}</directory>'
        if is_folder
        else f'<file mtime="2025-09-16T07:20:00Z" size="{size}">{escape(name)}</file>'
        for name, is_folder, size in _entries(tree)
    ]
    return f'<?xml version="1.0"?>\r\n<list>\r\n{"".join(rows)}</list>', "text/xml"


# --- object stores ---------------------------------------------------------------------------------

#: Keys and prefixes on a page.
_PAGE_SIZE = 3


def _list_level(
    tree: Tree, query: Mapping[str, str], marker: str
) -> tuple[list[tuple[str, int | None]], str]:
    """Return the keys with their sizes, and the prefixes, on a page; and the marker of the next page."""
    prefix = query.get("prefix", "")
    level: dict[str, int | None] = {}
    for key, data in list_keys(tree):
        if key.startswith(prefix):
            name, slash, _ = key[len(prefix) :].partition(query.get("delimiter", "\0"))
            level[f"{prefix}{name}{slash}"] = None if slash else len(data)
    later = [item for item in sorted(level.items()) if item[0] > marker]
    return later[:_PAGE_SIZE], later[_PAGE_SIZE - 1][0] if len(later) > _PAGE_SIZE else ""


def _serve_store(
    bucket: str, render: Callable[[Tree, Mapping[str, str]], tuple[str, str]]
) -> Callable[[Tree], Respond]:
    def serve(tree: Tree) -> Respond:
        def respond(request: httpx.Request) -> httpx.Response:
            parts = urlsplit(str(request.url))
            path = unquote(parts.path).removeprefix(bucket).removeprefix("/")
            if path:
                node = find(tree, path)
                return httpx.Response(200, content=node) if isinstance(node, bytes) else httpx.Response(404)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            text, kind = render(tree, query)
            return httpx.Response(200, text=text, headers={"Content-Type": kind})

        return respond

    return serve


def _render_rows(
    page: Iterable[tuple[str, int | None]], prefix: str, item: str, encode: Callable[[str], str] = escape
) -> str:
    """Return the entries of a page by their templates, which get the key, and ``item`` the size as well."""
    return "".join((prefix if size is None else item).format(encode(key), size) for key, size in page)


_S3_PREFIX = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"


def _s3(tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    encode = quote_plus if query.get("encoding-type") == "url" else escape
    page, marker = _list_level(tree, query, query.get("continuation-token", ""))
    rows = _render_rows(page, _S3_PREFIX, "<Contents><Key>{}</Key><Size>{}</Size></Contents>", encode)
    token = f"<NextContinuationToken>{escape(marker)}</NextContinuationToken>" if marker else ""
    kind = "<EncodingType>url</EncodingType>" if encode is quote_plus else ""
    delimiter = f"<Delimiter>{query['delimiter']}</Delimiter>" if "delimiter" in query else ""
    body = (
        f"<Name>b</Name><Prefix>{encode(query.get('prefix', ''))}</Prefix>{delimiter}{kind}{token}"
        f"<IsTruncated>{'true' if marker else 'false'}</IsTruncated>{rows}"
    )
    return f'<?xml version="1.0"?><ListBucketResult>{body}</ListBucketResult>', "application/xml"


def _gcs(tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    """Return version 1 of the format, which sorts prefixes after the keys, and needs no token."""
    page, marker = _list_level(tree, query, query.get("marker", ""))
    page.sort(key=lambda entry: entry[1] is None)
    contents = "<Contents><Key>{}</Key><Generation>1</Generation><Size>{}</Size></Contents>"
    rows = _render_rows(page, _S3_PREFIX, contents)
    end = f"<NextMarker>{escape(marker)}</NextMarker>" if marker else ""
    delimiter = f"<Delimiter>{query['delimiter']}</Delimiter>" if "delimiter" in query else ""
    body = f"<Name>b</Name>{delimiter}{end}<IsTruncated>{bool(marker)}</IsTruncated>{rows}"
    return f"<?xml version='1.0'?><ListBucketResult>{body}</ListBucketResult>", "application/xml"


def _azure(tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    page, marker = _list_level(tree, query, query.get("marker", ""))
    blob = "<Blob><Name>{}</Name><Properties><Content-Length>{}</Content-Length></Properties></Blob>"
    rows = _render_rows(page, "<BlobPrefix><Name>{}</Name></BlobPrefix>", blob)
    delimiter = f"<Delimiter>{query['delimiter']}</Delimiter>" if "delimiter" in query else ""
    return (
        f'<?xml version="1.0"?><EnumerationResults>{delimiter}<Blobs>{rows}</Blobs>'
        f"<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
    ), "application/xml"


def _swift(tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    page, _ = _list_level(tree, query, query.get("marker", ""))
    entries = [
        {"subdir": key} if size is None else {"name": key, "bytes": size, "hash": "a1" * 16}
        for key, size in page
    ]
    return json.dumps(entries), "application/json"


def _gcs_json(tree: Tree, query: Mapping[str, str]) -> tuple[str, str]:
    page, marker = _list_level(tree, query, query.get("pageToken", ""))
    document = {
        "kind": "storage#objects",
        "prefixes": [key for key, size in page if size is None],
        "items": [
            {"name": key, "bucket": "bucket", "size": str(size)} for key, size in page if size is not None
        ],
        **({"nextPageToken": marker} if marker else {}),
    }
    return json.dumps(document), "application/json"


_HOST = "https://staging.example"
_GCS_API = "/storage/v1/b/bucket/o"
#: Every format, by name.
FORMATS: dict[str, TreeFormat] = {
    **{
        name: TreeFormat(url=f"{_HOST}/wheels/", serve=_serve_directories(list_page))
        for name, list_page in {
            "nginx": _nginx_html,
            "python": _python_html,
            "paged HTML": _paged_html,
            "nginx JSON": _nginx_json,
            "Caddy JSON": _caddy_json,
            "serve JSON": _serve_json,
            "nginx XML": _nginx_xml,
        }.items()
    },
    "S3": TreeFormat(url="s3://bucket", serve=_serve_store("/", _s3)),
    "MinIO": TreeFormat(url=f"{_HOST}/b", serve=_serve_store("/b", _s3)),
    "Google": TreeFormat(url="gs://bucket", serve=_serve_store("/bucket", _gcs)),
    "Google JSON": TreeFormat(
        url=f"https://storage.googleapis.com{_GCS_API}?delimiter=/", serve=_serve_store(_GCS_API, _gcs_json)
    ),
    "Azure": TreeFormat(url="https://a.blob.core.windows.net/c", serve=_serve_store("/c", _azure)),
    "Swift": TreeFormat(url=f"{_HOST}/v1/AUTH_x/c", serve=_serve_store("/v1/AUTH_x/c", _swift)),
}
