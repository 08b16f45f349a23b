"""The list stage of the command: incomplete releases, waiting, hashes, logins, several sources."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.servers import certificate, free_port, nginx
from tools.testing.staging import Proxy, Site, sha256
from wheel_uploader.core import formatting
from wheel_uploader.listing import polling

TAGS = ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64")
A, B = (wheels.wheel_filename("dipy", "1.11.0", tag) for tag in TAGS)
SDIST = "dipy-1.11.0.tar.gz"
FILES = {
    A: wheels.wheel_bytes(tag=TAGS[0]),
    B: wheels.wheel_bytes(tag=TAGS[1]),
    SDIST: wheels.sdist_bytes(),
}
OTHER = wheels.wheel_bytes(tag=TAGS[0], files={"dipy/more.py": b"x = 1\n"})


@pytest.fixture(autouse=True)
def _quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty directory, with short pauses."""
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST_INTERVAL", "MAX_INTERVAL", "CONFIRMATION_DELAY"):
        monkeypatch.setattr(polling, name, 0.05)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def list_files(site: Site, *arguments: str, until: str = "list", env: dict[str, str] | None = None) -> Result:
    """Run the command on one staging area."""
    with ScriptedServer(site) as server:
        options = ("-u", server.url, "--until", until, "--retries", "1", *arguments)
        return run(*options, "dipy", "1.11.0", env=env)


def stderr_lines(result: Result) -> list[str]:
    """Return the lines of standard error."""
    assert "Traceback" not in result.output
    return result.stderr.splitlines()


def sha256sums(*names: str, **other: bytes) -> str:
    return "".join(f"{sha256({**FILES, **other}[name])}  {name}\n" for name in names)


# --- expected files --------------------------------------------------------------------------------


def test_incomplete_release_is_reported_before_downloading() -> None:
    site = Site({A: FILES[A]})
    result = list_files(site, "--expect", "3", until="download")
    assert result.exit_code == 3
    assert stderr_lines(result) == [
        "error: dipy 1.11.0 is incomplete",
        "  missing: 2 of 3 files",
        (
            "next: Nothing was downloaded. Wait until the build has finished and run this again, "
            "or wait for the files with --wait 20m."
        ),
    ]
    assert (site.fetched, Path("wheelhouse").exists()) == ([], False)
    # The report has the listed files nevertheless.
    assert A in result.stdout


def test_accepts_a_complete_release() -> None:
    assert list_files(Site(FILES), "--expect", "3").exit_code == 0


def test_expected_files_from_a_file() -> None:
    Path("expected.txt").write_text("cp311-win_amd64\ncp312-win_amd64\ncp313-win_amd64\nsdist\n")
    result = list_files(Site(FILES), "--expect", "expected.txt")
    assert (result.exit_code, stderr_lines(result)[1:-1]) == (
        3,
        ["  missing: a wheel for cp313 on win_amd64"],
    )


@pytest.mark.parametrize(
    "table",
    [
        'expect = { pythons = ["cp311", "cp312", "cp313t"], platforms = ["win_amd64"], sdist = true }',
        '[tool.wheel-uploader.expect]\npythons = ["cp311", "cp313t"]\nplatforms = ["win_amd64"]',
    ],
    ids=["inline", "table"],
)
def test_expected_matrix_from_the_configuration(table: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.wheel-uploader]\n{table}\n")
    result = list_files(Site(FILES))
    assert (result.exit_code, stderr_lines(result)[1:-1]) == (
        3,
        ["  missing: a wheel for cp313t on win_amd64"],
    )
    # The command line overrides the configuration, and can also unset it.
    assert list_files(Site(FILES), "--expect", "3").exit_code == 0
    assert list_files(Site(FILES), "--expect", "").exit_code == 0
    assert list_files(Site(FILES), env={"WHEEL_UPLOADER_EXPECT": "4"}).exit_code == 3


