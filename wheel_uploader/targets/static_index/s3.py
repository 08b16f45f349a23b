"""A static index in a bucket of S3, or of a service with the same API. The only module that uses botocore.

botocore finds the credentials, the region and the endpoint as the AWS command line does (variables, profiles,
roles, ``AWS_ENDPOINT_URL_S3``), and signs the requests. It retries nothing here: whether an attempt is
repeated depends on what the bucket then has.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.redaction import register_secret, sanitize
from wheel_uploader.core.seekable_reader import SeekableReader
from wheel_uploader.core.urls import quote, urlsplit
from wheel_uploader.http.retry import parse_retry_after
from wheel_uploader.targets.static_index.object_store import (
    CHUNK_SIZE,
    MAX_LISTED_NAMES,
    MAX_PAGE_SIZE,
    ListedNames,
    NewObject,
    PreconditionFailed,
    StoredFile,
    StoredPage,
    shorten,
)

#: Bytes of one PUT request; a larger file is uploaded in parts, of which there are 10,000 at most.
_MAX_PUT_SIZE = 5 << 30
_PART_SIZE, _MAX_PARTS = 64 << 20, 10_000
#: Parameters of a page that a new version keeps, with the names of botocore.
_KEPT = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentLanguage",
    "ContentEncoding",
    "Metadata",
)
_KEPT_STORAGE = ("StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
#: NoSuchUpload: another run of this program began to upload the same file, and aborted this upload.
_TEMPORARY = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "SlowDown", "RequestTimeout", "NoSuchUpload"}
)
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_CREDENTIALS_HINT = (
    "The credentials need s3:GetObject, s3:PutObject and s3:ListBucket for this bucket (without the last one "
    "a missing page looks like a forbidden one). Check AWS_PROFILE and the AWS_* variables."
)
_EXTRA_HINT = "Install it with: pip install 'wheel-uploader[s3]'"


class S3Store:
    """A bucket of S3 and a prefix in it."""

    has_exact_keys = True

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        timeout: float = 30.0,
        connections: int = 10,
        check_endpoint: Callable[[str], None] = lambda _url: None,
        max_put_size: int = _MAX_PUT_SIZE,
        part_size: int = _PART_SIZE,
    ) -> None:
        """Send no request; ``check_endpoint`` raises UsageError for an endpoint that must not be used.

        ``max_put_size`` and ``part_size`` are in bytes; S3 accepts no parts below 5 MiB, except the last.
        """
        self._bucket = bucket
        self._check_endpoint = check_endpoint
        self._max_put_size, self._part_size = max_put_size, part_size
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.location = f"s3://{sanitize(bucket)}/{sanitize(self._prefix)}"
        try:
            import botocore.config
            import botocore.exceptions
            import botocore.parsers
            import botocore.session
        except ImportError:
            raise UsageError("s3:// needs the package botocore", hint=_EXTRA_HINT) from None
        self._errors_module = botocore.exceptions
        self._parser_error = botocore.parsers.ResponseParserError
        self._session = botocore.session.get_session()
        self._config = botocore.config.Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=min(10.0, timeout),
            read_timeout=timeout,
            max_pool_connections=connections,
            # Other services with this API do not know the newer checksums; the signature has the sha256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"payload_signing_enabled": True},
        )
        self._lock = threading.Lock()
        self._client: Any = None

    @property
    def served_url(self) -> str:
        """The URL at which the bucket itself serves the index."""
        client = self._get_client()
        endpoint = urlsplit(str(client.meta.endpoint_url))
        path = quote(f"{self._bucket}/{self._prefix}")
        if (endpoint.hostname or "").endswith(".amazonaws.com") and "." not in self._bucket:
            region = client.meta.region_name
            host = "s3" if region == "aws-global" else f"s3.{region}"
            return f"{endpoint.scheme}://{self._bucket}.{host}.amazonaws.com/{quote(self._prefix)}"
        return f"{endpoint.scheme}://{endpoint.netloc}{endpoint.path.rstrip('/')}/{path}"

    def log_in(self) -> str:
        """Find credentials as the AWS command line does, and return which."""
        with self._errors(""):
            self._get_client()
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        if not frozen:
            raise CredentialsError(
                f"no AWS credentials for {self.location} were found",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or use a role.",
            )
        register_secret(frozen.secret_key)
        register_secret(frozen.token)
        return f"AWS access key {sanitize(str(frozen.access_key))} ({sanitize(str(credentials.method))})"

    def make_headers(self, content_type: str, cache_control: str) -> Mapping[str, str]:
        """Return the parameters of a new page."""
        return {"ContentType": content_type, "CacheControl": cache_control}

    def read_page(self, key: str) -> StoredPage | None:
        """Return a page, or None if it does not exist."""
        with self._errors(key):
            answer = self._get_or_none("get_object", key)
            if answer is None:
                return None
            with contextlib.closing(answer["Body"]) as body:
                data = body.read(MAX_PAGE_SIZE + 1)
            length = answer.get("ContentLength", 0)
            if len(data) < min(length, MAX_PAGE_SIZE):
                raise TransportError(
                    f"{self.location}{key}: only {len(data)} of {format_count(length, 'byte')} arrived"
                )
            headers = {name: answer[name] for name in (*_KEPT, *_KEPT_STORAGE) if answer.get(name)}
            return StoredPage(data=data, version=answer["ETag"], headers=headers)

    def stat(self, key: str) -> StoredFile | None:
        """Return the size of an object, or None if it does not exist."""
        with self._errors(key):
            answer = self._get_or_none("head_object", key)
        if answer is None:
            return None
        return StoredFile(size=answer.get("ContentLength", 0), created_at=answer.get("LastModified"))

    def compute_sha256(self, key: str) -> str:
        """Return the hex sha256 of an object; read it whole."""
        digest = hashlib.sha256()
        with self._errors(key):
            answer = self._get_client().get_object(**self._address(key))
            with contextlib.closing(answer["Body"]) as body:
                # The last reading raises IncompleteReadError if fewer bytes arrived than announced.
                while chunk := body.read(CHUNK_SIZE):
                    digest.update(chunk)
        return digest.hexdigest()

    def create(self, key: str, new: NewObject) -> None:
        """Create an object. Raises PreconditionFailed if it exists."""
        new.content.seek(0)
        with self._errors(key):
            if new.size > self._max_put_size:
                self._create_in_parts(key, new)
                return
            self._get_client().put_object(
                **self._address(key),
                Body=new.content,
                ContentLength=new.size,
                ContentType=new.content_type,
                Metadata={"sha256": new.sha256},
                IfNoneMatch="*",
            )
        new.on_sent(new.size)

    def _create_in_parts(self, key: str, new: NewObject) -> None:
        """Create an object by a multipart upload. It exists only when the last request is carried out."""
        client, address = self._get_client(), self._address(key)
        self._abort_uploads(address)
        upload = client.create_multipart_upload(
            **address, ContentType=new.content_type, Metadata={"sha256": new.sha256}
        )
        address["UploadId"] = upload["UploadId"]
        size = max(self._part_size, -(-new.size // _MAX_PARTS))
        parts = []
        try:
            for number, start in enumerate(range(0, new.size, size), start=1):
                part = io.BufferedReader(
                    _Part(new.content, start, min(size, new.size - start)), buffer_size=CHUNK_SIZE
                )
                answer = client.upload_part(**address, PartNumber=number, Body=part)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                new.on_sent(min(size, new.size - start))
            client.complete_multipart_upload(**address, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            # The storage of the parts is paid for until the upload is aborted.
            with contextlib.suppress(Exception):
                client.abort_multipart_upload(**address)
            raise

    def _abort_uploads(self, address: Mapping[str, str]) -> None:
        """Abort the uploads of this object that killed runs have left, if the credentials permit it."""
        client, key = self._get_client(), address["Key"]
        with contextlib.suppress(self._errors_module.ClientError):
            listed = client.list_multipart_uploads(Bucket=address["Bucket"], Prefix=key)
            for upload in listed.get("Uploads", []):
                if upload["Key"] == key:
                    client.abort_multipart_upload(**address, UploadId=upload["UploadId"])

    def replace(self, key: str, page: StoredPage) -> None:
        """Write a page, if it is still that version. Raises PreconditionFailed."""
        condition = {"IfMatch": page.version} if page.version else {"IfNoneMatch": "*"}
        with self._errors(key):
            self._get_client().put_object(**self._address(key), Body=page.data, **page.headers, **condition)

    def remove(self, key: str) -> None:
        """Remove one object; it is not an error if it does not exist."""
        with self._errors(key):
            self._get_client().delete_object(**self._address(key))

    def list_names(self, folder: str) -> ListedNames:
        """Return the names below a folder."""
        start = f"{self._prefix}{folder}"
        files: set[str] = set()
        folders: set[str] = set()
        tokens: set[str] = set()
        token: Mapping[str, str] = {}
        with self._errors(folder):
            while True:
                answer = self._get_client().list_objects_v2(
                    Bucket=self._bucket, Prefix=start, Delimiter="/", **token
                )
                files.update(str(entry["Key"])[len(start) :] for entry in answer.get("Contents", []))
                folders.update(
                    str(e["Prefix"])[len(start) :].rstrip("/") for e in answer.get("CommonPrefixes", [])
                )
                following = answer.get("NextContinuationToken", "")
                is_last = not answer.get("IsTruncated") or not following
                # A page that leads to itself, or to an earlier one, would be requested for ever.
                if is_last or following in tokens or len(files) + len(folders) >= MAX_LISTED_NAMES:
                    return ListedNames(
                        files=frozenset(files), folders=frozenset(folders), is_complete=is_last
                    )
                tokens.add(following)
                token = {"ContinuationToken": following}

    def close(self) -> None:
        """Close the connections."""
        if self._client:
            self._client.close()

    def _address(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{key}"}

    def _get_client(self) -> Any:
        with self._lock, self._errors(""):
            if self._client is None:
                # Without a region most other services take any.
                region = self._session.get_config_variable("region") or "us-east-1"
                client = self._session.create_client("s3", config=self._config, region_name=region)
                self._check_endpoint(str(client.meta.endpoint_url))
                self._client = client
            return self._client

    def _get_or_none(self, operation: str, key: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = getattr(self._get_client(), operation)(**self._address(key))
        except self._errors_module.ClientError as error:
            if _get_code(error) in _NOT_FOUND:
                return None
            raise
        return answer

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turn the errors of botocore into those of this program."""
        module, location = self._errors_module, f"{self.location}{sanitize(key)}"
        try:
            yield
        except module.ClientError as error:
            raise _make_error(error, location) from error
        except (
            module.NoCredentialsError,
            module.PartialCredentialsError,
            module.TokenRetrievalError,
        ) as error:
            raise CredentialsError(f"{location}: {shorten(error)}", hint=_CREDENTIALS_HINT) from error
        except (module.ProfileNotFound, module.ConfigParseError, module.ParamValidationError) as error:
            raise UsageError(
                f"{location}: {shorten(error)}", hint="Correct the AWS configuration."
            ) from error
        except _get_transport_errors(module) as error:
            raise TransportError(f"{location}: {shorten(error)}") from error
        except module.BotoCoreError as error:
            raise NetworkError(f"{location}: {shorten(error)}") from error
        except ValueError as error:
            raise UsageError(
                f"{location}: {shorten(error)}", hint="Correct the AWS configuration."
            ) from error
        except KeyError as error:
            raise NetworkError(f"{location}: the response has no {shorten(error)}") from error
        except self._parser_error as error:
            raise NetworkError(f"{location}: {shorten(error)}") from error


