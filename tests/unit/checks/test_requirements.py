"""Requirements that no version satisfies, or that PyPI cannot serve; packaging is the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.support.zips import SDIST, WHEEL, content
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes
from wheel_uploader import checks
from wheel_uploader.core.models import CheckProfile, Finding, Severity

FIRST = METADATA.format(project="dipy", version="1.11.0")


def find(
    requirements: list[str], profile: CheckProfile = CheckProfile.PYPI, kind: str = "wheel"
) -> tuple[Finding, ...]:
    lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    metadata = FIRST.replace(
        "Requires-Python", f"Provides-Extra: gpu\nProvides-Extra: cpu\n{lines}Requires-Python"
    )
    data = wheel_bytes(metadata=metadata) if kind == "wheel" else sdist_bytes(metadata=metadata)
    found = checks.check_contents([content(data, WHEEL if kind == "wheel" else SDIST)], profile=profile)
    return tuple(finding for finding in found if finding.check.endswith("-requirement"))


UNSATISFIABLE = [
    ["numpy>2,<1"],
    ["numpy >=2, <2"],
    ["numpy>2,<=2"],
    ["numpy==1.0,==2.0"],
    ["numpy==1.*,>=2"],
    ["numpy~=1.4.2,>=1.5"],
    ["numpy==1.0,!=1.0"],
    ["numpy>=1.0,<1.1,!=1.0.*"],
    ["numpy==1!1.0,<2"],
    ["numpy>2,<1 ; extra == 'gpu'"],
    ["numpy>2", "numpy<1"],
    ["numpy[x]>2", "NumPy<1"],
    ["dipy==1.10.0"],
    ["dipy[gpu]<1 ; extra == 'gpu'"],
    ["numpy>2 ; python_version >= '3.9'", "numpy<1 ; python_version>='3.9'"],
    ["numpy>2 ; extra == 'gpu'", "numpy<1 ; extra == 'gpu'"],
]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("requirements", UNSATISFIABLE, ids=", ".join)
def test_reports_what_no_version_satisfies(requirements: list[str], kind: str) -> None:
    found = find(requirements, kind=kind)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("metadata/unsatisfiable-requirement", Severity.ERROR)
    ]


SATISFIABLE = [
    ["numpy>=1.0,<2"],
    ["numpy>1.0,<1.0.1"],
    ["numpy>=1.0a1,<1.0b1"],
    ["numpy>=1.0.dev0,<=1.0"],
    ["numpy>1.0.dev1,<1.0a1"],
    ["numpy>1.0a1.dev1,<1.0a1"],
    ["numpy>=1.26.0rc1,<2.4,!=1.26.4"],
    ["numpy!=1.0,!=2.0"],
    ["numpy==1.0,>=1.0"],
    ["numpy==2.1.*,!=2.1.0"],
    ["numpy===weird,>=3"],
    ["numpy~=1.4,!=1.4.*"],
    ["numpy>1!0,<1!1"],
    ["numpy>=1.0.post1,<1.0.post3"],
    ["numpy>2 ; python_version >= '3.12'", "numpy<2 ; python_version < '3.12'"],
    ["numpy>2", "numpy<2 ; extra == 'gpu'"],
    ["numpy>2 ; extra == 'gpu'", "numpy<2 ; extra == 'cpu'"],
    ["numpy>2", "numpy<2 ; extra == 'gpu' and python_version < '3'"],
    ["numpy>2", "scipy<1"],
    ["dipy[gpu]"],
    ["dipy[gpu]==1.11.0 ; extra == 'gpu'"],
    ["dipy @ https://example.org/dipy.whl"],
]


@pytest.mark.parametrize("requirements", SATISFIABLE, ids=", ".join)
def test_accepts_what_some_version_satisfies(requirements: list[str]) -> None:
    assert find(requirements) == ()


VERSIONS = ["1.0", "1.0.1", "1.1", "2.0", "1.0a1", "1.0rc1", "1.0.dev1", "1.0.post1", "1.1.dev2", "2.0b1"]
#: Versions with all parts that the specifiers above can tell apart.
MANY_VERSIONS = [
    Version(f"{major}.{minor}.{patch}{suffix}")
    for major in range(4)
    for minor in range(3)
    for patch in range(4)
    for suffix in (
        "",
        ".dev0",
        ".dev1",
        ".dev2",
        ".dev3",
        "a1.dev0",
        "a1",
        "a2",
        "b1",
        "rc1",
        "rc2",
        ".post1",
        ".post2",
    )
]


@given(
    st.lists(
        st.tuples(st.sampled_from([">=", "<=", ">", "<", "==", "!=", "~="]), st.sampled_from(VERSIONS)),
        min_size=2,
        max_size=4,
        unique=True,
    )
)
def test_never_reports_what_a_version_satisfies(parts: list[tuple[str, str]]) -> None:
    text = ",".join("".join(part) for part in parts)
    if "~=1," not in text and any(
        SpecifierSet(text).contains(version, prereleases=True) for version in MANY_VERSIONS
    ):
        assert find([f"numpy{text}"]) == ()


def test_a_local_version_is_a_warning_for_pypi_only() -> None:
    for requirement in (
        "torch==2.1.0+cu118",
        "torch===2.1.0+cu118",
        "torch==2.1.0+cu118 ; python_version > '3'",
    ):
        [finding] = find([requirement])
        assert (finding.check, finding.severity) == ("metadata/local-version-requirement", Severity.WARNING)
        [finding] = find([requirement], CheckProfile.ANY)
        assert finding.severity is Severity.NOTE


@pytest.mark.parametrize(
    "requirement", ["torch==2.1.0", "torch!=2.1.0+cpu", "torch==2.1.0+cu118 ; extra == 'gpu'", "torch>=2.1"]
)
def test_accepts_other_requirements(requirement: str) -> None:
    assert find([requirement]) == ()


def test_many_requirements_with_many_specifiers_stay_within_the_budget() -> None:
    specifiers = ",".join(f"!={number}.*" for number in range(39))
    found = find([f"p{number}>{number},<{number},{specifiers}" for number in range(600)])
    assert {finding.check for finding in found} <= {"metadata/unsatisfiable-requirement"}