def test_types_of_configuration_values() -> None:
    Path("expected.txt").write_text("cp313-win_amd64\n")
    for line in ("expect = 4", 'expect = "4"', 'expect = "expected.txt"'):
        Path("pyproject.toml").write_text(f"[tool.wheel-uploader]\n{line}\n")
        assert list_files(Site(FILES)).exit_code == 3
    for line in ("wait = 1", 'wait = "1s"', "wait = 1.5", "expect = 3", "netrc = false"):
        Path("pyproject.toml").write_text(f"[tool.wheel-uploader]\n{line}\n")
        assert list_files(Site(FILES)).exit_code == 0


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            "expect = { python = ['cp311'] }",
            [
                "error: 'expect' in the configuration is not a valid matrix",
                "  python: unknown key, expected one of pythons, platforms, skip, sdist",
                (
                    'next: For example: expect = { pythons = ["cp312"], platforms = ["win_amd64"], '
                    "sdist = true }"
                ),
            ],
        ),
    ],
)
def test_invalid_expectation_is_reported_before_any_request(line: str, lines: list[str]) -> None:
    Path("pyproject.toml").write_text(f"[tool.wheel-uploader]\n{line}\n")
    site = Site(FILES)
    result = list_files(site)
    assert (result.exit_code, stderr_lines(result), site.listings) == (2, lines, [])


# --- waiting ---------------------------------------------------------------------------------------


def test_waits_for_all_files_and_bypasses_caches() -> None:
    def before_listing(site: Site, number: int) -> None:
        if number == 3:
            site.files.update(FILES)

    site = Site(
        {A: FILES[A]},
        before_listing=before_listing,
        headers={"Age": "812", "X-Cache": "Hit from \x1b[31mthe edge"},
    )
    result = list_files(site, "--wait", "20m", "--expect", "3", "-v")
    assert (result.exit_code, len(site.listings)) == (0, 4)
    assert {request.headers["cache-control"] for request in site.listings} == {"no-cache"}
    assert "3 files\n" in result.stdout
    lines = stderr_lines(result)
    assert "waiting for 2 of 3 files (1 listed); 20 min left" in lines
    assert any(line.startswith("all 3 files listed; checking again in ") for line in lines)
    assert sum(line.endswith(": Age 812, X-Cache Hit from \\x1b[31mthe edge") for line in lines) == 4


def test_waits_for_the_same_files_as_in_the_previous_release() -> None:
    """Without --expect, the previous release on the index defines the expected files."""
    arm, intel = "cp312-cp312-macosx_11_0_arm64", "cp312-cp312-macosx_11_0_x86_64"
    files = {
        wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes("dipy", "1.11.0", tag)
        for tag in (intel, arm)
    }
    first, _ = files

    def before_listing(site: Site, number: int) -> None:
        if number == 3:
            site.files.update(files)

    site = Site({first: files[first]}, before_listing=before_listing)
    previous = "".join(
        f"<a href={wheels.wheel_filename('dipy', '1.10.0', tag)}>x</a>"
        for tag in (arm, intel, "cp312-cp312-win_amd64")
    )
    with ScriptedServer([answer(200, f"<title>Links for dipy</title>{previous}".encode())]) as index:
        wait = ("--wait", "20m", "--index-url", index.url, "--allow-missing", "win_amd64")
        result = list_files(site, *wait, "-v")
    assert result.exit_code == 0, result.stderr
    assert "2 files\n" in result.stdout
    lines = stderr_lines(result)
    assert "waiting for the same files as in dipy 1.10.0 (disable with --no-compare)" in lines
    assert "waiting for a wheel for cp312 on macosx_arm64 (1 listed); 20 min left" in lines


def test_waits_for_a_file_if_everything_in_the_previous_release_may_be_missing() -> None:
    def before_listing(site: Site, number: int) -> None:
        if number == 3:
            site.files.update(FILES)

    site = Site({}, before_listing=before_listing)
    previous = f"<a href={wheels.wheel_filename('dipy', '1.10.0', 'cp312-cp312-win_amd64')}>x</a>"
    with ScriptedServer([answer(200, f"<title>Links for dipy</title>{previous}".encode())]) as index:
        wait = ("--wait", "20m", "--index-url", index.url, "--allow-missing", "*")
        result = list_files(site, *wait, "-v")
    assert result.exit_code == 0, result.stderr
    # Waiting for nothing would look like waiting for the other release's files.
    assert "waiting for the same files" not in result.stderr
    assert "waiting for a file of the release (" in result.stderr


