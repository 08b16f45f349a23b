"""Four times as much is at most about four times the work: calls are counted, for time is the machine's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from benchmarks.big_wheels import KINDS, make
from benchmarks.growth import FORMATS, report_of
from tests.support import wheels
from wheel_uploader import checks
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.models import CheckProfile, Options, RemoteFile
from wheel_uploader.facts import html_links
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.report import formats_table

#: What is done once shrinks the ratio, a table that grows in steps may add to it; a square would be 16.
MOST = 5.0


def calls(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, ``work`` calls."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def ratio(work: Callable[[int], object], count: int) -> float:
    """How much more is called for four times as many, when both were done once before."""
    work(2)
    return calls(lambda: work(4 * count)) / calls(lambda: work(count))


def test_a_square_is_seen() -> None:
    def square(count: int) -> int:
        return sum(len(str(one)) for one in range(count) for _ in range(count))

    assert ratio(square, 50) > 2 * MOST


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_grows_with_its_findings(name: str) -> None:
    documents = {count: report_of(count) for count in (2, 300, 1200)}
    assert ratio(lambda count: formats_table.RENDERERS[name](documents[count], True), 300) < MOST


def listed(count: int) -> list[RemoteFile]:
    filenames = [f"dipy-1.{number}.0-py3-none-any.whl" for number in range(count)]
    return [RemoteFile(filename=name, url=f"http://x/{name}", source="http://x/") for name in filenames]


def test_choosing_grows_with_the_listing() -> None:
    options = Options(project="dipy", version="1.1.0", urls=("http://x/",))

    def choose(count: int) -> object:
        found = listed(count)
        return release_selection.select_release(
            found, release_selection.infer_release(found, options), lambda _: ""
        )

    assert ratio(choose, 300) < MOST


def test_a_page_grows_with_its_links() -> None:
    def parse(count: int) -> object:
        links = "".join(f'<a href="{file.filename}">{file.filename}</a>\n' for file in listed(count))
        return list(
            html_links.iter_html_files(f"<html><body>{links}</body></html>", "http://x/", "http://x/")
        )

    assert ratio(parse, 300) < MOST


def test_a_wheel_grows_with_its_members(tmp_path: Path) -> None:
    def judge(count: int) -> object:
        files = {f"dipy/part{number % 7}/module_{number}.py": b"pass\n" for number in range(count)}
        path = wheels.make_wheel(tmp_path / str(count), files=files)
        content = archive_reader.read_archive(path, core_filenames.parse_filename(path.name))
        archive_reader.describe_damage(content)
        return checks.inspect_content(content, profile=CheckProfile.PYPI)

    # Writing the wheel is counted as well, which is linear.
    assert ratio(judge, 200) < MOST


@pytest.mark.parametrize("kind", KINDS)
def test_the_wheels_of_the_benchmarks_are_good_ones(tmp_path: Path, kind: str) -> None:
    """A figure that was measured with a wheel which is refused would say nothing."""
    path = make(tmp_path, 3_000_000, kind)
    content = archive_reader.read_archive(path, core_filenames.parse_filename(path.name))
    assert archive_reader.describe_damage(content) == ()
    assert checks.check_contents([content], profile=CheckProfile.PYPI) == ()
