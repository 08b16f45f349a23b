"""``--prune`` on anaconda.org: files leave by label and one by one, and any doubt keeps everything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support import in_process
from tests.support.anaconda_command import WHEEL, AnacondaCommand
from tests.support.odd_answers import odd_answers
from tools.testing import wheels
from tools.testing.anaconda_site import Fault, ServedSite, anaconda_site

STRICT = ("--strict", "--ignore", "release/no-sdist", "--ignore", "metadata")
OLD = [f"0.9.dev{number}" for number in range(1, 6)]


@pytest.fixture
def served() -> Iterator[ServedSite]:
    with anaconda_site() as site:
        yield site


@pytest.fixture
def command(served: ServedSite, tmp_path: Path) -> AnacondaCommand:
    return AnacondaCommand(served, tmp_path)


def name(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


def store(served: ServedSite, *versions: str, labels: tuple[str, ...] = ("main",)) -> None:
    for version in versions:
        served.site.store("demo", version, name(version), version.encode(), *labels)


def left(served: ServedSite) -> set[str]:
    return {dist.basename for dist in served.site.dists.values()}


def removing_requests(served: ServedSite) -> list[str]:
    return [request.path for request in served.site.requests if request.method == "DELETE"]


def pruned(done: Result) -> dict[str, Any]:
    [document] = json.loads(done.stdout)["pruned"]
    assert isinstance(document, dict)
    return document


def test_keeps_the_newest_by_version_and_removes_single_files(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD, "0.9.dev10")
    done = command.run_in_process("--prune", "3")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL, name("0.9.dev10"), name("0.9.dev5")}
    assert f"{name('0.9.dev1')}: removed" in done.stdout
    assert "3 files kept" in done.stdout
    assert removing_requests(served) == [
        f"/dist/nightlies/demo/{version}/{name(version)}" for version in OLD[:4]
    ]


def test_a_release_is_kept_by_days_or_by_number(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, *OLD)
    for number, version in enumerate(OLD):
        served.site.dists["demo", name(version)].upload_time = f"20{20 + number}-01-01 08:00:00+00:00"
    served.site.dists["demo", name(OLD[0])].upload_time = "2199-01-01 08:00:00+00:00"
    served.site.dists["demo", name(OLD[1])].upload_time = ""
    done = command.run_in_process("--prune", "2", "--prune-days", "30")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL, name(OLD[0]), name(OLD[1]), name(OLD[4])}
    assert "uploaded in the last 30 days" in done.stdout
    assert "the time of its upload is unknown" in done.stdout


def test_by_days_alone_the_newest_release_is_kept(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, *OLD, "2.0.dev1")
    for dist in served.site.dists.values():
        dist.upload_time = "2020-01-01 08:00:00+00:00"
    done = command.run_in_process("--prune-days", "1")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL, name("2.0.dev1")}


def test_final_releases_are_removed_only_if_asked_for(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, "0.8", "0.9.post1", "0.9.dev1", "0.9rc1", "0.8+local")
    assert command.run_in_process("--prune", "1").exit_code == 0
    assert left(served) == {WHEEL, name("0.8"), name("0.9.post1")}
    assert command.run_in_process("--prune", "1", "--prune-final").exit_code == 0
    assert left(served) == {WHEEL}


def test_a_file_with_another_label_loses_only_the_asked_one(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, "0.9.dev1", labels=("dev", "kept"))
    store(served, "0.9.dev2", labels=("dev",))
    store(served, "0.9.dev3", labels=("main",))
    done = command.run_in_process("--label", "dev", "--prune", "1", "--format", "json", pip_label="dev")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL, name("0.9.dev1"), name("0.9.dev3")}
    assert served.site.dists["demo", name("0.9.dev1")].labels == ["kept"]
    assert [request.body for request in served.site.requests if request.step == "channels delete"] == [
        {"package": "demo", "version": "0.9.dev1", "basename": name("0.9.dev1")}
    ]
    document = pruned(done)
    assert [(file["filename"], file["labels"]) for file in document["files"]] == [
        (name("0.9.dev1"), ["dev"]),
        (name("0.9.dev2"), []),
    ]
    assert {"version": "0.9.dev3", "files": 1, "reason": "without the label dev"} in document["kept"]


def test_only_files_of_the_type_pypi_are_removed(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, "0.9.dev1", "0.9.dev2")
    served.site.dists["demo", name("0.9.dev1")].kind = "conda"
    served.site.store("demo", "0.9.dev3", "linux-64/demo-0.9.dev3-py312_0.conda", b"conda")
    served.site.dists["demo", "linux-64/demo-0.9.dev3-py312_0.conda"].kind = "conda"
    served.site.store("demo", "0.9.dev4", name("0.9.dev3"), b"the version is that of another release")
    done = command.run_in_process("--prune", "1")
    assert done.exit_code == 0, done.stderr
    assert name("0.9.dev2") not in left(served)
    assert len(left(served)) == 4
    assert "of the type conda, not pypi" in done.stdout
    assert "the listed version is not that of the name" in done.stdout


def test_a_dry_run_prints_and_removes_nothing(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, *OLD)
    done = command.run_in_process("--prune", "2", "--dry-run")
    assert done.exit_code == 0, done.stderr
    # The release of this run, which is not there yet, is one of the two newest.
    for version in OLD[:4]:
        assert f"{name(version)}: would be removed" in done.stdout
    assert f"{name(OLD[4])}: would be removed" not in done.stdout
    assert removing_requests(served) == []
    quiet = command.run_in_process("--prune", "2", "--dry-run", "-q")
    assert (
        "would be removed from anaconda.org/nightlies (label main): demo 0.9.dev1, 0.9.dev2" in quiet.stdout
    )


def test_a_quiet_run_prints_the_removed_releases_once(served: ServedSite, command: AnacondaCommand) -> None:
    store(served, *OLD)
    done = command.run_in_process("--prune", "4", "-q")
    assert (
        "removed from anaconda.org/nightlies (label main): demo 0.9.dev1, 0.9.dev2 (2 files)" in done.stdout
    )
    again = command.run_in_process("--prune", "4", "-q")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")


ODD_ANSWERS = odd_answers(WHEEL)


@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_an_odd_answer_removes_nothing_and_the_release_is_complete(
    served: ServedSite, command: AnacondaCommand, odd: str
) -> None:
    store(served, *OLD)
    assert command.run_in_process().exit_code == 0
    served.site.requests.clear()
    seen: list[str] = []

    def alter(step: str, data: Any) -> Any:
        # The confirmation reads the list as well, before the run prunes.
        seen.append(step)
        return ODD_ANSWERS[odd](data) if seen.count("package get") == 3 and step == "package get" else data

    served.site.alter = alter
    done = command.run_in_process("--prune", "1")
    assert done.exit_code == 0, done.stderr
    assert seen.count("package get") == 3
    assert "warning: the release is complete, and older files were not removed" in done.stdout
    assert removing_requests(served) == []
    assert len(left(served)) == 6


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (503, "down", 5),
        (401, "Authentication token has expired", 4),
        (403, "no", 4),
        (404, "gone", 5),
        (204, "", 5),
    ],
)
def test_a_failed_listing_is_an_error_only_if_strict(
    served: ServedSite, command: AnacondaCommand, status: int, words: str, code: int
) -> None:
    store(served, *OLD)
    for options, expected in (((), 0), (STRICT, code)):
        assert command.run_in_process().exit_code == 0
        served.site.faults = [Fault("package get", status=status, words=words, skip=2, times=9)]
        done = command.run_in_process("--prune", "1", *options)
        assert done.exit_code == expected, done.stderr
        assert removing_requests(served) == []
        served.site.faults = []


@pytest.mark.parametrize("action", ["reset after", "reset before", "answer"])
def test_a_fault_of_a_removal_is_repeated(served: ServedSite, command: AnacondaCommand, action: str) -> None:
    store(served, *OLD)
    served.site.faults = [Fault("dist delete", action=action, status=503)]
    done = command.run_in_process("--prune", "1", "--retries", "3")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL}
    assert served.site.removed == [name(version) for version in OLD]


def test_a_removal_that_fails_for_good_is_not_a_failed_release(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD)
    served.site.faults = [Fault("dist delete", status=500, times=99)]
    done = command.run_in_process("--prune", "1", "--retries", "1", "--format", "json")
    assert done.exit_code == 0, done.stderr
    outcomes = [(file["outcome"], file["reason"]) for file in pruned(done)["files"]]
    assert {outcome for outcome, _ in outcomes} == {"not removed"}
    # After three failures in a row the rest is left alone.
    assert [reason for _, reason in outcomes].count("not tried") == 2
    assert len(left(served)) == 6
    served.site.faults = []
    assert command.run_in_process("--prune", "1").exit_code == 0
    assert left(served) == {WHEEL}


def test_a_token_without_the_right_to_remove_is_reported(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD)
    words = "Authentication token does not have the sufficient scope, expected: api:write"
    served.site.faults = [Fault("dist delete", status=401, words=words, times=99)]
    done = command.run_in_process("--prune", "1", "-q")
    assert done.exit_code == 0, done.stderr
    assert "warning: the release is complete, and older files were not removed" in done.stdout
    assert "the token lacks a right" in done.stdout
    assert len(removing_requests(served)) == 1
    strict = command.run_in_process("--prune", "1", *STRICT)
    assert strict.exit_code == 4, strict.stderr
    assert "the release is confirmed, but older files were not removed" in strict.stderr


def test_a_file_that_another_job_changed_meanwhile_is_kept(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, "0.9.dev1", "0.9.dev2")

    def on_request(_number: int, request: Any, when: str) -> None:
        if when == "before" and request.path.endswith(name("0.9.dev1")):
            served.site.dists["demo", name("0.9.dev1")].labels.append("release")

    served.site.on_request = on_request
    done = command.run_in_process("--prune", "1")
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL, name("0.9.dev1")}
    assert "has changed since it was listed" in done.stdout


def test_nothing_is_removed_if_the_release_is_not_confirmed(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD)
    served.site.lists_on_pip_page = False
    done = command.run_in_process("--prune", "1", "--confirm-timeout", "1")
    assert done.exit_code == 10, done.stderr
    assert removing_requests(served) == []


@pytest.mark.parametrize("options", [("--prune", "0"), ("--prune-days", "0"), ("--prune", "-1")])
def test_a_rule_that_keeps_nothing_is_refused(
    served: ServedSite, command: AnacondaCommand, options: tuple[str, ...]
) -> None:
    done = command.run_in_process(*options)
    assert done.exit_code == 2, done.stderr
    assert served.site.requests == []


def test_a_server_that_knows_only_md5_is_pruned_by_it(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.hashes = ("md5",)
    store(served, *OLD)
    assert command.run_in_process("--prune", "1").exit_code == 0
    assert left(served) == {WHEEL}


def test_two_labels_of_one_organization_are_pruned_one_after_the_other(
    served: ServedSite, command: AnacondaCommand, tmp_path: Path
) -> None:
    store(served, "0.9.dev1", labels=("dev",))
    store(served, "0.9.dev2", labels=("dev", "main"))
    store(served, "0.9.dev3", labels=("main",))
    sections = [
        f'[tool.wheel-uploader.targets.{key}]\nurl = "https://anaconda.org/nightlies"\n'
        f'labels = ["{label}"]\nindex-url = "{served.pip_url(label)}"\nprune = 1\n'
        for key, label in (("first", "dev"), ("second", "main"))
    ]
    config = tmp_path / "nightly.toml"
    config.write_text("\n".join(sections))
    done = command.run_in_process(
        *("--config", str(config)), *("-r", "first", "-r", "second"), is_named=False
    )
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL}
    assert sorted(served.site.dists["demo", WHEEL].labels) == ["dev", "main"]
    assert served.site.removed == [name("0.9.dev1"), name("0.9.dev2"), name("0.9.dev3")]


@pytest.mark.parametrize("value", ["0", "-1", "true", '"many"', "1.5"])
def test_a_section_with_a_wrong_rule_is_refused(command: AnacondaCommand, tmp_path: Path, value: str) -> None:
    config = tmp_path / "nightly.toml"
    config.write_text(
        f'[tool.wheel-uploader.targets.first]\nurl = "https://anaconda.org/nightlies"\nprune = {value}\n'
    )
    done = command.run_in_process("--config", str(config), "-r", "first", is_named=False)
    assert done.exit_code == 2, done.stderr
    assert "prune is not a whole number from 1 to 100000" in done.stderr


def test_a_full_account_is_pruned_by_a_run_for_a_release_that_is_there(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD)
    assert command.run_in_process().exit_code == 0
    served.site.is_full = True
    newer = wheels.make_wheel(command.folder / "newer", "demo", "1.1.dev0")
    fixed = [*command.arguments("--prune", "1")[4:-2], "-w", str(command.folder / "copy")]
    full = in_process.run("-u", newer.parent, *fixed, "demo", "1.1.dev0", env=command.variables)
    assert full.exit_code == 6, full.stderr
    assert "Storage requirements exceeded" in full.stderr
    assert "A run with --prune N for the newest release that is there" in full.stderr
    assert len(left(served)) == 6
    done = in_process.run(
        "-u", command.folder / "house", *fixed, "demo", command.version, env=command.variables
    )
    assert done.exit_code == 0, done.stderr
    assert left(served) == {WHEEL}


def test_a_run_that_is_stopped_reports_the_files_that_it_removed(
    served: ServedSite, command: AnacondaCommand
) -> None:
    store(served, *OLD)
    process: list[subprocess.Popen[str]] = []
    removals: list[str] = []

    def on_request(_number: int, request: Any, when: str) -> None:
        if request.step == "dist delete" and when == "after":
            removals.append(request.path)
            if len(removals) == 2:
                process[0].send_signal(signal.SIGINT)
                # The answer comes after the signal.
                time.sleep(0.5)

    served.site.on_request = on_request
    process.append(
        subprocess.Popen(
            [sys.executable, "-m", "wheel_uploader", *command.arguments("--prune", "1", "--format", "json")],
            cwd=command.folder,
            env=command.command_line.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    output, _ = process[0].communicate(timeout=120)
    assert process[0].returncode == 130
    [document] = json.loads(output)["pruned"]
    outcomes = [file["outcome"] for file in document["files"]]
    assert outcomes[0] == "removed"
    assert len(outcomes) == 5
    assert outcomes.count("not removed") >= 3
    assert name(OLD[4]) in left(served)
