"""XML of a listing as flat records; a DOCTYPE is refused, so no entity can expand. The one home of expat."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from wheel_uploader.errors import ListingError
from wheel_uploader.sources.base import MAX_LINKS

_MAX_DEPTH = 50


@dataclass(slots=True, kw_only=True)
class Record:
    """One element of a kind that was asked for."""

    tag: str
    attributes: Mapping[str, str]
    #: What its inner elements say, by their names; of several with one name, the first.
    fields: dict[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(slots=True, kw_only=True)
class Document:
    """What was asked for of one document. Names are without their namespace's prefix."""

    root: str = ""
    #: What the elements outside of all records say.
    fields: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)


def read_xml(text: str, source: str, *, records: Collection[str], fields: Collection[str]) -> Document:
    """The elements called one of ``records`` and, in them and outside, those called one of ``fields``.

    Raises ListingError.
    """
    reader = _Reader(source, records, fields)
    # The text is decoded already: what it says of its own charset must not count.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(text.lstrip().encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise ListingError(f"{source} answers with XML that cannot be read ({error})") from None
    return reader.document


class _Reader:
    """What expat reports its events to."""

    def __init__(self, source: str, records: Collection[str], fields: Collection[str]) -> None:
        self.document = Document()
        self._source = source
        self._records = records
        self._fields = fields
        self._depth = 0
        self._record: Record | None = None
        self._record_depth = 0
        self._text: list[str] | None = None

    def doctype(self, *_: object) -> None:
        raise ListingError(f"{self._source} answers with XML that has a DOCTYPE, which no listing has")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ListingError(f"{self._source} answers with XML nested deeper than {_MAX_DEPTH} elements")
        self.document.root = self.document.root or name
        if self._record is None and name in self._records:
            if len(self.document.records) == MAX_LINKS:
                raise ListingError(
                    f"{self._source} lists more than {MAX_LINKS} files",
                    hint="Give the URL of the one directory or prefix.",
                )
            self._record, self._record_depth = Record(tag=name, attributes=attributes), self._depth
            self._text = []
        elif name in self._fields:
            self._text = []

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        text = "".join(self._text or ())
        if self._record and self._depth == self._record_depth:
            self._record.text = text
            self.document.records.append(self._record)
            self._record = None
        elif name in self._fields and self._text is not None:
            (self._record or self.document).fields.setdefault(name, text)
        self._text = None
        self._depth -= 1
