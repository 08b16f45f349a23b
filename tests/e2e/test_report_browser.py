"""The HTML report in a real browser: it obeys its own security policy, fits a phone, and is accessible."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.support import browser
from tools.testing import reports
from wheel_uploader.core.models import Report
from wheel_uploader.report import formats_table

REPORTS = {"published": reports.published, "everything": reports.everything}
AXE = "axe.run(document, {resultTypes: ['violations', 'incomplete']})"


def page(report: Report) -> str:
    return formats_table.RENDERERS["html"](report, True)


def test_browser_reports_no_problems(tmp_path: Path) -> None:
    loaded = browser.load_page(tmp_path, page(reports.everything()))
    assert loaded.console == ()
    assert "<h1>dipy" in loaded.document


def test_browser_enforces_the_security_policy(tmp_path: Path) -> None:
    """The browser blocks and reports another style, a script and an image."""
    broken = page(reports.published()).replace(
        "</main>", "<style>h1 { color: red }</style><script>1</script><img src='x.png' alt=''></main>"
    )
    loaded = browser.load_page(tmp_path, broken)
    violations = [line for line in loaded.console if "Content Security Policy" in line]
    assert len(violations) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_axe_finds_no_accessibility_problems(tmp_path: Path, name: str, scheme: str) -> None:
    flags = (browser.DARK,) if scheme == "dark" else ()
    question = f"""({{
        background: getComputedStyle(document.documentElement).backgroundColor,
        axe: await {AXE}
    }})"""
    expression = f"(async () => {question})()"
    value = browser.evaluate(tmp_path, page(REPORTS[name]()), expression, *flags, code=browser.axe())
    assert (value["background"] == "rgb(255, 255, 255)") == (scheme == "light")
    assert [describe(each) for each in value["axe"]["violations"]] == []
    assert [describe(each) for each in value["axe"]["incomplete"]] == []
    assert len(value["axe"]["passes"]) > 10


def describe(rule: dict[str, object]) -> str:
    nodes = rule["nodes"]
    assert isinstance(nodes, list)
    return f"{rule['id']}: {rule['help']}: {[each['html'][:200] for each in nodes[:3]]}"


_MORE_PLATFORMS = (
    *("manylinux_2_28_armv7l", "manylinux_2_28_i686", "manylinux_2_28_ppc64le", "manylinux_2_28_s390x"),
    *("manylinux_2_28_riscv64", "musllinux_1_2_armv7l", "musllinux_1_2_i686", "musllinux_1_2_ppc64le"),
)


def large(more_platforms: tuple[str, ...] = ()) -> Report:
    """Return the report of 71 files on nine platforms or more, of which some failed the checks."""
    platforms = (
        *("macosx_11_0_arm64", "macosx_10_13_x86_64", "win32", "win_amd64", "win_arm64"),
        *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
        *more_platforms,
    )
    pythons = [f"cp3{minor}-cp3{minor}{free}" for minor in (11, 12, 13, 14) for free in ("", "t")]
    names = [f"dipy-1.11.0-{python}-{platform}.whl" for python in pythons for platform in platforms][:70]
    failures = [reports.finding("wheel/no-tag", "no Tag line", name) for name in names[5:60:9]]
    return reports.checked(*failures, filenames=(*names, reports.SDIST))


SCREENSHOTS = {**REPORTS, "large": large}
_FAILED_CELLS_OUTSIDE = """[...document.querySelectorAll("table.matrix td.bad")].map(cell => {
    const box = cell.getBoundingClientRect(); return [box.left, box.right]; })"""


@pytest.mark.parametrize("more_platforms", [(), _MORE_PLATFORMS])
def test_a_phone_shows_every_failure_of_a_large_matrix_without_scrolling(
    tmp_path: Path, more_platforms: tuple[str, ...]
) -> None:
    cells = browser.evaluate(tmp_path, page(large(more_platforms)), _FAILED_CELLS_OUTSIDE, width=390)
    assert len(cells) == 7
    assert [cell for cell in cells if cell[0] < 0 or cell[1] > 390 or cell[1] - cell[0] < 12] == []


@pytest.mark.parametrize("width", [390, 1200])
def test_a_page_of_71_files_is_short(tmp_path: Path, width: int) -> None:
    height = browser.evaluate(tmp_path, page(large()), "document.documentElement.scrollHeight", width=width)
    assert height < 4_000


@pytest.mark.parametrize("name", REPORTS)
def test_page_fits_the_width_of_a_phone(tmp_path: Path, name: str) -> None:
    width = browser.evaluate(
        tmp_path, page(REPORTS[name]()), "document.documentElement.scrollWidth", width=390
    )
    assert width == 390


def test_one_click_selects_all_hashes(tmp_path: Path) -> None:
    question = "getComputedStyle(document.querySelector('pre.copy')).userSelect"
    assert browser.evaluate(tmp_path, page(reports.published()), question) == "all"


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="SCREENSHOTS names no folder for the pictures")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", SCREENSHOTS)
def test_takes_a_screenshot(tmp_path: Path, name: str, width: int) -> None:
    """CI keeps the pictures: SCREENSHOTS names their folder."""
    folder = Path(os.environ["SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{name}-{width}.png"
    browser.take_screenshot(tmp_path, page(SCREENSHOTS[name]()), picture, width=width)
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24])[0] == width
