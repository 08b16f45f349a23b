"""Test static indexes as targets with the real command: pages of other tools, faults, concurrent runs."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support import static_stores
from tests.support.command_line import CommandLine
from tests.support.faulty_proxy import Fault
from tests.support.static_publishing import INDEX, INDEX_AT_FOLDER, JSON, ROOT, Publisher, open_publisher
from tools.testing import servers, wheels
from tools.testing.serving import serve_in_thread

WHEEL = "demo-1.0-py3-none-any.whl"
OLD = hashlib.sha256(b"old").hexdigest()
#: A page of another tool, with everything that has to survive.
FOREIGN = f"""<!DOCTYPE html>
<html>
  <head><title>Links for demo</title></head>
  <body>
    <!-- written by hand -->
    <a href="demo-0.9.tar.gz#sha256={OLD}" data-requires-python="&gt;=3.8">demo-0.9.tar.gz</a><br/>
    <a href="demo-0.9-py3-none-any.whl#sha256={OLD}" data-yanked="broken">demo-0.9-py3-none-any.whl</a><br/>
    <a href="demo-0.9-cp312-cp312-win_amd64.whl#sha256={OLD}" data-dist-info-metadata="true">w</a><br/>
    <a href="https://other.example/demo-0.9-cp312-cp312-macosx_11_0_arm64.whl#sha256={OLD}">mac</a><br/>
  </body>
