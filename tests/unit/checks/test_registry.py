"""The registry of checks: complete, explained, and used by ``--ignore`` and ``--explain``."""

from __future__ import annotations

import pytest

from tests.support.zips import content, findings
from tools.testing.wheels import wheel_bytes
from wheel_uploader import checks
from wheel_uploader.checks.registry import Check
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import CheckProfile, Severity

#: The checks of the first release. Users write these ids after --ignore, so none may disappear.
PROMISED = """
name/invalid name/not-normalized name/version-not-normalized name/local-version name/platform-refused
name/tags-unsorted name/unknown-tag archive/unreadable archive/bad-crc archive/headers-disagree
archive/duplicate-member archive/data-descriptor archive/foreign-bytes archive/member-comment
archive/malformed-extra archive/compression-method archive/encrypted archive/bomb archive/unsafe-path
archive/symlink archive/directory-with-data archive/bad-member-name archive/hidden-deflate-data
archive/case-collision archive/unportable-path record/missing record/malformed record/unlisted-file
record/absent-file record/hash-mismatch record/size-mismatch record/no-hash record/weak-hash
record/unsafe-path record/signature-listed wheel/dist-info wheel/no-wheel-file wheel/bad-wheel-version
wheel/bad-root-is-purelib wheel/not-utf8 wheel/tags-mismatch-filename wheel/no-tag wheel/build-mismatch
wheel/purelib-contradiction wheel/bad-entry-points metadata/missing metadata/not-utf8 metadata/decoy
metadata/readers-disagree metadata/invalid metadata/filename-mismatch metadata/too-new
metadata/license-conflict metadata/license-file-missing metadata/bad-classifier metadata/direct-url
metadata/description-does-not-render metadata/bad-contact metadata/thin sdist/name sdist/unreadable
sdist/layout sdist/metadata
"""


def test_keeps_every_promised_check_and_has_no_duplicate_id() -> None:
    ids = [check.id for check in checks.CHECKS]
    assert set(PROMISED.split()) <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.id)
def test_every_check_has_an_explanation(check: Check[object]) -> None:
    assert 10 < len(check.title) <= 100
    assert not check.title.endswith(".")
    sentences = [
        sentence for sentence in check.explanation.replace("\n", " ").split(". ") if sentence.strip()
    ]
    assert len(sentences) >= 2
    assert check.explanation.endswith(".")
    assert check.id in checks.explain_check(check.id)


def test_explains_a_check() -> None:
    first, title, _, body, *_ = checks.explain_check("wheel/no-tag").splitlines()
    assert first == "wheel/no-tag (warning)"
    assert title == "WHEEL has no Tag line."
    assert body.startswith("The specification requires one for each tag in the file name.")
    first, *_ = checks.explain_check("name/local-version").splitlines()
    assert first == "name/local-version (error for PyPI, note elsewhere)"


def test_explains_every_check_of_a_family() -> None:
    text = checks.explain_check("sdist")
    assert [line.split()[0] for line in text.splitlines() if line.startswith("sdist/")] == [
        check.id for check in checks.CHECKS if check.family == "sdist"
    ]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("wheel/no-tags", "Did you mean wheel/no-tag"),
        ("no-tag", "Did you mean wheel/no-tag"),
        ("whel", "Did you mean wheel?"),
        ("hash-mismatch", "Did you mean record/hash-mismatch"),
        ("banana", "The families are: name, archive, record, wheel, metadata, "),
    ],
)
def test_suggests_the_nearest_id_for_an_unknown_one(typed: str, hint: str) -> None:
    for use_id in (checks.explain_check, checks.validate_check_id):
        with pytest.raises(UsageError) as caught:
            use_id(typed)
        assert str(caught.value) == f"unknown check '{typed}'"
        assert caught.value.hint.startswith(hint)


def test_accepts_every_id_and_family() -> None:
    for check in checks.CHECKS:
        checks.validate_check_id(check.id)
        checks.validate_check_id(check.family)


NO_TAG = wheel_bytes(wheel="Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")


@pytest.mark.parametrize("ignore", ["wheel/no-tag", "wheel"])
def test_an_ignored_finding_is_shown_but_does_not_block(ignore: str) -> None:
    reported = checks.check_contents([content(NO_TAG)], profile=CheckProfile.PYPI, ignore=[ignore])
    assert [finding.is_ignored for finding in reported] == [True]
    assert checks.select_blocking(reported, strict=True) == ()


def test_warnings_block_in_strict_mode() -> None:
    reported = findings(NO_TAG)
    assert [finding.severity for finding in reported] == [Severity.WARNING]
    assert checks.select_blocking(reported, strict=False) == ()
    assert checks.select_blocking(reported, strict=True) == reported


def test_notes_never_block() -> None:
    reported = findings(wheel_bytes(metadata="Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n"))
    assert [finding.check for finding in reported] == ["metadata/thin"]
    assert checks.select_blocking(reported, strict=True) == ()


def test_orders_findings_by_file() -> None:
    wheels = [content(NO_TAG), content(b""), content(wheel_bytes())]
    reported = checks.check_contents(wheels, profile=CheckProfile.PYPI)
    assert [finding.check for finding in reported] == ["wheel/no-tag", "archive/unreadable"]
    assert {finding.subject for finding in reported} == {"dipy-1.11.0-py3-none-any.whl"}
