"""``--ignore ID:PATTERN`` accepts only the findings about one wheel, file or library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import in_process
from tools.testing import wheels
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.ignored_findings import find_ignore, split_ignore
from wheel_uploader.core.models import Finding, Severity


def finding(
    message: str = "", subject: str = "demo-1.0-cp312-cp312-win_amd64.whl", member: str = ""
) -> Finding:
    return Finding(
        check="native/missing-library",
        severity=Severity.ERROR,
        subject=subject,
        message=message,
        member=member or None,
    )


CUDA = "it requires libcuda.so.1, which neither the wheel nor manylinux provides"


@pytest.mark.parametrize(
    ("pattern", "about"),
    [
        ("libcuda.so.1", finding(CUDA)),
        ("libcuda.so.*", finding(CUDA)),
        ("libcuda*", finding("it needs libcuda.so.1, libcuda-x.so, libcuda_y.so")),
        ("libcuda*", finding("it requires 'libcuda.so.1'; the wheel has demo/x.so")),
        ("*-win_amd64.whl", finding()),
        ("demo/_fast.pyd", finding(member="demo/_fast.pyd")),
        ("_fast.*", finding(member="demo/_fast.pyd")),
        ("demo/*", finding(member="demo/a/_fast.pyd")),
    ],
)
def test_accepts_findings_that_match_the_pattern(pattern: str, about: Finding) -> None:
    for check in ("native/missing-library", "native"):
        text = f"{check}:{pattern}"
        assert find_ignore(about, ["wheel", text]) == text
    assert find_ignore(about, [f"native/not-native:{pattern}", f"wheel:{pattern}"]) is None


@pytest.mark.parametrize(
    ("pattern", "about"),
    [
        ("libcuda.so.1", finding(CUDA.replace("so.1", "so.12"))),
        ("libcuda", finding(CUDA)),
        ("LIBCUDA*", finding(CUDA)),
        ("libcuda*", finding("it needs libcuda.so.1, libfoo.so")),
        ("libcuda*", finding("it needs libfoo.so, libcuda.so.1")),
        ("libcuda*", finding("it needs libcuda.so.1, libcuda.so.2 and 3 more")),
        ("libcuda*", finding("it needs libcuda.so.1 and libfoo.so")),
        ("which", finding(CUDA)),
        ("wheel", finding(CUDA)),
        ("other-*", finding(CUDA, member="demo/x.so")),
    ],
)
def test_accepts_nothing_else(pattern: str, about: Finding) -> None:
    assert find_ignore(about, [f"native/missing-library:{pattern}"]) is None


def test_a_colon_needs_a_pattern() -> None:
    assert split_ignore("native") == ("native", "")
    assert split_ignore("native/unread:a:b") == ("native/unread", "a:b")
    with pytest.raises(UsageError, match="no pattern after the colon"):
        split_ignore("native/unread: ")


# --- with the real command -------------------------------------------------------------------------


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wheels with one stray file each, of other names."""
    monkeypatch.chdir(tmp_path)
    for tag, stray in (("cp311-none-any", "LICENSE"), ("cp312-none-any", "notes.md")):
        wheels.make_wheel(Path("staged"), "demo", "1.0", tag, files={stray: b"x"})


def report_of(*ignored: str, config: str = "") -> dict[str, Any]:
    arguments = [part for text in ignored for part in ("--ignore", text)]
    if config:
        Path("wheel-uploader.toml").write_text(config)
        arguments += ["--config", "wheel-uploader.toml"]
    ended = in_process.run("--until", "check", "-u", "staged", "--format", "json", *arguments)
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def stray(report: dict[str, Any]) -> dict[str, bool]:
    return {
        each["member"]: each["ignored"]
        for each in report["findings"]
        if each["check"] == "content/stray-toplevel"
    }


@pytest.mark.usefixtures("staged")
@pytest.mark.parametrize(
    ("ignored", "accepted"),
    [
        ("content/stray-toplevel:LICENSE", {"LICENSE"}),
        ("content:*.md", {"notes.md"}),
        ("content/stray-toplevel:demo-1.0-cp312-*.whl", {"notes.md"}),
        ("content/stray-toplevel", {"LICENSE", "notes.md"}),
        ("content/stray-toplevel:README", set()),
    ],
)
def test_the_command_accepts_one_file(ignored: str, accepted: set[str]) -> None:
    report = report_of(ignored)
    assert stray(report) == {name: name in accepted for name in ("LICENSE", "notes.md")}
    assert report["idle_ignores"] == ([] if accepted else [ignored])


@pytest.mark.usefixtures("staged")
def test_strict_stops_at_the_remaining_findings() -> None:
    others = ("metadata", "release", "wheel", "name", "native")
    assert report_of(*others, "content:LICENSE")["exit_code"] == 0
    for ignored, code in (("content:LICENSE", 6), ("content:[Ln]*", 0)):
        arguments = [part for text in (*others, ignored) for part in ("--ignore", text)]
        assert in_process.run("--until", "check", "-u", "staged", "--strict", *arguments).exit_code == code


@pytest.mark.usefixtures("staged")
def test_each_pattern_has_its_reason_in_the_configuration() -> None:
    config = '[tool.wheel-uploader.ignore]\n"content:LICENSE" = "it is ours"\n"content:*.md" = "for now"\n'
    reasons = {
        each["member"]: each["reason"]
        for each in report_of(config=config)["findings"]
        if each["check"] == "content/stray-toplevel"
    }
    assert reasons == {"LICENSE": "it is ours", "notes.md": "for now"}
    shown = in_process.run("--until", "check", "-u", "staged", "--config", "wheel-uploader.toml")
    assert "because it is ours; for now" in " ".join(shown.stdout.split())


@pytest.mark.usefixtures("staged")
@pytest.mark.parametrize("ignored", ["content/stray-topleve:LICENSE", "content/stray-toplevel:"])
def test_a_wrong_value_is_refused(ignored: str) -> None:
    ended = in_process.run("--until", "check", "-u", "staged", "--ignore", ignored)
    assert ended.exit_code == 2
    assert "next: " in ended.stderr
