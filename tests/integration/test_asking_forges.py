"""Sources that are queried by PROJECT and VERSION: the whole command reads scripted servers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import sha256
from wheel_uploader.listing.sources.anaconda import AnacondaPackage
from wheel_uploader.listing.sources.github_actions import GitHubWorkflow
from wheel_uploader.listing.sources.github_releases import GitHubRelease

TAG = "cp312-cp312-win_amd64"
VERSIONS = ("1.10.0", "1.11.0", "1.12.0rc1")
#: File name and contents of the wheel of each version.
WHEELS = {
    version: (wheels.wheel_filename("dipy", version, TAG), wheels.wheel_bytes(version=version, tag=TAG))
    for version in VERSIONS
}
WHEEL, DATA = WHEELS["1.11.0"]
SITE = "https://github.com/dipy/dipy"


class Api:
    """JSON and files by path, with or without the query; anything else is 404."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, object] = {}
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    def __call__(self, request: Request) -> list[Step]:
        self.requests.append(request.target)
        self.headers.append(request.headers)
        path = request.target.partition("?")[0]
        content = self.pages.get(request.target, self.pages.get(path))
        if content is None:
            return [answer(404, b'{"message": "Not Found"}', {"Content-Type": "application/json"})]
        if isinstance(content, bytes):
            return [answer(200, content, {"Content-Type": "application/octet-stream"})]
        text = json.dumps(content).replace("URL/", self.url)
        return [answer(200, text.encode(), {"Content-Type": "application/json"})]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Serve the APIs of GitHub and anaconda.org on 127.0.0.1."""
    monkeypatch.chdir(tmp_path)
    for name in ("GH_TOKEN", "GH_HOST", "GITLAB_TOKEN", "CI_JOB_TOKEN", "CI_SERVER_HOST"):
        monkeypatch.delenv(name, raising=False)
    pages = Api()
    with ScriptedServer(pages) as server:
        pages.url = server.url
        for source in (GitHubRelease, GitHubWorkflow):
            monkeypatch.setattr(source, "api_url", server.url.rstrip("/"))
        monkeypatch.setattr(AnacondaPackage, "api_url", server.url.rstrip("/"))
        monkeypatch.setattr(AnacondaPackage, "simple_url", f"{server.url}simple-pages")
        yield pages


def stage(url: str, *arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
    """Download a release; the last arguments are options, PROJECT and VERSION."""
    options = ("-u", url, "--until", "download", "--retries", "1", "--allow-insecure-host", "127.0.0.1")
    result = run(*options, *arguments, env=env)
    assert "Traceback" not in result.output
    return result


def list_wheelhouse() -> list[str]:
    return sorted(path.name for path in Path("wheelhouse").glob("*.whl"))


# --- GitHub releases (L13) -------------------------------------------------------------------------


def add_releases(api: Api, *versions: str, tag: str = "v{}") -> None:
    releases = []
    for number, version in enumerate(versions, start=1):
        name, data = WHEELS[version]
        asset = {
            "id": number,
            "name": name,
            "state": "uploaded",
            "size": len(data),
            "digest": f"sha256:{sha256(data)}",
            "browser_download_url": f"URL/files/{name}",
        }
        release = {
            "id": number,
            "tag_name": tag.format(version),
            "prerelease": "rc" in version,
            "assets": [asset],
        }
        releases.append(release)
        api.pages[f"/repos/dipy/dipy/releases/{number}/assets"] = [asset]
        api.pages[f"/files/{name}"] = data
    api.pages["/repos/dipy/dipy/releases"] = releases


@pytest.mark.parametrize("tag", ["v{}", "{}", "dipy-{}", "release-{}"])
@pytest.mark.parametrize("version", ["1.10.0", "1.11"])
def test_finds_the_version_on_the_releases_page(api: Api, tag: str, version: str) -> None:
    add_releases(api, "1.12.0rc1", "1.11.0", "1.10.0", tag=tag)
    result = stage(f"{SITE}/releases", "dipy", version)
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEELS["1.10.0" if version == "1.10.0" else "1.11.0"][0]]


@pytest.mark.parametrize(
    ("options", "version"), [(["--pre"], "1.12.0rc1"), ([], "1.11.0")], ids=["pre", "final"]
)
def test_latest_is_the_newest_release(api: Api, options: list[str], version: str) -> None:
    add_releases(api, "1.10.0", "1.12.0rc1", "1.11.0")
    result = stage(f"{SITE}/releases", *options, "dipy", "latest")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEELS[version][0]]


def test_only_prereleases_need_pre(api: Api) -> None:
    add_releases(api, "1.12.0rc1")
    result = stage(f"{SITE}/releases", "dipy", "latest")
    assert (result.exit_code, "--pre" in result.stderr.splitlines()[-1]) == (3, True)
    result = stage(f"{SITE}/releases", "--pre", "dipy", "latest")
    assert result.exit_code == 0, result.stderr


def test_a_version_without_a_release_is_reported_with_those_that_are_there(api: Api) -> None:
    add_releases(api, "1.11.0", "1.10.0")
    result = stage(f"{SITE}/releases", "dipy", "2.0")
    assert result.exit_code == 3
    assert "v1.11.0, v1.10.0" in result.stderr.splitlines()[-1]


def test_the_url_of_an_asset_is_that_asset(api: Api) -> None:
    add_releases(api, "1.11.0")
    other = wheels.wheel_filename("dipy", "1.11.0", "cp311-cp311-win_amd64")
    assets = api.pages["/repos/dipy/dipy/releases/1/assets"]
    assert isinstance(assets, list)
    assets.insert(0, {**assets[0], "name": other})
    api.pages["/repos/dipy/dipy/releases/tags/v1.11.0"] = {"id": 1}
    result = stage(f"{SITE}/releases/download/v1.11.0/{WHEEL}", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]
    result = stage(f"{SITE}/releases/download/v1.11.0/other.whl", "dipy", "1.11.0")
    assert (result.exit_code, "has no asset other.whl" in result.stderr) == (3, True)


# --- workflows -------------------------------------------------------------------------------------


def workflow_run(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "conclusion": "success",
        "head_branch": "main",
        "event": "schedule",
        "created_at": "2026-11-20T10:00:00Z",
        "head_sha": "a1" * 20,
        "repository": {"id": 1, "full_name": "dipy/dipy"},
        "head_repository": {"id": 1, "full_name": "dipy/dipy"},
        **changes,
    }


def add_workflow(api: Api, *runs: dict[str, Any], created_at: datetime | None = None) -> None:
    """Add runs, newest first, and the artifact of run 42."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(WHEEL, DATA)
    date = (created_at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    artifact = {"id": 7, "name": "wheels", "expired": False, "created_at": date}
    api.pages |= {
        "/repos/dipy/dipy": {"default_branch": "main"},
        "/repos/dipy/dipy/actions/workflows/wheels.yml/runs": {"workflow_runs": list(runs)},
        "/repos/dipy/dipy/actions/runs/42/artifacts": {"artifacts": [artifact]},
        "/repos/dipy/dipy/actions/artifacts/7/zip": stream.getvalue(),
    }


WORKFLOW = f"{SITE}/actions/workflows/wheels.yml"
TOKEN: Mapping[str, str | None] = {"GITHUB_TOKEN": "ghs_0123456789abcdefABCDEF"}


@pytest.mark.parametrize("url", [f"{WORKFLOW}?branch=main", f"{WORKFLOW}?query=branch%3Amain", WORKFLOW])
def test_takes_the_latest_green_run_of_a_workflow(api: Api, url: str) -> None:
    fork = {"head_repository": {"id": 2, "full_name": "evil/dipy"}}
    add_workflow(
        api,
        workflow_run(50, **fork),
        workflow_run(49, event="pull_request"),
        workflow_run(48, conclusion="failure"),
        workflow_run(47, head_branch="topic"),
        workflow_run(42),
        workflow_run(41),
    )
    result = stage(url, "dipy", "1.11.0", env=TOKEN)
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]
    assert "run of wheels.yml on branch main of dipy/dipy is 42 of 2026-11-20T10:00:00Z" in result.stderr
    (runs,) = (target for target in api.requests if "/runs?" in target)
    assert "branch=main&status=success" in runs


