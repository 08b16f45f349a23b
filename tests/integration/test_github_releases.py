"""Publish to GitHub releases: the real command, and a stand-in for GitHub Enterprise on 127.0.0.1."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support.command_line import CommandLine, RunResult
from tests.support.github_site import REPOSITORY, TOKEN, Fault, GitHubSite, serve
from tests.support.in_process import run as run_in_process
from tools.testing import gpg, indexes, wheels
from tools.testing.serving import serve_in_thread
from wheel_uploader.core.models import Attestation, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.targets import open_target
from wheel_uploader.targets.github_releases.target import GitHubReleasesTarget
from wheel_uploader.targets.protocol import Release

SUMS = "SHA256SUMS"
MAC, WINDOWS = (
    wheels.wheel_filename("demo", "1.0", f"cp312-cp312-{platform}")
    for platform in ("macosx_11_0_arm64", "win_amd64")
)
SDIST = "demo-1.0.tar.gz"
FILES = {
    MAC: wheels.wheel_bytes("demo", "1.0", "cp312-cp312-macosx_11_0_arm64"),
    WINDOWS: wheels.wheel_bytes("demo", "1.0", "cp312-cp312-win_amd64"),
    SDIST: wheels.sdist_bytes("demo", "1.0"),
}
CREATE = r"^POST /repos/owner/demo/releases$"
UPLOAD = r"^POST .*/assets\?name=demo"
PUBLISH = r"^PATCH "


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def checksums(files: dict[str, bytes]) -> bytes:
    return "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode()


ALL_FILES = {**FILES, SUMS: checksums(FILES)}


@pytest.fixture
def site() -> Iterator[GitHubSite]:
    with serve(GitHubSite()) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code and the output of a run."""

    exit_code: int
    stdout: str
    stderr: str

    def __post_init__(self) -> None:
        assert "Traceback" not in self.stderr
        assert self.exit_code == 0 or self.stderr.splitlines()[-1].startswith("next: "), self.stderr

    @property
    def error_line(self) -> str:
        """The line with the error message."""
        return next(line for line in self.stderr.splitlines() if line.startswith("error: "))


class Publisher:
    """A user with the files of demo 1.0, and a token for the site."""

    def __init__(self, home: Path, site: GitHubSite) -> None:
        self.home, self.site = home, site
        self.staged = home / "staged"
        self.staged.mkdir()
        for name, data in FILES.items():
            (self.staged / name).write_bytes(data)
        self.tag_path = ""
        self.environment = {
            **dict.fromkeys(("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GITHUB_SERVER_URL"), ""),
            "GH_HOST": "127.0.0.1",
            "GH_ENTERPRISE_TOKEN": TOKEN,
        }

    def arguments(self, *options: str) -> list[str]:
        return [
            *("-u", str(self.staged), "-w", str(self.home / "wheelhouse"), "--confirm-timeout", "0"),
            *("--repository-url", f"{self.site.url}/{REPOSITORY}/releases{self.tag_path}", "--retries", "2"),
            *("--allow-insecure-host", "127.0.0.1", "--ignore", "native", *options, "demo", "1.0"),
        ]

    def run(self, *options: str, **variables: str) -> Ended:
        """Run the command in this process, which is faster than another one."""
        result = run_in_process(*self.arguments(*options), env={**self.environment, **variables})
        return Ended(result.exit_code, result.stdout, result.stderr)

    def run_apart(self, *options: str, **variables: str) -> RunResult:
        """Run the command in a separate process, as users do."""
        return CommandLine(self.home).run(*self.arguments(*options), **{**self.environment, **variables})

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "wheel_uploader", *self.arguments()],
            env={**CommandLine(self.home).environment, **self.environment},
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def publisher(tmp_path: Path, site: GitHubSite) -> Publisher:
    return Publisher(tmp_path, site)


