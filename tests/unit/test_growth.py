"""Test that work grows linearly with the input, by counting calls instead of measuring time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from tests.support.listings import select_from
from tools.testing import reports, wheels
from tools.testing.big_wheels import KINDS, make
from wheel_uploader import checks
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.models import CheckProfile, Options, RemoteFile
from wheel_uploader.facts import html_links
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.report import formats_table

#: Call ratio allowed for four times the input: linear growth is about 4, quadratic growth would be 16.
MAX_RATIO = 5.0


def count_calls(work: Callable[[], object]) -> int:
    """Return the number of Python and C functions that ``work`` calls."""
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


def call_ratio(work: Callable[[int], object], count: int) -> float:
    """Return the ratio of calls for ``4 * count`` and ``count``, after a first run to fill caches."""
    work(2)
    return count_calls(lambda: work(4 * count)) / count_calls(lambda: work(count))


def test_detects_quadratic_growth() -> None:
    def square(count: int) -> int:
        return sum(len(str(number)) for number in range(count) for _ in range(count))

    assert call_ratio(square, 50) > 2 * MAX_RATIO


@pytest.mark.parametrize("name", formats_table.RENDERERS)
def test_report_grows_linearly_with_its_findings(name: str) -> None:
    documents = {count: reports.with_findings(count) for count in (2, 300, 1200)}
    assert call_ratio(lambda count: formats_table.RENDERERS[name](documents[count], True), 300) < MAX_RATIO


def remote_files(count: int) -> list[RemoteFile]:
    filenames = [f"dipy-1.{number}.0-py3-none-any.whl" for number in range(count)]
    return [RemoteFile(filename=name, url=f"http://x/{name}", source="http://x/") for name in filenames]


def test_selection_grows_linearly_with_the_listing() -> None:
    options = Options(project="dipy", version="1.1.0", urls=("http://x/",))

    def select(count: int) -> object:
        files = remote_files(count)
        return select_from(files, release_selection.infer_release(files, options), lambda _: "")

    assert call_ratio(select, 300) < MAX_RATIO


def test_parsing_grows_linearly_with_the_links() -> None:
    def parse(count: int) -> object:
        links = "".join(f'<a href="{file.filename}">{file.filename}</a>\n' for file in remote_files(count))
        return list(
            html_links.iter_html_files(f"<html><body>{links}</body></html>", "http://x/", "http://x/")
        )

    assert call_ratio(parse, 300) < MAX_RATIO


def test_inspection_grows_linearly_with_the_members(tmp_path: Path) -> None:
    def inspect(count: int) -> object:
        files = {f"dipy/part{number % 7}/module_{number}.py": b"pass\n" for number in range(count)}
        path = wheels.make_wheel(tmp_path / str(count), files=files)
        content = archive_reader.read_archive(path, core_filenames.parse_filename(path.name))
        archive_reader.describe_damage(content)
        return checks.inspect_content(content, profile=CheckProfile.PYPI)

    # The count includes writing the wheel, which is linear.
    assert call_ratio(inspect, 200) < MAX_RATIO


@pytest.mark.parametrize("kind", KINDS)
def test_the_wheels_of_the_benchmarks_pass_the_checks(tmp_path: Path, kind: str) -> None:
    """Measurements with a rejected wheel would be meaningless."""
    path = make(tmp_path, 3_000_000, kind)
    content = archive_reader.read_archive(path, core_filenames.parse_filename(path.name))
    assert archive_reader.describe_damage(content) == ()
    assert checks.check_contents([content], profile=CheckProfile.PYPI) == ()