def test_waits_even_if_the_index_does_not_respond() -> None:
    site = Site({A: FILES[A]})
    with ScriptedServer([answer(403)]) as index:
        result = list_files(site, "--wait", "20m", "--index-url", index.url)
    assert result.exit_code == 0, result.stderr
    assert "the previous release is unknown" in result.stderr


def test_does_not_bypass_caches_without_wait() -> None:
    site = Site(FILES, headers={"Age": "812"})
    result = list_files(site, "-v")
    assert "cache-control" not in site.listings[0].headers
    assert "Age 812" not in result.stderr


def test_unsuccessful_wait_reports_the_missing_files() -> None:
    Path("expected.txt").write_text(f"{A}\ncp313-win_amd64\nsdist\n")
    site = Site({A: FILES[A]})
    result = list_files(site, "--wait", "1s", "--expect", "expected.txt", until="download")
    assert result.exit_code == 10
    *lines, command, last = stderr_lines(result)
    assert lines[-3:] == [
        "error: the release is still incomplete after 1 s",
        "  missing: a wheel for cp313 on win_amd64",
        "  missing: an sdist",
    ]
    assert command.startswith("to continue: wheel-uploader ")
    assert last == "next: Check the builds of the missing files, then run the same command again."
    assert (site.fetched, Path("wheelhouse").exists()) == ([], False)
    # The report has the listed files.
    assert A in result.stdout


def test_waits_for_a_staging_area_that_does_not_exist_yet() -> None:
    requests: list[Request] = []
    site = Site(FILES)

    def late(request: Request) -> list[Step]:
        requests.append(request)
        return (
            [answer(404 if len(requests) < 3 else 503, b"", {"Connection": "close"})]
            if len(requests) < 5
            else site(request)
        )

    with ScriptedServer(late) as server:
        result = run("-u", server.url, "--wait", "1m", "--until", "list", "dipy", "1.11.0")
    assert result.exit_code == 0
    assert (
        f"waiting for a file of the release ({server.url} was not found (status 404)); 60 s left"
        in stderr_lines(result)
    )
    assert f"waiting for a file of the release ({server.url} returned 503 Status); 60 s left" in stderr_lines(
        result
    )


def test_waits_while_the_folder_of_a_real_server_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, served = tmp_path / "built", tmp_path / "served"
    paths = wheels.make_release(built)
    served.mkdir()
    looked = threading.Event()
    in_words = formatting.format_duration

    def format_and_notify(seconds: float) -> str:
        looked.set()
        return in_words(seconds)

    def fill() -> None:
        looked.wait(30)
        for path in paths:
            time.sleep(0.1)
            # Atomically, as rsync does.
            shutil.copy(path, served / f".{path.name}")
            (served / f".{path.name}").rename(served / path.name)

    # This function is called during a wait.
    monkeypatch.setattr(polling, "format_duration", format_and_notify)
    with nginx(served) as url:
        filler = threading.Thread(target=fill)
        filler.start()
        options = ("-u", url, "--wait", "30s", "--expect", "6", "--until", "check", "--profile", "any")
        result = run(*options, "dipy", "1.11.0")
        filler.join()
    assert result.exit_code == 0
    for path in paths:
        assert Path("wheelhouse", path.name).read_bytes() == path.read_bytes()
    assert "waiting for 6 of 6 files (no files of dipy 1.11.0 at " in result.stderr


def test_waits_for_the_files_in_sha256sums() -> None:
    def before_listing(site: Site, number: int) -> None:
        if number == 3:
            site.files.update(FILES)

    Path("SUMS").write_text(sha256sums(A, B, SDIST))
    site = Site({A: FILES[A]}, hashes=False, before_listing=before_listing)
    result = list_files(site, "--wait", "1m", "--sha256sums", "SUMS", until="download")
    assert (result.exit_code, len(site.listings)) == (0, 4)
    assert (
        f"waiting for {B} (listed in SUMS), {SDIST} (listed in SUMS) (1 listed); 60 s left"
        in stderr_lines(result)
    )