def assert_published(site: GitHubSite) -> None:
    """Assert that there is one release, that it is published, and has exactly our files."""
    release = site.only_release()
    assert not release["draft"]
    assert site.files(release["id"]) == ALL_FILES
    assert len(release["assets"]) == len(ALL_FILES)


# --- the usual ways --------------------------------------------------------------------------------


def test_publishes_a_new_draft_last(publisher: Publisher, site: GitHubSite) -> None:
    ended = publisher.run_apart()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    writes = site.writes()
    assert [write.split()[0] for write in writes] == ["POST", "POST", "POST", "POST", "POST", "PATCH"]
    # The sdist comes after the wheels, and the list of all files after the files.
    assert writes[-3].endswith(SDIST)
    assert writes[-2].endswith(SUMS)
    assert site.only_release()["tag_name"] == "v1.0"
    assert TOKEN not in ended.stdout + ended.stderr

    site.log.clear()
    again = publisher.run()
    assert again.exit_code == 0
    assert site.writes() == []


@pytest.mark.parametrize(("tags", "tag"), [({"1.0"}, "1.0"), ({"v1.0", "v1"}, "v1.0")])
def test_derives_the_tag_from_the_version(
    publisher: Publisher, site: GitHubSite, tags: set[str], tag: str
) -> None:
    site.tags = tags
    assert publisher.run().exit_code == 0
    assert site.only_release()["tag_name"] == tag


def test_uses_the_tag_of_the_url(publisher: Publisher, site: GitHubSite) -> None:
    site.tags = {"nightly", "v1.0"}
    publisher.tag_path = "/tag/nightly"
    assert publisher.run().exit_code == 0
    assert site.only_release()["tag_name"] == "nightly"


@pytest.mark.parametrize("tags", [set(), {"v1.0", "1.0"}])
def test_creates_nothing_unless_one_tag_exists(
    publisher: Publisher, site: GitHubSite, tags: set[str]
) -> None:
    site.tags = tags
    ended = publisher.run()
    assert ended.exit_code == 2
    assert "v1.0" in ended.error_line
    assert "1.0" in ended.error_line.replace("v1.0", "")
    assert site.writes() == []


def test_continues_the_only_draft_and_ignores_assets_of_other_kinds(
    publisher: Publisher, site: GitHubSite
) -> None:
    others = {"notes.md": b"x", "demo-1.0.spdx.json": b"{}", "demo-setup-1.0.exe": b"MZ"}
    number = site.add_release(files={**others, WINDOWS: FILES[WINDOWS]})
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert site.files(number) == {**others, **ALL_FILES}
    assert not site.releases[number]["draft"]
    for name in others:
        assert name not in ended.stdout + ended.stderr
    assert not any(WINDOWS in write for write in site.writes())


def test_adds_missing_files_to_a_published_release_and_says_so(
    publisher: Publisher, site: GitHubSite
) -> None:
    number = site.add_release(files={WINDOWS: FILES[WINDOWS]}, draft=False)
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert site.files(number) == ALL_FILES
    assert "the release v1.0 is published already: missing files are added to it" in ended.stderr
    assert not any(write.startswith("PATCH") for write in site.writes())


@pytest.mark.parametrize("draft", [True, False])
def test_other_bytes_under_a_name_are_a_conflict(publisher: Publisher, site: GitHubSite, draft: bool) -> None:
    number = site.add_release(files={WINDOWS: b"other"}, draft=draft)
    ended = publisher.run()
    assert ended.exit_code == 7
    assert sha256(b"other") in ended.stderr
    assert sha256(FILES[WINDOWS]) in ended.stderr
    assert site.writes() == []
    assert site.files(number) == {WINDOWS: b"other"}


def test_compares_by_download_if_the_server_lists_no_digests(publisher: Publisher, site: GitHubSite) -> None:
    site.lists_digests = False
    number = site.add_release(files={WINDOWS: FILES[WINDOWS]})
    assert publisher.run().exit_code == 0
    assert site.files(number) == ALL_FILES