</html>
"""
ROOT_PAGE = '<html><body><a href="demo/">demo</a><br/></body></html>'


@pytest.fixture(params=list(static_stores.PLACES))
def user(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    with open_publisher(request.param, tmp_path, monkeypatch) as publisher:
        yield publisher


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Publisher]:
    """A user of a folder."""
    with static_stores.folder_place(tmp_path) as place:
        yield Publisher(place, tmp_path)


@pytest.fixture(params=["s3-moto", "gcs-stub"])
def bucket(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    """A user of a bucket."""
    with open_publisher(request.param, tmp_path, monkeypatch) as publisher:
        yield publisher


def get(page: bytes | None) -> str:
    assert page is not None
    return page.decode()


def read_json(user: Publisher) -> dict[str, dict[str, object]]:
    return {file["filename"]: file for file in json.loads(get(user.read(JSON)))["files"]}


# --- a new index -----------------------------------------------------------------------------------


def test_publishes_a_new_project_and_skips_it_the_next_time(user: Publisher) -> None:
    wheel = user.stage()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    ended = user.publish()
    assert ended.code == 0, ended.errors
    assert "TWINE" not in ended.errors
    page = get(user.read(INDEX))
    assert f'<a href="{WHEEL}#sha256={digest}"' in page
    assert 'data-requires-python="&gt;=3' in page
    metadata = get(user.read(f"simple/demo/{WHEEL}.metadata"))
    assert metadata == wheels.METADATA.format(project="demo", version="1.0")
    metadata_digest = hashlib.sha256(metadata.encode()).hexdigest()
    assert f'data-core-metadata="sha256={metadata_digest}"' in page
    entry = read_json(user)[WHEEL]
    assert (entry["hashes"], entry["size"]) == ({"sha256": digest}, wheel.stat().st_size)
    assert entry["core-metadata"] == {"sha256": metadata_digest}
    assert '<a href="demo/">demo</a>' in get(user.read(ROOT))
    assert json.loads(get(user.read("simple/index.v1+json")))["projects"] == [{"name": "demo"}]
    if user.place.proxy:
        assert user.read(INDEX_AT_FOLDER) == user.read(INDEX)
        user.place.proxy.requests.clear()
    again = user.publish()
    assert again.code == 0, again.errors
    assert get(user.read(INDEX)) == page
    assert not user.place.proxy or user.place.proxy.writes == []


def test_a_local_version_is_published(user: Publisher) -> None:
    ended = user.publish("2.0.dev3+gabc123")
    assert ended.code == 0, ended.errors
    assert 'href="demo-2.0.dev3%2Bgabc123-py3-none-any.whl#sha256=' in get(user.read(INDEX))


def test_a_dry_run_writes_nothing(user: Publisher) -> None:
    assert user.publish("1.0", "demo", "--dry-run").code == 0
    assert user.read(INDEX) is None
    assert not (user.folder / "index").exists()
    assert not user.place.proxy or user.place.proxy.writes == []


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_installs_from_a_folder_over_nginx(local: Publisher, installer: str) -> None:
    index = local.folder / "index"
    index.mkdir()
    with servers.nginx(index) as url:
        for version in ("1.0", "1.1"):
            ended = local.publish(version, "demo", "--index-url", f"{url}simple/")
            assert ended.code == 0, ended.errors
        _install(installer, f"{url}simple/", local.folder, "demo==1.0")
        _install(installer, f"{url}simple/", local.folder, "demo", expected="1.1")


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_installs_from_a_folder_by_its_file_url(local: Publisher, installer: str) -> None:
    assert local.publish().code == 0
    _install(installer, (local.folder / "index" / "simple").as_uri(), local.folder, "demo")


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_installs_from_a_bucket_that_serves_exact_keys(bucket: Publisher, installer: str) -> None:
    for version in ("1.0", "1.1"):
        ended = bucket.publish(version)
        assert ended.code == 0, ended.errors
    _install(installer, f"{bucket.place.served_url}simple/", bucket.folder, "demo==1.0")


def _install(installer: str, url: str, folder: Path, requirement: str, expected: str = "1.0") -> None:
    target = folder / f"installed-{installer}-{expected}"
    program = {
        "pip": [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"],
        "uv": ["uv", "pip"],
    }
    options = {"pip": ["--no-cache-dir"], "uv": ["--no-cache", "--no-config", "--python", sys.executable]}[
        installer
    ]
    command = [
        *program[installer],
        "install",
        *options,
        "--no-deps",
        "--target",
        str(target),
        "-i",
        url,
        requirement,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        pytest.skip(f"{installer} is not installed")
    assert done.returncode == 0, done.stderr
    assert (target / "demo" / "__init__.py").read_text() == f'__version__ = "{expected}"\n'


# --- an index of another tool (T8) -----------------------------------------------------------------


def test_every_old_line_survives(user: Publisher) -> None:
    """T8 (a)."""
    user.write(INDEX, FOREIGN.encode())
    user.write(ROOT, ROOT_PAGE.encode())
    ended = user.publish()
    page = get(user.read(INDEX))
    lines = page.splitlines()
    new = [line for line in lines if WHEEL in line]
    assert len(new) == 1, ended.errors
    assert [line for line in lines if line not in new] == FOREIGN.splitlines()
    assert user.read(JSON) is None, "the other tool would not update it"
    assert get(user.read(ROOT)) == ROOT_PAGE
    # A bucket that serves exact keys only does not serve this page at its URL.
    assert ended.code == (10 if user.place.proxy else 0), ended.errors


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (FOREIGN[: FOREIGN.index("data-yanked") + 3], "it ends within a tag"),
        (FOREIGN[: FOREIGN.index("    <a href=")], "it does not end with </html>"),
        ("<html><body><form>Sign in <input type='password'></form></body></html>", "it is a login page"),
    ],
    ids=["cut in a tag", "cut in a line", "login"],
)
def test_a_page_that_is_cut_is_not_replaced(user: Publisher, page: str, reason: str) -> None:
    """T8 (b)."""
    user.write(INDEX, page.encode())
    if user.place.proxy:
        user.place.proxy.requests.clear()
    ended = user.publish()
    assert ended.code == 2, ended.errors
    assert f"simple/demo/index.html cannot be edited: {reason}" in ended.errors
    assert get(user.read(INDEX)) == page
    assert user.read(f"simple/demo/{WHEEL}") is None
    assert not user.place.proxy or user.place.proxy.writes == []


def test_json_that_ends_early_is_not_replaced(user: Publisher) -> None:
    """T8 (b)."""
    user.write(JSON, b'{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"filename": "demo-0.9')
    ended = user.publish()
    assert ended.code == 2, ended.errors
    assert "index.v1+json cannot be edited: it is not complete JSON" in ended.errors
    assert user.read(f"simple/demo/{WHEEL}") is None


def test_a_root_page_that_is_cut_is_not_replaced(user: Publisher) -> None:
    user.write(ROOT, b'<html><body><a href="other/">oth')
    ended = user.publish()
    assert ended.code == 2, ended.errors
    assert "simple/index.html cannot be edited" in ended.errors
    assert user.read(INDEX) is None


def test_nothing_is_written_if_reading_is_refused(bucket: Publisher) -> None:
    """T8 (b)."""
    bucket.write(INDEX, FOREIGN.encode())
    assert bucket.place.proxy
    bucket.place.proxy.rule = lambda method, path: (
        403 if method == "GET" and path.endswith("index.html") else None
    )
    bucket.place.proxy.requests.clear()
    ended = bucket.publish()
    assert ended.code == 4, ended.errors
    assert "the bucket refused the request" in ended.errors
    assert bucket.place.proxy.writes == []


def test_a_sign_in_page_of_a_proxy_is_not_replaced(bucket: Publisher) -> None:
    """T8 (b)."""
    assert bucket.place.proxy
    form = b"<html><body><form>Sign in <input type=password></form></body></html>"
    bucket.place.proxy.rule = lambda method, path: form if method == "GET" and "index.html" in path else None
    ended = bucket.publish()
    assert ended.code == 2, ended.errors
    assert "it is a login page" in ended.errors
    assert bucket.place.proxy.writes == []


def test_a_name_that_is_listed_twice_is_reported(user: Publisher) -> None:
    """T8 (c)."""
    second = f'    <a href="demo-0.9.tar.gz#sha256={"f" * 64}">demo-0.9.tar.gz</a><br/>\n'
    user.write(INDEX, FOREIGN.replace("  </body>", f"{second}  </body>").encode())
    ended = user.publish()
    assert "simple/demo/index.html lists demo-0.9.tar.gz with 2 hashes" in ended.errors
    assert second in get(user.read(INDEX))


def test_replace_keeps_one_entry_with_the_hash_of_what_is_served(local: Publisher) -> None:
    """T8 (c)."""
    local.put_file("simple/demo/demo-0.9.tar.gz", b"old")
    assert local.publish("1.0.dev1").code == 0
    ours = f'<a href="demo-1.0.dev1-py3-none-any.whl#sha256={"f" * 64}">demo</a><br>\n'
    old = "".join(f'<a href="demo-0.9.tar.gz#sha256={digest}">x</a><br>\n' for digest in ("e" * 64, OLD))
    page = get(local.read(INDEX)).replace("  </body>", f"{ours}{old}  </body>")
    local.write(INDEX, page.encode())
    assert local.publish("1.0.dev1", "demo", "-c").code == 7
    assert get(local.read(INDEX)) == page
    ended = local.publish("1.0.dev1", "demo", "--replace", "-c")
    assert ended.code == 0, ended.errors
    edited = get(local.read(INDEX))
    assert "e" * 64 not in edited
    assert "f" * 64 not in edited
    assert [
        edited.count(f"{name}#sha256=") for name in ("demo-1.0.dev1-py3-none-any.whl", "demo-0.9.tar.gz")
    ] == [1, 1]


def test_replace_finds_a_conflict_before_the_first_upload(local: Publisher) -> None:
    """A static index never replaces a file, so nothing is uploaded, and the wheelhouse is as it was."""
    local.put_file("simple/demo/demo-1.0.dev1-py3-none-any.whl", b"old")
    ended = local.publish("1.0.dev1", "demo", "--replace")
    assert ended.code == 7, ended.errors
    assert "nothing was uploaded" in ended.errors
    assert "or give each build another version" in ended.errors
    assert local.read(INDEX) is None
    assert local.read("simple/demo/demo-1.0.dev1-py3-none-any.whl") == b"old"


def test_a_new_project_is_added_to_the_root_page_once(user: Publisher) -> None:
    """T8 (d)."""
    user.write(ROOT, b'<html><body>\n<!----><a href="other/">other</a><br/>\n</body></html>')
    user.publish()
    root = get(user.read(ROOT))
    assert root == (
        '<html><body>\n<!----><a href="other/">other</a><br/>\n<a href="demo/">demo</a><br>\n</body></html>'
    )
    assert user.read("simple/index.v1+json") is None
    assert user.read(JSON) is None
    user.publish("1.1")
    assert get(user.read(ROOT)) == root
    assert get(user.read(INDEX)).count("<a ") == 2


def test_files_on_no_page_are_reported_and_left(user: Publisher) -> None:
    """T8 (e)."""
    user.write(INDEX, FOREIGN.encode())
    user.put_file("simple/demo/demo-0.8.tar.gz", b"an older one")
    ended = user.publish()
    assert "no page lists 1 file of demo in " in ended.errors
    assert "simple/demo/ (demo-0.8.tar.gz): this run neither lists nor removes it" in ended.errors
    assert "demo-0.8" not in get(user.read(INDEX))
    assert user.read("simple/demo/demo-0.8.tar.gz") == b"an older one"


def test_pages_that_disagree_are_reported_and_not_merged(user: Publisher) -> None:
    """T8 (f)."""
    entry = {"filename": "demo-0.9.tar.gz", "url": "demo-0.9.tar.gz", "hashes": {"sha256": "e" * 64}}
    user.write(INDEX, FOREIGN.encode())
    page = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [entry]}
    user.write(JSON, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
    ended = user.publish()
    assert "the pages of this project disagree" in ended.errors
    assert list(read_json(user)) == ["demo-0.9.tar.gz", WHEEL]
    assert read_json(user)["demo-0.9.tar.gz"] == entry
    assert "e" * 64 not in get(user.read(INDEX))
    assert WHEEL in get(user.read(INDEX))


class _ExactNames(http.server.SimpleHTTPRequestHandler):
    """Serves files by their exact names, as the endpoint of a bucket does."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        if self.path.endswith("/"):
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextlib.contextmanager
def exact_names(root: Path) -> Iterator[str]:
    def handler(*arguments: object) -> _ExactNames:
        return _ExactNames(*arguments, directory=str(root))  # type: ignore[arg-type]

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        serve_in_thread(server) as url,
    ):
        yield url


