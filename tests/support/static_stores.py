"""The stores of static indexes, each empty: a folder, moto's S3, and a stub of Google Cloud Storage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import stores
from tests.support.faulty_proxy import ProxyLog, faulty_proxy
from tests.support.gcs_stub import gcs_stub
from wheel_uploader.targets.static_index.folder import FolderStore
from wheel_uploader.targets.static_index.gcs import GcsStore
from wheel_uploader.targets.static_index.object_store import ObjectStore
from wheel_uploader.targets.static_index.s3 import S3Store

__all__ = ["PLACES", "FolderStore", "Place", "folder_place"]

PREFIX = "nightly/wheels"
#: Credentials that no service knows, and no look at the user's own configuration.
AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing-key",
    "AWS_SECRET_ACCESS_KEY": "testing-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store that runs: the URL to upload to, the variables that it needs, and its URL for readers."""

    url: str
    variables: Mapping[str, str]
    open: Callable[[], ObjectStore]
    #: The URL of the prefix; empty for a folder.
    served_url: str = ""
    #: Requests of the run, and faults; None for a folder.
    proxy: ProxyLog | None = None


@contextlib.contextmanager
def folder_place(root: Path) -> Iterator[Place]:
    """Yield a folder that does not exist yet."""
    folder = root / "index"
    yield Place(url=str(folder), variables={}, open=lambda: FolderStore(folder))


@contextlib.contextmanager
def s3_place(root: Path) -> Iterator[Place]:
    """Run moto's S3 behind a proxy."""
    empty = root / "nothing"
    empty.mkdir()
    with stores.moto(empty) as bucket_url, faulty_proxy(bucket_url) as proxy:
        httpx.put(f"{bucket_url}?acl", headers={"x-amz-acl": "public-read"}).raise_for_status()
        yield Place(
            url=f"s3://{stores.BUCKET}/{PREFIX}",
            variables={**AWS_VARIABLES, "AWS_ENDPOINT_URL_S3": proxy.url},
            open=lambda: S3Store(stores.BUCKET, PREFIX),
            served_url=f"{bucket_url}/{PREFIX}/",
            proxy=proxy,
        )


@contextlib.contextmanager
def gcs_place(_root: Path) -> Iterator[Place]:
    """Run the stub of Google Cloud Storage behind a proxy."""
    with gcs_stub() as stub, faulty_proxy(stub.url) as proxy:
        yield Place(
            url=f"gs://staging/{PREFIX}",
            variables={"STORAGE_EMULATOR_HOST": proxy.url},
            open=lambda: GcsStore("staging", PREFIX),
            served_url=f"{stub.url}/staging/{PREFIX}/",
            proxy=proxy,
        )


PLACES: dict[str, Callable[[Path], contextlib.AbstractContextManager[Place]]] = {
    "folder": folder_place,
    "s3-moto": s3_place,
    "gcs-stub": gcs_place,
}