def test_dry_run_writes_nothing(publisher: Publisher, site: GitHubSite) -> None:
    ended = publisher.run("--dry-run")
    assert ended.exit_code == 0, ended.stderr
    assert site.writes() == []
    assert site.releases == {}


def test_keeps_the_lines_of_other_files_in_the_list_of_a_draft(
    publisher: Publisher, site: GitHubSite
) -> None:
    other = wheels.wheel_filename("demo", "1.0", "cp313-cp313-win_amd64")
    listed = {other: b"wheel", "gone.whl": b"gone"}
    number = site.add_release(files={other: b"wheel", SUMS: checksums(listed)})
    assert publisher.run("--ignore", "release").exit_code == 0
    assert site.files(number)[SUMS] == checksums({**FILES, other: b"wheel"})


def test_does_not_touch_the_list_of_a_published_release(publisher: Publisher, site: GitHubSite) -> None:
    number = site.add_release(files={SUMS: b"something else\n"}, draft=False)
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert site.files(number)[SUMS] == b"something else\n"
    assert f"{SUMS} of the published release does not list all of these files" in ended.stderr


def test_private_repository_is_confirmed_with_the_token(publisher: Publisher, site: GitHubSite) -> None:
    site.is_private = True
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)


# --- T7: several drafts, two runs, immutable releases, unfinished uploads ---------------------------


def test_several_drafts_of_one_tag_are_not_written_to(publisher: Publisher, site: GitHubSite) -> None:
    first = site.add_release(files={WINDOWS: FILES[WINDOWS]})
    second = site.add_release(files={MAC: FILES[MAC]})
    ended = publisher.run()
    assert ended.exit_code == 2
    assert f"draft {first} (v1.0): {WINDOWS}" in ended.stderr
    assert f"draft {second} (v1.0): {MAC}" in ended.stderr
    assert f"--release-id {first}" in ended.stderr
    assert site.writes() == []

    named = publisher.run("--release-id", str(second))
    assert named.exit_code == 0, named.stderr
    assert site.files(second) == ALL_FILES
    assert not site.releases[second]["draft"]
    assert site.releases[first]["draft"]
    assert site.files(first) == {WINDOWS: FILES[WINDOWS]}


@pytest.mark.parametrize(("number", "message"), [("999", "has no release"), ("", "not v1.0 or 1.0")])
def test_release_that_is_named_must_exist_and_have_the_tag(
    publisher: Publisher, site: GitHubSite, number: str, message: str
) -> None:
    other = site.add_release("v2.0")
    ended = publisher.run("--release-id", number or str(other))
    assert ended.exit_code == 2
    assert message in ended.error_line
    assert site.writes() == []


def test_two_runs_at_the_same_moment_publish_one_release(tmp_path: Path, site: GitHubSite) -> None:
    both_looked = threading.Barrier(2, timeout=60)
    site.faults.append(Fault(CREATE, times=2, action=both_looked.wait))
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(Publisher(tmp_path / name, site).start())
    codes = [process.wait(timeout=120) for process in runs]
    assert codes == [0, 0]
    assert_published(site)
    # The draft with the higher number was deleted while it was empty, and got no file.
    (deleted,) = [write for write in site.writes() if write.startswith("DELETE")]
    lower = site.only_release()["id"]
    assert deleted == f"DELETE /repos/{REPOSITORY}/releases/{lower + 1}"
    assert all(f"/{lower}/assets" in write for write in site.writes() if "/assets" in write)


def test_immutable_release_that_lacks_files_is_known_before_the_first_upload(
    publisher: Publisher, site: GitHubSite
) -> None:
    site.add_release(files={WINDOWS: FILES[WINDOWS]}, draft=False, immutable=True)
    ended = publisher.run()
    assert ended.exit_code == 7
    assert "immutable" in ended.error_line
    assert f"in: {WINDOWS}" in ended.stderr
    assert f"not in: {MAC}" in ended.stderr
    assert f"not in: {SDIST}" in ended.stderr
    assert "deleting it does not free its tag" in ended.stderr
    assert site.writes() == []


