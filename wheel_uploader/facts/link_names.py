"""The file name that a link refers to, and whether two links lead to one file. Pure functions of text.

A name from here is only what a listing claims: METADATA and RECORD prove it after the download. Every
function takes time in proportion to the length of the link.
"""

from __future__ import annotations

import re

from wheel_uploader.core import filenames
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.urls import SplitResult, parse_qsl, unquote, urlencode, urlsplit

#: A segment that is the name of a file, whatever the rest of the link says: ``W.whl.part`` is not ``W.whl``.
_FILE_SEGMENT = re.compile(r"\.(?:whl|zip|tgz|tar\.[A-Za-z0-9]{1,3})(?![A-Za-z0-9])", re.IGNORECASE)
#: Last segments that say what to do with the file that the segment before them names: ``W/download``.
#: A last segment that numbers a version of the file: ``W/1234``.
_IDENTIFIER = re.compile(r"[0-9a-f]{1,64}\Z")
_ACTIONS = frozenset({"download", "raw", "content", "file", "data", "get", "blob", "view", "*view*"})
#: Query parameters that name a file. Others may mention one: ``/login?next=/wheels/W``.
_NAMING_PARAMETERS = frozenset(
    {"file", "files", "filename", "file_name", "filepath", "file_path", "fname", "f", "name", "path", "key"}
    | {"fn", "n", "asset", "artifact", "item", "package", "resource", "document"}
    | {"download", "attachment", "object", "response-content-disposition", "rscd"}
)
#: Query parameters that say how to serve a file, and not which one.
_SERVING_PARAMETERS = frozenset({"download", "dl", "raw", "view", "inline", "preview", "alt", "attachment"})
#: Maximum parameters of a query that are read, and maximum characters of a link's text that names a file.
_MAX_PARAMETERS = 50
MAX_TEXT_LENGTH = 256
_DISPOSITION = re.compile(r"""filename\*?=(?:UTF-8'')?"?([^";]+)""", re.IGNORECASE)
#: Other words in the text of a link with a name: ``Download W [8.7 MiB]``.
_OTHER_WORD = re.compile(
    r"(?i:download|get|save|file|[^\w]{1,5}|(?:[kMGT]i?)?B[\])]?|bytes[\])]?|[kMGT][\])]?)"
    r"|[\[(]?[0-9][0-9.,]{0,20}(?i:[kMGT]?i?B|bytes|[kMG])?[\])]?"
)
_MAX_WORDS = 6
#: Fragments that name the file: ``#W``, ``#filename=W``.
_NAMING_FRAGMENT = re.compile(r"(?:(?:file)?name=)?([^=&]{1,255})\Z")
#: Segments of the page that shows a file, and of the link that serves it, on forges and CI servers.
_ROUTE_SEGMENT = re.compile(
    r"/(?:blob|src|view|preview|files?|\*view\*|raw|download|media|resolve|content)(?=/|\Z)"
)
_VIEW = re.compile(r"/(?:blob|src|view|preview|\*view\*)(?:/|\Z)|/artifacts/file/")
_RAW = re.compile(r"/(?:raw|download|media|resolve)(?:/|\Z)")
_RAW_QUERY = re.compile(r"(?:\A|&)(?:(?:download|dl|raw)(?:=(?!0|false|no)|&|\Z)|alt=media)", re.IGNORECASE)
#: Archives of the source tree that a forge makes of a tag or branch. They may be named like an sdist.
_SOURCE_ARCHIVE = re.compile(
    r"/-/archive/"  # GitLab
    r"|/archive/refs/(?:tags|heads)/"  # GitHub
    r"|/repository/archive(?:\.[a-z0-9.]{2,8})?\Z"  # GitLab's API
    r"|\A/api/v1/repos/[^/]+/[^/]+/archive/"  # Gitea's API
    r"|\A/(?:repos/)?[^/]+/[^/]+/(?:tarball|zipball)(?:/|\Z)"
    r"|\A/~[^/]+/[^/]+/archive/"  # SourceHut
    r"|(?:\.git|/cgit(?:/[^/]+){1,4})/(?:snapshot|\+archive)/|/\+archive/"  # cgit, Gitiles
    r"|/rest/api/(?:latest|[0-9.]{1,5})/projects/[^/]+/repos/[^/]+/archive\Z"  # Bitbucket Server
)
_GITHUB_ARCHIVE = re.compile(r"\A/[^/]+/[^/]+/(?:archive|tar\.gz|legacy\.tar\.gz|zip|legacy\.zip)/")
_BITBUCKET_ARCHIVE = re.compile(r"\A/[^/]+/[^/]+/get/")
_GITHUB_HOSTS = frozenset({"github.com", "www.github.com", "codeload.github.com"})
SOURCE_ARCHIVE_REASON = "a source archive that the forge makes of a tag, not the sdist"
#: A page of a repository on a forge. Gitea's archives have no other mark than to be linked from one.
_FORGE_PAGE = re.compile(r"\A(/[^/]+/[^/]+)/(?:releases|tags|src)(?:/|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkName:
    """The file name that a link refers to."""

    filename: str
    #: True if only the text of the link names the file, so that the link may lead to a page about it.
    is_from_text: bool = False
    #: True if the query names the file: then another query is another file.
    is_from_query: bool = False
    #: True if the link itself shows that it leads to a file and not to a directory, despite a final slash.
    is_file: bool = False


def name_link(parts: SplitResult, *, download: str = "", text: str = "", fragment: str = "") -> LinkName:
    """Return the file name that a link refers to; empty if the link is the root of a host.

    ``parts``: the resolved URL. ``download``: the attribute of that name. ``text``: the text of the link, if
    it may name the file. The path comes first, then the query, ``download``, the text and the fragment.
    """
    segments = parts.path.rstrip("/").rsplit("/", 2)
    last = get_basename(segments[-1])
    if _FILE_SEGMENT.search(last):
        return LinkName(filename=last)
    if (
        len(segments) > 1
        and (last.lower() in _ACTIONS or _IDENTIFIER.match(last))
        and _is_distribution(name := get_basename(segments[-2]))
    ):
        return LinkName(filename=name, is_file=True)
    if parts.query and (name := _find_in_query(parts.query)):
        return LinkName(filename=name, is_from_query=True, is_file=True)
    if download and _is_distribution(name := _split_path(download)):
        return LinkName(filename=name, is_from_query=True, is_file=True)
    if text and not parts.path.endswith("/") and (name := find_in_text(text)):
        return LinkName(filename=name, is_from_text=True, is_from_query=True, is_file=True)
    match = _NAMING_FRAGMENT.match(fragment) if fragment and last else None
    if match and _is_distribution(match[1]):
        return LinkName(filename=match[1], is_from_text=True, is_from_query=True, is_file=True)
    return LinkName(filename=last)


def get_basename(segment: str) -> str:
    """Return the file name in a segment of a path: decoded, after encoded slashes, without parameters."""
    if "%" not in segment and ";" not in segment and "\\" not in segment:
        return segment
    decoded = unquote(segment)
    name = _split_path(decoded).partition(";")[0]
    return name if _FILE_SEGMENT.search(name) else decoded


def make_file_key(parts: SplitResult, name: LinkName) -> str:
    """Return a key that is equal for all links of a page that lead to the same file.

    The query counts only if it names the file, and the segments of a forge for showing and for serving a file
    are equal: ``/blob/main/W`` and ``/raw/main/W``.
    """
    path, query = parts.path, ""
    if name.is_from_query:
        query = _remove_serving_parameters(parts.query) if parts.query else ""
        path = path.rstrip("/")
    elif name.is_file:
        path = path.rstrip("/").rpartition("/")[0]
    if ";" in path:
        directory, slash, last = path.rpartition("/")
        path = f"{directory}{slash}{last.partition(';')[0]}"
    return f"{make_directory_key(parts._replace(path=path)).rstrip('/*')}{query and f'?{query}'}"


def lead_to_one_file(first_url: str, second_url: str, filename: str) -> bool:
    """Return whether two links to files of one name lead to the same file, judging by their text."""
    try:
        keys = {_make_key_of_url(url, filename) for url in (first_url, second_url)}
    except ValueError:
        return False
    return len(keys) == 1


def _make_key_of_url(url: str, filename: str) -> str:
    parts = urlsplit(url)
    link = name_link(parts)
    if link.filename != filename:
        link = LinkName(filename=filename, is_from_query=True)
    return make_file_key(parts, link)


_ENCODED_SLASH = re.compile("%2[Ff]")


def make_directory_key(parts: SplitResult) -> str:
    """Return the beginning of the keys of all files in a directory, whose path ends with a slash."""
    path = parts.path
    if "%" in path:
        # "%2B" is "+" in a path, and "%2D" is "-"; an encoded slash is not one.
        path = "%2F".join(map(unquote, _ENCODED_SLASH.split(path)))
    return f"{parts.scheme}://{parts.netloc}{_ROUTE_SEGMENT.sub('/*', path)}"


def rank_link(parts: SplitResult) -> int:
    """Return how surely a link serves the file itself, and not a page that shows it: 0 is the best."""
    if _RAW.search(parts.path) or _RAW_QUERY.search(parts.query):
        return 0
    return 2 if _VIEW.search(parts.path) else 1


def is_source_archive(parts: SplitResult, page: SplitResult | None = None) -> bool:
    """Return whether a link leads to a source archive that a forge made, which is not an sdist.

    ``page``: the page with the link.
    """
    if _SOURCE_ARCHIVE.search(parts.path):
        return True
    if parts.netloc.lower() in _GITHUB_HOSTS:
        return bool(_GITHUB_ARCHIVE.match(parts.path))
    if parts.netloc.lower() == "bitbucket.org" and _BITBUCKET_ARCHIVE.match(parts.path):
        return True
    repository = _FORGE_PAGE.match(page.path) if page and page.netloc == parts.netloc else None
    return bool(repository and parts.path.startswith(f"{repository[1]}/archive/"))


def _find_in_query(query: str) -> str:
    """Return the name of a wheel or sdist in the value of a naming parameter; empty if there is none."""
    if not _FILE_SEGMENT.search(query) and "%" not in query:
        return ""
    pairs = parse_qsl(query[:_MAX_QUERY_LENGTH].replace("+", "%2B"))[:_MAX_PARAMETERS]
    for key, value in pairs:
        if key.lower() in _NAMING_PARAMETERS:
            match = _DISPOSITION.search(value)
            name = _split_path(match[1].strip() if match else value)
            if _is_distribution(name):
                return name
    return ""


#: Maximum characters of a query that is read.
_MAX_QUERY_LENGTH = 4000


def find_in_text(text: str) -> str:
    """Return the one file name in the text of a link, apart from a few words and a size; else empty."""
    words = text.split(maxsplit=_MAX_WORDS)
    named = [word for word in words if _is_distribution(word)]
    if len(named) == 1 and all(word in named or _OTHER_WORD.fullmatch(word) for word in words):
        name = named[0]
        # "(1).whl" is the end of a name with a blank in it.
        return (
            text.strip()
            if len(words) > 1 and not _is_valid(filenames.attested_filename(name) or name)
            else name
        )
    return text.strip() if _is_distribution(text.strip()) else ""


def name_unreachable_link(href: str) -> str:
    """Return the wheel or sdist at the end of a link without an HTTP URL; empty if there is none."""
    if href.lower().startswith(("javascript:", "data:", "blob:", "#", "mailto:")) or not href:
        return ""
    name = _split_path(unquote(re.split("[?#]", href, maxsplit=1)[0]))
    return name if _is_valid(name) else ""


def _remove_serving_parameters(query: str) -> str:
    pairs = [
        (key, value)
        for key, value in parse_qsl(query[:_MAX_QUERY_LENGTH], keep_blank_values=True)
        if key.lower() not in _SERVING_PARAMETERS or _is_distribution(_split_path(value))
    ]
    return urlencode(sorted(pairs), errors="replace")


def _split_path(text: str) -> str:
    """Return the part after the last slash or backslash."""
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _is_valid(name: str) -> bool:
    """Return whether ``name`` is the valid name of a wheel or an sdist."""
    try:
        filenames.parse_filename(name)
    except filenames.InvalidFilename:
        return False
    return True


def _is_distribution(name: str) -> bool:
    """Return whether ``name`` is that of a wheel, even an invalid one, an sdist, or an attestation of one."""
    if name.lower().endswith(".whl"):
        return "/" not in name
    try:
        filenames.parse_filename(filenames.attested_filename(name) or name)
    except filenames.InvalidFilename:
        return False
    return True
