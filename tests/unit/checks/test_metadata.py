"""Core metadata: each fault planted alone, and named by just one check; hostile text costs no time."""

from __future__ import annotations

import sys
import time

import pytest

from tests.support.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_members, zip_bytes
from tests.support.zips import DIST_INFO, SDIST, check_ids, content, findings
from wheel_uploader.checks import core_metadata, description, render_worker
from wheel_uploader.core.models import CheckProfile, Severity

GOOD = METADATA.format(project="dipy", version="1.11.0")
HEADERS, BODY = GOOD.split("\n\n")
PATH = f"{DIST_INFO}/METADATA"


def plus(*lines: str, version: str = "2.1", body: str = BODY) -> bytes:
    """A good wheel with more headers."""
    text = HEADERS.replace("Metadata-Version: 2.1", f"Metadata-Version: {version}")
    return wheel_bytes(metadata="\n".join([text, *lines]) + f"\n\n{body}")


def replaced(old: str, new: str) -> bytes:
    assert old in GOOD
    return wheel_bytes(metadata=GOOD.replace(old, new))


def described(body: str, content_type: str = "") -> bytes:
    header = f"Description-Content-Type: {content_type}\n" if content_type else ""
    return wheel_bytes(
        metadata=GOOD.replace("Description-Content-Type: text/plain\n", header).replace(BODY, body)
    )