def test_wait_of_0_does_not_wait() -> None:
    site = Site(FILES)
    assert list_files(site, "--wait", "0").exit_code == 0
    assert len(site.listings) == 1


@pytest.mark.parametrize("version", ["latest", ""])
def test_wait_requires_a_version(version: str) -> None:
    result = run("-u", "https://staging.example/", "--wait", "20m", "--until", "list", "dipy", version)
    assert result.exit_code == 2
    assert stderr_lines(result) == [
        "error: --wait requires an explicit version",
        "next: Give the version after the project name: the newest listed version may be an older one.",
    ]


def test_invalid_duration() -> None:
    result = run("-u", "https://staging.example/", "--wait", "soon", "dipy", "1.11.0")
    assert result.exit_code == 2
    assert "'soon' is not a duration; use a form like 20m, 90s or 1h30m" in result.stderr


@pytest.mark.parametrize("wait", [(), ("--wait", "1m")], ids=["at once", "after a wait"])
def test_detects_a_file_that_changes_after_the_listing(wait: tuple[str, ...]) -> None:
    """A file that differs from its listed hash stops the run, so that the release is not a mixture."""
    site = Site(FILES)
    promised = sha256(FILES[A])

    def changed(request: Request) -> list[Step]:
        if request.target != "/":
            site.files[A] = OTHER
        return site(request)

    with ScriptedServer(changed) as server:
        result = run("-u", server.url, *wait, "--until", "download", "dipy", "1.11.0")
    assert result.exit_code == 6
    assert (
        f"error: {A} from {server.url}{A}: its sha256 is {sha256(OTHER)}, but {promised} was listed"
        in stderr_lines(result)
    )
    assert not Path("wheelhouse", A).exists()
    assert not Path("wheelhouse", "SHA256SUMS").exists()


# --- hashes ----------------------------------------------------------------------------------------


def test_sha256sums_verify_files_listed_without_hashes() -> None:
    Path("SUMS").write_text(sha256sums(A, B, SDIST) + f"{'0' * 64}  dipy-1.10.0.tar.gz\n")
    result = list_files(
        Site(FILES, hashes=False),
        "--sha256sums",
        "SUMS",
        "--require-hashes",
        "--format",
        "json",
        until="download",
    )
    assert result.exit_code == 0
    assert {file["vouched_by"] for file in json.loads(result.stdout)["files"]} == {"sha256 from SUMS"}


def test_listing_that_contradicts_sha256sums_stops_before_downloading() -> None:
    Path("SUMS").write_text(sha256sums(A, B))
    site = Site({**FILES, A: OTHER})
    result = list_files(site, "--sha256sums", "SUMS", until="download")
    assert result.exit_code == 6
    assert stderr_lines(result) == [
        "error: 2 of 3 files do not match SUMS",
        f"  {A}: listed with sha256 {sha256(OTHER)}, but SUMS has {sha256(FILES[A])}",
        f"  {SDIST}: not listed in SUMS",
        "next: Nothing was downloaded. Find out whether the files were changed or the list is wrong.",
    ]
    assert (site.fetched, Path("wheelhouse").exists()) == ([], False)


def test_files_in_sha256sums_must_be_listed() -> None:
    Path("SUMS").write_text(sha256sums(A, B, SDIST))
    site = Site({A: FILES[A]})
    result = list_files(site, "--sha256sums", "SUMS", until="download")
    assert result.exit_code == 3
    assert stderr_lines(result)[:-1] == [
        "error: dipy 1.11.0 is incomplete: 2 expected items are missing from the listing",
        f"  missing: {B} (listed in SUMS)",
        f"  missing: {SDIST} (listed in SUMS)",
    ]
    assert site.fetched == []


def test_rejects_files_that_do_not_match_sha256sums() -> None:
    Path("SUMS").write_text(sha256sums(A))
    result = list_files(Site({A: OTHER}, hashes=False), "--sha256sums", "SUMS", until="download")
    assert result.exit_code == 6
    assert f"its sha256 is {sha256(OTHER)}, but {sha256(FILES[A])} is in SUMS" in stderr_lines(result)[0]
    assert not Path("wheelhouse", A).exists()


