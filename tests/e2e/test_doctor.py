"""``--doctor``: one screen about everything that a run needs, and nothing posted."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import CommandLine, RunResult
from tools.testing.indexes import Reply, Served

LOGIN = {"TWINE_USERNAME": "jane", "TWINE_PASSWORD": "hunter2-hunter2"}


def target(served: Served) -> list[str]:
    return ["--repository-url", served.upload_url, "--index-url", served.index_url]


def rows(ended: RunResult) -> dict[str, list[str]]:
    """Return the lines of each subject, each as its state and its text."""
    found: dict[str, list[str]] = {}
    for line in ended.stdout.splitlines()[1:-1]:
        state, subject, text = line[:7].strip(), line[8:18].strip(), line[19:]
        found.setdefault(subject, []).append(f"{state}: {text}")
    return found


def test_shows_everything_that_a_run_would_use(served: Served, command: CommandLine) -> None:
    (command.home / "pyproject.toml").write_text("[tool.wheel-uploader]\nupload-jobs = 2\n")
    arguments = ["--doctor", "-u", "staged", *target(served), "demo", "1.0"]
    proxy = "http://me:proxy-secret-9@proxy.example:8080"
    ended = command.run(*arguments, **LOGIN, https_proxy=proxy)
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("\nNo problem was found.\n")
    found = rows(ended)
    assert found["target"] == [f"ok: {served.upload_url}"]
    assert found["login"] == ["ok: user jane from TWINE_USERNAME, password from TWINE_PASSWORD"]
    assert found["index"] == [f"ok: {served.index_url}demo/: the index does not have this project yet"]
    assert found["staging"] == ["ok: staged: 1 file listed"]
    assert found["signing"] == ["ok: off (--sign turns it on)"]
    assert found["pythons"][0].startswith("ok: for --smoke: ")
    assert found["network"][0] == "ok: proxy: https by http://proxy.example:8080"
    assert any("upload-jobs = 2" in line and "pyproject.toml" in line for line in found["config"])
    assert served.index.posts == []
    assert "hunter2" not in ended.stdout + ended.stderr
    assert "proxy-secret-9" not in ended.stdout + ended.stderr
    assert len(ended.stdout.splitlines()) < 25
    assert not (command.home / "wheelhouse").exists()


def test_reports_each_problem_and_exits_with_the_code_of_the_worst(
    served: Served, command: CommandLine, tmp_path: Path
) -> None:
    served.index.page = (503, "text/plain", "down")
    arguments = ["--doctor", "-u", "nowhere", *target(served), "-s", "--sign-with", "no-such-gpg", "demo"]
    ended = command.run(*arguments, "--retries", "1", SSL_CERT_FILE=str(tmp_path / "none.pem"))
    found = rows(ended)
    for subject in ("login", "index", "signing", "network", "staging"):
        assert any(line.startswith("error: ") for line in found[subject]), subject
    assert "5 problems found." in ended.stdout
    assert ended.exit_code == 12
    assert served.index.posts == []


def test_names_odd_values_and_needs_no_project(served: Served, command: CommandLine) -> None:
    token = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
    ended = command.run("--doctor", *target(served), TWINE_USERNAME="jane", TWINE_PASSWORD=f"{token}\n")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    login = rows(ended)["login"]
    assert [line.split(":")[0] for line in login] == ["warning", "warning", "ok"]
    assert token not in ended.stdout
    assert rows(ended)["staging"] == ["warning: no source given (-u URL)"]


def test_reads_the_index_with_the_credentials_of_the_run(served: Served, command: CommandLine) -> None:
    served.index.password = ("jane", LOGIN["TWINE_PASSWORD"])
    served.index.anonymous = Reply(404)
    served.index.files["demo-0.9-py3-none-any.whl"] = b"an older release"
    arguments = ["--doctor", "-u", "staged", *target(served), "demo", "1.0"]
    found = rows(command.run(*arguments, **LOGIN))
    assert found["index"] == [f"ok: {served.index_url}demo/: 1 file"]
    served.index.anonymous = Reply(401)
    refused = command.run(*arguments, **{**LOGIN, "TWINE_PASSWORD": "wrong-password-3"})
    assert rows(refused)["index"][0].startswith("error: ")
    assert refused.exit_code == 4
    unread = command.run(*arguments, "--write-only", **LOGIN)
    assert rows(unread)["index"] == ["ok: not read (--write-only)"]
    assert served.index.posts == []
