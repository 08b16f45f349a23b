"""The page in a real browser: it breaks no rule of its own policy, fits a phone, and is accessible."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import browser, reports
from wheel_uploader.core.models import Report
from wheel_uploader.report import formats_table

pytestmark = pytest.mark.xdist_group("chromium")

MADE = {"published": reports.published, "everything": reports.everything}
AXE = "axe.run(document, {resultTypes: ['violations', 'incomplete']})"


def page(made: Report) -> str:
    return formats_table.RENDERERS["html"](made, True)


def test_the_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    seen = browser.load_page(tmp_path, page(reports.everything()))
    assert seen.console == ()
    assert "<h1>dipy" in seen.document


def test_the_browser_would_complain(tmp_path: Path) -> None:
    """The policy is one: another style, a script, an image, each is refused, and told."""
    broken = page(reports.published()).replace(
        "</main>", "<style>h1 { color: red }</style><script>1</script><img src='x.png' alt=''></main>"
    )
    seen = browser.load_page(tmp_path, broken)
    refused = [line for line in seen.console if "Content Security Policy" in line]
    assert len(refused) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", MADE)
def test_axe_finds_nothing(tmp_path: Path, name: str, scheme: str) -> None:
    flags = (browser.DARK,) if scheme == "dark" else ()
    question = f"""({{
        background: getComputedStyle(document.documentElement).backgroundColor,
        axe: await {AXE}
    }})"""
    asked = f"(async () => {question})()"
    found = browser.evaluate(tmp_path, page(MADE[name]()), asked, *flags, code=browser.axe())
    assert (found["background"] == "rgb(255, 255, 255)") == (scheme == "light")
    assert [told(each) for each in found["axe"]["violations"]] == []
    assert [told(each) for each in found["axe"]["incomplete"]] == []
    assert len(found["axe"]["passes"]) > 10


def told(rule: dict[str, object]) -> str:
    nodes = rule["nodes"]
    assert isinstance(nodes, list)
    return f"{rule['id']}: {rule['help']}: {[each['html'][:200] for each in nodes[:3]]}"


@pytest.mark.parametrize("name", MADE)
def test_a_phone_scrolls_in_one_direction_only(tmp_path: Path, name: str) -> None:
    width = browser.evaluate(tmp_path, page(MADE[name]()), "document.documentElement.scrollWidth", width=390)
    assert width == 390


def test_one_click_takes_all_hashes(tmp_path: Path) -> None:
    question = "getComputedStyle(document.querySelector('pre.copy')).userSelect"
    assert browser.evaluate(tmp_path, page(reports.published()), question) == "all"
