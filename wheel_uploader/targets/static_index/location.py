"""The folder or bucket that an upload URL names."""

from __future__ import annotations

import re
from pathlib import Path

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import file_url_path_to_local, unquote, urlsplit
from wheel_uploader.http.host_policy import InvalidUrl, parse_origin
from wheel_uploader.http.hostnames import is_loopback_host
from wheel_uploader.targets.static_index.folder import FolderStore
from wheel_uploader.targets.static_index.layout import SIMPLE
from wheel_uploader.targets.static_index.object_store import ObjectStore

_BUCKET_URL = re.compile(
    r"(s3|gs)://([A-Za-z0-9][A-Za-z0-9._-]{1,221})(?:/(.*))?\Z", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store, its URL for reports, and the folder of its pages; None if it must be found."""

    store: ObjectStore
    url: str
    pages_root: str | None


def open_store(url: str, options: Options) -> Place:
    """Return the store of an upload URL. Raises UsageError. Sends no request."""
    url = url.strip()
    match = _BUCKET_URL.match(url)
    if match:
        return _open_bucket(options, url, match)
    if url.lower().startswith(("s3:", "gs:")):
        raise UsageError(
            f"{sanitize(url)} does not name a bucket", hint="Write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."
        )
    path = _find_path(url)
    pages_root = None
    if path.name == SIMPLE.rstrip("/"):
        path, pages_root = path.parent, SIMPLE
    return Place(store=FolderStore(path), url=path.as_uri(), pages_root=pages_root)


def _find_path(url: str) -> Path:
    text = url
    if url.lower().startswith("file:"):
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"{sanitize(url)} is not on this machine", hint="Write file:///FOLDER.")
        text = file_url_path_to_local(parts.path)
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{sanitize(str(path))} is not a folder", hint="Pass the folder of the index.")
    return path


def _open_bucket(options: Options, url: str, match: re.Match[str]) -> Place:
    bucket, prefix = match[2], unquote((match[3] or "").strip("/"))
    pages_root = None
    if prefix.rpartition("/")[2] == SIMPLE.rstrip("/"):
        prefix, pages_root = prefix.rpartition("/")[0], SIMPLE
    if match[1].lower() == "s3":
        from wheel_uploader.targets.static_index.s3 import S3Store

        connections = max(10, options.upload_jobs)
        s3 = S3Store(
            bucket,
            prefix,
            timeout=options.timeout,
            connections=connections,
            check_endpoint=lambda endpoint: _require_encryption(endpoint, options),
        )
        return Place(store=s3, url=url, pages_root=pages_root)
    from wheel_uploader.targets.static_index.gcs import GcsStore

    gcs = GcsStore(bucket, prefix, timeout=options.timeout)
    _require_encryption(gcs.endpoint, options)
    return Place(store=gcs, url=url, pages_root=pages_root)


def _require_encryption(endpoint: str, options: Options) -> None:
    """Raise UsageError for an endpoint, from the environment, that must not be sent files."""
    try:
        origin = parse_origin(endpoint)
    except InvalidUrl as error:
        raise UsageError(f"the endpoint of the bucket is not valid: {error}") from None
    allowed = {host.lower() for host in options.allow_insecure_hosts}
    if origin.scheme == "http" and not is_loopback_host(origin.host) and origin.host not in allowed:
        raise UsageError(
            f"refusing to send files to {sanitize(endpoint)} without encryption",
            hint=f"Use https or, in a network that you trust, --allow-insecure-host {origin.host}.",
        )