def test_an_old_green_run_is_too_old(api: Api) -> None:
    add_workflow(api, workflow_run(42), created_at=datetime.now(UTC) - timedelta(days=9))
    result = stage(f"{WORKFLOW}?branch=main", "--max-age", "3d", "dipy", "1.11.0", env=TOKEN)
    assert result.exit_code == 3
    assert not Path("wheelhouse").exists()
    result = stage(f"{WORKFLOW}?branch=main", "--max-age", "10d", "dipy", "1.11.0", env=TOKEN)
    assert result.exit_code == 0, result.stderr


def test_a_workflow_without_a_green_run_may_have_one_later(api: Api) -> None:
    add_workflow(api, workflow_run(41, event="pull_request"))
    result = stage(f"{WORKFLOW}?branch=main", "dipy", "1.11.0", env=TOKEN)
    assert result.exit_code == 3
    assert "no successful run of wheels.yml on branch main" in result.stderr


# --- anaconda.org (L13) ----------------------------------------------------------------------------


@pytest.fixture
def anaconda(api: Api) -> Api:
    api.pages["/package/dipy/dipy/files"] = [
        {
            "basename": name,
            "download_url": f"URL/files/{name}",
            "distribution_type": "pypi",
            "version": version,
            "sha256": sha256(data),
            "size": len(data),
        }
        for version, (name, data) in WHEELS.items()
    ]
    api.pages |= {f"/files/{name}": data for name, data in WHEELS.values()}
    return api