def test_immutable_release_with_all_files_needs_no_request_that_writes(
    publisher: Publisher, site: GitHubSite
) -> None:
    site.add_release(files=FILES, draft=False, immutable=True)
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert site.writes() == []


def test_upload_that_left_an_unfinished_asset_is_repeated(publisher: Publisher, site: GitHubSite) -> None:
    site.faults.append(
        Fault(UPLOAD, 500, {"message": "Error creating asset temp dir"}, leaves_starter=True, skip=1)
    )
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert sum(write.startswith("DELETE") for write in site.writes()) == 1


def test_unfinished_asset_of_an_earlier_run_is_replaced(publisher: Publisher, site: GitHubSite) -> None:
    number = site.add_release()
    starter = site.add_asset(number, MAC, b"", "starter")
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert f"DELETE /repos/{REPOSITORY}/releases/assets/{starter['id']}" in site.writes()


def test_unfinished_asset_that_another_program_finishes_is_not_removed(
    publisher: Publisher, site: GitHubSite
) -> None:
    number = site.add_release()
    starter = site.add_asset(number, MAC, b"", "starter")

    def finish() -> None:
        starter.update(state="uploaded", size=len(FILES[MAC]), digest=f"sha256:{sha256(FILES[MAC])}")
        site.contents[starter["id"]] = FILES[MAC]

    site.faults.append(Fault(rf"^GET /repos/{REPOSITORY}/releases/assets/", action=finish))
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert not any(write.startswith("DELETE") for write in site.writes())


def test_publication_whose_answer_is_lost_is_not_requested_again(
    publisher: Publisher, site: GitHubSite
) -> None:
    site.faults.append(Fault(PUBLISH, 502, is_done=True))
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert sum(write.startswith("PATCH") for write in site.writes()) == 1


def test_reports_another_size_of_the_same_hash(publisher: Publisher, site: GitHubSite) -> None:
    number = site.add_release(files={WINDOWS: FILES[WINDOWS]})
    site.releases[number]["assets"][0]["size"] = 7
    ended = publisher.run()
    assert ended.exit_code == 7
    assert f"{WINDOWS}: local size {len(FILES[WINDOWS])}, GitHub's size 7 bytes" in ended.stderr


def test_immutability_that_only_the_upload_shows_is_final(publisher: Publisher, site: GitHubSite) -> None:
    number = site.add_release(files={WINDOWS: FILES[WINDOWS]}, draft=False)
    message = {"message": "Cannot upload assets to an immutable release."}
    site.faults.append(Fault(r"^POST ", 422, message, times=9))
    ended = publisher.run()
    assert ended.exit_code == 7
    assert "immutable" in ended.error_line
    assert len(site.writes()) == 1
    assert site.files(number) == {WINDOWS: FILES[WINDOWS]}


# --- faults ----------------------------------------------------------------------------------------

#: Every kind of request of a run, by a pattern.
REQUESTS = {
    "repository": rf"^GET /repos/{REPOSITORY}$",
    "list of releases": rf"^GET /repos/{REPOSITORY}/releases$",
    "release of the tag": rf"^GET /repos/{REPOSITORY}/releases/tags/v1.0$",
    "git tag": rf"^GET /repos/{REPOSITORY}/git/ref/tags/v1.0$",
    "create": CREATE,
    "first upload": UPLOAD,
    "upload of the list": rf"^POST .*{SUMS}$",
    "list of assets": r"^GET .*/releases/[0-9]+/assets$",
    "release": r"^GET .*/releases/[0-9]+$",
    "publish": PUBLISH,
    "download": r"^GET /owner/demo/releases/download/",
}