class _Part(SeekableReader):
    """A part of an open file, which is read from its own beginning."""

    def __init__(self, content: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._content, self._start, self.size = content, start, size

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes of the part."""
        self._content.seek(self._start + self._position)
        data = self._content.read(min(len(buffer), max(0, self.size - self._position)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _get_transport_errors(module: Any) -> tuple[type[Exception], ...]:
    """Return the errors after which a retry may help."""
    return (
        module.HTTPClientError,
        module.ConnectionError,
        module.IncompleteReadError,
        module.ResponseStreamingError,
    )


def _get_code(error: Any) -> str:
    return str(error.response["Error"].get("Code") or "")


def _make_error(error: Any, location: str) -> Exception:
    """Return the error for a response with a status that is not 2xx."""
    metadata = error.response["ResponseMetadata"]
    status = metadata["HTTPStatusCode"]
    code, message = _get_code(error), str(error.response["Error"].get("Message") or "")
    words = sanitize(f"{code}: {message}" if message else code, limit=300)
    if status == 412 or code == "PreconditionFailed":
        return PreconditionFailed()
    if code == "NoSuchBucket":
        return UsageError(f"{location}: {words}", hint="Correct the name of the bucket, or create it.")
    if status in (401, 403):
        return CredentialsError(
            f"{location}: the bucket refused the request ({words})", hint=_CREDENTIALS_HINT
        )
    if code in _TEMPORARY:
        status = 503
    return HttpStatusError(
        status,
        location,
        reason=sanitize(code, limit=60),
        excerpt=sanitize(message, limit=300),
        retry_after=parse_retry_after(metadata["HTTPHeaders"].get("retry-after", "")),
    )
