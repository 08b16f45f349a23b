"""Prints the results of parsing odd inputs as text: ``python -m tests.support.parser_results FOLDER``.

It runs in every Python of test_pythons.py, also without pytest and the compiled libraries, so it imports only
what the checks and the parsers of listings need.
"""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wheel_uploader import checks
from wheel_uploader.core import bounds, filenames, urls
from wheel_uploader.core.models import CheckProfile, Finding
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts import index_pages
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.http import host_policy, hostnames, retry
from wheel_uploader.index import project_page
from wheel_uploader.listing.sources import xml

#: A finding of the Markdown renderer, a compiled library that not every interpreter has.
_MARKDOWN_FINDING = "render as Markdown"

#: Parsers of external text, by the name of the folder with their inputs.
READERS: dict[str, Callable[[str], object]] = {
    "place": host_policy.parse_origin,
    "public": hostnames.is_public_address,
    "date": bounds.parse_listed_date,
    "link": lambda text: urls.urljoin("https://example.org/a/b//c/d?q#f", text),
    "retry-after": lambda text: retry.parse_retry_after(text, now=0.0),
    "json": lambda text: index_pages.read_json_listing(text, "https://example.org/simple/demo/", "here"),
    "index": lambda text: project_page.parse_json_page(text, "https://example.org/simple/demo/"),
    "xml": lambda text: xml.read_xml(text, "here", records={"Contents"}, fields={"Key"}),
    "name": filenames.parse_filename,
    "shown": sanitize,
}


def findings_of_file(filename: str, data: bytes) -> list[str]:
    """Return the findings of a wheel or sdist, one line each."""
    try:
        name = filenames.parse_filename(filename)
    except filenames.InvalidFilename as error:
        return [f"refused: {error}"]
    read: Any = archive_reader.read_wheel if filename.endswith(".whl") else archive_reader.read_sdist
    content = read(io.BytesIO(data), len(data), name)
    findings = checks.check_contents([content], profile=CheckProfile.PYPI)
    return sorted(line for line in map(_line, findings) if _MARKDOWN_FINDING not in line)


def _line(each: Finding) -> str:
    return f"{each.severity.name} {each.check} {each.member}: {each.message}"


def result_of_text(reader: Callable[[str], object], text: str) -> list[str]:
    """Return the value that a parser returns, or the error that it raises."""
    try:
        value = reader(text)
    except Exception as error:  # noqa: BLE001 (the error itself is compared)
        return [f"{type(error).__name__}: {error}"]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [json.dumps(dataclasses.asdict(value), default=str, sort_keys=True)]
    return [ascii(value)]


def results_of_folder(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the result of each input: ``FOLDER/files/NUMBER/NAME``, and ``FOLDER/READER/NUMBER``."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        kind = path.relative_to(folder).parts[0]
        if kind == "files":
            yield str(path.relative_to(folder)), findings_of_file(path.name, path.read_bytes())
        else:
            text = path.read_bytes().decode("utf-8", "surrogatepass")
            yield str(path.relative_to(folder)), result_of_text(READERS[kind], text)


def main() -> None:
    """Print all results as one JSON object."""
    print(json.dumps(dict(results_of_folder(Path(sys.argv[1]))), indent=1))


if __name__ == "__main__":
    main()