@pytest.mark.parametrize("kind", ["500", "rate limit", "reset before", "reset after"])
def test_fault_that_happens_once_to_each_request_is_survived(
    publisher: Publisher, site: GitHubSite, kind: str
) -> None:
    for pattern in REQUESTS.values():
        site.faults.append(
            {
                "500": Fault(pattern, 500, {"message": "oops"}),
                "rate limit": Fault(pattern, 403, {"message": "rate limit"}, {"Retry-After": "0"}),
                "reset before": Fault(pattern),
                "reset after": Fault(pattern, is_done=True),
            }[kind]
        )
    ended = publisher.run("--confirm-timeout", "5")
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert [fault.times for fault in site.faults] == [0] * len(REQUESTS)
    # A request whose answer is lost is not repeated.
    if kind == "reset after":
        assert len(site.writes()) == len(set(site.writes()))


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        ("create", 403, 4),
        ("create", 503, 5),
        ("first upload", 401, 4),
        ("first upload", 503, 5),
        ("upload of the list", 404, 4),
        ("publish", 403, 4),
        ("publish", 503, 5),
    ],
)
def test_lasting_fault_has_its_exit_code_and_the_next_run_completes(
    publisher: Publisher, site: GitHubSite, step: str, status: int, code: int
) -> None:
    site.faults.append(Fault(REQUESTS[step], status, {"message": "No, no"}, times=99))
    ended = publisher.run()
    # Before the draft is published, nothing is public: all files or none.
    assert ended.exit_code == code, ended.stderr
    assert "No, no" in ended.stderr
    assert all(release["draft"] for release in site.releases.values())

    site.faults.clear()
    assert publisher.run().exit_code == 0
    assert_published(site)


def test_rate_limit_that_lasts_names_the_time(publisher: Publisher, site: GitHubSite) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    message = {"message": "API rate limit exceeded"}
    site.faults.append(Fault(CREATE, 403, message, headers, times=9))
    ended = publisher.run()
    assert ended.exit_code == 5
    assert "rate-limiting, retry after " in ended.error_line
    assert len(site.writes()) == 1


def test_wrong_token_is_exit_4(publisher: Publisher, site: GitHubSite) -> None:
    ended = publisher.run(GH_ENTERPRISE_TOKEN="ghp_other9876543210")
    assert ended.exit_code == 4
    assert "GH_ENTERPRISE_TOKEN" in ended.stderr
    assert "ghp_other9876543210" not in ended.stdout + ended.stderr
    assert site.releases == {}


def test_missing_token_is_exit_4_before_anything_is_requested(publisher: Publisher, site: GitHubSite) -> None:
    ended = publisher.run(GH_ENTERPRISE_TOKEN="")
    assert ended.exit_code == 4
    assert "GH_ENTERPRISE_TOKEN or GITHUB_ENTERPRISE_TOKEN" in ended.error_line
    assert site.log == []


def test_unknown_repository_is_exit_2(publisher: Publisher, site: GitHubSite) -> None:
    site.faults.append(Fault(REQUESTS["repository"], 404, {"message": "Not Found"}, times=9))
    ended = publisher.run()
    assert ended.exit_code == 2
    assert f"no repository {REPOSITORY}" in ended.error_line
    assert site.writes() == []


def test_validation_error_names_the_words_of_github(publisher: Publisher, site: GitHubSite) -> None:
    errors = {"message": "Validation Failed", "errors": [{"field": "size", "code": "invalid"}]}
    site.faults.append(Fault(UPLOAD, 422, errors, times=9))
    ended = publisher.run()
    assert ended.exit_code == 6
    assert "Validation Failed; size invalid" in ended.error_line
    assert site.only_release()["draft"]


@pytest.mark.parametrize("step", ["create", "first upload", "publish"])
def test_write_that_is_done_and_never_answered_is_not_repeated(
    publisher: Publisher, site: GitHubSite, step: str
) -> None:
    site.faults.append(Fault(REQUESTS[step], is_done=True, action=lambda: time.sleep(3)))
    ended = publisher.run("--timeout", "1")
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert len(site.writes()) == len(set(site.writes()))