def test_pages_that_are_not_served_at_the_url_of_installers_are_not_confirmed(local: Publisher) -> None:
    """T8 (g)."""
    with exact_names(local.folder / "index") as url:
        ended = local.publish("1.0", "demo", "--index-url", f"{url}simple/")
        with urllib.request.urlopen(f"{url}{INDEX}", timeout=10) as page:
            assert WHEEL.encode() in page.read()
    assert ended.code == 10, ended.errors
    assert "simple/demo/ answers 404: this endpoint may serve exact names only" in ended.errors


def test_files_go_to_the_folder_that_the_page_names(user: Publisher) -> None:
    page = FOREIGN.replace('href="demo', 'href="../../packages/demo/0.9/demo')
    user.write(INDEX, page.encode())
    user.publish()
    assert user.read(f"simple/demo/{WHEEL}") is None
    assert user.read(f"packages/demo/1.0/{WHEEL}") is not None
    assert f'<a href="../../packages/demo/1.0/{WHEEL}#sha256=' in get(user.read(INDEX))


def test_follows_an_index_whose_pages_are_at_the_top(user: Publisher) -> None:
    user.write("index.html", b'<html><body><a href="/other/">other</a><br></body></html>')
    user.write("other/index.html", FOREIGN.replace("demo", "other").encode())
    user.publish()
    assert user.read(f"demo/{WHEEL}") is not None
    assert f'<a href="{WHEEL}#sha256=' in get(user.read("demo/index.html"))
    assert '<a href="/demo/">demo</a>' in get(user.read("index.html"))
    assert user.read(INDEX) is None