def test_sha256sums_apply_to_a_local_folder() -> None:
    Path("SUMS").write_text(sha256sums(A))
    Path("dist").mkdir()
    Path("dist", A).write_bytes(OTHER)
    result = run("-u", "dist", "--sha256sums", "SUMS", "--until", "download", "dipy", "1.11.0")
    assert (result.exit_code, f"{sha256(FILES[A])} is in SUMS" in result.stderr) == (6, True)
    Path("dist", A).write_bytes(FILES[A])
    assert run("-u", "dist", "--sha256sums", "SUMS", "--until", "download", "dipy", "1.11.0").exit_code == 0


def test_require_hashes_rejects_files_without_hashes() -> None:
    site = Site(FILES, hashes=False)
    result = list_files(site, "--require-hashes", until="download")
    assert result.exit_code == 6
    assert stderr_lines(result) == [
        "error: 3 of 3 files have no strong hash",
        *(f"  {name}: listed without a hash" for name in (A, B, SDIST)),
        (
            "next: Nothing was downloaded. Give the hashes with --sha256sums FILE, "
            "or use a source that lists a sha256 for each file."
        ),
    ]
    assert (site.fetched, Path("wheelhouse").exists()) == ([], False)
    assert list_files(Site(FILES), "--require-hashes").exit_code == 0


def test_invalid_sha256sums() -> None:
    Path("SUMS").write_text("<html>\n")
    site = Site(FILES)
    result = list_files(site, "--sha256sums", "SUMS")
    assert (result.exit_code, site.listings) == (2, [])
    assert stderr_lines(result) == [
        "error: SUMS is not in SHA256SUMS format",
        "  line 1: '<html>'",
        "next: Each line must be 'sha256  file name', as printed by 'sha256sum *'.",
    ]
    missing = list_files(site, "--sha256sums", "nowhere")
    assert stderr_lines(missing)[0] == "error: nowhere cannot be read: No such file or directory"


# --- several sources -------------------------------------------------------------------------------


def run_with_two_sources(first: Site, second: Site | Path, *arguments: str) -> tuple[Result, str, str]:
    with ScriptedServer(first) as one:
        if isinstance(second, Path):
            where, options = str(second.absolute()), ("-u", str(second))
            return run("-u", one.url, *options, *arguments, "dipy", "1.11.0"), one.url, where
        with ScriptedServer(second) as two:
            result = run("-u", one.url, "-u", two.url, *arguments, "dipy", "1.11.0")
            return result, one.url, two.url


def test_wheels_and_sdist_from_different_sources(tmp_path: Path) -> None:
    Path("dist").mkdir()
    Path("dist", SDIST).write_bytes(FILES[SDIST])
    result, _one, _there = run_with_two_sources(
        Site({A: FILES[A], B: FILES[B]}),
        Path("dist"),
        "--expect",
        "3",
        "--until",
        "check",
        "--format",
        "json",
    )
    report = json.loads(result.stdout)
    assert (result.exit_code, report["reached"]) == (0, "check")
    assert [file["filename"] for file in report["files"]] == [A, B, SDIST]
    for name, data in FILES.items():
        assert Path("wheelhouse", name).read_bytes() == data


def test_same_file_in_two_sources_is_used_once() -> None:
    first, second = Site({A: FILES[A], B: FILES[B]}), Site({B: FILES[B], SDIST: FILES[SDIST]})
    result, *_ = run_with_two_sources(first, second, "--until", "download")
    assert result.exit_code == 0
    assert sorted(first.fetched + second.fetched) == sorted(FILES)


def test_different_files_with_the_same_name_stop_the_run() -> None:
    first, second = Site(FILES), Site({A: OTHER})
    result, one, two = run_with_two_sources(first, second, "--until", "download")
    assert result.exit_code == 6
    assert stderr_lines(result) == [
        (
            "error: release/clash: a file of the release is staged twice, "
            "and the copies are not known to be equal"
        ),
        f"  {A}: different sha256 at {one} and {two}",
        "next: Nothing was uploaded. Remove the wrong copy, or pass only one source with -u.",
    ]
    assert first.fetched == second.fetched == []