@pytest.mark.parametrize(
    "path", ["1.11.0", "files?version=1.11.0", "files?version=1.11", f"1.11.0/download/{WHEEL}", "files"]
)
@pytest.mark.parametrize("version", ["1.11.0", "1.11", "latest"])
def test_the_version_in_a_url_of_anaconda_counts(anaconda: Api, path: str, version: str) -> None:
    result = stage(f"https://anaconda.org/dipy/dipy/{path}", "dipy", version)
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_a_version_of_the_url_alone_is_enough(anaconda: Api) -> None:
    result = stage("https://anaconda.org/dipy/dipy/1.11.0", "dipy")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_two_versions_are_a_usage_error_that_names_both(anaconda: Api) -> None:
    result = stage("https://anaconda.org/dipy/dipy/1.10.0", "dipy", "1.11.0")
    assert result.exit_code == 2
    assert "the URL is of version 1.10.0, but version 1.11.0 was requested" in result.stderr
    assert "https://anaconda.org/dipy/dipy " in result.stderr.splitlines()[-1]
    assert anaconda.requests == []
    # The hint leads on.
    assert stage("https://anaconda.org/dipy/dipy", "dipy", "1.11.0").exit_code == 0


# --- one file (L8, L13) ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", [f"w/{WHEEL}", f"w/{WHEEL}/download", f"w/get?file={WHEEL}"])
@pytest.mark.parametrize("arguments", [("dipy", "1.11.0"), ("dipy", "latest"), ()])
def test_the_url_of_one_file_is_a_source(api: Api, path: str, arguments: tuple[str, ...]) -> None:
    api.pages[f"/{path}"] = DATA
    result = stage(f"{api.url}{path}", *arguments)
    assert result.exit_code == 0, result.stderr
    assert Path("wheelhouse", WHEEL).read_bytes() == DATA


def test_the_hash_in_the_url_of_a_file_is_verified(api: Api) -> None:
    api.pages[f"/w/{WHEEL}"] = DATA
    assert (
        stage(f"{api.url}w/{WHEEL}#sha256={sha256(DATA)}", "--require-hashes", "dipy", "1.11.0").exit_code
        == 0
    )
    result = stage(f"{api.url}w/{WHEEL}#sha256={'0' * 64}", "-w", "other", "dipy", "1.11.0")
    assert result.exit_code == 6


def test_a_file_that_is_not_there_yet_may_come(api: Api) -> None:
    result = stage(f"{api.url}w/{WHEEL}", "dipy", "1.11.0")
    assert result.exit_code == 3
    assert "was not found" in result.stderr