FAULTS = {
    "no METADATA": (wheel_bytes(without=(PATH,)), "metadata/missing"),
    "a decoy": (wheel_bytes(files={"METADATA.txt": GOOD.encode()}), "metadata/decoy"),
    "a decoy beside": (
        wheel_bytes(files={"a/METADATA": b"Metadata-Version: 2.1\nName: evil\n"}),
        "metadata/decoy",
    ),
    "a decoy that is too large": (wheel_bytes(files={"METADATA": b"x" * (3 << 20)}), "metadata/decoy"),
    "a transfer encoding": (plus("Content-Transfer-Encoding: base64"), "metadata/invalid"),
    "two names": (plus("Name: dipy"), "metadata/invalid"),
    "two descriptions": (plus("Description: another"), "metadata/invalid"),
    "an unknown field": (plus("Colour: blue"), "metadata/invalid"),
    "a field that is too new": (plus("Dynamic: platform"), "metadata/invalid"),
    "an unknown version": (replaced("Metadata-Version: 2.1", "Metadata-Version: 1.7"), "metadata/invalid"),
    "no version": (replaced("Metadata-Version: 2.1\n", "Keywords: a\n"), "metadata/invalid"),
    "a bad requirement": (plus("Requires-Dist: numpy >=> 1"), "metadata/invalid"),
    "brackets without end": (plus("Requires-Dist: x; " + "(" * 5000), "metadata/invalid"),
    "a licence of brackets": (
        wheel_bytes(
            metadata=GOOD.replace("2.1", "2.4", 1).replace(
                "License: BSD", "License-Expression: " + "(" * 5000 + "MIT"
            )
        ),
        "metadata/invalid",
    ),
    "a bad Requires-Python": (replaced(">=3.9", "three"), "metadata/invalid"),
    "an endless version": (replaced("\nVersion: 1.11.0", "\nVersion: " + "1" * 5000), "metadata/invalid"),
    "a bad extra": (plus("Provides-Extra: a b"), "metadata/invalid"),
    "one label twice": (
        plus("Project-URL: a, https://a.example", "Project-URL: a, https://b.example"),
        "metadata/invalid",
    ),
    "a mail of several parts": (plus('Content-Type: multipart/mixed; boundary="x"'), "metadata/invalid"),
    "a mail, folded": (plus('Content-Type:\n multipart/mixed; boundary="x"'), "metadata/invalid"),
    "an endless header": (plus("Author: " + "x" * 20_000), "metadata/invalid"),
    "an endless folded header": (plus("Author: x", *[" " + "x" * 1000] * 20), "metadata/invalid"),
    "many kinds of headers": (plus(*(f"X-{n}: 1" for n in range(200))), "metadata/invalid"),
    "many headers": (plus(*["Requires-Dist: a"] * 20_000), "metadata/invalid"),
    "another name": (replaced("Name: dipy", "Name: nipy"), "metadata/filename-mismatch"),
    "another version": (replaced("\nVersion: 1.11.0", "\nVersion: 1.12.0"), "metadata/filename-mismatch"),
    "2.6": (plus(version="2.6"), "metadata/too-new"),
    "3.0": (plus(version="3.0"), "metadata/too-new"),
    "two licences": (plus("License-Expression: MIT", version="2.4"), "metadata/license-conflict"),
    "no licence file": (plus("License-File: COPYING", version="2.4"), "metadata/license-file-missing"),
    "an unknown classifier": (plus("Classifier: Colour :: Blue"), "metadata/bad-classifier"),
    "a deprecated classifier": (plus("Classifier: Natural Language :: Ukranian"), "metadata/bad-classifier"),
    "a private classifier": (plus("Classifier: Private :: Do Not Upload"), "metadata/bad-classifier"),
    "a requirement by URL": (
        plus("Requires-Dist: x @ https://example.com/x-1.0-py3-none-any.whl"),
        "metadata/direct-url",
    ),
    "broken reST": (described("A `link <x", "text/x-rst"), "metadata/description-does-not-render"),
    "Markdown without type": (
        described("# Title\n\n`a <b`\n\n* a\n    * b\n  c\n"),
        "metadata/description-does-not-render",
    ),
    "a Sphinx role": (described(":ref:`x`", "text/x-rst"), "metadata/description-does-not-render"),
    "lists in lists": (
        described("".join("  " * n + "* a\n\n" for n in range(200)), "text/x-rst"),
        "metadata/description-does-not-render",
    ),
    "a blank body": (described("  \n\n", "text/markdown"), "metadata/description-does-not-render"),
    "Markdown of nothing": (
        described("[a]: https://example.com", "text/markdown"),
        "metadata/description-does-not-render",
    ),
    "a bad type": (described("x", "text/html"), "metadata/description-does-not-render"),
    "a bad variant": (
        described("x", "text/markdown; variant=Mine"),
        "metadata/description-does-not-render",
    ),
    "a bad charset": (
        described("x", "text/plain; charset=latin-1"),
        "metadata/description-does-not-render",
    ),
    "a description without end": (
        described("x" * 200_000, "text/markdown"),
        "metadata/description-not-tried",
    ),
    "no address": (replaced("tester@example.com", "tester at example"), "metadata/bad-contact"),
    "an address with dots": (replaced("tester@example.com", "te..ster@example.com"), "metadata/bad-contact"),
    "a bad maintainer": (plus("Maintainer-email: me@nowhere"), "metadata/bad-contact"),
    "a relative link": (replaced("https://example.com/dipy", "docs/index.html"), "metadata/bad-contact"),
    "ftp": (plus("Download-URL: ftp://example.com/x"), "metadata/bad-contact"),
    "half a network address": (plus("Project-URL: a, https://[::1"), "metadata/bad-contact"),
    "no label": (plus("Project-URL: , https://a.example"), "metadata/bad-contact"),
    "no link": (plus("Project-URL: Homepage"), "metadata/bad-contact"),
    "a long label": (plus("Project-URL: " + "x" * 33 + ", https://a.example"), "metadata/bad-contact"),
    "a long summary": (replaced("A project for tests", "x" * 513), "metadata/bad-contact"),
    "thin": (wheel_bytes(metadata=f"{HEADERS.split('Summary')[0]}"), "metadata/thin"),
}