# --- kills -----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be killed in this way")
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(6))
def test_next_run_completes_a_run_that_was_killed_at_a_write(
    publisher: Publisher, site: GitHubSite, number: int, is_done: bool
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        started[0].kill()
        started[0].wait(30)

    site.faults.append(Fault(r"^(POST|PATCH) ", skip=number, is_done=is_done, action=kill, status=500))
    started.append(publisher.start())
    assert started[0].wait(60) == -9
    ended = publisher.run()
    assert ended.exit_code == 0, ended.stderr
    assert_published(site)
    assert sum(write.startswith("PATCH") for write in site.writes()) == (1 if number < 5 or is_done else 2)
    assert sum("DELETE" in write for write in site.writes()) == 0


# --- where the token goes --------------------------------------------------------------------------


def test_token_goes_to_the_api_only(publisher: Publisher, site: GitHubSite) -> None:
    seen: list[str] = []

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            data = site.download(self.path) or b""
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Storage) as server, serve_in_thread(server) as url:
        site.storage_url = url.rstrip("/")
        ended = publisher.run("--allow-host", f"127.0.0.1:{server.server_port}")
    assert ended.exit_code == 0, ended.stderr
    assert seen == [""] * len(ALL_FILES)
    for request in site.log:
        is_api = "/download/" not in request.path
        assert request.authorization == (f"Bearer {TOKEN}" if is_api else ""), request


def test_nothing_is_uploaded_to_a_host_that_is_not_of_this_github(
    publisher: Publisher, site: GitHubSite
) -> None:
    received: list[str] = []

    class Foreign(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.headers.get("Authorization", ""))

    with HTTPServer(("127.0.0.1", 0), Foreign) as server, serve_in_thread(server) as url:
        site.upload_url = f"{url}api/uploads/repos/{REPOSITORY}/releases/101/assets"
        ended = publisher.run()
    assert ended.exit_code == 2
    assert "refusing to send the token and the files" in ended.error_line
    assert received == []


# --- what GitHub stores ----------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["digest", "name"])
def test_file_that_github_stores_in_another_way_is_not_published(
    publisher: Publisher, site: GitHubSite, change: str
) -> None:
    add = site.add_asset

    def add_changed(number: int, name: str, data: bytes, state: str = "uploaded") -> dict[str, object]:
        if name == SDIST:
            return add(number, name, data + b"x") if change == "digest" else add(number, f"x{name}", data)
        return add(number, name, data, state)

    site.add_asset = add_changed  # type: ignore[method-assign]
    ended = publisher.run()
    assert ended.exit_code in (5, 8), ended.stderr
    assert site.only_release()["draft"]
    assert set(site.files(site.only_release()["id"])) == {MAC, WINDOWS}
    reason = "stored other bytes than were sent" if change == "digest" else f"another name, x{SDIST}"
    assert reason in ended.stderr


def test_confirmation_fails_if_downloads_are_not_served(publisher: Publisher, site: GitHubSite) -> None:
    site.faults.append(Fault(REQUESTS["download"], 404, times=99))
    # An Enterprise Server may require a login for downloads, so the API serves them too.
    site.faults.append(Fault(r"^GET .*/releases/assets/", 404, times=99))
    ended = publisher.run()
    assert ended.exit_code == 10
    assert "404" in ended.stderr


def test_verify_compares_the_published_release(publisher: Publisher, site: GitHubSite) -> None:
    number = site.add_release(files=FILES)
    assert publisher.run("--verify").exit_code == 10
    site.releases[number]["draft"] = False
    ended = publisher.run("--verify")
    assert ended.exit_code == 0, ended.stderr
    assert site.writes() == []


