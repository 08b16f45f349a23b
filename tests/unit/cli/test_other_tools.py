"""Test what people type who come from twine, uv publish or the PyPI action."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.in_process import run
from tests.unit.cli.test_config_sources import rows
from tools.testing import wheels

TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4OTAxMjM0NTY3ODkwYWJj"


@pytest.fixture(autouse=True)
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder ``dist`` with a release, in the current folder."""
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "dist")
    return tmp_path / "dist"


def files() -> list[str]:
    """Return what a shell makes of ``dist/*``."""
    return sorted(str(path) for path in Path("dist").iterdir())


def right_call(stderr: str) -> str:
    return next(line for line in stderr.splitlines() if line.startswith("try: ")).removeprefix("try: ")


PUBLISH = "wheel-uploader -u dist dipy 1.11.0"


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["dist/*"], PUBLISH),
        (["upload", "dist/*"], PUBLISH),
        (["publish", "dist/*"], PUBLISH),
        (["publish"], PUBLISH),
        (["upload", "dist"], PUBLISH),
        (["upload", "-r", "testpypi", "dist/*"], "wheel-uploader -r testpypi -u dist dipy 1.11.0"),
        (["upload", "-u", "jane", "dist/*"], "wheel-uploader --username jane -u dist dipy 1.11.0"),
        (["check", "--strict", "dist/*"], "wheel-uploader --until check --strict -u dist"),
        (["check"], "wheel-uploader --until check -u dist"),
        (["-u", "dist", "upload", "dipy", "1.11.0"], PUBLISH),
        (["upload", "-c", "my comment", "dist/*"], PUBLISH),
        (["upload", "--comment", "my comment", "dist/*"], PUBLISH),
        (
            ["upload", "--verbose", "--disable-progress-bar", "dist/*"],
            "wheel-uploader --verbose -u dist dipy 1.11.0",
        ),
        (
            ["upload", "-u", "jane", "-p", "my-" + "secret", "dist/*"],
            "wheel-uploader --username jane -u dist dipy 1.11.0",
        ),
        (["publish", "-t", TOKEN], PUBLISH),
        (["publish", "--token", TOKEN, "dist/*"], PUBLISH),
        (["publish", "--no-progress", "--system-certs", "--cache-dir", "c"], PUBLISH),
        (["publish", "--directory", ".", "--project", "./x"], PUBLISH),
        (["publish", "--offline"], PUBLISH),
        (["upload", "-l", "nightly", "dist/*"], "wheel-uploader --label nightly -u dist dipy 1.11.0"),
        (["upload", "--force", "dist/*"], "wheel-uploader --replace -u dist dipy 1.11.0"),
        (["upload", "--package", "dipy", "--summary", "s", "dist/*"], PUBLISH),
        (
            ["--packages-dir", "dist", "--print-hash", "--verify-metadata"],
            "wheel-uploader --packages-dir dist",
        ),
        (["--packages-dir", "dist"], "wheel-uploader --packages-dir dist dipy==1.11.0"),
        (["--packages_dir=dist"], "wheel-uploader --packages-dir=dist"),
        (["dist"], "wheel-uploader --url=dist"),
        (
            ["--project", "dipy", "--version", "1.11.0", "-u", "dist"],
            "wheel-uploader --project dipy -u dist 1.11.0",
        ),
    ],
)
@pytest.mark.parametrize("expanded", [True, False])
def test_calls_of_other_tools_end_with_the_right_call(
    arguments: list[str], call: str, expanded: bool
) -> None:
    words = [file for word in arguments for file in (files() if expanded and word == "dist/*" else [word])]
    result = run(*words)
    assert result.exit_code == 2
    assert right_call(result.stderr) == call
    assert not Path("wheelhouse").exists()


def test_the_right_call_names_single_files_and_no_release_that_is_not_certain(dist: Path) -> None:
    one = files()[0]
    assert right_call(run(one).stderr) == f"wheel-uploader -u {one} dipy 1.11.0"
    wheels.make_wheel(dist, version="1.12.0")
    assert right_call(run(*files()).stderr) == "wheel-uploader -u dist PROJECT VERSION"
    assert right_call(run("upload", "nowhere/*").stderr) == "wheel-uploader -u nowhere PROJECT VERSION"


@pytest.mark.parametrize("name", ["upload", "check", "publish"])
def test_a_project_named_like_a_command_is_reached_by_its_option(name: str) -> None:
    shown = run("--show-config", "--project", name, "1.0")
    assert shown.exit_code == 0, shown.stderr
    assert rows(shown.stdout)["project"] == (f'"{name}"', "command line")
    assert rows(shown.stdout)["version"] == ('"1.0"', "command line")
    assert f"--project {name}" in run("-u", "dist", name, "1.0").stderr


