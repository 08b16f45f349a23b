"""The table of checks as a whole: complete, explained, and what ``--ignore`` and ``--explain`` make of it."""

from __future__ import annotations

import pytest

from tests.support.wheels import wheel_bytes
from tests.support.zips import content, findings
from wheel_uploader import checks
from wheel_uploader.checks.registry import Check
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import CheckProfile, Severity

#: The families of this program's first release; every id is promised to people who write it after --ignore.
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


def test_every_promised_check_is_there_and_no_id_twice() -> None:
    ids = [check.id for check in checks.CHECKS]
    assert set(PROMISED.split()) <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.id)
def test_every_check_explains_itself(check: Check[object]) -> None:
    assert 10 < len(check.title) <= 100
    assert not check.title.endswith(".")
    sentences = [each for each in check.explanation.replace("\n", " ").split(". ") if each.strip()]
    assert len(sentences) >= 2
    assert check.explanation.endswith(".")
    assert check.id in checks.explain_check(check.id)


def test_an_explanation_is_for_a_person() -> None:
    first, title, _, body, *_ = checks.explain_check("wheel/no-tag").splitlines()
    assert first == "wheel/no-tag (warning)"
    assert title == "WHEEL has no Tag line."
    assert body.startswith("The specification requires one for each tag in the file name.")
    first, *_ = checks.explain_check("name/local-version").splitlines()
    assert first == "name/local-version (error for PyPI, note elsewhere)"


def test_a_family_is_explained_whole() -> None:
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
def test_an_unknown_id_is_a_usage_error_with_the_nearest(typed: str, hint: str) -> None:
    for ask in (checks.explain_check, checks.validate_check_id):
        with pytest.raises(UsageError) as caught:
            ask(typed)
        assert str(caught.value) == f"unknown check '{typed}'"
        assert caught.value.hint.startswith(hint)


def test_known_ids_and_families_are_known() -> None:
    for check in checks.CHECKS:
        checks.validate_check_id(check.id)
        checks.validate_check_id(check.family)


NO_TAG = wheel_bytes(wheel="Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")


@pytest.mark.parametrize("ignore", ["wheel/no-tag", "wheel"])
def test_what_is_ignored_is_shown_and_blocks_nothing(ignore: str) -> None:
    found = checks.check_contents([content(NO_TAG)], profile=CheckProfile.PYPI, ignore=[ignore])
    assert [finding.is_ignored for finding in found] == [True]
    assert checks.select_blocking(found, strict=True) == ()


def test_strict_makes_warnings_block() -> None:
    found = findings(NO_TAG)
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert checks.select_blocking(found, strict=False) == ()
    assert checks.select_blocking(found, strict=True) == found


def test_notes_never_block() -> None:
    found = findings(wheel_bytes(metadata="Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n"))
    assert [finding.check for finding in found] == ["metadata/thin"]
    assert checks.select_blocking(found, strict=True) == ()


def test_findings_come_file_by_file() -> None:
    wheels = [content(NO_TAG), content(b""), content(wheel_bytes())]
    found = checks.check_contents(wheels, profile=CheckProfile.PYPI)
    assert [finding.check for finding in found] == ["wheel/no-tag", "archive/unreadable"]
    assert {finding.subject for finding in found} == {"dipy-1.11.0-py3-none-any.whl"}