def test_copies_without_hashes_stop_the_run_without_sha256sums() -> None:
    first, second = Site({A: FILES[A]}, hashes=False), Site({A: FILES[A]}, hashes=False)
    result, one, two = run_with_two_sources(first, second, "--until", "download")
    assert (result.exit_code, stderr_lines(result)[1]) == (
        6,
        f"  {A}: no hashes to compare at {one} and {two}",
    )
    Path("SUMS").write_text(sha256sums(A))
    result, *_ = run_with_two_sources(first, second, "--sha256sums", "SUMS", "--until", "download")
    assert result.exit_code == 0


def test_compares_the_contents_of_a_local_copy() -> None:
    Path("dist").mkdir()
    Path("dist", A).write_bytes(OTHER)
    result, one, local_path = run_with_two_sources(Site({A: FILES[A]}), Path("dist"), "--until", "download")
    assert (result.exit_code, stderr_lines(result)[1]) == (
        6,
        f"  {A}: different sha256 at {one} and {local_path}",
    )
    Path("dist", A).write_bytes(FILES[A])
    result, *_ = run_with_two_sources(Site({A: FILES[A]}), Path("dist"), "--until", "download")
    assert result.exit_code == 0


# --- logins ----------------------------------------------------------------------------------------


@pytest.fixture
def secret() -> str:
    """Return a new secret, because an earlier one is masked in this process and would hide a leak."""
    return f"S3cret-{uuid4().hex}"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def netrc_of(secret: str) -> dict[str, str]:
    path = Path("my-netrc").absolute()
    path.touch(mode=0o600)
    path.write_text(f"machine 127.0.0.1 login me password {secret}\n")
    return {"NETRC": str(path)}


WAYS = ("url", "netrc", "token")


def run_with_login(way: str, site: Site, secret: str, *arguments: str) -> Result:
    """Run the command on a staging area that requires a login, given in one of three ways."""
    with ScriptedServer(site) as server:
        url, env, options = server.url, {}, ("--retries", "1", *arguments)
        if way == "url":
            url = url.replace("://", f"://me:{secret}@")
        elif way == "netrc":
            env, options = netrc_of(secret), (*options, "--netrc")
        else:
            env = {"WHEEL_UPLOADER_URL_TOKEN": secret}
        return run("-u", url, *options, "dipy", "1.11.0", env=env)


@pytest.mark.parametrize("way", WAYS)
def test_logs_in_in_each_way(way: str, secret: str) -> None:
    expected = f"Bearer {secret}" if way == "token" else basic(secret)
    site = Site(FILES, authorization=expected)
    result = run_with_login(way, site, secret, "--until", "download", "-vv")
    assert (result.exit_code, sorted(site.fetched)) == (0, sorted(FILES))
    assert_hidden(secret, result)


def assert_hidden(secret: str, *results: Result) -> None:
    forms = {
        secret,
        base64.b64encode(secret.encode()).decode().rstrip("="),
        basic(secret).removeprefix("Basic ").rstrip("="),
        base64.b64encode(f":{secret}".encode()).decode().rstrip("="),
    }
    for result in results:
        assert "Traceback" not in result.output
        assert not [form for form in forms if form in result.stdout or form in result.stderr]


def echo_site(status: int, secret: str) -> Site:
    """Return a site whose responses repeat the credentials in every part."""

    class Echo(Site):
        def __call__(self, request: Request) -> list[Step]:
            given = request.headers.get("authorization", "")
            headers = {
                "Location": f"http://127.0.0.2/{secret}?me={given}",
                "X-Cache": given,
                "Age": secret,
                "Connection": "close",
            }
            text = f"{given} {secret} authorization: {given} <a href='{secret}.txt'>{given}</a>"
            return [answer(status, text.encode(), headers)]

    return Echo({})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 500, 503])
