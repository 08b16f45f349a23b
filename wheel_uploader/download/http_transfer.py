"""The transfer of one file over HTTP into its partial file: ranges, validators and malformed responses."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from wheel_uploader.core import bounds, html_text
from wheel_uploader.core.errors import FileError, NetworkError, StorageError, TransportError
from wheel_uploader.core.filesystem import UNSUPPORTED_ERRNOS
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.progress import ProgressCounter
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.download import ranges as download_ranges
from wheel_uploader.download import spans
from wheel_uploader.download.connection_slots import ConnectionSlots
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.download.ranges import OpenResponse, RangedDownload, RangesUnsupported
from wheel_uploader.download.validators import get_etag, get_last_modified
from wheel_uploader.http import retry
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.response import StreamedResponse
from wheel_uploader.inspection.verification import Mismatch
from wheel_uploader.wheelhouse.wheelhouse import ResumeMetadata, Wheelhouse

#: Bytes: smaller chunks cost more system calls, larger ones make the progress bars jump.
_CHUNK_SIZE = 128 * 1024
#: Bytes of a file from which resuming saves time; smaller ones arrive before their metadata is written.
_MIN_RESUMABLE_SIZE = 256 * 1024

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\Z")
#: The start of an HTML or XML document, with which no wheel and no sdist starts.
_MARKUP = re.compile(rb"(?i)(?:\xef\xbb\xbf)?\s*<(\?xml|!doctype|[a-z]+)")


class _RestartRequired(Exception):
    """The response to a range request cannot be used; request the whole file."""


class NotModified(Exception):
    """The server reports that the file in the wheelhouse is the current one."""


class HttpTransfer:
    """The transfer of one file, from its first request to its last byte, over several attempts."""

    def __init__(
        self,
        filename: str,
        remote: RemoteFile,
        wheelhouse: Wheelhouse,
        partial: PartialFile,
        *,
        expected_digest: str,
        check: Callable[[], None],
        bar: ProgressCounter,
    ) -> None:
        """``expected_digest`` is ``algorithm:hex`` from the source, or empty; ``check`` may raise."""
        self._filename = filename
        self._remote = remote
        self._wheelhouse = wheelhouse
        self._partial = partial
        self._expected = expected_digest
        self._check = check
        self._bar = bar
        self._url = strip_url(remote.url)
        #: The ranges of a large file that is downloaded over several connections.
        self._ranges: RangedDownload | None = None
        #: False after the server failed to serve ranges correctly.
        self._can_use_ranges = True
        #: The metadata of the partial file, from the response that its first bytes came with.
        self._resume_state = self._load_resume_state()
        #: True if bytes of an earlier run are part of the file.
        self.was_resumed = partial.size > 0

    def run(
        self, http: HttpClient, slots: ConnectionSlots, stored: ResumeMetadata | None = None
    ) -> ResumeMetadata:
        """Download until the file is complete; return its metadata.

        A large file uses the slots that no other file waits for. ``stored`` is the metadata of the file in
        the wheelhouse. Raises NotModified if the server reports that this file is current, Mismatch if the
        server has a different file than was listed.
        """
        return http.call_with_retries(
            f"download {self._filename}", lambda: self._attempt(http, slots, stored)
        )

    def restart(self) -> None:
        """Discard all bytes."""
        self._bar.advance(-(self._ranges.downloaded_size if self._ranges else self._partial.size))
        self._partial.restart()
        self._partial.is_resumable = False
        self._resume_state = self._ranges = None
        self.was_resumed = False

    def _load_resume_state(self) -> ResumeMetadata | None:
        """Return the metadata of an earlier run's partial file if it is certainly of the same file."""
        state = self._wheelhouse.load_partial_metadata(self._filename, sealed=not self._expected)
        if state is None or state.digest != self._expected or self._remote.size not in {None, state.size}:
            return None
        if not self._expected and not (state.strong_etag and state.url == self._url):
            return None
        if state.parts:
            return self._load_ranges(state)
        self._partial.resume(self._bar.advance)
        self._partial.is_resumable = True
        return state

    def _load_ranges(self, state: ResumeMetadata) -> ResumeMetadata | None:
        downloaded = spans.parse_ranges(state.parts, state.size) if state.size else None
        if not downloaded:
            return None
        first = downloaded[0][1] if not downloaded[0][0] else 0
        if not self._partial.resume(self._bar.advance, hash_limit=first, min_size=downloaded[-1][1]):
            return None
        self._bar.advance(sum(end - start for start, end in downloaded) - first)
        self._ranges = RangedDownload(downloaded, state.size or 0)
        self._partial.is_resumable = True
        return state

    def _attempt(
        self, http: HttpClient, slots: ConnectionSlots, stored: ResumeMetadata | None
    ) -> ResumeMetadata:
        self._check()
        state = self._resume_state
        if state and self._ranges:
            try:
                return self._download_ranges(http, slots, state, self._ranges)
            except _RestartRequired:
                self._can_use_ranges = False
                self.restart()
                state = None
        if state and self._expected and self._partial.size == state.size:
            return state  # The earlier run was killed after the last byte; the digest is verified next.
        if self._partial.size and not (state and self._can_resume(state)):
            self.restart()
        try:
            return self._request(http, slots, stored)
        except _RestartRequired:
            self.restart()
            self._can_use_ranges = False
        try:
            return self._request(http, slots, stored)
        except _RestartRequired as error:
            raise NetworkError(f"{self._filename}: {error}") from None

    def _can_resume(self, state: ResumeMetadata) -> bool:
        return bool(self._expected or state.strong_etag)

    def _headers(self, state: ResumeMetadata | None, stored: ResumeMetadata | None) -> dict[str, str]:
        """Return the headers to resume the partial file of ``state`` or revalidate ``stored``; else none."""
        headers: dict[str, str] = {}
        if state:
            headers["range"] = f"bytes={self._partial.size}-"
            if state.strong_etag and state.url == self._url:
                headers["if-range"] = state.strong_etag
        elif stored:
            if stored.etag:
                headers["if-none-match"] = stored.etag
            if stored.last_modified:
                headers["if-modified-since"] = stored.last_modified
        return headers

    def _request(
        self, http: HttpClient, slots: ConnectionSlots, stored: ResumeMetadata | None
    ) -> ResumeMetadata:
        resumed = self._resume_state if self._partial.size else None
        headers = self._headers(resumed, stored)
        pinned = "sha256" in self._remote.hashes
        with http.stream(
            self._remote.url, headers=headers, listing_url=self._remote.source, has_trusted_digest=pinned
        ) as stream:
            if stream.status == 304 and stored and not resumed:
                raise NotModified
            if stream.status == 206 and resumed:
                state = self._accept_rest(stream.headers, resumed)
            elif stream.status == 200:
                state = self._accept_whole(stream.headers)
            else:
                raise _RestartRequired(f"the server returned status {stream.status} for the whole file")
            self._resume_state = state
            self._receive(stream, state, http, slots)
        return state

    def _accept_whole(self, headers: Mapping[str, str]) -> ResumeMetadata:
        """Start from the first byte: the body of this 200 response is the whole file."""
        self._reject_content_coding(headers)
        size, excess = bounds.parse_listed_size_text(headers.get("content-length", ""))
        if excess:
            raise FileError(
                f"{self._filename}: the server announces more than {bounds.MAX_FILE_SIZE_TEXT}",
                hint="No wheel or sdist is that large: check the server, then run the same command again.",
            )
        if size is not None:
            self._bar.set_total(size)
        self.restart()
        state = ResumeMetadata(
            url=self._url,
            etag=get_etag(headers),
            last_modified=get_last_modified(headers),
            size=self._remote.size if size is None else size,
            digest=self._expected,
        )
        if self._can_resume(state) and (state.size is None or state.size >= _MIN_RESUMABLE_SIZE):
            # Before the first byte, so that the next run can resume after this one is killed.
            self._wheelhouse.store_partial_metadata(self._filename, state)
            self._partial.is_resumable = True
        return state

    def _accept_rest(self, headers: Mapping[str, str], state: ResumeMetadata) -> ResumeMetadata:
        """Continue the partial file: the body of this 206 response is the rest of the same file."""
        return replace(state, size=self._validate_range(headers, state, self._partial.size, None))

    def _validate_range(
        self, headers: Mapping[str, str], state: ResumeMetadata, first: int, end: int | None
    ) -> int:
        """Return the size of the file if this 206 has the requested bytes, up to its end without ``end``."""
        match = _CONTENT_RANGE.match(headers.get("content-range", ""))
        if not match:
            raise _RestartRequired("the server returned a partial response without a valid Content-Range")
        start, last, total = (int(group) for group in match.groups())
        if (start, last) != (first, (end or total) - 1) or state.size not in {None, total}:
            raise _RestartRequired("the server returned a different range than was requested")
        if self._has_changed(headers, state):
            raise _RestartRequired("the file changed on the server")
        self._reject_content_coding(headers)
        return total

    def _has_changed(self, headers: Mapping[str, str], state: ResumeMetadata) -> bool:
        is_same_url = state.url == self._url
        return is_same_url and bool(state.strong_etag) and get_etag(headers) not in {"", state.strong_etag}

    def _reject_content_coding(self, headers: Mapping[str, str]) -> None:
        coding = headers.get("content-encoding", "identity").strip().lower()
        # Apache's AddEncoding labels a .tar.gz as gzip-coded although it sends the file unchanged.
        is_file_format = coding in {"gzip", "x-gzip"} and self._filename.endswith(".gz")
        if coding not in {"", "identity"} and not is_file_format:
            raise FileError(
                f"{self._filename}: the server sent it with the content coding "
                f"{sanitize(coding, limit=40)}, although none was requested",
                hint="Turn off compression of wheels and sdists on the staging server, then run this again.",
            )

    def _receive(
        self, stream: StreamedResponse, state: ResumeMetadata, http: HttpClient, slots: ConnectionSlots
    ) -> None:
        partial, size = self._partial, state.size
        chunks = stream.iter_chunks(_CHUNK_SIZE)
        for chunk in chunks:
            self._check()
            if not partial.size:
                self._reject_markup(chunk)
                if self._remote.size not in {None, size}:
                    raise Mismatch(f"the server has {size} bytes, but {self._remote.size} were listed")
            if size is not None and partial.size + len(chunk) > size:
                raise Mismatch(f"the server sent more than the expected {format_count(size, 'byte')}")
            partial.write(chunk)
            self._bar.advance(len(chunk))
            if self._can_split(stream, state) and slots.has_spare():
                self._ranges = RangedDownload([(0, partial.size)], state.size or 0)
                self._download_ranges(http, slots, state, self._ranges, (stream, chunks))
                return
        if size is not None and partial.size < size:
            raise TransportError(
                f"{self._filename} was truncated: {partial.size} of {format_count(size, 'byte')} "
                f"arrived from {self._url}"
            )

    # --- over several connections ----------------------------------------------------------------------

    def _can_split(self, stream: StreamedResponse, state: ResumeMetadata) -> bool:
        """Return whether the rest is long, and ranges of it can be requested and recognized."""
        accept_ranges = stream.headers.get("accept-ranges", "").strip().lower()
        return (
            self._can_use_ranges
            and (state.size or 0) - self._partial.size >= download_ranges.MIN_SPLIT_SIZE
            and (stream.status == 206 or accept_ranges == "bytes")
            and self._can_resume(state)
        )

    def _download_ranges(
        self,
        http: HttpClient,
        slots: ConnectionSlots,
        state: ResumeMetadata,
        ranges: RangedDownload,
        first: OpenResponse | None = None,
    ) -> ResumeMetadata:
        def save_state() -> None:
            current = replace(state, parts=spans.format_ranges(ranges.downloaded_ranges()))
            self._wheelhouse.store_partial_metadata(self._filename, current)

        # Before the first write elsewhere in the file, because bytes between the ranges may be missing.
        save_state()
        try:
            ranges.run(
                self._partial,
                slots,
                lambda start, end: self._request_range(http, state, start, end),
                first=first,
                check=self._check,
                advance=self._bar.advance,
                save_state=save_state,
            )
        except RangesUnsupported:
            raise _RestartRequired("the server does not support ranges") from None
        except StorageError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in UNSUPPORTED_ERRNOS:
                raise
            raise _RestartRequired("the file system does not support writes out of order") from None
        except NetworkError as error:
            if not retry.is_retryable(error):
                # The server may reject range requests only, so request the whole file.
                raise _RestartRequired(error.message) from None
            raise
        finally:
            save_state()
        return state

    @contextlib.contextmanager
    def _request_range(
        self, http: HttpClient, state: ResumeMetadata, start: int, end: int
    ) -> Iterator[StreamedResponse]:
        """Yield a response with exactly these bytes of the same file."""
        headers = {"range": f"bytes={start}-{end - 1}"}
        if state.strong_etag and state.url == self._url:
            headers["if-range"] = state.strong_etag
        pinned = "sha256" in self._remote.hashes
        with http.stream(
            self._remote.url, headers=headers, listing_url=self._remote.source, has_trusted_digest=pinned
        ) as stream:
            if stream.status == 200 and not self._has_changed(stream.headers, state):
                raise RangesUnsupported
            if stream.status != 206:
                raise _RestartRequired(f"the server returned status {stream.status} for a range")
            self._validate_range(stream.headers, state, start, end)
            yield stream

    def _reject_markup(self, head: bytes) -> None:
        match = _MARKUP.match(head)
        if not match:
            return
        kind = "HTML page" if match[1].lower() in {b"!doctype", b"html", b"head", b"body"} else "XML document"
        title = html_text.extract_headings(head.decode("utf-8", "replace"))
        quoted = f' ("{sanitize(title, limit=100)}")' if title else ""
        raise FileError(
            f"{self._filename}: the server sent an {kind}{quoted} instead of the file",
            hint=f"Open {self._url} in a browser: it may require a login, or the file no longer exists.",
        )