def test_follows_the_pages_at_the_keys_of_folders(bucket: Publisher) -> None:
    """s3pypi writes them so: installers ask a bucket for these keys."""
    body = f'    <a href="demo-0.9.tar.gz#sha256={OLD}">demo-0.9.tar.gz</a>\n'
    page = f"<!DOCTYPE html>\n<html>\n  <body>\n{body}  </body>\n</html>"
    bucket.write("demo/", page.encode())
    bucket.write("index.html", b'<html><body>\n<a href="demo/">demo</a>\n</body></html>')
    ended = bucket.publish()
    assert ended.code == 0, ended.errors
    edited = get(bucket.read("demo/"))
    assert edited.startswith(page.partition("  </body>")[0])
    assert f'<a href="{WHEEL}#sha256=' in edited
    assert bucket.read("demo/index.html") is None
    assert bucket.read(INDEX) is None
    assert get(bucket.read("index.html")).count("<a ") == 1


def test_a_file_that_is_listed_without_a_hash_is_compared_and_not_listed_again(local: Publisher) -> None:
    wheel = local.stage()
    page = f'<html><body>\n<a href="{WHEEL}">{WHEEL}</a><br>\n</body></html>'
    local.put_file(f"simple/demo/{WHEEL}", wheel.read_bytes())
    local.write(INDEX, page.encode())
    local.write(ROOT, b'<html><body><a href="demo/">demo</a> <a href="other/">other</a></body></html>')
    ended = local.publish()
    assert ended.code == 0, ended.errors
    assert get(local.read(INDEX)) == page
    local.stage("1.0", new=b"x = 2\n")
    assert local.publish("1.0", "demo", "-c").code == 7