# --- signatures and attestations -------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which(gpg.GPG), reason="gpg is not installed")
def test_signatures_are_assets_and_are_completed_by_the_next_run(
    publisher: Publisher, site: GitHubSite
) -> None:
    signature = f"{WINDOWS}.asc"
    with gpg.keyring() as keys:
        keys.make_key("Release <release@example.org>")
        site.faults.append(Fault(rf"^POST .*{signature}$", 503, times=99))
        ended = publisher.run_apart("--sign", GNUPGHOME=str(keys.home))
        assert ended.exit_code == 5, ended.stderr
        assert site.only_release()["draft"]

        site.faults.clear()
        ended = publisher.run_apart("--sign", GNUPGHOME=str(keys.home))
        assert ended.exit_code == 0, ended.stderr
    files = site.files(site.only_release()["id"])
    assert set(files) == {*ALL_FILES, *(f"{name}.asc" for name in ALL_FILES)}
    assert files[signature].startswith(b"-----BEGIN PGP SIGNATURE-----")
    assert not site.only_release()["draft"]


def open_release(publisher: Publisher, *attestations: Attestation) -> tuple[GitHubReleasesTarget, Release]:
    """Return the target and the release of demo 1.0, whose files are there already."""
    options = Options(
        project="demo",
        version="1.0",
        urls=("https://staging.example/",),
        repository_url=f"{publisher.site.url}/{REPOSITORY}/releases",
        retries=2,
    )
    target = open_target(options, SilentProgress())
    assert isinstance(target, GitHubReleasesTarget)
    files = tuple(indexes.local_file(publisher.staged / name) for name in FILES)
    release = Release(project="demo", version=Version("1.0"), files=files, attestations=attestations)
    return target, release


def test_attestations_are_assets(
    publisher: Publisher, site: GitHubSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in publisher.environment.items():
        monkeypatch.setenv(name, value)
    number = site.add_release(files=FILES)
    good, malformed = (
        Attestation(
            subject_filename=name,
            path=publisher.home / f"{name}.publish.attestation",
            content=name.encode(),
            malformed_reason=reason,
        )
        for name, reason in ((MAC, ""), (WINDOWS, "not JSON"))
    )
    target, release = open_release(publisher, good, malformed)
    with contextlib.closing(target):
        assert target.fetch_state("demo", release.version, release.files).project_page
        target.finish(release)
        target.confirm("demo", release.files, timeout=0)
    assert site.files(number) == {**ALL_FILES, f"{MAC}.publish.attestation": MAC.encode()}


def test_attestation_of_an_earlier_run_is_kept(
    publisher: Publisher, site: GitHubSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in publisher.environment.items():
        monkeypatch.setenv(name, value)
    attached = f"{MAC}.publish.attestation"
    number = site.add_release(files={**FILES, attached: b"of another run"})
    attestation = Attestation(subject_filename=MAC, path=publisher.home / attached, content=b"of this run")
    target, release = open_release(publisher, attestation)
    with contextlib.closing(target):
        target.finish(release)
        target.confirm("demo", release.files, timeout=0)
    assert site.files(number)[attached] == b"of another run"
    assert not site.releases[number]["draft"]


def test_section_of_the_configuration_names_the_url_and_the_token(
    publisher: Publisher, site: GitHubSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(publisher.home)
    url = f"{site.url}/{REPOSITORY}/releases"
    section = f'[tool.wheel-uploader.targets.wheels]\nurl = "{url}"\ntoken-variable = "WHEELS_TOKEN"\n'
    (publisher.home / "pyproject.toml").write_text(section, encoding="utf-8")
    arguments = [argument for argument in publisher.arguments() if argument not in ("--repository-url", url)]
    environment = {**publisher.environment, "GH_ENTERPRISE_TOKEN": "", "WHEELS_TOKEN": TOKEN}
    ended = run_in_process("-r", "wheels", *arguments, env=environment)
    assert ended.exit_code == 0, ended.stderr
    assert "login: token in WHEELS_TOKEN" in ended.stderr
    assert_published(site)