#: What a planted fault cannot help but trip as well.
BESIDES = {
    "no METADATA": {"record/absent-file"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    data, wanted = FAULTS[fault]
    assert check_ids(findings(data)) == {wanted} | BESIDES.get(fault, set())


def test_metadata_that_is_not_utf8_is_named() -> None:
    members = wheel_members()
    members[PATH] = GOOD.replace("A. Tester", "\xc4. Tester").encode("latin-1")
    found = check_ids(findings(zip_bytes(members)))
    assert found == {"metadata/not-utf8", "record/hash-mismatch"}


@pytest.mark.parametrize(
    "line",
    [
        "Platform: a\x85b",
        "Platform: a\x0bb",
        "Keywords: a,,b",
        "Author: =?utf-8?q?x?=",
        "Platform: a\x1cb",
        "Platform:",
    ],
)
def test_readers_agree_on_odd_but_harmless_values(line: str) -> None:
    assert "metadata/readers-disagree" not in check_ids(findings(plus(line)))


def test_readers_that_disagree_are_named() -> None:
    # No text is known to us on which the two disagree today, so one of them is made to.
    wheel = content(plus())
    assert wheel.pkginfo_metadata is not None
    changed = {**wheel.pkginfo_metadata, "requires-python": (">=2",)}
    object.__setattr__(wheel, "pkginfo_metadata", changed)
    from wheel_uploader import checks

    [one] = checks.check_contents([wheel], profile=CheckProfile.PYPI)
    assert one.check == "metadata/readers-disagree"
    assert one.message == "pkginfo and packaging read different values of requires-python"


def test_a_long_licence_is_no_fault() -> None:
    assert (
        findings(replaced("License: BSD", "License: BSD\n" + "        text\n" * 3000 + "        end")) == ()
    )


def test_an_address_of_a_domain_that_cannot_be() -> None:
    [found] = findings(replaced("tester@example.com", "tester@example.invalid"))
    assert found.check == "metadata/bad-contact"


def test_a_broken_requirement_with_a_url_is_told_once() -> None:
    assert check_ids(findings(plus("Requires-Dist: x @@ y"))) == {"metadata/invalid"}


def test_pkginfo_that_gives_up_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from pkginfo.distribution import Distribution

    def give_up(self: object, data: bytes) -> None:
        raise ValueError("too odd")

    monkeypatch.setattr(Distribution, "parse", give_up)
    wheel = content(plus("Platform: not in any cache"))
    assert wheel.pkginfo_metadata is None
    assert wheel.pkginfo_warnings == ("pkginfo cannot parse it (ValueError: too odd)",)


@pytest.mark.parametrize(
    "data",
    [
        wheel_bytes(),
        plus("License-File: COPYING"),
        wheel_bytes(
            files={f"{DIST_INFO}/licenses/doc/COPYING": b""},
            metadata=GOOD.replace("2.1", "2.4", 1).replace(
                "License: BSD", "License-Expression: BSD-3-Clause\nLicense-File: doc/COPYING"
            ),
        ),
        plus("Dynamic: License-File", version="2.2"),
        plus("Import-Name: dipy", version="2.5"),
        replaced("https://example.com/dipy", "UNKNOWN"),
        plus("Keywords: a, b ,c", "Project-URL: a,https://example.com"),
        plus("Project-URL: Source, https://example.com/a", "Requires-Dist: numpy>=1.22; extra == 'a'"),
        replaced("tester@example.com", "A <a@example.com>, B <b@example.com>"),
        wheel_bytes(metadata=GOOD.replace(BODY, "").replace("\n\n", f"\nDescription: {BODY}\n")),
        wheel_bytes(metadata=GOOD.replace("\n", "\r\n")),
        wheel_bytes(files={"dipy/tests/METADATA": GOOD.encode()}),
        wheel_bytes(files={"METADATA": b"just a file of that name"}),
        wheel_bytes(files={"dipy/_vendor/x-1.0.dist-info/METADATA": GOOD.encode()}),
        described("Title\n=====\n\n.. image:: https://example.com/x.png\n", "text/x-rst; charset=UTF-8"),
        described("Title\n=====\n\nText.\n"),
        described("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "text/markdown; variant=GFM"),
    ],
    ids=range(17),
)
def test_good_metadata_has_no_finding(data: bytes) -> None:
    assert findings(data) == ()


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = findings(plus("Requires-Dist: a b c", "Provides-Extra: -", "Colour: blue", "Name: dipy"))
    assert {finding.check for finding in found} == {"metadata/invalid"}
    assert len(found) == 4


def test_a_classifier_that_is_not_known_says_how_old_the_list_is() -> None:
    [found] = findings(FAULTS["an unknown classifier"][0])
    assert found.message.startswith("unknown classifier 'Colour :: Blue' (in trove-classifiers 20")


def test_the_renderer_says_what_is_wrong() -> None:
    [found] = findings(FAULTS["Markdown without type"][0])
    assert "without a Description-Content-Type" in found.message
    [found] = findings(FAULTS["a Sphinx role"][0])
    assert "Unknown interpreted text role" in found.message or 'No role entry for "ref"' in found.message


def test_rules_of_pypi_are_notes_elsewhere() -> None:
    [found] = findings(FAULTS["a private classifier"][0], profile=CheckProfile.ANY)
    assert found.severity is Severity.NOTE


def laughs(levels: int) -> str:
    lines = [f".. |a{n}| replace:: " + f"|a{n + 1}| " * 4 for n in range(levels)]
    return "\n".join(["|a0|", "", *lines, f".. |a{levels}| replace:: ha", ""])


def test_half_a_kilobyte_that_would_render_for_ever_is_stopped() -> None:
    started = time.process_time(), time.monotonic()
    found = findings(described(laughs(14), "text/x-rst"))
    assert check_ids(found) <= {"metadata/description-not-tried", "metadata/description-does-not-render"}
    assert found
    assert time.process_time() - started[0] < 2
    assert time.monotonic() - started[1] < 30


def test_a_renderer_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert description.render_description("started anew", "text/x-rst").unknown_reason.startswith(
        "could not start the renderer"
    )


def test_a_renderer_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "_TIMEOUT", 0.01)
    assert (
        description.render_description("so slow", "text/x-rst").unknown_reason
        == "rendering the description takes too long"
    )


@pytest.mark.parametrize(
    ("text", "content_type", "wanted"),
    [
        ("*fine*", "", ""),
        ("*fine*", "text/x-rst", ""),
        ("*fine*", "text/markdown", ""),
        (
            "<!-- nothing -->",
            "text/markdown; variant=None",
            "the description does not render as Markdown: no output",
        ),
    ],
)
def test_the_rendering_program(text: str, content_type: str, wanted: str) -> None:
    assert render_worker.find_rendering_problem(text, content_type) == wanted


def test_one_text_is_parsed_and_rendered_once() -> None:
    core_metadata.parse_core_metadata.cache_clear()
    description.render_description.cache_clear()
    wheels = [content(described("Title\n=====\n", "text/x-rst")) for _ in range(10)]
    from wheel_uploader import checks

    assert checks.check_contents(wheels, profile=CheckProfile.PYPI) == ()
    assert core_metadata.parse_core_metadata.cache_info().misses == 1
    assert description.render_description.cache_info().misses == 1


def test_an_sdist_is_judged_by_the_same_checks() -> None:
    text = GOOD.replace("Requires-Python: >=3.9", "Requires-Python: three")
    assert check_ids(findings(sdist_bytes(metadata=text), SDIST)) == {"metadata/invalid"}
    text = GOOD.replace("2.1", "2.4", 1).replace(
        "License: BSD", "License-Expression: MIT\nLicense-File: COPYING"
    )
    assert check_ids(findings(sdist_bytes(metadata=text), SDIST)) == {"metadata/license-file-missing"}
    assert findings(sdist_bytes(metadata=text, files={"COPYING": b""}), SDIST) == ()
