"""--rehearse: a release is published to a local index, and the real pip resolves it from there."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import indexes, wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.child_processes.environment import ChildKind, build_environment
from wheel_uploader.core.errors import FileError, NetworkError, UsageError
from wheel_uploader.core.models import (
    DistName,
    InstallKind,
    InstallOutcome,
    InstallSource,
    Options,
    Report,
    Stage,
    WheelName,
)
from wheel_uploader.core.platforms.platforms import NEWEST_CPYTHON, OLDEST_CPYTHON
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.rehearsal import environments, pip_command, pip_resolution, rehearsal
from wheel_uploader.rehearsal.environments import TargetPlatform, TargetPython
from wheel_uploader.rehearsal.wheel_selection import Choice, WheelSelector
from wheel_uploader.report.formats import rehearsal_text
from wheel_uploader.report.formats.terminal_style import TerminalStyle
from wheel_uploader.report.views import outcome as outcome_view


def wheel(tag: str, version: str = "1.11.0", build: str = "") -> WheelName:
    name = filenames.parse_filename(wheels.wheel_filename("dipy", version, tag, build))
    assert isinstance(name, WheelName)
    return name


def platforms(*tags: str) -> list[str]:
    return [str(machine) for machine in environments.target_platforms(map(wheel, tags))]


def pythons(*tags: str) -> list[str]:
    return [str(python) for python in environments.target_pythons(map(wheel, tags))]


def select(names: Iterable[DistName], platform: TargetPlatform) -> Choice:
    return WheelSelector(names).select(CP313, platform)


CP313 = TargetPython(implementation="cp", version=(3, 13), abi="cp313")


# --- Pythons and platforms -------------------------------------------------------------------------


def test_targets_each_python_of_the_wheels_and_the_next_one() -> None:
    tags = ("cp312-cp312-win_amd64", "cp313-cp313-win_amd64", "pp311-pypy311_pp73-win_amd64")
    assert pythons(*tags) == ["cp312", "cp313", "cp314", "pp311"]
    assert pythons("cp313-cp313t-win_amd64") == ["cp313t", "cp314", "cp314t"]


def test_wheels_for_many_pythons_target_all_up_to_the_newest() -> None:
    newest = NEWEST_CPYTHON[1]
    targets = pythons("cp312-abi3-win_amd64")
    assert targets == [f"cp3{minor}" for minor in range(12, newest + 2)]
    oldest = OLDEST_CPYTHON[1]
    assert pythons("py3-none-win_amd64") == [f"cp3{minor}" for minor in range(oldest, newest + 2)]


def test_no_targets_without_wheels() -> None:
    assert environments.target_pythons([filenames.parse_filename("dipy-1.11.0.tar.gz")]) == ()


def test_targets_the_oldest_supported_and_the_newest_platforms() -> None:
    assert platforms("cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64") == [
        "Linux x86_64 glibc 2.17",
        f"Linux x86_64 glibc 2.{environments.NEWEST_GLIBC[1]}",
        "Linux x86_64 musl 1.2",
    ]
    assert platforms("cp313-cp313-musllinux_1_1_aarch64") == [
        f"Linux aarch64 glibc 2.{environments.NEWEST_GLIBC[1]}",
        "Linux aarch64 musl 1.1",
        "Linux aarch64 musl 1.2",
    ]
    assert platforms("cp313-cp313-macosx_10_13_universal2") == [
        "macOS arm64 11.0",
        "macOS arm64 26.0",
        "macOS x86_64 10.13",
        "macOS x86_64 26.0",
    ]
    assert platforms("cp313-cp313-win32", "cp313-cp313-win_arm64") == ["Windows 32-bit", "Windows arm64"]


def test_wheel_for_any_platform_targets_the_usual_platforms() -> None:
    targets = " ".join(platforms("py3-none-any"))
    assert all(name in targets for name in ("Linux x86_64", "macOS arm64", "Windows x86_64"))


def test_does_not_target_pyodide() -> None:
    assert platforms("cp313-cp313-pyodide_2025_0_wasm32", "cp313-cp313-win_amd64") == ["Windows x86_64"]


# --- resolution by file names and by pip -----------------------------------------------------------


def test_prefers_the_newest_platform_and_then_the_highest_build() -> None:
    old, new = wheel("cp313-cp313-macosx_11_0_arm64"), wheel("cp313-cp313-macosx_15_0_arm64")
    newest_mac = environments.macos_platform((26, 0), "arm64")
    older_mac = environments.macos_platform((14, 0), "arm64")
    assert select([old, new], newest_mac) == Choice(wheel=new)
    assert select([old, new], older_mac) == Choice(wheel=old)
    assert select([new], older_mac) == Choice(wheel=None)
    ninth, tenth = wheel("cp313-cp313-win32", build="9a"), wheel("cp313-cp313-win32", build="10")
    (windows,) = environments.target_platforms([ninth])
    assert select([ninth, tenth], windows) == Choice(wheel=tenth)
    assert select([wheel("cp313-cp313-win32"), ninth], windows) == Choice(wheel=ninth)


@pytest.mark.parametrize(
    ("requires", "builds"), [("", True), (">=3.13", True), (">=3.14", False), ("nonsense", True)]
)
def test_builds_from_source_if_requires_python_allows_it(requires: str, builds: bool) -> None:
    sdist = filenames.parse_filename("dipy-1.11.0.tar.gz")
    assert environments.builds_from_source([sdist], CP313, requires) is builds
    assert environments.builds_from_source([wheel("py3-none-any")], CP313, requires) is False


TAGS = (
    *("cp312-cp312-manylinux_2_28_x86_64", "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"),
    *("cp313-cp313t-musllinux_1_2_x86_64", "cp312-abi3-macosx_11_0_arm64", "cp313-cp313-macosx_15_0_arm64"),
    *("pp311-pypy311_pp73-win_amd64",),
)


@pytest.mark.parametrize(
    "tags",
    [
        ("cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        ("cp313-cp313-manylinux2010_x86_64", "cp313-cp313-manylinux_2_14_x86_64"),
    ],
    ids=["equal tags", "an old name of manylinux"],
)
def test_pip_must_be_asked_if_its_order_is_not_known(tags: tuple[str, ...]) -> None:
    linux = environments.glibc_platform((2, 28), "x86_64")
    assert not select(map(wheel, tags), linux).is_certain
    assert select([wheel(tags[0])], linux) == Choice(wheel=wheel(tags[0]))


def test_requires_python_excludes_a_wheel_as_on_an_index() -> None:
    names = [wheel("cp313-cp313-win32"), wheel("py3-none-any")]
    (windows,) = environments.target_platforms(names[:1])
    selector = WheelSelector(names, {names[0].filename: ">=3.13.1", names[1].filename: ">=3.13"})
    assert selector.select(CP313, windows) == Choice(wheel=names[1], is_confirmable=False)
    selector = WheelSelector(names, {names[0].filename: "3.13 or so", names[1].filename: ">=3.14"})
    assert selector.select(CP313, windows) == Choice(wheel=names[0], is_certain=False)


@pytest.mark.parametrize("agrees", [True, False])
def test_asks_pip_for_a_sample_and_for_everything_if_it_disagrees(
    agrees: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [wheel(tag) for tag in (*TAGS, "cp312-none-win_amd64")]
    doubtful = [wheel("py3-none-any"), wheel("py2.py3-none-any")]
    selector = WheelSelector([*names, *doubtful])
    choices = {
        target: selector.select(*target)
        for target in itertools.product(
            environments.target_pythons(names), environments.target_platforms(names)
        )
    }
    asked: list[tuple[object, ...]] = []

    def resolve_with_pip(_url: str, _requirement: str, *target: object) -> str:
        asked.append(target[:2])
        choice = choices[target[0], target[1]]  # type: ignore[index]
        return choice.wheel.filename if choice.wheel and (agrees or not choice.is_certain) else ""

    monkeypatch.setattr(pip_resolution, "resolve_with_pip", resolve_with_pip)
    answers = rehearsal.Resolver("", "", tmp_path, SilentProgress()).resolve(choices)
    by_pip = [target for target, (_, source) in answers.items() if source is InstallSource.PIP]
    assert sorted(map(str, by_pip)) == sorted(map(str, asked))
    uncertain = [target for target, choice in choices.items() if not choice.is_certain]
    # CPython, free-threaded CPython and PyPy.
    assert len(by_pip) == (len(uncertain) + 3 if agrees else len(choices))
    assert len(uncertain) > 10
    assert agrees is any(filename for target, (filename, _) in answers.items() if target not in uncertain)


@pytest.mark.slow
def test_pip_agrees_with_the_tags(tmp_path: Path) -> None:
    names = [wheel(tag) for tag in TAGS]
    for tag in TAGS:
        wheels.make_wheel(tmp_path / "index", tag=tag)
    selector = WheelSelector(names)
    choices = {
        target: selector.select(*target)
        for target in itertools.product(
            environments.target_pythons(names), environments.target_platforms(names)
        )
    }
    # An environment for each wheel, and three without one.
    sample = {choice.wheel: target for target, choice in choices.items() if choice.wheel}
    without = [target for target, choice in choices.items() if not choice.wheel][::20]
    assert len(sample) == len(TAGS)
    assert len(without) > 1
    with indexes.pypiserver(tmp_path / "index") as url:
        for target in [*sample.values(), *without]:
            filename = pip_resolution.resolve_with_pip(f"{url}simple/", "dipy==1.11.0", *target, tmp_path)
            expected = choices[target].wheel
            assert filename == (expected.filename if expected else ""), target


def test_pip_installs_nothing_on_a_python_that_requires_python_excludes(tmp_path: Path) -> None:
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0").replace(">=3.9", ">=3.14")
    wheels.make_wheel(tmp_path / "index", metadata=metadata)
    platform = TargetPlatform(family="Windows x86_64", version_label="", platform_tags=("win_amd64",))
    with indexes.pypiserver(tmp_path / "index") as url:
        filename = pip_resolution.resolve_with_pip(f"{url}simple/", "dipy==1.11.0", CP313, platform, tmp_path)
    assert filename == ""


def test_reports_an_invalid_wheel_on_the_index(tmp_path: Path) -> None:
    platform = TargetPlatform(family="Windows x86_64", version_label="", platform_tags=("win_amd64",))
    with indexes.pypiserver(tmp_path / "index") as url:
        (tmp_path / "index" / wheels.wheel_filename("dipy", "1.11.0")).write_bytes(b"not a wheel")
        with pytest.raises(NetworkError, match="pip could not resolve for cp313 on Windows x86_64"):
            pip_resolution.resolve_with_pip(f"{url}simple/", "dipy==1.11.0", CP313, platform, tmp_path)


def test_pip_gets_neither_credentials_nor_other_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWINE_PASSWORD", "PIP_INDEX_URL", "HTTPS_PROXY", "GITHUB_TOKEN", "MY_SECRET", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LANG", "C")
    environment = build_environment(ChildKind.PIP_LOCAL_INDEX)
    assert environment["LANG"] == "C"
    assert "x" not in environment.values()


def test_missing_pip_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheel_uploader.rehearsal.pip_command._version", lambda: "")
    with pytest.raises(UsageError, match="a rehearsal needs pip") as caught:
        pip_command.require_pip("a rehearsal")
    assert "wheel-uploader[rehearse]" in str(caught.value.hint)
    assert not pip_command.pip_supports("3.13.0")


# --- the table -------------------------------------------------------------------------------------


def report_of(*answers: tuple[str, str, InstallKind, InstallKind | None]) -> Report:
    report = Report(Options(project="dipy", version="1.11.0", urls=("x",)))
    return dataclasses.replace(
        report,
        install_outcomes=tuple(
            InstallOutcome(python=python, platform_label=machine, kind=kind, previous_kind=before)
            for python, machine, kind, before in answers
        ),
    )


def test_table_shows_lost_and_new_wheels() -> None:
    wheel_, source, nothing = InstallKind
    text = list(
        rehearsal_text.format_rehearsal(
            report_of(
                ("cp313", "Linux x86_64 glibc 2.28", wheel_, wheel_),
                ("cp314", "Linux x86_64 glibc 2.28", wheel_, source),
                ("cp313", "Windows arm64", source, wheel_),
                ("cp314", "Windows arm64", nothing, nothing),
            )
        )
    )
    assert text[:4] == [
        "what pip installs:",
        "                           cp313   cp314",
        "  Linux x86_64 glibc 2.28  wheel   new",
        "  Windows arm64            SOURCE  -",
    ]
    assert text[4:] == [
        "  source: built from the sdist, which needs a compiler for compiled code",
        "  -: pip finds nothing to install",
        "  SOURCE: the previous release had a wheel",
        "  new: a wheel; the previous release had none",
        "rehearsal: pip finds a wheel for 2 of 4 environments, and none for 1 that had",
        "  one in the previous release; nothing was uploaded.",
    ]


def test_a_release_without_the_sdist_of_the_previous_one_is_worse() -> None:
    """On the systems without a wheel its users find nothing, and pip stays with the old release."""
    wheel_, source, nothing = InstallKind
    report = report_of(
        ("cp313", "Linux x86_64 glibc 2.28", wheel_, wheel_),
        ("cp313", "Linux riscv64 glibc 2.39", nothing, source),
        ("cp313", "Windows arm64", nothing, wheel_),
    )
    text = list(rehearsal_text.format_rehearsal(report))
    assert [line.split()[-1] for line in text[2:5]] == ["wheel", "NONE", "NONE"]
    assert "  NONE: the previous release could be installed" in text
    assert " ".join(" ".join(text).split()).endswith(
        "pip finds a wheel for 1 of 3 environments, and none for 1 that had one in the previous release, "
        "and nothing for 1 that could build the previous release; nothing was uploaded."
    )
    with pytest.raises(FileError, match="no wheel for 1 combination"):
        rehearsal.raise_if_worse(make_strict(report))
    without_sdist = dataclasses.replace(report, install_outcomes=report.install_outcomes[:2])
    rehearsal.raise_if_worse(without_sdist)
    with pytest.raises(FileError, match="nothing to install for 1 combination") as caught:
        rehearsal.raise_if_worse(make_strict(without_sdist))
    assert caught.value.details == ("cp313 on Linux riscv64 glibc 2.39: nothing",)
    assert "Stage the sdist" in caught.value.hint


def test_a_narrow_terminal_has_the_whole_table_and_its_legend() -> None:
    wheel_, source, nothing = InstallKind
    kinds = [(wheel_, source), (source, wheel_), (nothing, source), (nothing, nothing), (source, source)]
    report = report_of(*(("cp313", f"Linux x86_64 glibc 2.{2}{n}", *each) for n, each in enumerate(kinds)))
    narrow = list(rehearsal_text.format_rehearsal(report, TerminalStyle(utf8=True, width=40)))
    assert [line for line in narrow if len(line) > 40] == []
    wide = list(rehearsal_text.format_rehearsal(report))
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())


def make_strict(report: Report) -> Report:
    return dataclasses.replace(report, options=dataclasses.replace(report.options, strict=True))


def test_outcome_of_a_rehearsal() -> None:
    report = report_of(("cp313", "Windows arm64", InstallKind.WHEEL, None))
    report = dataclasses.replace(report, last_stage=Stage.CHECK)
    end = outcome_view.build_outcome(report, [])
    assert (end.headline, end.message) == (
        "Rehearsed",
        "pip finds a wheel for 1 of 1 environment; nothing was uploaded.",
    )


def test_table_with_many_pythons_fits_the_screen() -> None:
    answers = [(f"cp3{minor}", "Linux x86_64 glibc 2.28", InstallKind.SOURCE, None) for minor in range(40)]
    text = list(rehearsal_text.format_rehearsal(report_of(*answers)))
    assert max(map(len, text)) <= 80
    assert sum(line.count("source") for line in text if line.startswith("  Linux")) == 40


# --- the command -----------------------------------------------------------------------------------

RELEASE = ("cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-macosx_11_0_arm64")


def release(folder: Path, tags: Iterable[str], version: str) -> Path:
    for tag in tags:
        wheels.make_wheel(folder, version=version, tag=tag)
    return folder


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    (tmp_path / "home").mkdir()
    return CommandLine(tmp_path / "home")


def test_rehearsal_reports_what_pip_installs_and_uploads_nothing(
    command: CommandLine, tmp_path: Path
) -> None:
    staged = release(tmp_path / "staged", RELEASE, "1.11.0")
    release(tmp_path / "packages", [*RELEASE, "cp312-cp312-win_amd64"], "1.10.0")
    before = sorted((tmp_path / "packages").iterdir())
    with indexes.pypiserver(tmp_path / "packages", users={"me": "my-password"}) as url:
        index = ("--repository-url", url, "--allow-missing", "*win*", "--ignore", "release")
        ended = command.run("--rehearse", "-u", staged, *index, "dipy", "1.11.0")
        strict = command.run(
            *("--rehearse", "--strict", "--format", "json", "--ignore", "native"),
            *("-u", staged, *index, "dipy", "1.11.0"),
        )
    assert ended.exit_code == 0, ended.stderr
    windows = next(line for line in ended.stdout.splitlines() if line.startswith("  Windows x86_64"))
    linux = next(line for line in ended.stdout.splitlines() if line.startswith("  Linux x86_64 glibc 2.28"))
    assert windows.split()[-2:] == ["NONE", "-"]
    # It must be clear that the release was not published.
    assert ended.stdout.splitlines()[0].endswith(f", rehearsed for {url}")
    assert "nothing was uploaded" in ended.stdout
    assert linux.split()[-2:] == ["wheel", "-"]
    assert "uploaded" not in ended.stderr
    assert sorted((tmp_path / "packages").iterdir()) == before
    assert strict.exit_code == 6
    assert (
        "no wheel for 1 combination of Python and platform that the previous release had wheels for"
        in strict.error_line
    )
    assert "cp312 on Windows x86_64: nothing" in strict.stderr
    answers = json.loads(strict.stdout)["rehearsal"]
    assert {
        "python": "cp312",
        "machine": "macOS arm64 26.0",
        "installs": "wheel",
        "filename": "dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl",
        "answered_by": "tags",
        "before": "wheel",
    } in answers
    assert {answer["answered_by"] for answer in answers} == {"pip", "tags"}


def test_rehearsal_needs_pypiserver(command: CommandLine, tmp_path: Path) -> None:
    staged = release(tmp_path / "staged", RELEASE, "1.11.0")
    hide = "import sys; sys.modules['pypiserver'] = None; from wheel_uploader.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "--rehearse", "-u", str(staged), "dipy", "1.11.0"],
        capture_output=True,
        text=True,
        env=command.environment,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'wheel-uploader[rehearse]'" in done.stderr
    assert "Traceback" not in done.stderr
