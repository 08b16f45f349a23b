"""One file over HTTP into its partial file: ranges, validators, and every way in which a body is wrong."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from wheel_uploader import bounded, markup
from wheel_uploader.disk import UNSUPPORTED
from wheel_uploader.display import bare_url, printable
from wheel_uploader.download import pieces, spans
from wheel_uploader.download.lanes import Lanes
from wheel_uploader.download.partial import Partial
from wheel_uploader.download.pieces import Answer, NoRanges, Pieces
from wheel_uploader.download.validators import etag, last_modified
from wheel_uploader.errors import FileError, NetworkError, StorageError, TransportError
from wheel_uploader.http import Http, retry
from wheel_uploader.http.reply import Stream
from wheel_uploader.models import RemoteFile
from wheel_uploader.progress import Bar
from wheel_uploader.verify import Mismatch
from wheel_uploader.wheelhouse import Note, Wheelhouse

#: Bytes: fewer cost more system calls, more make the bars jump.
_CHUNK = 128 * 1024
#: Bytes of a file that is worth continuing; smaller ones are there before a note of them is.
_WORTH = 256 * 1024

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\Z")
#: No wheel and no sdist begins like this.
_PAGE = re.compile(rb"(?i)(?:\xef\xbb\xbf)?\s*<(\?xml|!doctype|[a-z]+)")


class _StartAgain(Exception):
    """The answer to a range cannot be used: ask for the whole file."""


class Transfer:
    """The transfer of one file, from its first request to its last byte, over several attempts."""

    def __init__(
        self,
        filename: str,
        remote: RemoteFile,
        house: Wheelhouse,
        partial: Partial,
        *,
        promised: str,
        check: Callable[[], None],
        bar: Bar,
    ) -> None:
        """``promised``: ``algorithm:hex`` from the source, or empty; ``check`` raises Stopped."""
        self._filename = filename
        self._remote = remote
        self._house = house
        self._partial = partial
        self._promised = promised
        self._check = check
        self._bar = bar
        self._url = bare_url(remote.url)
        #: Of a large file, what came and comes over several connections.
        self._pieces: Pieces | None = None
        #: Whether the server can be asked for several parts at once.
        self._splits = True
        #: What the server said of the bytes in the partial file when the first of them came.
        self._begun = self._take_up()
        #: Whether bytes of an earlier run are part of the file.
        self.resumed = partial.size > 0

    def run(self, http: Http, lanes: Lanes, known: Note | None = None) -> Note | None:
        """Fetch until all bytes are there; what the server said of them.

        A large file takes the lanes that nobody else wants.
        ``known`` is what was noted of a file that is already here: None is returned when the server says
        that it still holds. Raises Mismatch when the server has another file than was listed.
        """
        return http.retrying(f"download {self._filename}", lambda: self._attempt(http, lanes, known))

    def restart(self) -> None:
        """Forget every byte."""
        self._bar.advance(-(self._pieces.arrived if self._pieces else self._partial.size))
        self._partial.restart()
        self._partial.keep = False
        self._begun = self._pieces = None
        self.resumed = False

    def _take_up(self) -> Note | None:
        """What an earlier run left of this very file, when that can be told."""
        note = self._house.stump_note(self._filename, sealed=not self._promised)
        if note is None or note.digest != self._promised or self._remote.size not in {None, note.size}:
            return None
        if not self._promised and not (note.strong_etag and note.url == self._url):
            return None
        if note.parts:
            return self._take_up_pieces(note)
        self._partial.take_up(self._bar.advance)
        self._partial.keep = True
        return note

    def _take_up_pieces(self, note: Note) -> Note | None:
        here = spans.read(note.parts, note.size) if note.size else None
        if not here:
            return None
        first = here[0][1] if not here[0][0] else 0
        if not self._partial.take_up(self._bar.advance, first=first, least=here[-1][1]):
            return None
        self._bar.advance(sum(end - start for start, end in here) - first)
        self._pieces = Pieces(here, note.size or 0)
        self._partial.keep = True
        return note

    def _attempt(self, http: Http, lanes: Lanes, known: Note | None) -> Note | None:
        self._check()
        begun = self._begun
        if begun and self._pieces:
            try:
                return self._bring_pieces(http, lanes, begun)
            except _StartAgain:
                self._splits = False
                self.restart()
                begun = None
        if begun and self._promised and self._partial.size == begun.size:
            return begun  # It was killed after the last byte; the hash will tell.
        if self._partial.size and not (begun and self._can_resume(begun)):
            self.restart()
        try:
            return self._request(http, lanes, known)
        except _StartAgain:
            self.restart()
            self._splits = False
        try:
            return self._request(http, lanes, known)
        except _StartAgain as error:
            raise NetworkError(f"{self._filename}: {error}") from None

    def _can_resume(self, begun: Note) -> bool:
        return bool(self._promised or begun.strong_etag)

    def _headers(self, known: Note | None) -> dict[str, str]:
        """Ask for the rest of what is here, or whether what is here still holds, or for everything."""
        begun, have = self._begun, self._partial.size
        headers: dict[str, str] = {}
        if begun and have:
            headers["range"] = f"bytes={have}-"
            if begun.strong_etag and begun.url == self._url:
                headers["if-range"] = begun.strong_etag
        elif known:
            if known.etag:
                headers["if-none-match"] = known.etag
            if known.last_modified:
                headers["if-modified-since"] = known.last_modified
        return headers

    def _request(self, http: Http, lanes: Lanes, known: Note | None) -> Note | None:
        headers = self._headers(known)
        pinned = "sha256" in self._remote.hashes
        with http.stream(
            self._remote.url, headers=headers, listed_at=self._remote.source, pinned=pinned
        ) as stream:
            if stream.status == 304 and known and "range" not in headers:
                return None
            if stream.status == 206 and "range" in headers:
                begun = self._continue(stream.headers)
            elif stream.status == 200:
                begun = self._begin(stream.headers)
            else:
                raise _StartAgain(f"the server answered {stream.status} to a plain request")
            self._begun = begun
            self._receive(stream, begun, http, lanes)
        return begun

    def _begin(self, headers: Mapping[str, str]) -> Note:
        """A 200: this body is the whole file."""
        self._refuse_coding(headers)
        size, excess = bounded.listed_size_text(headers.get("content-length", ""))
        if excess:
            raise FileError(
                f"{self._filename}: the server announces more than {bounded.MAX_SIZE_TEXT} of it",
                hint="No wheel or sdist has that size: check the server, then run this again.",
            )
        if size is not None:
            self._bar.expect(size)
        self.restart()
        begun = Note(
            url=self._url,
            etag=etag(headers),
            last_modified=last_modified(headers),
            size=self._remote.size if size is None else size,
            digest=self._promised,
        )
        if self._can_resume(begun) and (begun.size is None or begun.size >= _WORTH):
            # Before the first byte: a run that is killed leaves something that the next one can continue.
            self._house.write_stump_note(self._filename, begun)
            self._partial.keep = True
        return begun

    def _continue(self, headers: Mapping[str, str]) -> Note:
        """A 206: this body is exactly the rest, of exactly the file that was begun."""
        assert self._begun  # noqa: S101 - a range is asked for only then
        begun = self._begun
        return replace(begun, size=self._range(headers, begun, self._partial.size, None))

    def _range(self, headers: Mapping[str, str], begun: Note, first: int, end: int | None) -> int:
        """The size of the file, of which this 206 has just what was asked for; ``end`` None: all the rest."""
        found = _CONTENT_RANGE.match(headers.get("content-range", ""))
        if not found:
            raise _StartAgain("the server answered a range without saying which")
        said, last, total = (int(group) for group in found.groups())
        if (said, last) != (first, (end or total) - 1) or begun.size not in {None, total}:
            raise _StartAgain("the server answered another range than was asked for")
        if self._has_changed(headers, begun):
            raise _StartAgain("the file changed at the server")
        self._refuse_coding(headers)
        return total

    def _has_changed(self, headers: Mapping[str, str], begun: Note) -> bool:
        same_place = begun.url == self._url
        return same_place and bool(begun.strong_etag) and etag(headers) not in {"", begun.strong_etag}

    def _refuse_coding(self, headers: Mapping[str, str]) -> None:
        coding = headers.get("content-encoding", "identity").strip().lower()
        # Apache's AddEncoding calls a .tar.gz gzip-coded although it is sent as it lies on the disk.
        own_format = coding in {"gzip", "x-gzip"} and self._filename.endswith(".gz")
        if coding not in {"", "identity"} and not own_format:
            raise FileError(
                f"{self._filename}: the server sends it {printable(coding, limit=40)}-coded, though it was "
                "asked for the bytes as they are",
                hint="Turn compression off for wheels and sdists at the staging place, then run this again.",
            )

    def _receive(self, stream: Stream, begun: Note, http: Http, lanes: Lanes) -> None:
        partial, size = self._partial, begun.size
        chunks = stream.chunks(_CHUNK)
        for chunk in chunks:
            self._check()
            if not partial.size:
                self._refuse_page(chunk)
                if self._remote.size not in {None, size}:
                    raise Mismatch(f"the server has {size} bytes, the listing said {self._remote.size}")
            if size is not None and partial.size + len(chunk) > size:
                raise Mismatch(f"the server sent more than the {size} bytes that were listed")
            partial.write(chunk)
            self._bar.advance(len(chunk))
            if self._can_split(stream, begun) and lanes.has_spare():
                self._pieces = Pieces([(0, partial.size)], begun.size or 0)
                self._bring_pieces(http, lanes, begun, (stream, chunks))
                return
        if size is not None and partial.size < size:
            raise TransportError(
                f"{self._filename} was cut short: {partial.size} of {size} bytes arrived from {self._url}"
            )

    # --- over several connections ----------------------------------------------------------------------

    def _can_split(self, stream: Stream, begun: Note) -> bool:
        """Whether the rest is long, and parts of it can be asked for and recognized."""
        knows = stream.status == 206 or stream.headers.get("accept-ranges", "").strip().lower() == "bytes"
        return (
            self._splits
            and (begun.size or 0) - self._partial.size >= pieces.WORTH
            and knows
            and self._can_resume(begun)
        )

    def _bring_pieces(self, http: Http, lanes: Lanes, begun: Note, first: Answer | None = None) -> Note:
        assert self._pieces  # noqa: S101
        brought = self._pieces

        def note() -> None:
            self._house.write_stump_note(self._filename, replace(begun, parts=spans.write(brought.spans())))

        # Before the first byte at another place: what follows the end of the first part may be missing.
        note()
        try:
            brought.run(
                self._partial,
                lanes,
                lambda start, end: self._part(http, begun, start, end),
                first=first,
                check=self._check,
                advance=self._bar.advance,
                note=note,
            )
        except NoRanges:
            raise _StartAgain("the server does not send parts") from None
        except StorageError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in UNSUPPORTED:
                raise
            raise _StartAgain("the file system does not write parts in any order") from None
        except NetworkError as error:
            if not retry.may_pass(error):
                # Of parts it does not think as of the whole: that is asked for as ever.
                raise _StartAgain(error.message) from None
            raise
        finally:
            note()
        return begun

    @contextlib.contextmanager
    def _part(self, http: Http, begun: Note, start: int, end: int) -> Iterator[Stream]:
        """An answer with exactly these bytes, of exactly the file that was begun."""
        headers = {"range": f"bytes={start}-{end - 1}"}
        if begun.strong_etag and begun.url == self._url:
            headers["if-range"] = begun.strong_etag
        pinned = "sha256" in self._remote.hashes
        with http.stream(
            self._remote.url, headers=headers, listed_at=self._remote.source, pinned=pinned
        ) as stream:
            if stream.status == 200 and not self._has_changed(stream.headers, begun):
                raise NoRanges
            if stream.status != 206:
                raise _StartAgain(f"the server answered {stream.status} to a range")
            self._range(stream.headers, begun, start, end)
            yield stream

    def _refuse_page(self, head: bytes) -> None:
        page = _PAGE.match(head)
        if not page:
            return
        kind = "HTML page" if page[1].lower() in {b"!doctype", b"html", b"head", b"body"} else "XML document"
        title = markup.headings(head.decode("utf-8", "replace"))
        called = f' ("{printable(title, limit=100)}")' if title else ""
        raise FileError(
            f"{self._filename}: the server sent an {kind}{called} instead of the file",
            hint=f"Open {self._url} in a browser: it may want a login, or the file is gone.",
        )
