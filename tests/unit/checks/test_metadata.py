"""Core metadata: each fault is planted alone and reported by exactly one check; hostile text is fast."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.support import in_process
from tests.support.zips import DIST_INFO, SDIST, check_ids, content, findings
from tools.testing.wheels import METADATA, make_wheel, sdist_bytes, wheel_bytes, wheel_members, zip_bytes
from wheel_uploader.checks import core_metadata, description, render_worker
from wheel_uploader.core.models import CheckProfile, Severity

GOOD = METADATA.format(project="dipy", version="1.11.0")
HEADERS, BODY = GOOD.split("\n\n")
PATH = f"{DIST_INFO}/METADATA"


def add_headers(*lines: str, version: str = "2.1", body: str = BODY) -> bytes:
    """Return a good wheel with more headers."""
    text = HEADERS.replace("Metadata-Version: 2.1", f"Metadata-Version: {version}")
    return wheel_bytes(metadata="\n".join([text, *lines]) + f"\n\n{body}")


def replace_in_metadata(old: str, new: str) -> bytes:
    assert old in GOOD
    return wheel_bytes(metadata=GOOD.replace(old, new))


def set_description(body: str, content_type: str = "") -> bytes:
    header = f"Description-Content-Type: {content_type}\n" if content_type else ""
    return wheel_bytes(
        metadata=GOOD.replace("Description-Content-Type: text/plain\n", header).replace(BODY, body)
    )


FAULTS = {
    "no METADATA": (wheel_bytes(without=(PATH,)), "metadata/missing"),
    "a decoy": (wheel_bytes(files={"METADATA.txt": GOOD.encode()}), "metadata/decoy"),
    "a decoy in a folder": (
        wheel_bytes(files={"a/METADATA": b"Metadata-Version: 2.1\nName: evil\n"}),
        "metadata/decoy",
    ),
    "a decoy that is too large": (wheel_bytes(files={"METADATA": b"x" * (3 << 20)}), "metadata/decoy"),
    "a transfer encoding": (add_headers("Content-Transfer-Encoding: base64"), "metadata/invalid"),
    "two names": (add_headers("Name: dipy"), "metadata/invalid"),
    "two descriptions": (add_headers("Description: another"), "metadata/invalid"),
    "an unknown field": (add_headers("Colour: blue"), "metadata/invalid"),
    "a field newer than its metadata version": (add_headers("Dynamic: platform"), "metadata/invalid"),
    "an unknown version": (
        replace_in_metadata("Metadata-Version: 2.1", "Metadata-Version: 1.7"),
        "metadata/invalid",
    ),
    "no version": (replace_in_metadata("Metadata-Version: 2.1\n", "Keywords: a\n"), "metadata/invalid"),
    "a bad requirement": (add_headers("Requires-Dist: numpy >=> 1"), "metadata/invalid"),
    "endless brackets": (add_headers("Requires-Dist: x; " + "(" * 5000), "metadata/invalid"),
    "a licence of brackets": (
        wheel_bytes(
            metadata=GOOD.replace("2.1", "2.4", 1).replace(
                "License: BSD", "License-Expression: " + "(" * 5000 + "MIT"
            )
        ),
        "metadata/invalid",
    ),
    "a bad Requires-Python": (replace_in_metadata(">=3.9", "three"), "metadata/invalid"),
    "an endless version": (
        replace_in_metadata("\nVersion: 1.11.0", "\nVersion: " + "1" * 5000),
        "metadata/invalid",
    ),
    "a bad extra": (add_headers("Provides-Extra: a b"), "metadata/invalid"),
    "a duplicate label": (
        add_headers("Project-URL: a, https://a.example", "Project-URL: a, https://b.example"),
        "metadata/invalid",
    ),
    "a multipart message": (add_headers('Content-Type: multipart/mixed; boundary="x"'), "metadata/invalid"),
    "a multipart message, folded": (
        add_headers('Content-Type:\n multipart/mixed; boundary="x"'),
        "metadata/invalid",
    ),
    "an endless header": (add_headers("Author: " + "x" * 20_000), "metadata/invalid"),
    "an endless folded header": (add_headers("Author: x", *[" " + "x" * 1000] * 20), "metadata/invalid"),
    "many kinds of headers": (add_headers(*(f"X-{n}: 1" for n in range(200))), "metadata/invalid"),
    "many headers": (add_headers(*["Requires-Dist: a"] * 20_000), "metadata/invalid"),
    "another name": (replace_in_metadata("Name: dipy", "Name: nipy"), "metadata/filename-mismatch"),
    "another version": (
        replace_in_metadata("\nVersion: 1.11.0", "\nVersion: 1.12.0"),
        "metadata/filename-mismatch",
    ),
    "2.6": (add_headers(version="2.6"), "metadata/too-new"),
    "3.0": (add_headers(version="3.0"), "metadata/too-new"),
    "two licences": (add_headers("License-Expression: MIT", version="2.4"), "metadata/license-conflict"),
    "no licence file": (add_headers("License-File: COPYING", version="2.4"), "metadata/license-file-missing"),
    "an unknown classifier": (add_headers("Classifier: Colour :: Blue"), "metadata/bad-classifier"),
    "a deprecated classifier": (
        add_headers("Classifier: Natural Language :: Ukranian"),
        "metadata/bad-classifier",
    ),
    "a private classifier": (add_headers("Classifier: Private :: Do Not Upload"), "metadata/bad-classifier"),
    "a requirement by URL": (
        add_headers("Requires-Dist: x @ https://example.com/x-1.0-py3-none-any.whl"),
        "metadata/direct-url",
    ),
    "broken reST": (set_description("A `link <x", "text/x-rst"), "metadata/description-does-not-render"),
    "Markdown without a content type": (
        set_description("# Title\n\n`a <b`\n\n* a\n    * b\n  c\n"),
        "metadata/description-does-not-render",
    ),
    "a Sphinx role": (set_description(":ref:`x`", "text/x-rst"), "metadata/description-does-not-render"),
    "lists in lists": (
        set_description("".join("  " * n + "* a\n\n" for n in range(200)), "text/x-rst"),
        "metadata/description-does-not-render",
    ),
    "a blank body": (set_description("  \n\n", "text/markdown"), "metadata/description-does-not-render"),
    "Markdown without text": (
        set_description("[a]: https://example.com", "text/markdown"),
        "metadata/description-does-not-render",
    ),
    "a bad type": (set_description("x", "text/html"), "metadata/description-does-not-render"),
    "a bad variant": (
        set_description("x", "text/markdown; variant=Mine"),
        "metadata/description-does-not-render",
    ),
    "a bad charset": (
        set_description("x", "text/plain; charset=latin-1"),
        "metadata/description-does-not-render",
    ),
    "an endless description": (
        set_description("x\n\n" * 70_000, "text/x-rst"),
        "metadata/description-not-tried",
    ),
    "a line that docutils does not accept": (
        set_description("x " * 5001 + "x", "text/x-rst"),
        "metadata/description-does-not-render",
    ),
    "a line of tabs that docutils does not accept": (
        set_description("\t" * 1250 + "x"),
        "metadata/description-does-not-render",
    ),
    "not an address": (
        replace_in_metadata("tester@example.com", "tester at example"),
        "metadata/bad-contact",
    ),
    "an address with two dots": (
        replace_in_metadata("tester@example.com", "te..ster@example.com"),
        "metadata/bad-contact",
    ),
    "a bad maintainer": (add_headers("Maintainer-email: me@nowhere"), "metadata/bad-contact"),
    "a relative link": (
        replace_in_metadata("https://example.com/dipy", "docs/index.html"),
        "metadata/bad-contact",
    ),
    "ftp": (add_headers("Download-URL: ftp://example.com/x"), "metadata/bad-contact"),
    "a port that does not exist": (
        add_headers("Project-URL: a, https://a.example:99999/"),
        "metadata/bad-contact",
    ),
    "a URL without a host": (add_headers("Project-URL: a, https:///docs"), "metadata/doubtful-value"),
    "a URL with a blank": (add_headers("Download-URL: https://a.example/a b"), "metadata/doubtful-value"),
    "a charset in lower case": (
        set_description("x", "text/markdown; charset=utf-8"),
        "metadata/doubtful-value",
    ),
    "an invalid Provides-Dist": (add_headers("Provides-Dist: dipy core"), "metadata/bad-field"),
    "an invalid Obsoletes-Dist": (add_headers("Obsoletes-Dist: dipy (1.0"), "metadata/bad-field"),
    "Dynamic that lists itself": (add_headers("Dynamic: Dynamic", version="2.2"), "metadata/bad-field"),
    "a NUL character": (add_headers("Platform: a\0b", "Platform: c"), "metadata/bad-field"),
    "a classifier with a blank at its end": (
        add_headers("Classifier: Typing :: Typed "),
        "metadata/bad-classifier",
    ),
    "a summary that is too long with its blanks": (
        replace_in_metadata("A project for tests", "x" * 512 + " "),
        "metadata/bad-contact",
    ),
    "a byte order mark": (wheel_bytes(metadata=f"\ufeff{GOOD}"), "metadata/invalid"),
    "an incomplete IPv6 address": (add_headers("Project-URL: a, https://[::1"), "metadata/doubtful-value"),
    "no label": (add_headers("Project-URL: , https://a.example"), "metadata/bad-contact"),
    "no link": (add_headers("Project-URL: Homepage"), "metadata/bad-contact"),
    "a long label": (add_headers("Project-URL: " + "x" * 33 + ", https://a.example"), "metadata/bad-contact"),
    "a long summary": (replace_in_metadata("A project for tests", "x" * 513), "metadata/bad-contact"),
    "a summary that is UNKNOWN": (
        replace_in_metadata("A project for tests", "UNKNOWN"),
        "metadata/placeholder",
    ),
    "keywords that are UNKNOWN": (add_headers("Keywords: UNKNOWN"), "metadata/placeholder"),
    "few fields": (wheel_bytes(metadata=f"{HEADERS.split('Summary')[0]}"), "metadata/thin"),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    "no METADATA": {"record/absent-file"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, expected = FAULTS[fault]
    assert check_ids(findings(data)) == {expected} | ALSO_REPORTED.get(fault, set())


def test_reports_metadata_that_is_not_utf8() -> None:
    members = wheel_members()
    members[PATH] = GOOD.replace("A. Tester", "\xc4. Tester").encode("latin-1")
    assert check_ids(findings(zip_bytes(members))) == {"metadata/not-utf8", "record/hash-mismatch"}


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
def test_parsers_agree_on_unusual_but_harmless_values(line: str) -> None:
    assert "metadata/readers-disagree" not in check_ids(findings(add_headers(line)))


def test_reports_a_field_on_which_the_parsers_disagree() -> None:
    # No text is known on which the two parsers disagree today, so patch the result of one.
    wheel = content(add_headers())
    assert wheel.pkginfo_metadata is not None
    changed = {**wheel.pkginfo_metadata, "requires-python": (">=2",)}
    object.__setattr__(wheel, "pkginfo_metadata", changed)
    from wheel_uploader import checks

    [finding] = checks.check_contents([wheel], profile=CheckProfile.PYPI)
    assert finding.check == "metadata/readers-disagree"
    assert finding.message == "pkginfo and packaging read different values of requires-python"


def test_accepts_a_long_licence() -> None:
    assert (
        findings(
            replace_in_metadata("License: BSD", "License: BSD\n" + "        text\n" * 3000 + "        end")
        )
        == ()
    )


def test_reports_an_address_in_a_reserved_domain() -> None:
    [finding] = findings(replace_in_metadata("tester@example.com", "tester@example.invalid"))
    assert finding.check == "metadata/bad-contact"


def test_reports_a_broken_requirement_with_a_url_once() -> None:
    assert check_ids(findings(add_headers("Requires-Dist: x @@ y"))) == {"metadata/invalid"}


def test_continues_if_pkginfo_cannot_parse_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    from pkginfo.distribution import Distribution

    def give_up(self: object, data: bytes) -> None:
        raise ValueError("too odd")

    monkeypatch.setattr(Distribution, "parse", give_up)
    wheel = content(add_headers("Platform: not in any cache"))
    assert wheel.pkginfo_metadata is None
    assert wheel.pkginfo_warnings == ("pkginfo cannot parse it (ValueError: too odd)",)


@pytest.mark.parametrize(
    "data",
    [
        wheel_bytes(),
        add_headers("License-File: COPYING"),
        wheel_bytes(
            files={f"{DIST_INFO}/licenses/doc/COPYING": b""},
            metadata=GOOD.replace("2.1", "2.4", 1).replace(
                "License: BSD", "License-Expression: BSD-3-Clause\nLicense-File: doc/COPYING"
            ),
        ),
        add_headers("Dynamic: License-File", version="2.2"),
        add_headers("Import-Name: dipy", version="2.5"),
        add_headers("Platform: UNKNOWN", "Requires: UNKNOWN"),
        add_headers("Keywords: a, b ,c", "Project-URL: a,https://example.com"),
        add_headers(
            "Project-URL: Source, https://example.com/a",
            "Requires-Dist: numpy>=1.22; extra == 'a'",
            "Provides-Extra: a",
        ),
        replace_in_metadata("tester@example.com", "A <a@example.com>, B <b@example.com>"),
        wheel_bytes(metadata=GOOD.replace(BODY, "").replace("\n\n", f"\nDescription: {BODY}\n")),
        wheel_bytes(metadata=GOOD.replace("\n", "\r\n")),
        wheel_bytes(files={"dipy/tests/METADATA": GOOD.encode()}),
        wheel_bytes(files={"METADATA": b"just a file of that name"}),
        wheel_bytes(files={"dipy/_vendor/x-1.0.dist-info/METADATA": GOOD.encode()}),
        set_description(
            "Title\n=====\n\n.. image:: https://example.com/x.png\n", "text/x-rst; charset=UTF-8"
        ),
        set_description("Title\n=====\n\nText.\n"),
        set_description("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "text/markdown; variant=GFM"),
    ],
    ids=range(17),
)
def test_accepts_good_metadata(data: bytes) -> None:
    assert findings(data) == ()


def test_the_command_names_the_byte_order_mark_in_one_sentence(tmp_path: Path) -> None:
    make_wheel(tmp_path, metadata=f"\ufeff{GOOD}")
    ended = in_process.run("--format", "json", "--until", "check", "-u", tmp_path)
    [finding] = [each for each in json.loads(ended.stdout)["findings"] if each["subject"].endswith(".whl")]
    assert (ended.exit_code, finding["check"]) == (6, "metadata/invalid")
    assert finding["message"].startswith("it begins with a byte order mark")


def test_the_command_notes_the_placeholder(tmp_path: Path) -> None:
    make_wheel(
        tmp_path, metadata=GOOD.replace("A project for tests", "UNKNOWN").replace(": BSD", ": UNKNOWN")
    )
    ended = in_process.run("--format", "json", "--until", "check", "-u", tmp_path)
    [finding] = [each for each in json.loads(ended.stdout)["findings"] if each["subject"].endswith(".whl")]
    assert (ended.exit_code, finding["check"], finding["severity"]) == (0, "metadata/placeholder", "note")
    assert finding["message"] == "UNKNOWN is the value of Summary, License"


def test_reports_every_invalid_field_at_once() -> None:
    reported = findings(
        add_headers("Requires-Dist: a b c", "Provides-Extra: -", "Colour: blue", "Name: dipy")
    )
    assert {finding.check for finding in reported} == {"metadata/invalid"}
    assert len(reported) == 4


def test_names_the_version_of_the_classifier_list() -> None:
    [finding] = findings(FAULTS["an unknown classifier"][0])
    assert finding.message.startswith("unknown classifier 'Colour :: Blue' (in trove-classifiers 20")


def test_quotes_the_message_of_the_renderer() -> None:
    [finding] = findings(FAULTS["Markdown without a content type"][0])
    assert "without a Description-Content-Type" in finding.message
    [finding] = findings(FAULTS["a Sphinx role"][0])
    assert "Unknown interpreted text role" in finding.message or 'No role entry for "ref"' in finding.message


def test_reports_pypi_rules_as_notes_for_other_indexes() -> None:
    [finding] = findings(FAULTS["a private classifier"][0], profile=CheckProfile.ANY)
    assert finding.severity is Severity.NOTE


def billion_laughs(levels: int) -> str:
    lines = [f".. |a{n}| replace:: " + f"|a{n + 1}| " * 4 for n in range(levels)]
    return "\n".join(["|a0|", "", *lines, f".. |a{levels}| replace:: ha", ""])


def test_stops_rendering_exponential_text() -> None:
    started = time.process_time(), time.monotonic()
    reported = findings(set_description(billion_laughs(14), "text/x-rst"))
    assert check_ids(reported) <= {"metadata/description-not-tried", "metadata/description-does-not-render"}
    assert reported
    assert time.process_time() - started[0] < 2
    assert time.monotonic() - started[1] < 30


def test_reports_a_renderer_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert description.render_description("a new text", "text/x-rst").unknown_reason.startswith(
        "could not start the renderer"
    )


def test_stops_a_renderer_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "_TIMEOUT", 0.01)
    assert (
        description.render_description("a slow text", "text/x-rst").unknown_reason
        == "rendering the description takes too long"
    )


def test_accepts_the_placeholder_of_old_setuptools_as_the_content_type() -> None:
    data = replace_in_metadata("text/plain", "UNKNOWN")
    assert not {finding.check for finding in findings(data)} - {"metadata/placeholder"}


@pytest.mark.parametrize(
    ("text", "content_type", "expected"),
    [
        ("*fine*", "", ""),
        ("*fine*", "text/x-rst", ""),
        ("*fine*", "text/markdown", ""),
        (
            "[a]: https://example.org",
            "text/markdown; variant=CommonMark",
            "the description does not render as Markdown: no output",
        ),
    ],
)
def test_the_render_worker_reports_the_problem(text: str, content_type: str, expected: str) -> None:
    assert render_worker.find_rendering_problem(text, content_type) == expected


def test_parses_and_renders_equal_text_once() -> None:
    core_metadata.parse_core_metadata.cache_clear()
    description.render_description.cache_clear()
    wheels = [content(set_description("Title\n=====\n", "text/x-rst")) for _ in range(10)]
    from wheel_uploader import checks

    assert checks.check_contents(wheels, profile=CheckProfile.PYPI) == ()
    assert core_metadata.parse_core_metadata.cache_info().misses == 1
    assert description.render_description.cache_info().misses == 1


def test_applies_the_same_checks_to_an_sdist() -> None:
    text = GOOD.replace("Requires-Python: >=3.9", "Requires-Python: three")
    assert check_ids(findings(sdist_bytes(metadata=text), SDIST)) == {"metadata/invalid"}
    text = GOOD.replace("2.1", "2.4", 1).replace(
        "License: BSD", "License-Expression: MIT\nLicense-File: COPYING"
    )
    assert check_ids(findings(sdist_bytes(metadata=text), SDIST)) == {"metadata/license-file-missing"}
    assert findings(sdist_bytes(metadata=text, files={"COPYING": b""}), SDIST) == ()


def test_shows_a_project_url_without_a_label_as_it_is_written() -> None:
    [finding] = findings(add_headers("Project-URL: https://example.com"))
    assert finding.message == "Project-URL 'https://example.com' is not of the form LABEL, URL"