# --- conflicts and faults --------------------------------------------------------------------------


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "unlisted"])
def test_a_file_is_never_overwritten(user: Publisher, is_listed: bool) -> None:
    first = hashlib.sha256(user.stage().read_bytes()).hexdigest()
    assert user.publish().code == 0
    if not is_listed:
        user.write(INDEX, FOREIGN.encode())
    second = hashlib.sha256(user.stage("1.0", new=b"x = 2\n").read_bytes()).hexdigest()
    ended = user.publish("1.0", "demo", "-c")
    assert ended.code == 7, ended.errors
    assert first in ended.errors
    assert second in ended.errors
    with user.store() as store:
        assert store.compute_sha256(f"simple/demo/{WHEEL}") == first


def test_writing_that_is_refused_ends_with_the_answer_of_the_bucket(bucket: Publisher) -> None:
    assert bucket.place.proxy
    bucket.place.proxy.rule = lambda method, _path: 403 if method == "PUT" else None
    ended = bucket.publish()
    assert ended.code == 4, ended.errors
    assert "AccessDenied" in ended.errors
    assert bucket.read(INDEX) is None


def test_retries_a_busy_bucket(bucket: Publisher) -> None:
    proxy = bucket.place.proxy
    assert proxy
    seen: set[str] = set()

    def rule(method: str, path: str) -> int | None:
        """Answer the first request for each object with 503."""
        is_first = f"{method} {path}" not in seen
        seen.add(f"{method} {path}")
        return 503 if is_first and "simple" in path else None

    proxy.rule = rule
    ended = bucket.publish("1.0", "demo", "--retries", "4")
    assert ended.code == 0, ended.errors
    assert WHEEL in get(bucket.read(INDEX))
    assert any(request.startswith("PUT") for request in seen)


def test_a_bucket_that_stays_busy_ends_the_run_and_the_next_run_completes_it(bucket: Publisher) -> None:
    assert bucket.place.proxy
    bucket.place.proxy.rule = lambda method, path: (
        503 if method == "PUT" and path.endswith("index.html") else None
    )
    ended = bucket.publish()
    assert ended.code == 5, ended.errors
    assert "SlowDown" in ended.errors
    assert bucket.read(INDEX) is None
    bucket.place.proxy.rule = lambda _method, _path: None
    ended = bucket.publish()
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER])
def test_each_write_that_is_lost_is_repeated_or_found(bucket: Publisher, fault: Fault) -> None:
    proxy = bucket.place.proxy
    assert proxy
    lost: set[str] = set()

    def rule(method: str, path: str) -> Fault | None:
        if method != "PUT" or path in lost:
            return None
        lost.add(path)
        return fault

    proxy.rule = rule
    ended = bucket.publish("1.0", "demo", "--retries", "4")
    assert ended.code == 0, ended.errors
    assert len(lost) == 8
    for key in (INDEX, INDEX_AT_FOLDER):
        assert get(bucket.read(key)).count("<a ") == 1
    assert list(read_json(bucket)) == [WHEEL]


def test_a_page_that_another_run_changed_is_read_again(bucket: Publisher) -> None:
    proxy = bucket.place.proxy
    assert proxy
    conflicts = iter([412, 412, 412])
    proxy.rule = lambda method, path: (
        next(conflicts, None) if method == "PUT" and path.endswith("index.html") else None
    )
    ended = bucket.publish()
    assert ended.code == 0, ended.errors
    assert get(bucket.read(INDEX)).count("<a ") == 1


@pytest.mark.slow
def test_runs_at_the_same_moment_lose_nothing(user: Publisher) -> None:
    versions = ["1.0", "1.1", "1.2", "1.3"]
    command = CommandLine(user.folder)
    environment = command.environment | dict(user.place.variables)
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "wheel_uploader", *user.arguments(version), "--retries", "6"],
            env=environment,
            cwd=user.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in versions
    ]
    ended = [run.communicate(timeout=240)[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), ended
    names = {f"demo-{version}-py3-none-any.whl" for version in versions}
    assert set(read_json(user)) == names
    page = get(user.read(INDEX))
    assert all(page.count(f"{name}#sha256=") == 1 for name in names)
    assert get(user.read(ROOT)).count("<a ") == 1