def test_a_folder_may_have_the_name_of_the_project() -> None:
    Path("dipy").mkdir()
    result = run("--until", "check", "-u", "dist", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("word", ["dipy==1.11.0", "dipy===1.11.0", " dipy == 1.11.0 "])
def test_a_pinned_requirement_is_project_and_version(word: str) -> None:
    result = run("--until", "check", "-u", "dist", word)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("dipy 1.11.0 from ")
    other = run("--until", "list", "-u", "dist", "dipy==1.10.0")
    assert other.exit_code == 3


def test_a_version_is_not_given_twice() -> None:
    result = run("-u", "dist", "dipy==1.11.0", "1.11.0")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the version is given twice\n")


def test_more_than_project_and_version_is_refused() -> None:
    result = run("-u", "dist", "-c", "my comment", "dipy", "1.11.0")
    assert result.exit_code == 2
    assert "'1.11.0'" in result.stderr
    assert "clobber" not in result.stdout


@pytest.mark.parametrize(
    ("typed", "key", "value"),
    [
        (["--index", "internal"], "repository", '["internal"]'),
        (
            ["--publish-url", "https://index.example/legacy/"],
            "repository-url",
            '"https://index.example/legacy/"',
        ),
        (["--check-url", "https://index.example/simple/"], "index-url", '"https://index.example/simple/"'),
        (["--packages-dir", "dist"], "url", '["dist"]'),
        (["--user", "jane"], "username", '"jane"'),
        (["--no-attestations"], "attestations", '"none"'),
        (["--skip-existing"], "skip-existing", "true"),
        (["--verbose"], "verbose", "1"),
    ],
)
def test_options_with_the_same_meaning_are_accepted(typed: list[str], key: str, value: str) -> None:
    result = run("--show-config", *typed)
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(result.stdout)[key] == (value, "command line")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--comment", "a release"], "indexes do not show"),
        (["--trusted-publishing", "automatic"], "trusted publishing is used if no"),
        (["--keyring-provider", "subprocess"], "the keyring is used"),
        (["--verify-metadata"], "always checked"),
        (["--print-hash"], "sha256"),
        (["--disable-progress-bar"], "-q"),
        (["--no-progress"], "-q"),
        (["--no-cache"], "caches"),
        (["--cache-dir", "cache"], "wheelhouse"),
        (["--directory", ".."], "folder"),
        (["--no-config"], "--config FILE"),
        (["--system-certs"], "--cert FILE"),
        (["--no-python-downloads"], "no Python is downloaded"),
        (["--attestations", "-v"], "--attestations auto"),
    ],
)
def test_options_without_an_equivalent_say_what_to_do(typed: list[str], words: str) -> None:
    result = run("-u", "dist", *typed, "dipy", "1.11.0")
    assert result.exit_code == 2
    assert typed[0] in result.stderr.splitlines()[0]
    assert words in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "typed",
    [
        ["--token", TOKEN],
        [f"--token={TOKEN}"],
        ["--password", "correct-horse"],
        ["-p", "correct-horse"],
        ["-pcorrect-horse"],
        ["-vpcorrect-horse"],
        ["-t", TOKEN],
        [f"-t{TOKEN}"],
        ["-t", "c29tZS1vdGhlci10b2tlbg"],
        ["-u", TOKEN],
        ["--username", TOKEN],
    ],
)
@pytest.mark.parametrize(
    "more", [[], ["--nonsense"], ["--report", "report.html"], ["upload"], ["x", "y", "z"]]
)
def test_secrets_are_refused_and_never_shown(typed: list[str], more: list[str]) -> None:
    result = run("-u", "dist", *more, *typed, "dipy", "1.11.0")
    assert result.exit_code == 2
    shown = result.stdout + result.stderr
    for secret in (TOKEN, TOKEN[5:], "correct-horse", "c29tZS1vdGhlci10b2tlbg"):
        assert secret not in shown
    if "--nonsense" not in more:
        assert "TWINE_PASSWORD" in result.stderr
    assert not Path("report.html").exists()


def test_a_user_name_after_u_is_recognized() -> None:
    for name in ("__token__", "jane@example.org"):
        result = run("-u", name, "dipy", "1.11.0")
        assert result.exit_code == 2
        assert f"--username {name}" in result.stderr
    # The missing login of the target is not reported first.
    missing = run("-u", "jane", "dipy", "1.11.0")
    assert missing.exit_code == 3
    assert missing.stderr.startswith("error: no such file or directory: jane\n")
    assert "--username jane" in missing.stderr


def test_help_and_completion_do_not_judge_the_words() -> None:
    shown = run("upload", "--help")
    assert shown.exit_code == 0
    assert "--publish-url" not in shown.stdout
    assert "--comment" not in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [["register", "dist/dipy-1.11.0.tar.gz"], ["remove", "org/dipy/1.0"], ["copy", "org/dipy/1.0"]],
)
def test_commands_without_an_equivalent_are_not_taken_for_a_project(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: '{arguments[0]}' is a command of another tool\n")
    assert "try: " not in result.stderr
