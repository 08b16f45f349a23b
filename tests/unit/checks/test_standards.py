"""Checks of newer standards: SBOMs, import names, signatures of RECORD, partly dynamic fields, variants."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime

import pytest
from packaging.version import Version

from tests.support.zips import content, findings
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes, wheel_filename
from wheel_uploader import checks
from wheel_uploader.checks import file_summary
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, FileSummary, Finding

WHEEL, SDIST = wheel_filename("dipy", "1.11.0"), "dipy-1.11.0.tar.gz"
SBOMS = "dipy-1.11.0.dist-info/sboms"
CYCLONE = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6"}).encode()


def only(reported: tuple[Finding, ...], check: str) -> list[str]:
    return [finding.message for finding in reported if finding.check == check]


# --- PEP 770 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{", "it is not JSON"),
        (b"<bom/>", "it is not JSON"),
        (b"<" + b"x" * (70 << 10), "it is not JSON"),
        (b"SPDXVersion: SPDX-2.3\n", "it is not JSON"),
        (b"[" * 500, "it is not JSON"),
        (b"\xff\xfe{}", "it is not JSON"),
        (b"{}", "it is neither CycloneDX nor SPDX"),
        (b"[]", "it is neither CycloneDX nor SPDX"),
        (b'{"bomFormat": "other"}', "it is neither CycloneDX nor SPDX"),
    ],
)
def test_reports_what_is_no_sbom(data: bytes, problem: str) -> None:
    reported = findings(wheel_bytes(files={f"{SBOMS}/a.json": data}), WHEEL)
    assert only(reported, "wheel/bad-sbom") == [problem]
    assert {finding.member for finding in reported if finding.check == "wheel/bad-sbom"} == {
        f"{SBOMS}/a.json"
    }


@pytest.mark.parametrize(
    "data",
    [
        CYCLONE,
        b"\xef\xbb\xbf" + CYCLONE,
        b'{"spdxVersion": "SPDX-2.3"}',
        b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}',
        b'\n{"bomFormat": "CycloneDX", "x": "' + b"x" * (70 << 10) + b'"}',
    ],
    ids=range(5),
)
def test_accepts_an_sbom(data: bytes) -> None:
    files = {f"{SBOMS}/a.cdx.json": data, f"{SBOMS}/deep/b.json": CYCLONE, "dipy/sboms/x.txt": b"no SBOM"}
    assert findings(wheel_bytes(files=files), WHEEL) == ()


# --- PEP 815 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jws", "p7s"])
def test_reports_a_signature_of_record(suffix: str) -> None:
    path = f"dipy-1.11.0.dist-info/RECORD.{suffix}"
    members = wheel_bytes(files={path: b"x"}, record="")
    assert only(findings(members, WHEEL), "record/signature-file") == [
        "it is a signature that no installer verifies"
    ]
    elsewhere = wheel_bytes(files={f"dipy/RECORD.{suffix}": b"x"})
    assert findings(elsewhere, WHEEL) == ()


# --- PEP 794 ---------------------------------------------------------------------------------------

HEADERS = METADATA.format(project="dipy", version="1.11.0").replace("Version: 2.1", "Version: 2.5")


def with_names(*lines: str) -> str:
    return HEADERS.replace("Classifier:", "".join(f"{line}\n" for line in lines) + "Classifier:")


FILES = {
    "dipy/core/math.py": b"",
    "dipy/_fast.abi3.so": b"",
    "ns/part/__init__.py": b"",
    "single.py": b"",
    "dipy-1.11.0.data/purelib/other/__init__.py": b"",
}


@pytest.mark.parametrize(
    "name", ["dipy", "dipy.core", "dipy.core.math ; private", "dipy._fast", "ns.part", "single", "other", ""]
)
def test_accepts_an_import_name_that_is_there(name: str) -> None:
    parents = [
        line
        for parent, line in {
            "dipy.core.math": "Import-Name: dipy.core",
            "dipy.": "Import-Name: dipy",
            "": "Import-Namespace: ns",
        }.items()
        if name.startswith(parent)
    ]
    data = wheel_bytes(files=FILES, metadata=with_names(f"Import-Name: {name}", *parents))
    assert only(findings(data, WHEEL), "wheel/import-name") == []


@pytest.mark.parametrize("header", ["Import-Name", "Import-Namespace"])
@pytest.mark.parametrize("name", ["dipi", "dipy.cor", "core", "part", "dipy.core.math.x", "scripts"])
def test_reports_an_import_name_that_is_not_there(header: str, name: str) -> None:
    data = wheel_bytes(files=FILES, metadata=with_names(f"{header}: {name}; private"))
    assert only(findings(data, WHEEL), "wheel/import-name") == [
        f"{header} is {name}, which the wheel does not have"
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Import-Name: dipy.core"], "Import-Name is dipy.core, but no field states dipy"),
        (
            ["Import-Name: dipy", "Import-Namespace: dipy"],
            "dipy is both an Import-Name and an Import-Namespace",
        ),
        (["Import-Name: "], "Import-Name is empty, but the wheel has dipy"),
    ],
)
def test_reports_import_names_that_contradict_each_other_or_the_wheel(lines: list[str], message: str) -> None:
    data = wheel_bytes(files={"dipy/core/math.py": b""}, metadata=with_names(*lines))
    assert only(findings(data, WHEEL), "wheel/import-name") == [message]


def test_an_empty_import_name_is_right_for_a_wheel_without_modules() -> None:
    files = {"dipy-1.11.0.data/data/share/dipy.txt": b""}
    data = wheel_bytes(files=files, metadata=with_names("Import-Name: "), without=("dipy/__init__.py",))
    assert only(findings(data, WHEEL), "wheel/import-name") == []


# --- PEP 808 ---------------------------------------------------------------------------------------


def release_of(sdist_metadata: str, wheel_metadata: str) -> ReleaseContent:
    summaries = [
        file_summary.summarize_file(content(wheel_bytes(metadata=wheel_metadata), WHEEL)),
        file_summary.summarize_file(content(sdist_bytes(metadata=sdist_metadata), SDIST)),
    ]
    return ReleaseContent(
        project="dipy",  # type: ignore[arg-type]
        version=Version("1.11.0"),
        summaries=tuple(summaries),
        now=datetime(2026, 11, 21, tzinfo=UTC),
    )


def static_items(sdist_metadata: str, wheel_metadata: str) -> list[str]:
    release = release_of(sdist_metadata, wheel_metadata)
    return only(checks.check_release(release, profile=CheckProfile.ANY), "release/static-items")


def with_fields(version: str, *lines: str) -> str:
    return with_names(*lines).replace("Version: 2.5", f"Version: {version}")


PARTLY = ("Requires-Dist: numpy>=1.22", "Requires-Dist: scipy", "Dynamic: Requires-Dist")


def test_reports_a_static_item_that_the_wheel_lacks() -> None:
    assert static_items(with_fields("2.6", *PARTLY), with_fields("2.6", "Requires-Dist: numpy>=1.22")) == [
        f"its Requires-Dist lacks scipy of {SDIST}"
    ]
    sdist = with_fields("2.6", "Project-URL: Home, https://x.test/", "Dynamic: Project-URL")
    assert static_items(sdist, with_fields("2.6")) == [
        f"its Project-URL lacks Home,https://x.test/ of {SDIST}"
    ]


@pytest.mark.parametrize(
    ("sdist", "wheel"),
    [
        (
            with_fields("2.6", *PARTLY),
            with_fields("2.6", "Requires-Dist: vtk", "Requires-Dist: scipy", "Requires-Dist: numpy >= 1.22"),
        ),
        (with_fields("2.5", *PARTLY), with_fields("2.5")),
        (with_fields("2.6", "Dynamic: Requires-Dist"), with_fields("2.6", "Requires-Dist: scipy")),
    ],
    ids=["more", "metadata 2.5", "nothing static"],
)
def test_accepts_what_a_build_adds(sdist: str, wheel: str) -> None:
    assert static_items(sdist, wheel) == []


def test_digests_are_not_compared() -> None:
    long = [f"Requires-Dist: {'x' * 90}{number}" for number in range(200)]
    assert static_items(with_fields("2.6", *long, "Dynamic: Requires-Dist"), with_fields("2.6")) == []


# --- PEP 825 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("demo-1.0-cp312-cp312-manylinux_2_28_x86_64-x8664v3.whl", "x8664v3"),
        ("demo-1.0-py3-none-any-null.whl", "null"),
        ("demo-1.0-1-py3-none-win_amd64-cu128.whl", "cu128"),
        ("demo-1.0-py2.py3-none-macosx_11_0_arm64.macosx_12_0_arm64-a.whl", "a"),
    ],
)
def test_names_a_variant_for_what_it_is(name: str, label: str) -> None:
    with pytest.raises(filenames.InvalidFilename, match=re.escape(f"wheel variant with the label '{label}'")):
        filenames.parse_filename(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("demo-1.0-local-py3-none-any.whl", "the build tag 'local'"),
        ("demo-1.0-cp312-py3-none-any.whl", "the build tag 'cp312'"),
        ("demo-1.0-x-1-py3-none-any.whl", "5 or 6 parts"),
        ("demo-1.0-py3-none.whl", "5 or 6 parts"),
    ],
)
def test_other_names_are_no_variants(name: str, reason: str) -> None:
    with pytest.raises(filenames.InvalidFilename, match=reason):
        filenames.parse_filename(name)


# --- how the wheels were made ----------------------------------------------------------------------


def made(tag: str, **facts: object) -> FileSummary:
    name = filenames.parse_filename(wheel_filename("dipy", "1.11.0", tag))
    return dataclasses.replace(FileSummary(name=name, size=1, binary_count=3), **facts)  # type: ignore[arg-type]


def found_in(*summaries: FileSummary) -> set[tuple[str, str]]:
    release = ReleaseContent(
        project="dipy",  # type: ignore[arg-type]
        version=Version("1.11.0"),
        summaries=summaries,
        now=datetime(2026, 11, 21, tzinfo=UTC),
        is_complete_selection=False,
    )
    reported = checks.check_release(release, profile=CheckProfile.PYPI)
    return {(finding.check, finding.subject) for finding in reported}


DELOCATED = {"repair_generators": ("delocate 0.13.0",)}
MAC = [f"{python}-{python}-macosx_11_0_arm64" for python in ("cp311", "cp312", "cp313")]


def test_names_the_wheel_that_was_not_repaired() -> None:
    wheels = [made(MAC[0], **DELOCATED), made(MAC[1]), made(MAC[2], **DELOCATED)]
    assert found_in(*wheels) == {("release/not-repaired", wheels[1].name.filename)}
    assert found_in(wheels[0], wheels[1]) == {("release/not-repaired", wheels[1].name.filename)}


@pytest.mark.parametrize(
    "wheels",
    [
        [made(tag) for tag in MAC],
        [made(tag, **DELOCATED) for tag in MAC],
        [made(tag, repair_generators=(f"delocate 0.{index}",)) for index, tag in enumerate(MAC)],
        [made(MAC[0], **DELOCATED), made("cp312-cp312-win_amd64"), made("cp312-cp312-manylinux_2_28_x86_64")],
        [made(MAC[0], **DELOCATED), made(MAC[1], binary_count=0)],
        [made(MAC[0], repair_generators=("wheel-tags 1",)), made(MAC[1])],
    ],
    ids=["none", "all", "other versions", "other systems", "nothing compiled", "another tool"],
)
def test_accepts_wheels_that_were_made_alike(wheels: list[FileSummary]) -> None:
    assert found_in(*wheels) == set()


def test_names_the_wheels_without_an_sbom() -> None:
    tags = ["cp312-cp312-win_amd64", "cp312-cp312-macosx_11_0_arm64", "cp312-cp312-manylinux_2_28_x86_64"]
    wheels = [made(tag, sboms=("dipy.cyclonedx.json",)) for tag in tags[:2]] + [made(tags[2])]
    assert found_in(*wheels) == {("release/uneven-sboms", wheels[2].name.filename)}
    one = [made(tags[0], sboms=("dipy.cyclonedx.json",)), made(tags[1]), made(tags[2])]
    assert found_in(*one) == {("release/uneven-sboms", one[0].name.filename)}


def test_a_pure_wheel_needs_no_sbom_of_the_tool_that_compiles() -> None:
    tags = ["cp312-cp312-win_amd64", "cp312-cp312-macosx_11_0_arm64"]
    wheels = [made(tag, sboms=("dipy.cyclonedx.json",)) for tag in tags]
    assert found_in(*wheels, made("py3-none-any", binary_count=0)) == set()
    without = made("cp312-cp312-manylinux_2_28_x86_64")
    assert found_in(*wheels, without) == {("release/uneven-sboms", without.name.filename)}


def test_sboms_of_repair_tools_depend_on_the_platform() -> None:
    linux = [f"cp31{minor}-cp31{minor}-manylinux_2_28_x86_64" for minor in (1, 2)]
    repaired = [made(tag, sboms=("auditwheel.cdx.json",)) for tag in linux]
    assert found_in(*repaired, made(MAC[0])) == set()
    assert found_in(repaired[0], made(linux[1]), made(MAC[0])) == {
        ("release/uneven-sboms", made(linux[1]).name.filename)
    }


# --- PEP 771 ---------------------------------------------------------------------------------------

DRAFT = "Default-Extra (PEP 771) is in no metadata version yet: twine rejects it, and pip ignores it"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("Provides-Extra: Big.Gui\nDefault-Extra: big-gui\n", DRAFT),
        (
            "Provides-Extra: gui\nDefault-Extra: gu\nDefault-Extra: gui\n",
            f"{DRAFT}; Provides-Extra does not have gu",
        ),
        ("Default-Extra: gui\n", f"{DRAFT}; Provides-Extra does not have gui"),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_names_the_draft_of_default_extras(headers: str, message: str, kind: str) -> None:
    text = METADATA.format(project="dipy", version="1.11.0").replace(
        "Classifier:", f"{headers}Classifier:", 1
    )
    data = wheel_bytes(metadata=text) if kind == "wheel" else sdist_bytes(metadata=text)
    assert only(findings(data, WHEEL if kind == "wheel" else SDIST), "metadata/invalid") == [message]


def test_accepts_extras() -> None:
    text = METADATA.format(project="dipy", version="1.11.0").replace(
        "Classifier:", "Provides-Extra: gui\nClassifier:", 1
    )
    assert only(findings(wheel_bytes(metadata=text), WHEEL), "metadata/invalid") == []
