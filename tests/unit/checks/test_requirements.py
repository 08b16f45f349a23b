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


def find_by_check(lines: list[str], check: str) -> list[str]:
    """Return the messages of a check for a wheel with these lines of metadata."""
    metadata = FIRST.replace("Requires-Python", "".join(f"{line}\n" for line in lines) + "Requires-Python")
    found = checks.check_contents([content(wheel_bytes(metadata=metadata), WHEEL)], profile=CheckProfile.PYPI)
    return [finding.message for finding in found if finding.check == check]


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ("sys_platform == 'windows'", "sys_platform is never 'windows', but 'win32'"),
        ("sys_platform == 'Linux'", "sys_platform is never 'Linux', but 'linux'"),
        ("sys_platform == 'macos' and python_version > '3.9'", "sys_platform is never 'macos', but 'darwin'"),
        ("platform_system == 'windows'", "platform_system is never 'windows', but 'Windows'"),
        ("platform_system == 'macOS'", "platform_system is never 'macOS', but 'Darwin'"),
        ("os_name == 'windows'", "os_name is never 'windows', but 'nt'"),
        ("python_version >= '3.10' and python_version < '3.10'", "no python_version is >=3.10 and <3.10"),
        ("python_version == '3.9.5'", "no python_version is ==3.9.5"),
    ],
)
def test_reports_a_marker_that_is_never_true(marker: str, problem: str) -> None:
    [message] = find_by_check([f"Requires-Dist: numpy; {marker}"], "metadata/impossible-marker")
    assert message.endswith(f"is installed nowhere: {problem}")


@pytest.mark.parametrize(
    "marker",
    [
        "sys_platform == 'win32'",
        "sys_platform == 'cygwin'",
        "sys_platform == 'freebsd14'",
        "sys_platform == 'linux2'",
        "sys_platform != 'windows'",
        "sys_platform == 'windows' or sys_platform == 'win32'",
        "platform_system == 'Java'",
        "os_name == 'java'",
        "platform_machine == 'AMD64'",
        "python_version < '3.6'",
        "python_version < '3'",
        "python_version in '3.9 3.10'",
        "python_version == '3.10.*'",
        "python_version > '3.9' and python_version < '3.11'",
        "python_full_version > '3.9.0' and python_full_version < '3.9.2'",
        "python_full_version == '3.11.0rc1'",
        "python_full_version == '3.11.17'",
        "python_version >= '3.9' and python_full_version < '3.9.0'",
    ],
)
def test_accepts_a_marker_that_may_be_true(marker: str) -> None:
    assert find_by_check([f"Requires-Dist: numpy; {marker}"], "metadata/impossible-marker") == []


def test_reports_each_extra_that_is_not_declared_once() -> None:
    lines = [
        "Requires-Dist: numpy; extra == 'fast'",
        "Requires-Dist: scipy>1; python_version > '3.9' and extra == 'fast'",
        "Requires-Dist: nibabel; extra == 'Full_Set'",
        "Provides-Extra: full-set",
    ]
    assert find_by_check(lines, "metadata/undeclared-extra") == [
        "'numpy; extra == \"fast\"' is for the extra 'fast', which no Provides-Extra states"
    ]