def test_a_folder_named_like_a_wheel_is_a_listing(api: Api) -> None:
    page = f'<a href="/files/{WHEEL}">x</a>'.encode()
    with ScriptedServer(
        lambda request: [answer(200, DATA if request.target.startswith("/files/") else page)]
    ) as server:
        result = stage(f"{server.url}{WHEEL}", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr


# --- JSON of other places (L11) --------------------------------------------------------------------


def test_reads_releases_of_forgejo(api: Api) -> None:
    api.pages["/api/v1/repos/o/dipy/releases"] = [
        {
            "id": number,
            "tag_name": f"v{version}",
            "assets": [{"name": name, "size": len(data), "browser_download_url": f"URL/files/{name}"}],
        }
        for number, (version, (name, data)) in enumerate(WHEELS.items())
    ]
    api.pages |= {f"/files/{name}": data for name, data in WHEELS.values()}
    result = stage(f"{api.url}api/v1/repos/o/dipy/releases", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_reads_a_bucket_in_json(api: Api) -> None:
    base = "/storage/v1/b/staging/o"
    item = {"kind": "storage#object", "name": f"dipy/{WHEEL}", "bucket": "staging", "size": str(len(DATA))}
    listing = {"kind": "storage#objects", "items": [item]}
    api.pages |= {base: listing, f"{base}/dipy%2F{WHEEL}": DATA}
    result = stage(f"{api.url}{base[1:]}?prefix=dipy/", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_folders_of_a_bucket_in_json_are_followed(api: Api) -> None:
    base = "/storage/v1/b/staging/o"
    item = {"kind": "storage#object", "name": f"dipy/1.11.0/{WHEEL}", "bucket": "staging"}
    folders = {"kind": "storage#objects", "prefixes": ["dipy/1.10.0/", "dipy/1.11.0/"]}
    api.pages |= {
        f"{base}?delimiter=/": {"kind": "storage#objects", "prefixes": ["dipy/", "other/"]},
        f"{base}?delimiter=/&prefix=dipy/": folders,
        f"{base}?delimiter=/&prefix=dipy/1.11.0/": {"kind": "storage#objects", "items": [item]},
        f"{base}/dipy%2F1.11.0%2F{WHEEL}": DATA,
    }
    result = stage(f"{api.url}{base[1:]}?delimiter=/", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_reads_the_description_of_a_project(api: Api) -> None:
    files = {
        version: [{"filename": name, "url": f"URL/files/{name}", "digests": {"sha256": sha256(data)}}]
        for version, (name, data) in WHEELS.items()
    }
    api.pages |= {f"/files/{name}": data for name, data in WHEELS.values()}
    api.pages["/pypi/dipy/json"] = {"info": {"name": "dipy"}, "urls": files["1.11.0"], "releases": files}
    result = stage(f"{api.url}pypi/dipy/json", "--require-hashes", "dipy", "latest")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


@pytest.mark.parametrize("path", ["g/dipy/-/releases", "g/dipy/-/releases/v1.11.0"])
def test_reads_a_gitlab_release(api: Api, path: str) -> None:
    project = "/api/v4/projects/g%2Fdipy"
    releases = [
        {
            "tag_name": f"v{version}",
            "assets": {
                "links": [{"name": "Windows", "url": f"URL/api/v4/projects/7/packages/generic/d/1/{name}"}],
                "sources": [{"url": f"URL/g/dipy/-/archive/v{version}/dipy-{version}.tar.gz"}],
            },
        }
        for version, (name, _) in WHEELS.items()
    ]
    api.pages |= {f"/api/v4/projects/7/packages/generic/d/1/{name}": data for name, data in WHEELS.values()}
    api.pages |= {f"{project}/releases": releases, f"{project}/releases/v1.11.0": releases[1]}
    result = stage(f"{api.url}{path}", "dipy", "1.11.0", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]
    (refused,) = json.loads(result.stdout)["refused"]
    assert refused["filename"] == "dipy-1.11.0.tar.gz"
    assert "source archive" in refused["reason"]


@pytest.mark.parametrize("path", ["g/dipy/-/packages", "g/dipy/-/packages/1"])
def test_reads_gitlab_package_files(api: Api, path: str) -> None:
    project = "/api/v4/projects/g%2Fdipy"
    packages = [
        {"id": number, "name": "dipy", "version": version, "package_type": "generic", "status": "default"}
        for number, version in enumerate(WHEELS)
    ]
    api.pages |= {f"{project}/packages": packages}
    for number, (version, (name, data)) in enumerate(WHEELS.items()):
        file = {"id": 50 + number, "file_name": name, "size": len(data), "file_sha256": sha256(data)}
        api.pages |= {
            f"{project}/packages/{number}": packages[number],
            f"{project}/packages/{number}/package_files": [file],
            f"{project}/packages/generic/dipy/{version}/{name}": data,
        }
    result = stage(f"{api.url}{path}", "--require-hashes", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]


def test_takes_the_latest_green_pipeline_of_a_gitlab_branch(api: Api) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"dist/{WHEEL}", DATA)
    project = "/api/v4/projects/g%2Fdipy"
    jobs = [
        {
            "id": 12,
            "name": "wheels",
            "artifacts_file": {"filename": "a.zip"},
            "finished_at": "2026-11-20T10:00:00Z",
        },
        {"id": 13, "name": "docs", "artifacts_file": {"filename": "a.zip"}},
        {"id": 14, "name": "lint", "artifacts_file": None},
    ]
    api.pages |= {
        f"{project}/pipelines": [{"id": 5, "ref": "release/1.11"}],
        f"{project}/pipelines/5/jobs": jobs,
        f"{project}/jobs/12/artifacts": stream.getvalue(),
    }
    url = f"{api.url}g/dipy/-/jobs/artifacts/release/1.11/download?job=wheels"
    result = stage(url, "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr
    assert list_wheelhouse() == [WHEEL]
    assert f"{project}/pipelines?ref=release/1.11&status=success&per_page=1" in api.requests
    result = stage(url.replace("wheels", "other"), "dipy", "1.11.0")
    assert (result.exit_code, "no job called other" in result.stderr) == (3, True)


def test_the_hint_for_another_api_leads_on(api: Api) -> None:
    api.pages["/artifactory/api/storage/staging/dipy"] = {"repo": "staging", "path": "/dipy", "children": []}
    result = stage(f"{api.url}artifactory/api/storage/staging/dipy", "dipy", "1.11.0")
    assert result.exit_code == 2
    hint = result.stderr.splitlines()[-1]
    assert hint.endswith(f"Pass the folder itself: {api.url}artifactory/staging/dipy/")
