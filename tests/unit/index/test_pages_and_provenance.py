"""Test the reading of HTML pages and of provenance objects of an index."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import pytest

from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    UnsupportedVersionError,
)
from wheel_uploader.core.models import IndexFile, ProjectPage, RemoteFile
from wheel_uploader.index import project_page
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.provenance import ProvenanceComparison, compare_provenance

URL = "https://index.example/simple/demo/"
NAME = "demo-1.0.tar.gz"


def link(filename: str = NAME, **values: Any) -> RemoteFile:
    return RemoteFile(
        filename=filename, url=f"https://files.example/{filename}#sha256=1", **{"source": URL, **values}
    )


def build(text: str, *links: RemoteFile, **values: Any) -> ProjectPage:
    return project_page.build_html_page(text, URL, links, **values)


def test_reads_all_fields_of_a_file() -> None:
    other = link("demo-1.0-py3-none-any.whl")
    page = build(
        "",
        link(hashes={"sha256": "1" * 64}, size=7),
        other,
        yanked_urls={other.url},
        provenance_urls={other.url: "https://index.example/p"},
    )
    assert (page.url, page.exists, page.status) == (URL, True, "active")
    first, second = page.files
    assert first == IndexFile(
        filename=NAME, url=f"https://files.example/{NAME}", hashes={"sha256": "1" * 64}, size=7
    )
    assert (first.yanked, first.provenance_url) == (False, "")
    assert (second.yanked, second.provenance_url) == (True, "https://index.example/p")


@pytest.mark.parametrize(
    "text",
    [
        '<meta name="pypi:repository-version" content="1.0">',
        "<TITLE>Links for demo</TITLE>",
        "<h1> Simple Index</h1>",
        '<h1 class="x">links for demo</h1>',
    ],
)
def test_knows_an_index_page_without_files(text: str) -> None:
    assert build(text).files == ()


@pytest.mark.parametrize("links", [[], [link("notes.txt")], [link("x")]])
def test_a_page_without_a_distribution_is_not_an_index_page(links: list[RemoteFile]) -> None:
    with pytest.raises(NetworkError) as caught:
        build("<h1>Welcome</h1>", *links)
    assert caught.value.message == (
        f"{URL} is not a page of a package index: it lists neither a wheel nor an sdist"
    )
    assert caught.value.hint == project_page.INDEX_URL_HINT
    assert len(build("", *links, link()).files) == len(links) + 1


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('<META name="pypi:project-status" content="Quarantined">', "quarantined"),
        ("<meta  name='pypi:project-status'\ncontent='archived'>", "archived"),
        ('<meta name="other" content="archived">', "active"),
    ],
)
def test_reads_the_status_of_a_project(text: str, status: str) -> None:
    assert build(text, link()).status == status


def test_refuses_another_version() -> None:
    for version in ("2.0", "x"):
        with pytest.raises(UnsupportedVersionError):
            build(f"<meta name='pypi:repository-version' content='{version}'>", link())
    project_page.check_content_type("application/vnd.pypi.simple.v1+json", URL)
    project_page.check_content_type("text/html", URL)
    for content_type in ("application/vnd.pypi.simple.v2+json", "application/vnd.pypi.simple.v10+html"):
        with pytest.raises(UnsupportedVersionError):
            project_page.check_content_type(content_type, URL)


def test_names_the_problem_of_a_json_page() -> None:
    with pytest.raises(NetworkError) as caught:
        project_page.parse_json_page("[", URL)
    assert caught.value.message == (
        f"{URL} is not a page of a package index: its JSON is not a project's page (PEP 691)"
    )
    assert caught.value.details == (f"{URL} returned invalid JSON",)
    with pytest.raises(UnsupportedVersionError):
        project_page.parse_json_page('{"meta": {"api-version": "2.0"}, "files": []}', URL)


# --- provenance ------------------------------------------------------------------------------------

PROVENANCE = "https://index.example/integrity/x"
NOT_SERVED = "the index does not serve them"
MALFORMED = "what the index serves as their provenance is malformed (PEP 740)"


def attestation(word: str) -> dict[str, Any]:
    statement, signature = (base64.b64encode(f"{word} {part}".encode()).decode() for part in "ab")
    return {"version": 1, "envelope": {"statement": statement, "signature": signature}}


class FakeIndex:
    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[str, int]] = []

    def fetch_linked_bytes(self, url: str, limit: int) -> bytes:
        self.asked.append((url, limit))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()


def compare(answer: object, *ours: object, url: str = PROVENANCE) -> ProvenanceComparison:
    index = FakeIndex(answer)
    contents = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in ours]
    served = IndexFile(filename=NAME, url="https://index.example/x", hashes={}, provenance_url=url)
    compared = compare_provenance(cast("IndexClient", index), served, contents)
    assert index.asked == ([(PROVENANCE, 4 << 20)] if url else [])
    assert compared.filename == NAME
    return compared


def bundles(*words: str) -> dict[str, Any]:
    return {"attestation_bundles": [{"attestations": [attestation(word)]} for word in words]}


def counts(compared: ProvenanceComparison) -> tuple[int, int, int, str]:
    return compared.served, compared.missing, compared.additional, compared.reason


def test_counts_the_attestations_of_both_sides() -> None:
    ours = [attestation("a"), attestation("b"), attestation("c"), b"not JSON", {"no": "envelope"}]
    assert counts(compare(bundles("a", "x", "b"), *ours)) == (2, 1, 1, "")
    assert counts(compare(bundles())) == (0, 0, 0, "")
    envelope = attestation("a")["envelope"]
    mixed = {"envelope": {**envelope, "signature": attestation("b")["envelope"]["signature"]}}
    assert counts(compare(bundles("a", "b"), mixed)) == (0, 1, 2, "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpStatusError(404, PROVENANCE), NOT_SERVED),
        (HttpStatusError(410, PROVENANCE), NOT_SERVED),
        (HttpStatusError(403, PROVENANCE), HttpStatusError(403, PROVENANCE).message),
        (HttpStatusError(405, PROVENANCE), HttpStatusError(405, PROVENANCE).message),
        (HttpStatusError(411, PROVENANCE), HttpStatusError(411, PROVENANCE).message),
        (NetworkError("it broke"), "it broke"),
        (CredentialsError("it requires a login"), "it requires a login"),
        (b"not JSON", MALFORMED),
        ([], MALFORMED),
        ({"attestation_bundles": {}}, MALFORMED),
        ({"attestation_bundles": [{}]}, MALFORMED),
        ({"attestation_bundles": [{"attestations": [{}]}]}, MALFORMED),
        ({"attestation_bundles": [{"attestations": [{"envelope": {"statement": "a"}}]}]}, MALFORMED),
    ],
)
def test_says_why_attestations_were_not_compared(answer: object, reason: str) -> None:
    assert counts(compare(answer, attestation("a"))) == (0, 0, 0, reason)


def test_asks_for_nothing_if_the_page_names_no_provenance() -> None:
    assert counts(compare(None, attestation("a"), url="")) == (0, 0, 0, NOT_SERVED)