@pytest.mark.parametrize("report", ["text", "json"])
def test_hides_a_secret_that_a_server_sends_back(way: str, status: int, report: str, secret: str) -> None:
    arguments = ("-vv", "--format", report, "--until", "list")
    result = run_with_login(way, echo_site(status, secret), secret, *arguments)
    assert result.exit_code in ({2} if status == 302 else {3, 4, 5})
    assert_hidden(secret, result)
    waited = run_with_login(way, echo_site(status, secret), secret, *arguments, "--wait", "0.2")
    assert waited.exit_code in ({2} if status == 302 else {4, 5, 10})
    assert_hidden(secret, waited)


def test_missing_login() -> None:
    result = list_files(Site(FILES, authorization="Bearer x"))
    assert result.exit_code == 4
    assert "requires authentication" in stderr_lines(result)[0]


@pytest.mark.parametrize(
    ("env", "lines"),
    [
        (
            {"WHEEL_UPLOADER_URL_TOKEN": "Bearer x"},
            [
                "error: WHEEL_UPLOADER_URL_TOKEN is not a token",
                "next: Set it to the token alone, without 'Bearer' in front.",
            ],
        ),
        (
            {"NETRC": "nowhere", "WHEEL_UPLOADER_NETRC": "1"},
            [
                "error: cannot read nowhere: No such file or directory",
                "next: Create it with the line 'machine HOST login NAME password WORD', or omit --netrc.",
            ],
        ),
    ],
    ids=["token", "netrc"],
)
def test_invalid_login_is_reported_before_any_request(env: dict[str, str], lines: list[str]) -> None:
    site = Site(FILES)
    result = list_files(site, env=env)
    assert (result.exit_code, stderr_lines(result), site.listings) == (2, lines, [])


def test_credentials_are_not_sent_to_linked_hosts(secret: str) -> None:
    """The second host was not given as a source: it is a link that the user allowed."""
    second = Site({A: FILES[A]})
    with ScriptedServer(second, host="127.0.0.2") as two:
        link = f'<a href="{two.url}{A}#sha256={sha256(FILES[A])}">x</a>'.encode()
        with ScriptedServer([answer(200, link, {"Connection": "close"})]) as one:
            options = ("-u", one.url, "--allow-insecure-host", "127.0.0.2", "--netrc", "--until", "download")
            env = {**netrc_of(secret), "WHEEL_UPLOADER_URL_TOKEN": secret}
            result = run(*options, "dipy", "1.11.0", env=env)
        assert result.exit_code == 0
        assert one.requests[0].headers["authorization"] == basic(secret)
        assert [request.headers.get("authorization") for request in two.requests] == [None]


# --- proxies and certificates ----------------------------------------------------------------------


@pytest.fixture
def proxy_site() -> Iterator[Proxy]:
    yield Proxy(Site(FILES))


def test_uses_the_proxy_from_the_environment(proxy_site: Proxy, secret: str) -> None:
    proxy_site.authorization = basic(secret)
    with ScriptedServer(proxy_site) as proxy:
        env = {"http_proxy": proxy.url.replace("://", f"://me:{secret}@")}
        options = ("-u", "http://staging.example/", "--allow-insecure-host", "staging.example", "-vv")
        result = run(*options, "--until", "download", "dipy", "1.11.0", env=env)
    assert result.exit_code == 0
    assert {request.target for request in proxy_site.requests} == {
        "http://staging.example/",
        *(f"http://staging.example/{name}" for name in FILES),
    }
    assert_hidden(secret, result)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_hides_the_login_of_a_proxy_that_rejects_it(proxy_site: Proxy, secret: str, variable: str) -> None:
    proxy_site.authorization = "Basic somebody-else"
    scheme = "http" if variable == "HTTP_PROXY" else "https"
    with ScriptedServer(proxy_site) as proxy:
        env = {variable: proxy.url.replace("://", f"://me:{secret}@")}
        options = ("-u", f"{scheme}://staging.example/", "--allow-insecure-host", "staging.example", "-vv")
        results = [
            run(*options, "--retries", "1", "--format", report, "dipy", "1.11.0", "--until", "list", env=env)
            for report in ("text", "json")
        ]
    assert [result.exit_code for result in results] == [4, 4]
    assert proxy_site.requests[0].headers["proxy-authorization"] == basic(secret)
    assert_hidden(secret, *results)


