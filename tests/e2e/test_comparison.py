"""The comparison with earlier releases on an index: tags, nightlies, and what an installer would choose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import wheels
from tools.testing.indexes import Served, scripted_index
from tools.testing.wheels import wheel_filename
from wheel_uploader.rehearsal import environments
from wheel_uploader.rehearsal.environments import TargetPython
from wheel_uploader.rehearsal.pip_resolution import resolve_with_pip

LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}
#: The wheels are tiny and have no compiled code.
ACCEPTED = ("native", "release/no-sdist", "release/odd-one-out", "release/hole-in-matrix")


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def index() -> Iterator[Served]:
    with scripted_index() as served:
        yield served


def publish(served: Served, version: str, tags: Iterable[str] = ("py3-none-any",)) -> None:
    """Put wheels of demo on the index; only their names matter."""
    for tag in tags:
        name = wheel_filename("demo", version, tag)
        served.index.files[name] = name.encode()


def stage(version: str, tags: Iterable[str] = ("py3-none-any",), folder: str = "staged") -> None:
    for tag in tags:
        wheels.make_wheel(Path(folder), "demo", version, tag)


def run(served: Served | None, *arguments: str, version: str = "latest", until: str = "check") -> Result:
    target = ["--repository-url", served.upload_url, "--index-url", served.index_url] if served else []
    ignored = [part for check in ACCEPTED for part in ("--ignore", check)]
    ending = ["--until", until, "--confirm-timeout", "5"]
    return in_process.run("-u", "staged", *target, *ignored, *ending, *arguments, "demo", version, env=LOGIN)


def text_of(result: Result) -> str:
    """Return the report without its line breaks."""
    return " ".join(result.stdout.split())


def document(served: Served | None, *arguments: str, version: str = "latest") -> dict[str, Any]:
    result = run(served, "--format", "json", *arguments, version=version)
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def warnings_of(report: dict[str, Any]) -> dict[str, str]:
    return {
        finding["check"]: finding["message"]
        for finding in report["findings"]
        if finding["severity"] != "note" and not finding["ignored"]
    }


# --- L16: tags -------------------------------------------------------------------------------------

PYTHONS = ("cp311-cp311", "cp312-cp312", "cp313-cp313", "cp313-cp313t", "cp314-cp314", "cp314-cp314t")
PLATFORMS = (
    *("macosx_10_13_x86_64", "macosx_14_0_x86_64", "macosx_11_0_arm64", "macosx_14_0_arm64"),
    *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
    *("win32", "win_amd64", "win_arm64"),
)
ALL_TAGS = [f"{python}-{platform}" for python in PYTHONS for platform in PLATFORMS]
ALL_TAGS += [f"pp311-pypy311_pp73-{platform}" for platform in PLATFORMS[2:6]]


def test_says_what_users_of_macos_14_lose(index: Served) -> None:
    """L16: 6 of 70 wheels are gone, and each of their Pythons has a wheel for an older macOS."""
    publish(index, "1.0", ALL_TAGS)
    left = [tag for tag in ALL_TAGS if not tag.endswith("macosx_14_0_x86_64")]
    assert len(ALL_TAGS) - len(left) == 6
    stage("1.1", left)
    report = document(index, version="1.1")
    assert report["exit_code"] == 0
    assert list(warnings_of(report)) == ["release/lost-tags"]
    pythons = "cp311, cp312, cp313, cp314, cp313t, cp314t"
    assert warnings_of(report)["release/lost-tags"] == (
        f"users of macOS 14 and later on x86_64 ({pythons}) lose the wheel for their system: "
        "1.0 had one for macosx_14_0_x86_64; now they get the one for macosx_10_13_x86_64"
    )
    assert run(index, "--strict", version="1.1").exit_code == 6
    assert run(index, "--strict", "--allow-missing", "macosx_14_0_x86_64", version="1.1").exit_code == 0
    assert run(index, "--strict", "--no-compare", version="1.1").exit_code == 0


def test_accepts_more_systems(index: Served) -> None:
    publish(index, "1.0", ["cp312-cp312-macosx_14_0_x86_64", "cp312-cp312-manylinux_2_28_x86_64"])
    stage("1.1", ["cp312-cp312-macosx_10_13_x86_64", "cp312-cp312-manylinux2014_x86_64"])
    assert run(index, "--strict", version="1.1").exit_code == 0


# --- L17, L18: the reference -----------------------------------------------------------------------

WIN, MAC, LINUX = (
    f"cp312-cp312-{tag}" for tag in ("win_amd64", "macosx_11_0_arm64", "manylinux_2_28_x86_64")
)


@pytest.mark.parametrize("version", ["latest", "3.0.dev2"])
def test_compares_a_nightly_with_the_nightly_before(index: Served, version: str) -> None:
    """L17."""
    publish(index, "3.0.dev1", [WIN, MAC])
    stage("3.0.dev2", [WIN])
    result = run(index, "--pre", version=version, until="confirm")
    assert result.exit_code == 6
    assert "3.0.dev1 had a wheel for cp312 on macosx_arm64; this release has none" in text_of(result)
    assert "compared with 3.0.dev1 (2 files)" in text_of(result)
    assert index.index.posts == []


def test_takes_the_fullest_recent_release(index: Served, tmp_path: Path) -> None:
    """L18."""
    publish(index, "1.0", ALL_TAGS)
    publish(index, "1.1", ALL_TAGS[:3])
    stage("1.2", ALL_TAGS)
    for suffix in ("html", "md", "json", "sarif", "txt"):
        assert run(index, "--report", f"report.{suffix}", version="1.2").exit_code == 0
        sentence = "1.0 (70 files), because 1.1 (3 files) is incomplete"
        if suffix != "json":
            assert sentence in " ".join(Path(f"report.{suffix}").read_text().split()), suffix
    report = json.loads(Path("report.json").read_text())
    assert report["comparison"] == {
        "version": "1.0",
        "files": 70,
        "page": f"{index.index_url}demo/",
        "passed_over": [{"version": "1.1", "files": 3}],
    }
    assert {cell["state"] for cell in report["matrix"]["cells"]} == {"present"}
    named = document(index, "--compare-with", "1.1", version="1.2")
    assert named["comparison"]["version"] == "1.1"
    assert {cell["state"] for cell in named["matrix"]["cells"]} == {"present", "new"}


@pytest.mark.parametrize(
    ("published", "arguments", "reason"),
    [
        ([], (), "the index has no release of demo"),
        (["3.0.dev7", "3.0"], (), "the index has no release of demo below 3.0.dev2"),
        (["3.0.dev1"], ("--no-compare",), "turned off by --no-compare"),
    ],
)
def test_every_report_says_that_there_was_no_comparison(
    index: Served, published: list[str], arguments: tuple[str, ...], reason: str
) -> None:
    for version in published:
        publish(index, version, [WIN])
    stage("3.0.dev2", [WIN])
    sentence = f"the release against an earlier one: {reason}"
    for suffix in ("html", "md", "json", "sarif", "txt"):
        report = f"report.{suffix}"
        assert run(index, *arguments, "--report", report, version="3.0.dev2").exit_code == 0
        assert sentence in " ".join(Path(report).read_text().split()), suffix
    assert document(index, *arguments, version="3.0.dev2")["comparison"] is None


# --- T1: what an installer would choose ------------------------------------------------------------

NIGHTLIES = {
    "no tags": ("0.1.dev1", "1.5.0", ("tags are missing",)),
    "the number was not raised": ("1.5.0.dev7", "1.5.0", ("base number 1.5.0 has been released",)),
    "a release candidate": ("1.5.0.dev1951", "1.5.0rc1", ("base number 1.5.0", "1.5.0rc2.dev1951")),
    "another date": ("1.5.0.dev20260601", "1.5.0.dev2026053101", ("date", "10 digits", "8 digits")),
    "an old build": ("1.5.0.dev3", "1.5.0.dev4", ("stage the newest build",)),
    "a commit": ("1.5.0.dev0+gabc1234", "1.5.0.dev0+gfff1234", ("local part", "compared as text")),
    "a lower number": ("1.4.0.dev3", "1.5.0.dev1", ("base number 1.4.0 is below 1.5.0",)),
}


@pytest.mark.parametrize(("staged", "published", "words"), NIGHTLIES.values(), ids=NIGHTLIES)
def test_warns_of_a_nightly_that_installers_will_not_choose(
    index: Served, staged: str, published: str, words: tuple[str, ...]
) -> None:
    """T1 (a) to (d)."""
    publish(index, published)
    stage(staged)
    report = document(index, "--pre")
    assert report["exit_code"] == 0
    assert list(warnings_of(report)) == ["release/not-newest"]
    message = warnings_of(report)["release/not-newest"]
    assert f"an installer that takes pre-releases chooses {published} instead of {staged}: " in message
    assert [word for word in words if word not in message] == []
    # The note that says the same is left out.
    assert "release/older-than-latest" not in {finding["check"] for finding in report["findings"]}
    strict = run(index, "--pre", "--strict", until="confirm")
    assert strict.exit_code == 6
    assert "release/not-newest" in strict.stderr
    assert index.index.posts == []
    # In a cron job as well, which mails what -q prints.
    quiet = run(index, "--pre", "-q", until="confirm")
    assert quiet.exit_code == 0
    uploaded, warning = quiet.stdout.splitlines()
    assert uploaded == f"demo {staged}, confirm (index): 1 uploaded to {index.upload_url}"
    assert warning.startswith(f"demo {staged}, confirm (index): warning: release/not-newest: ")
    # The same version again: nothing is posted, so there is nothing to warn of.
    assert run(index, "--pre", "-q", until="confirm").stdout == ""
    assert "release/not-newest" not in run(index, "--pre", until="confirm").stdout


@pytest.mark.parametrize(("staged", "published"), [case[:2] for case in NIGHTLIES.values()], ids=NIGHTLIES)
def test_pip_agrees(index: Served, tmp_path: Path, staged: str, published: str) -> None:
    """The real pip, which takes pre-releases here, installs the version that the warning names."""
    stage(staged)
    index.index.store(wheels.make_wheel(tmp_path / "published", "demo", published))
    assert run(index, "--pre", until="confirm").exit_code == 0
    python = TargetPython(implementation="cp", version=(3, 12), abi="cp312")
    machine = environments.glibc_platform((2, 28), "x86_64")
    chosen = resolve_with_pip(index.index_url, "demo>=0.dev0", python, machine, tmp_path)
    assert chosen == wheel_filename("demo", published)


def test_warns_of_a_final_number_among_development_builds(index: Served) -> None:
    """T1 (e)."""
    publish(index, "1.5.0.dev3")
    stage("1.5.0")
    report = document(index, "--pre")
    assert warnings_of(report) == {
        "release/final-among-dev": "1.5.0 is a final version; the index has development builds only, "
        "the newest is 1.5.0.dev3"
    }
    assert run(index, "--pre", "--strict", until="confirm").exit_code == 6
    assert index.index.posts == []


@pytest.mark.parametrize(
    ("staged", "published", "arguments", "version"),
    [
        # A maintenance release by its number.
        ("1.4.3", ["1.5.0"], (), "1.4.3"),
        ("1.4.3.dev1", ["1.5.0"], (), "1.4.3.dev1"),
        # The same version again, the newest one, and an index without the project.
        ("1.5.0.dev3", ["1.5.0.dev3"], ("--pre", "--clobber"), "latest"),
        ("1.5.0.dev4", ["1.5.0.dev3", "1.4.0"], ("--pre",), "latest"),
        ("1.5.0.dev3", [], ("--pre",), "latest"),
        ("1.5.0", [], ("--pre",), "latest"),
        # A final release, while pre-releases of the next one are there.
        ("1.5.0", ["1.6.0rc1", "1.4.0"], (), "latest"),
        ("1.5.0", ["1.4.0", "1.5.0rc1", "1.5.0.dev3"], ("--pre",), "latest"),
        # The first final release, on purpose.
        ("1.5.0", ["1.5.0.dev3"], (), "1.5.0"),
    ],
)
def test_does_not_warn_of_a_release_that_is_chosen_or_named(
    index: Served, staged: str, published: list[str], arguments: tuple[str, ...], version: str
) -> None:
    stage(staged)
    for each in published:
        publish(index, each)
    if staged in published:
        index.index.store(Path("staged") / wheel_filename("demo", staged, "py3-none-any"))
    assert warnings_of(document(index, *arguments, version=version)) == {}


def test_a_newer_version_for_other_systems_is_not_chosen(index: Served) -> None:
    publish(index, "1.5.0.dev4", [MAC])
    stage("1.5.0.dev3", [WIN])
    assert "release/not-newest" not in warnings_of(document(index, "--pre", "--no-compare"))
    publish(index, "1.5.0.dev5", ["py3-none-any"])
    assert "release/not-newest" in warnings_of(document(index, "--pre", "--no-compare"))


def test_a_final_release_by_latest_is_compared_with_final_releases(index: Served) -> None:
    publish(index, "1.5.0")
    stage("1.4.3")
    message = warnings_of(document(index))["release/not-newest"]
    assert message.startswith(
        "an installer chooses 1.5.0 instead of 1.4.3: the base number 1.4.3 is below 1.5.0"
    )


# --- a second index --------------------------------------------------------------------------------


def test_compares_with_a_second_index(index: Served) -> None:
    with scripted_index() as releases:
        publish(index, "1.5.0.dev6")
        publish(releases, "1.5.0")
        stage("1.5.0.dev7")
        assert warnings_of(document(index, "--pre")) == {}
        message = warnings_of(document(index, "--pre", "--compare-index", releases.index_url))[
            "release/not-newest"
        ]
        assert f"chooses 1.5.0, which {releases.index_url}demo/ has, instead of 1.5.0.dev7" in message
        # The configuration and the environment name it as well.
        Path("pyproject.toml").write_text(f'[tool.wheel-uploader]\ncompare-index = "{releases.index_url}"\n')
        assert "release/not-newest" in warnings_of(document(index, "--pre"))
        assert all("Authorization" not in headers for _, headers in releases.index.gets)
        assert releases.index.posts == []


def test_a_second_index_serves_where_the_target_has_nothing_to_compare_with(index: Served) -> None:
    with scripted_index() as releases:
        publish(releases, "2.9", [WIN, MAC])
        stage("3.0.dev1", [WIN])
        report = document(index, "--compare-index", releases.index_url, version="3.0.dev1")
        assert report["comparison"]["page"] == f"{releases.index_url}demo/"
        assert list(warnings_of(report)) == ["release/lost-against-previous"]
        # Without a target, it is the only index that is read.
        report = document(None, "--compare-index", releases.index_url, version="3.0.dev1")
        assert report["comparison"]["version"] == "2.9"
        assert list(warnings_of(report)) == ["release/lost-against-previous"]


@pytest.mark.parametrize("answer", [404, 503, "html"])
def test_a_second_index_that_is_not_read_is_a_line_of_the_report(index: Served, answer: int | str) -> None:
    with scripted_index() as releases:
        status = answer if isinstance(answer, int) else 200
        releases.index.page = (status, "text/html", "<title>Sign in</title>")
        publish(index, "1.5.0.dev6")
        stage("1.5.0.dev7")
        report = document(index, "--pre", "--retries", "1", "--compare-index", releases.index_url)
        assert report["exit_code"] == 0
        (line,) = report["not_checked"]
        assert line.startswith(f"the release against the second index, {releases.index_url}: ")
        assert report["comparison"]["version"] == "1.5.0.dev6"


@pytest.mark.parametrize("url", ["", "folder", "ftp://example.com/simple/"])
def test_rejects_an_invalid_second_index_before_anything_is_read(index: Served, url: str) -> None:
    stage("1.5.0.dev7")
    assert run(index, "--pre", "--compare-index", url).exit_code == 2
    assert index.index.gets == []
