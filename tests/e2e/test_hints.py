"""Every hint of the list stage helps: a user who follows it gets further than before."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import sha256

Arguments = Sequence[str]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class Situation:
    """A command that fails, the staged files, and what a reader of its hint does."""

    #: Names of files in ``dist``, each with its text; a version alone is a good wheel of demo.
    files: Mapping[str, str]
    arguments: Arguments
    exit_code: int
    #: The words of the hint that name the next step; empty if the error prints a ``try:`` line.
    words: str = ""
    #: The arguments that do so, in place of ``arguments``; may also change the files.
    follow: Callable[[Arguments], Arguments] = list
    #: The exit code after that; None: any other one.
    then: int | None = 0


def insert(*options: str) -> Callable[[Arguments], Arguments]:
    return lambda arguments: [*options, *arguments]


def without(option: str) -> Callable[[Arguments], Arguments]:
    def remove(arguments: Arguments) -> Arguments:
        index = list(arguments).index(option)
        return [*arguments[:index], *arguments[index + 2 :]]

    return remove


def end_with(*words: str) -> Callable[[Arguments], Arguments]:
    """Replace PROJECT and VERSION, the words after ``-u dist``."""
    return lambda arguments: [*arguments[: list(arguments).index("dist") + 1], *words]


def rename(old: str, new: str) -> Callable[[Arguments], Arguments]:
    def change(arguments: Arguments) -> Arguments:
        Path("dist", old).rename(Path("dist", new))
        return arguments

    return change


def stage(*files: str) -> Callable[[Arguments], Arguments]:
    def change(arguments: Arguments) -> Arguments:
        write_files(dict.fromkeys(files, ""))
        return arguments

    return change


def write_files(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        folder = Path("dist", name).parent
        folder.mkdir(parents=True, exist_ok=True)
        if re.fullmatch(r"[0-9][0-9a-z.+]*", name):
            wheels.make_wheel(Path("dist"), "demo", name)
        else:
            Path("dist", name).write_text(text)


LIST = ("--until", "list", "-u", "dist")
RELEASE = (*LIST, "demo", "1.0")
OLD, NEW = "demo-1.0-cp311-cp311-win32.whl", "demo-1.0-cp312-cp312-win32.whl"
GOOD = "demo-1.0-py3-none-any.whl"


def exclude(
    pattern: str,
    files: Mapping[str, str],
    exit_code: int,
    words: str = "leave them out with --exclude PATTERN",
    arguments: Arguments = RELEASE,
) -> Situation:
    """Return a situation in which files are in the way until ``pattern`` excludes them."""
    return Situation(files, arguments, exit_code, words, insert("--exclude", pattern))


SITUATIONS = {
    # Versions and projects.
    "several versions": Situation({"1.0": "", "1.1": ""}, (*LIST, "demo"), 2),
    "several pre-releases": Situation({"1.0rc1": "", "1.1rc1": ""}, (*LIST, "demo"), 2),
    "several local versions": Situation({"1.0+a": "", "1.1+a": ""}, (*LIST, "demo"), 2),
    "another version": Situation({"1.0": "", "1.1": ""}, (*LIST, "demo", "1.2"), 3),
    "another local version": Situation({"1.0+cu118": ""}, RELEASE, 3),
    "a typo in the project": Situation({"1.0": ""}, (*LIST, "deno", "1.0"), 3),
    "a typo in both": Situation(
        {"1.0": ""}, (*LIST, "deno", "1.1"), 3, "staged: demo. Did you mean demo?", end_with("demo", "1.0")
    ),
    "another project": Situation(
        {"1.0": ""}, (*LIST, "numpy", "1.0"), 3, "These projects are staged: demo.", end_with("demo", "1.0")
    ),
    "only pre-releases": Situation({"1.0rc1": ""}, (*LIST, "demo", "latest"), 3),
    "only local versions": Situation({"1.0+cpu": ""}, (*LIST, "demo", "latest"), 3),
    "only local versions, profile typed": Situation(
        {"1.0+cpu": ""}, ("--profile", "pypi", *LIST, "demo", "latest"), 3
    ),
    "only local pre-releases": Situation(
        {"1.0.dev1+gabc1234": ""},
        (*LIST, "demo", "latest"),
        3,
        "with --profile any and --pre",
        insert("--profile", "any", "--pre"),
    ),
    "only local pre-releases, with --pre": Situation(
        {"1.0.dev1+gabc1234": ""}, ("--pre", *LIST, "demo", "latest"), 3
    ),
    "commits without an order": Situation(
        {"1.0+gabc1234": "", "1.0+gdef1234": ""},
        ("--profile", "any", *LIST, "demo", "latest"),
        2,
        "for example demo 1.0+gdef1234",
        end_with("demo", "1.0+gdef1234"),
    ),
    "another type": Situation(
        {"1.0": ""}, ("-t", "win", *RELEASE), 3, "use --until list -t all", insert("-t", "all")
    ),
    "an invalid version": Situation(
        {"1.0": ""}, (*LIST, "demo", "1.x"), 2, "such as 1.11.0, or 'latest'", end_with("demo", "latest")
    ),
    # Nothing there.
    "an empty folder": Situation(
        {"x/.hidden": ""}, RELEASE, 3, "run this again when the files are staged", stage("1.0")
    ),
    "other files": Situation({"notes.txt": ""}, RELEASE, 3, "it has notes.txt. Check the URL", stage("1.0")),
    "no project and no wheel": Situation(
        {"notes.txt": ""}, LIST, 3, "a folder with the files of one release", stage("1.0")
    ),
    "no project and two releases": Situation(
        {"1.0": "", "1.1": ""}, LIST, 2, "Add PROJECT VERSION after the options", end_with("demo", "1.0")
    ),
    "everything is left out": Situation(
        {"1.0": ""},
        ("--exclude", "*", *RELEASE),
        3,
        "correct the patterns of --exclude",
        without("--exclude"),
    ),
    # Files that cannot be used.
    "a misnamed file": exclude("*(1)*", {"1.0": "", "demo-1.0 (1).whl": ""}, 6),
    "a misnamed file, corrected": Situation(
        {"demo-1.0-cp313-any.whl": "x"},
        RELEASE,
        6,
        "Correct the files at the staging place",
        rename("demo-1.0-cp313-any.whl", "demo-1.0-cp313-none-any.whl"),
    ),
    "an empty file": exclude(
        "*.gz",
        {"1.0": "", "demo-1.0.tar.gz": ""},
        6,
        arguments=("--until", "download", "-u", "dist", "demo", "1.0"),
    ),
    "an unfinished file": Situation(
        {"demo-1.0.tar.gz.part": "x"},
        RELEASE,
        3,
        "Run the same command again when the file is complete",
        rename("demo-1.0.tar.gz.part", "demo-1.0.tar.gz"),
    ),
    "a stale unfinished file": exclude(
        "*.part", {"1.0": "", "demo-1.0.tar.gz.part": "x"}, 3, "leave it out with --exclude PATTERN"
    ),
    # Copies.
    "two sources": Situation(
        {f"a/{OLD}": "a", f"b/{OLD}": "b"},
        ("--until", "list", "-u", "dist/a", "-u", "dist/b", "demo", "1.0"),
        6,
        "pass only one source with -u",
        without("-u"),
    ),
    "names that differ in case": exclude(
        OLD, {OLD: "a", OLD.replace("demo", "Demo"): "b"}, 6, "leave it out with --exclude NAME"
    ),
    # Requirements of the user.
    "an incomplete release": Situation(
        {"1.0": ""},
        ("--expect", "2", *RELEASE),
        3,
        "with --wait 20m",
        insert("--wait", "0.1s"),
        10,
    ),
    "an incomplete latest release": Situation(
        {"1.0": ""},
        ("--expect", "2", *LIST, "demo", "latest"),
        3,
        "run this again.",
        stage("demo-1.0.zip"),
        None,
    ),
    "--wait without a version": Situation(
        {"1.0": ""},
        ("--wait", "0.1s", *LIST, "demo", "latest"),
        2,
        "Give the version after the project name",
        end_with("demo", "1.0"),
    ),
    "files without hashes": Situation(
        {GOOD: "a"},
        ("--require-hashes", *RELEASE),
        6,
        "Give the hashes with --sha256sums FILE",
        insert("--sha256sums", "SUMS"),
    ),
    "a file that the hashes lack": exclude(
        "*win32*",
        {GOOD: "a", OLD: "b"},
        6,
        "leave the files out with --exclude PATTERN",
        ("--sha256sums", "SUMS", *RELEASE),
    ),
    "an old build": Situation(
        {GOOD: "old"},
        ("--max-age", "1d", *RELEASE),
        3,
        "or run without --max-age",
        without("--max-age"),
    ),
    "a build from the future": Situation(
        {GOOD: "future"},
        ("--max-age", "1d", *RELEASE),
        3,
        "or run without --max-age",
        without("--max-age"),
    ),
    "a path that does not exist": Situation(
        {"1.0": ""},
        ("--until", "list", "-u", "dost", "demo", "1.0"),
        3,
        "Check the path",
        lambda _: (*LIST, "demo"),
    ),
}


def arrange(situation: Situation) -> None:
    write_files(situation.files)
    moment = time.time()
    for path in Path("dist").rglob("*"):
        if path.is_file():
            days = {"old": -9, "future": 9}.get(path.read_bytes().decode("latin-1"), 0)
            os.utime(path, (moment + days * 86400,) * 2)
    if Path("dist", GOOD).exists():
        Path("SUMS").write_text(f"{sha256(Path('dist', GOOD).read_bytes())}  {GOOD}\n")


def suggested_arguments(result: Result) -> Arguments:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("try: ")]
    return shlex.split(line.removeprefix("try: wheel-uploader "))


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_hint_leads_on(name: str) -> None:
    situation = SITUATIONS[name]
    arrange(situation)
    result = run(*situation.arguments)
    assert result.exit_code == situation.exit_code, result.output
    hint = result.stderr.splitlines()[-1]
    assert hint.startswith("next: ")
    assert situation.words in hint
    if situation.words:
        assert "\ntry: " not in result.stderr or situation.follow is not list
        after = run(*situation.follow(situation.arguments))
    else:
        after = run(*suggested_arguments(result))
    assert after.exit_code != result.exit_code, after.output
    if situation.then is not None:
        assert after.exit_code == situation.then, after.output


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_suggested_command_leads_on(name: str) -> None:
    """No situation prints a command that ends in the same way."""
    situation = SITUATIONS[name]
    arrange(situation)
    result = run(*situation.arguments)
    if "\ntry: " in result.stderr:
        after = run(*suggested_arguments(result))
        assert after.exit_code != result.exit_code, after.output


def test_the_only_source_with_two_copies_needs_a_trusted_hash() -> None:
    links = f"<a href=a/{GOOD}>x</a><a href=b/{GOOD}>x</a>"

    def site(request: Request) -> list[Step]:
        body = b"data" if request.target.endswith(".whl") else links.encode()
        return [answer(200, body, {"Connection": "close"})]

    with ScriptedServer(site) as server:
        arguments = ("--until", "list", "-u", server.url, "demo", "1.0")
        result = run(*arguments)
        assert result.exit_code == 6, result.output
        assert f"{server.url}a/{GOOD} and {server.url}b/{GOOD}" in result.stderr
        assert "give the sha256 of the right one with --sha256sums FILE" in result.stderr.splitlines()[-1]
        Path("SUMS").write_text(f"{sha256(b'data')}  {GOOD}\n")
        assert run("--sha256sums", "SUMS", *arguments).exit_code == 0


def test_a_version_is_not_suggested_as_a_project() -> None:
    """With the project from the configuration, the first argument would be another project."""
    write_files({"1.0": "", "1.1": ""})
    Path("pyproject.toml").write_text('[tool.wheel-uploader.profiles.x]\nproject = "demo"\n')
    result = run("--config-profile", "x", *LIST)
    assert result.exit_code == 2
    assert "several versions of demo are staged" in result.stderr
    assert "try:" not in result.stderr