def test_https_proxy_does_not_get_the_login_of_the_staging_area(proxy_site: Proxy, secret: str) -> None:
    with ScriptedServer(proxy_site) as proxy:
        env = {"HTTPS_PROXY": proxy.url, "WHEEL_UPLOADER_URL_TOKEN": secret}
        result = run(
            "-u", "https://staging.example/", "--retries", "1", "--until", "list", "dipy", "1.11.0", env=env
        )
    assert (result.exit_code, proxy_site.requests[0].method) == (5, "CONNECT")
    assert not [request for request in proxy_site.requests if secret in str(request)]
    assert_hidden(secret, result)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_uses_certificates_from_the_environment(tmp_path: Path, variable: str) -> None:
    pair = certificate(tmp_path)
    with ScriptedServer(Site(FILES), tls=pair.context()) as server:
        options = ("-u", server.url, "--retries", "1", "--until", "list", "dipy", "1.11.0")
        assert run(*options).exit_code == 5
        assert run(*options, env={variable: str(pair.cert)}).exit_code == 0


def test_says_which_variable_counts_if_two_differ(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = certificate(tmp_path / "one"), certificate(tmp_path / "two", subject="other")
    with ScriptedServer(Site(FILES), tls=one.context()) as server:
        options = ("-u", server.url, "--retries", "1", "--until", "list", "dipy", "1.11.0")
        result = run(*options, env={"SSL_CERT_FILE": str(one.cert), "REQUESTS_CA_BUNDLE": str(two.cert)})
        assert result.exit_code == 0
        assert stderr_lines(result)[0] == (
            f"certificates: {one.cert} (SSL_CERT_FILE) counts, not {two.cert} (REQUESTS_CA_BUNDLE)"
        )
        result = run(*options, env={"SSL_CERT_FILE": str(one.cert), "REQUESTS_CA_BUNDLE": str(one.cert)})
        assert (result.exit_code, result.stderr) == (0, "")


def test_names_a_dead_proxy_and_follows_no_proxy() -> None:
    site = Site(FILES)
    with ScriptedServer(site) as server:
        options = ("-u", server.url, "--retries", "1", "--until", "list", "dipy", "1.11.0")
        for proxy in (f"http://127.0.0.1:{free_port()}", f"socks5://127.0.0.1:{free_port()}"):
            result = run(*options, env={"ALL_PROXY": proxy})
            assert result.exit_code == 5
            assert stderr_lines(result)[0].startswith(f"error: cannot connect to the proxy {proxy}: ")
            for exceptions in ("127.0.0.0/8", f"127.0.0.1:{server.port}"):
                env = {"ALL_PROXY": proxy, "NO_PROXY": exceptions}
                assert run(*options, env=env).exit_code == 0
    assert len(site.listings) == 4


def test_uses_a_directory_of_certificates(tmp_path: Path) -> None:
    pair = certificate(tmp_path)
    (tmp_path / "trusted").mkdir()
    shutil.copy(pair.cert, tmp_path / "trusted" / "staging.pem")
    with ScriptedServer(Site(FILES), tls=pair.context()) as server:
        options = ("-u", server.url, "--retries", "1", "--until", "list", "dipy", "1.11.0")
        env = {"SSL_CERT_DIR": str(tmp_path / "trusted")}
        # OpenSSL finds certificates in a directory by file names made from their hashes.
        assert run(*options, env=env).exit_code == 5
        subprocess.run(["openssl", "rehash", env["SSL_CERT_DIR"]], check=True, capture_output=True)
        assert run(*options, env=env).exit_code == 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_reports_unreadable_certificates(variable: str) -> None:
    result = list_files(Site(FILES), env={variable: "nowhere.pem"})
    assert result.exit_code == 2
    assert stderr_lines(result) == [
        f"error: cannot read the certificates in nowhere.pem ({variable}): No such file or directory",
        f"next: Pass a file in PEM format, or unset {variable}.",
    ]
    Path("empty.pem").write_text("no certificate\n")
    result = list_files(Site(FILES), env={variable: "empty.pem"})
    assert result.exit_code == 2
    assert stderr_lines(result)[0].startswith(
        f"error: cannot read the certificates in empty.pem ({variable}): "
    )
