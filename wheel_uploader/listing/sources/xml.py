"""Parses the XML of a listing into flat records. The only module that uses expat.

A DOCTYPE is rejected, so that no entity can expand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from wheel_uploader.core.errors import ListingError
from wheel_uploader.facts.listing_page import MAX_LINKS, make_limit_error

_MAX_DEPTH = 50


@dataclass(slots=True, kw_only=True)
class XmlRecord:
    """An element with one of the requested names."""

    tag: str
    attributes: Mapping[str, str]
    #: Text of the inner elements, by name; of several with one name, the first.
    fields: dict[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(slots=True, kw_only=True)
class XmlDocument:
    """The requested contents of an XML document. Names lack their namespace prefix."""

    root: str = ""
    #: Text of the requested elements outside of records, by name.
    fields: dict[str, str] = field(default_factory=dict)
    records: list[XmlRecord] = field(default_factory=list)


def read_xml(text: str, source: str, *, records: Collection[str], fields: Collection[str]) -> XmlDocument:
    """Return the elements named in ``records``, and the text of those named in ``fields``.

    Raises ListingError.
    """
    handler = _DocumentHandler(source, records, fields)
    # The text is already decoded, so a charset that it declares must be ignored.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = handler.doctype
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.data
    try:
        parser.Parse(text.lstrip().encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise ListingError(f"{source} returned invalid XML ({error})") from None
    return handler.document


class _DocumentHandler:
    """A handler of expat's events that builds the document."""

    def __init__(self, source: str, records: Collection[str], fields: Collection[str]) -> None:
        self.document = XmlDocument()
        self._source = source
        self._records = records
        self._fields = fields
        self._depth = 0
        self._record: XmlRecord | None = None
        self._record_depth = 0
        self._text: list[str] | None = None

    def doctype(self, *_: object) -> None:
        raise ListingError(
            f"{self._source} returned XML with a DOCTYPE, which is not allowed in a listing"
        ).as_permanent()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ListingError(
                f"{self._source} returned XML nested deeper than {_MAX_DEPTH} elements"
            ).as_permanent()
        self.document.root = self.document.root or name
        if self._record is None and name in self._records:
            if len(self.document.records) == MAX_LINKS:
                raise make_limit_error(
                    f"{self._source} lists more than {MAX_LINKS} files",
                    "Pass the URL of a single directory or prefix.",
                )
            self._record, self._record_depth = XmlRecord(tag=name, attributes=attributes), self._depth
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
