"""``--replace`` on anaconda.org: a name is served with old or new bytes, or the run says how to repair it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.anaconda_command import VERSION, WHEEL, AnacondaCommand
from tools.testing.anaconda_site import Fault, ServedSite, anaconda_site


@pytest.fixture
def served() -> Iterator[ServedSite]:
    with anaconda_site() as running:
        yield running


@pytest.fixture
def command(served: ServedSite, tmp_path: Path) -> AnacondaCommand:
    """Return a command whose wheel is on the site with other bytes and the label main."""
    command = AnacondaCommand(served, tmp_path)
    served.site.store("demo", VERSION, WHEEL, command.old_bytes, "main", "kept")
    return command


def test_replaces_the_bytes_and_keeps_the_labels(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run("--replace", "--label", "dev", pip_label="dev")
    assert done.exit_code == 0, done.stderr
    [dist] = served.site.dists.values()
    assert dist.content == command.new_bytes
    assert sorted(dist.labels) == ["dev", "kept", "main"]
    assert command.saved_files() == []
    again = command.run("--replace", "--label", "dev", pip_label="dev")
    assert again.exit_code == 0
    assert served.site.steps().count("dist delete") == 1


def test_without_the_option_other_bytes_are_a_conflict(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run()
    assert done.exit_code == 7
    for content in (command.old_bytes, command.new_bytes):
        assert hashlib.sha256(content).hexdigest() in done.stderr
    assert served.site.steps(without_reads=True) == []


# --- T6 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Authentication token has expired", "the token has expired"),
        ("Authentication token does not have the sufficient scope ... expected: api:write", "lacks a right"),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_without_rights_removes_nothing(
    served: ServedSite, command: AnacondaCommand, words: str, shown: str, status: int
) -> None:
    steps = ("package get", "dist get", "dist delete", "stage", "commit", "download")
    for reads in (True, False):
        served.site.faults = [
            Fault(step, status=status, words=words, times=99)
            for step in steps
            if reads or step in ("dist delete", "stage", "commit")
        ]
        done = command.run("--replace")
        assert done.exit_code == 4, done.stderr
        assert shown in done.stderr
        assert served.site.content(WHEEL) == command.old_bytes
        assert served.site.removed == []


def test_a_full_account_keeps_the_old_bytes(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.is_full = served.site.stages_existing = True
    done = command.run("--replace")
    assert done.exit_code not in (0, 1)
    assert "Storage requirements exceeded (3221225472 bytes)." in done.stderr
    assert "the account is full" in done.stderr
    assert "--prune" in done.stderr.splitlines()[-1]
    assert served.site.content(WHEEL) == command.old_bytes
    assert served.site.removed == []


def test_a_full_account_where_the_name_must_be_free_first(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.is_full = True
    done = command.run("--replace")
    assert done.exit_code not in (0, 1)
    assert served.site.content(WHEEL) is None
    assert "not served at present" in done.stderr
    [saved] = command.saved_files()
    assert saved.read_bytes() == command.old_bytes
    assert str(saved.relative_to(command.folder)) in done.stderr
    assert "The same command repairs it" in done.stderr
    served.site.is_full = False
    served.site.requests.clear()
    repaired = command.run("--replace")
    assert repaired.exit_code == 0, repaired.stderr
    [dist] = served.site.dists.values()
    assert dist.content == command.new_bytes
    assert sorted(dist.labels) == ["kept", "main"]
    assert command.saved_files() == []


def test_an_interrupted_replacement_is_repaired_where_only_md5_is_known(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.hashes = ("md5",)
    # The first run is interrupted between the removal and the upload.
    assert command.run_killed(removal_number(command), "after", "--replace")
    assert served.site.content(WHEEL) is None
    # The second one cannot upload the new bytes, and puts the old ones back.
    served.site.faults = [Fault("commit", status=404, words="Invalid dist_id 1 does not exist", times=2)]
    done = command.run_in_process("--replace")
    assert done.exit_code == 5, done.stderr
    assert "the old bytes were put back" in done.stderr
    [dist] = served.site.dists.values()
    assert dist.content == command.old_bytes
    assert sorted(dist.labels) == ["kept", "main"]
    assert command.saved_files() == []
    done = command.run_in_process("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.content(WHEEL) == command.new_bytes


def removal_number(command: AnacondaCommand) -> int:
    """Return the number of the request that removes the old file; nothing is replaced."""
    site, old = command.served.site, command.old_bytes
    assert command.run_in_process("--replace").exit_code == 0
    number = site.steps().index("dist delete")
    site.store("demo", VERSION, WHEEL, old, "main", "kept")
    shutil.rmtree(command.folder / "house")
    site.requests.clear()
    return number


def test_the_next_run_repairs_before_it_uploads_anything_else(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.is_full = True
    command.run("--replace")
    served.site.is_full = False
    served.site.requests.clear()
    other = command.add_wheel("cp312-cp312-win_amd64")
    assert command.run("--replace").exit_code == 0
    commits = [request.path for request in served.site.requests if request.step == "commit"]
    assert [path.rpartition("/")[2] for path in commits] == [WHEEL, other]


def test_a_later_release_puts_the_removed_file_back(
    served: ServedSite, command: AnacondaCommand, tmp_path: Path
) -> None:
    served.site.is_full = True
    command.run("--replace")
    assert served.site.content(WHEEL) is None
    served.site.is_full = False
    shutil.rmtree(tmp_path / "staged")
    later = AnacondaCommand(served, tmp_path, "1.0.dev1")
    done = later.run("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.content(later.wheel.name) == later.new_bytes
    [dist] = [dist for dist in served.site.dists.values() if dist.basename == WHEEL]
    assert dist.content == command.old_bytes
    assert sorted(dist.labels) == ["kept", "main"]
    assert command.saved_files() == []


def test_creates_the_release_that_the_removal_deleted(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run("--replace")
    assert done.exit_code == 0
    assert served.site.releases.keys() == {("demo", VERSION)}
    assert served.site.steps().count("release post") == 1


def test_an_unknown_dist_id_is_staged_again_once(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.faults = [Fault("commit", status=404, words="Invalid dist_id 1 does not exist")]
    done = command.run("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.content(WHEEL) == command.new_bytes


def test_after_a_second_unknown_dist_id_the_old_bytes_are_put_back(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.faults = [Fault("commit", status=404, words="Invalid dist_id 1 does not exist", times=2)]
    done = command.run("--replace")
    assert done.exit_code == 5
    assert "the old bytes were put back" in done.stderr
    [dist] = served.site.dists.values()
    assert dist.content == command.old_bytes
    assert sorted(dist.labels) == ["kept", "main"]
    assert command.saved_files() == []


def test_a_name_that_is_still_taken_after_the_removal_is_tried_again(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.faults = [Fault("stage", status=409, words=f"file {WHEEL} already exists", skip=1, times=2)]
    done = command.run("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.content(WHEEL) == command.new_bytes


def test_a_gateway_timeout_after_the_removal_is_looked_up_first(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.faults = [Fault("stage", status=524, skip=1), Fault("dist delete", status=524, is_done=True)]
    done = command.run("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.steps().count("dist delete") == 1
    steps = served.site.steps()
    second_stage = [number for number, step in enumerate(steps) if step == "stage"][1]
    assert steps[second_stage + 1] == "dist get"


# --- what must not be removed ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.0.post1"])
def test_never_replaces_a_final_release(served: ServedSite, tmp_path: Path, version: str) -> None:
    command = AnacondaCommand(served, tmp_path, version)
    served.site.store("demo", version, command.wheel.name, command.old_bytes)
    done = command.run("--replace")
    assert done.exit_code == 2
    assert f"{version} is a final release" in done.stderr
    assert served.site.steps(without_reads=True) == []


def test_a_package_index_does_not_take_the_option(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.command_line.run(
        *("-u", "staged", "-w", "house", "--replace", "--repository-url", f"{served.api_url}/legacy/"),
        *("demo", VERSION),
        TWINE_USERNAME="u",
        TWINE_PASSWORD="a-password-of-9",
    )
    assert done.exit_code == 2
    assert "does not let files be replaced" in done.stderr


@pytest.mark.parametrize("step", ["storage get", "download"])
def test_a_file_that_cannot_be_fetched_is_not_removed(
    served: ServedSite, command: AnacondaCommand, step: str
) -> None:
    served.site.faults = [Fault("storage get", status=503, times=99), Fault("download", status=503, times=99)]
    done = command.run("--replace")
    assert done.exit_code == 5
    assert "its old bytes cannot be saved" in done.stderr
    assert served.site.content(WHEEL) == command.old_bytes
    assert served.site.removed == []


def test_other_bytes_than_the_api_lists_are_not_taken_for_the_old_ones(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.corrupts_downloads = True
    done = command.run("--replace")
    assert done.exit_code == 5
    assert "have the sha256" in done.stderr
    assert served.site.removed == []


def test_a_file_that_is_listed_and_gone_may_be_replaced(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.faults = [Fault("download", status=404, words="not found", times=99)]
    served.site.faults += [Fault("storage get", status=404, times=1)]
    done = command.run("--replace")
    assert done.exit_code == 0, done.stderr
    assert served.site.content(WHEEL) == command.new_bytes


def test_new_files_come_before_replaced_ones(served: ServedSite, command: AnacondaCommand) -> None:
    other = command.add_wheel("cp312-cp312-win_amd64")
    assert command.run("--replace").exit_code == 0
    steps = [
        (request.step, request.path.rpartition("/")[2])
        for request in served.site.requests
        if request.step in ("commit", "dist delete")
    ]
    assert steps == [("commit", other), ("dist delete", WHEEL), ("commit", WHEEL)]


# --- faults at each step, and a kill at each request -----------------------------------------------

STEPS = ("package get", "dist get", "download", "storage get", "stage", "dist delete", "storage", "commit")
FAULTS = {
    "500 once": {"status": 500},
    "503 for ever": {"status": 503, "times": 99},
    "reset before": {"action": "reset before"},
    "reset after": {"action": "reset after"},
    "hang": {"action": "hang"},
}


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_leaves_old_or_new_bytes_or_a_way_to_repair(
    served: ServedSite, command: AnacondaCommand, step: str, fault: str, skip: int
) -> None:
    settings = FAULTS[fault]
    served.site.faults = [Fault(step, skip=skip, **settings)]  # type: ignore[arg-type]
    done = command.run_in_process("--replace", "--timeout", "1")
    content = served.site.content(WHEEL)
    if fault == "503 for ever":
        assert content in (command.old_bytes, command.new_bytes, None)
        assert done.exit_code in (0, 5, 8, 10)
    else:
        assert done.exit_code == 0, done.stderr
        assert content == command.new_bytes
    if content is None:
        assert (
            "not served at present" in done.stderr or f"nothing shows that {WHEEL} is served" in done.stderr
        )
    served.site.faults = []
    again = command.run_in_process("--replace")
    assert again.exit_code == 0, again.stderr
    assert served.site.content(WHEEL) == command.new_bytes
    assert sorted(served.site.dists["demo", WHEEL].labels) == ["kept", "main"]


#: Parts of the sweep, which may run in parallel.
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_each_request_is_repaired_by_the_same_command(
    served: ServedSite, command: AnacondaCommand, part: int
) -> None:
    assert command.run_in_process("--replace").exit_code == 0
    requests = list(served.site.requests)
    assert {"download", "stage", "dist delete", "storage", "commit"} <= {each.step for each in requests}
    for number, request in list(enumerate(requests))[part::PARTS]:
        # Before and after a read, the site is the same.
        for when in ("before",) if request.method == "GET" else ("before", "after"):
            shutil.rmtree(command.folder / "house")
            served.site.dists.clear()
            served.site.store("demo", VERSION, WHEEL, command.old_bytes, "main", "kept")
            assert command.run_killed(number, when, "--replace"), (number, when)
            assert served.site.content(WHEEL) in (command.old_bytes, command.new_bytes, None)
            done = command.run_in_process("--replace")
            assert done.exit_code == 0, (number, when, done.stderr)
            assert served.site.content(WHEEL) == command.new_bytes
            assert sorted(served.site.dists["demo", WHEEL].labels) == ["kept", "main"], (number, when)
