"""Which of the staged files are the release: the cases of people who used the command, and its hints."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.indexes import Served, scripted_index
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import Site, sha256

DEMO = "demo-1.0-py3-none-any.whl"
W = "dipy-1.11.0-cp312-cp312-win_amd64.whl"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)


# --- H4: lists of hashes and of expected files -----------------------------------------------------


def write_hashes(kind: str, digest: str) -> Path:
    md5 = "0" * 32
    text = {
        "clear-signed": (
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{digest}  {DEMO}\n"
            "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----\n"
        ),
        "prefixed": f"sha256:{digest}  {DEMO}\n",
        "two blocks": f"{md5}  {DEMO}\n\n{digest}  {DEMO}\n",
        "requirements": f"demo==1.0 --hash=sha256:{digest}\n",
    }[kind]
    path = Path("SUMS")
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["clear-signed", "prefixed", "two blocks"])
def test_hashes_are_read_in_the_formats_that_people_publish(kind: str) -> None:
    wheel = wheels.make_wheel(Path("dist"), "demo", "1.0")
    path = write_hashes(kind, sha256(wheel.read_bytes()))
    result = run("--until", "check", "-u", "dist", "--hashes", path, "demo", "1.0")
    assert result.exit_code == 0, result.stderr
    # An unverified signature proves nothing.
    sentence = "not checked: the PGP signature of SUMS (verify it with gpg --verify)"
    assert (sentence in result.stderr, sentence in result.stdout) == (kind == "clear-signed",) * 2
    # The hash counts: another one is an error.
    path = write_hashes(kind, "1" * 64)
    result = run("--until", "check", "-u", "dist", "--hashes", path, "demo", "1.0")
    assert result.exit_code == 6, result.stderr


def test_rejects_hashes_without_file_names_and_names_their_format() -> None:
    wheels.make_wheel(Path("dist"), "demo", "1.0")
    result = run("--until", "check", "-u", "dist", "--hashes", write_hashes("requirements", "1" * 64), "demo")
    assert result.exit_code == 2
    assert "It looks like requirements with --hash, which do not name files." in result.stderr


def test_expected_files_may_have_comments() -> None:
    wheels.make_wheel(Path("dist"), "demo", "1.0", "cp312-cp312-manylinux_2_28_x86_64")
    Path("expected").write_text("cp312-manylinux_x86_64  # linux\n")
    result = run("--until", "list", "-u", "dist", "--expect", "expected", "demo", "1.0")
    assert result.exit_code == 0, result.stderr


# --- L2: misnamed and empty files ------------------------------------------------------------------

GOOD = "near-1.0-cp312-cp312-win_amd64.whl"
MISNAMED = ("near-1.0-cp313-none-any (1).whl", "near-1.0-cp312-any.whl", "near-1.0.whl")


def make_folder(*names: str, project: str = "near", version: str = "1.0") -> Path:
    """Make a folder with one good wheel, and with other files of the same bytes."""
    folder = Path("d")
    data = wheels.make_wheel(folder, project, version, "cp312-cp312-win_amd64").read_bytes()
    for name in names:
        (folder / name).write_bytes(data)
    return folder


def findings_in(result: Result) -> list[tuple[str, str]]:
    return [(finding["check"], finding["subject"]) for finding in json.loads(result.stdout)["findings"]]


@pytest.mark.parametrize("more", [(), ("--strict",), ("-q",), ("near", "1.0"), ("near", "latest"), ("near",)])
def test_misnamed_local_wheels_are_findings(more: tuple[str, ...]) -> None:
    folder = make_folder(*MISNAMED)
    result = run("--until", "check", "--ignore", "content", "-u", folder, "--format", "json", *more)
    assert result.exit_code == 6, result.output
    assert set(findings_in(result)) >= {("name/invalid", name) for name in MISNAMED}
    assert "name/invalid" in result.stderr
    assert {file["filename"]: file["reason"] for file in json.loads(result.stdout)["refused"]} == {
        MISNAMED[0]: "the name has characters that are not allowed in a wheel or sdist name",
        MISNAMED[1]: "a wheel name has 5 or 6 parts separated by dashes, not 4",
        MISNAMED[2]: "a wheel name has 5 or 6 parts separated by dashes, not 2",
    }


@pytest.mark.parametrize("suffix", ["txt", "html", "md", "json", "sarif"])
def test_misnamed_wheels_are_in_every_report(suffix: str) -> None:
    folder = make_folder(*MISNAMED)
    result = run("--until", "check", "-u", folder, "--report", f"report.{suffix}")
    report = Path(f"report.{suffix}").read_text()
    assert result.exit_code == 6
    for name in MISNAMED:
        # HTML allows a line break after each dash, and SARIF has URLs.
        assert name in unquote(re.sub("<wbr>", "", report))


@pytest.mark.parametrize("format_", ["text", "html", "markdown", "json", "sarif", "notes-md"])
def test_every_format_renders_a_release_without_a_usable_file(format_: str) -> None:
    Path("d").mkdir()
    Path("d", "near-1.0 (1).whl").touch()
    for more in ((), ("near", "1.0"), ("far", "latest")):
        result = run("--until", "check", "-u", "d", "--format", format_, *more)
        assert result.exit_code == (3 if "far" in more else 6), result.output
        assert "near-1.0 (1).whl" in result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_an_empty_local_wheel_is_a_finding() -> None:
    folder = make_folder()
    (folder / "near-1.0-cp313-cp313-win_amd64.whl").touch()
    (folder / "near-1.0.tar.gz").touch()
    for more in ((), ("-q",), ("--strict",), ("near", "1.0")):
        result = run("--until", "check", "-u", folder, "--format", "json", *more)
        assert result.exit_code == 6, result.output
        assert set(findings_in(result)) >= {
            ("archive/unreadable", "near-1.0-cp313-cp313-win_amd64.whl"),
            ("sdist/unreadable", "near-1.0.tar.gz"),
        }
    # That a file is empty cannot be accepted, because the release would be incomplete.
    accept = ("--ignore", "archive/unreadable", "--ignore", "sdist/unreadable")
    result = run("--until", "check", *accept, "-u", folder)
    assert result.exit_code == 6, result.output


def test_only_misnamed_or_empty_files() -> None:
    folder = Path("d")
    wheel = wheels.make_wheel(folder, "near", "1.0")
    wheel.rename(folder / "near-1.0 (1).whl")
    for more in ((), ("near", "1.0"), ("near", "latest"), ("near",)):
        result = run("--until", "check", "-u", folder, "--format", "json", *more)
        assert result.exit_code == 6, result.output
        assert findings_in(result) == [("name/invalid", "near-1.0 (1).whl")]
    assert run("--until", "list", "-u", folder, "near").exit_code == 6
    wheel.touch()
    (folder / "near-1.0 (1).whl").unlink()
    result = run("--until", "check", "-u", folder, "--format", "json")
    assert (result.exit_code, findings_in(result)) == (6, [("archive/unreadable", wheel.name)])


def test_a_misnamed_wheel_can_be_accepted_or_left_out() -> None:
    folder = make_folder(*MISNAMED)
    base = ("--until", "check", "--ignore", "content", "--ignore", "native", "-u", folder)
    ignored = run(*base, "--ignore", "name/invalid")
    assert ignored.exit_code == 0, ignored.output
    assert f"not selected: {MISNAMED[0]}: the name has characters" in ignored.stderr
    excluded = run(
        *base, "--exclude", "* (1).whl", "--exclude", "near-1.0-cp312-any.whl", "--exclude", "*0.whl"
    )
    assert excluded.exit_code == 0, excluded.output


def test_misnamed_wheels_are_named_at_every_stage() -> None:
    folder = make_folder(*MISNAMED)
    for until in ("list", "download", "check"):
        result = run("--until", until, "-u", folder, "near", "1.0")
        assert result.exit_code == 6, until
        assert MISNAMED[0] in result.stderr
        assert "nothing was uploaded" in result.stderr or until == "check"


@pytest.mark.parametrize(
    "name",
    [
        *("near-1.0-py3-none-any.whl.asc", "near-1.0-py3-none-any.whl.sha256", "near-1.0.tar.gz.asc"),
        *("near-1.0-docs.zip", "near-1.0-docs.tar.gz", "near-1.0.tar.bz2", "near-1.0-docs-html-en.zip"),
        *("near-1.0-wheels-linux.zip", "near-1.0.1-cp313-none-any (1).whl", "near_x-1.0 (1).whl"),
        *("far-1.0-cp313-none-any (1).whl", "near-1.0-py3-none-any.whl.metadata", "near-1.0-py3.9.egg"),
        *("near-1.0-py3-none-any.whl.sigstore.json", "near-1.0+cpu-cp313-any.whl", "nearby-1.0.whl"),
    ],
)
def test_files_that_are_not_of_the_release_do_not_stop_it(name: str) -> None:
    folder = make_folder(name)
    result = run("--until", "check", "-u", folder, "--format", "json", "near", "1.0")
    assert result.exit_code == 0, result.output
    site = Site({GOOD: b"", name: b"x"})
    with ScriptedServer(site) as server:
        result = run("--until", "list", "-u", server.url, "near", "1.0")
    assert result.exit_code == 0, result.output


REMOTE_MISNAMED = (
    "dipy-1.11.0-cp313-cp313-win_amd64 (1).whl",
    "dipy-1.11.0-cp311-cp311-win_amd64.WHL",
    "dipy-1.11.0-cp310-win_amd64.whl",
)


def list_links(
    *names: str, more: tuple[str, ...] = (), version: str = "1.11.0", project: str = "dipy"
) -> Result:
    with ScriptedServer(Site(dict.fromkeys(names, b"x"))) as server:
        return run("--until", "list", "-u", server.url, *more, project, version)


@pytest.mark.parametrize(
    "name",
    [
        *REMOTE_MISNAMED,
        *("DIPY-1.11.0-cp313-cp313-win_amd64 (1).whl", "dipy-1.11-cp310-win_amd64.whl", "dipy-1.11.0.whl"),
        *("dipy-1.11.0-cp313-cp313-win_amd64 - Copy.whl", "Copy of dipy-1.11.0-py3-none-any.whl"),
        *("dipy-1.11.0-cp313-cp313-win_amd64.whl.zip", "dipy-1.11.0-cp313-cp313-win_amd64.zip"),
        *("dipy-1.11.0-cp313-cp313-win_amd64.whl.1", "dipy-1.11.0-cp313-cp313-win_amd64.whl (1)"),
        *("dipy-1.11.0 (1).tar.gz", "dipy-1.11.0.TAR.GZ", "dipy-1.11.0.tar.gz.1", "dipy-1.11.0-copy.tar.gz"),
        *("dipy_1.11.0_py3_none_any.whl", "dipy-1.11.0--py3-none-any.whl", "dipy-1.11.0-py3-none-any .whl"),
        *("dipy-1.11.0-x1-cp311-cp311-any.whl", "dipy-1.11.0-py3-none-\uff41ny.whl"),
    ],
)
def test_a_misnamed_remote_file_stops_the_release(name: str) -> None:
    result = list_links("dipy-1.11.0-cp312-cp312-win_amd64.whl", name)
    assert result.exit_code == 6, result.output
    assert f"  {name.strip()}" in result.stderr
    assert "--exclude PATTERN" in result.stderr.splitlines()[-1]
    # The way out that the hint names.
    result = list_links(
        "dipy-1.11.0-cp312-cp312-win_amd64.whl", name, more=("--exclude", name.replace("[", "[[]"))
    )
    assert result.exit_code == 0, result.output
    assert f"left out by --exclude: {name}" in result.stdout


def test_misnamed_remote_files_are_findings_and_told_with_q() -> None:
    result = list_links("dipy-1.11.0-cp312-cp312-win_amd64.whl", *REMOTE_MISNAMED, more=("--format", "json"))
    assert findings_in(result) == [("name/invalid", name) for name in REMOTE_MISNAMED]
    result = list_links("dipy-1.11.0-cp312-cp312-win_amd64.whl", *REMOTE_MISNAMED, more=("-q",))
    assert result.exit_code == 6
    for name in REMOTE_MISNAMED:
        assert name in result.stderr


@pytest.mark.parametrize(
    "name",
    [
        f"dipy-1.11.0-cp313-cp313-win_amd64.whl{suffix}"
        for suffix in (".part", ".tmp", ".crdownload", ".PARTIAL", ".filepart", ".aria2")
    ]
    + [
        "dipy-1.11.0.tar.gz.part",
        ".dipy-1.11.0-cp313-cp313-win_amd64.whl.Xy12Za",
        "dipy-1.11.0 (1).tar.gz.part",
    ],
)
def test_an_unfinished_file_may_still_become_one_of_the_release(name: str) -> None:
    result = list_links("dipy-1.11.0-cp312-cp312-win_amd64.whl", name)
    assert result.exit_code == 3, result.output
    assert f"  {name}: an unfinished " in result.stderr
    assert "when the file is complete" in result.stderr.splitlines()[-1]
    # Nothing else is there yet, and 'latest' is not an older release while the newest one arrives.
    assert list_links(name).exit_code == 3
    if name.startswith("dipy"):
        result = list_links("dipy-1.10-py3-none-any.whl", name, version="latest")
        assert (result.exit_code, "an unfinished" in result.stderr) == (3, True)
    # Those of other releases do not matter, nor those of other platforms.
    assert list_links("dipy-1.10-py3-none-any.whl", name, version="1.10").exit_code == 0


def test_a_misnamed_file_of_another_platform_does_not_matter() -> None:
    names = ("dipy-1.11.0-cp312-cp312-win_amd64.whl", "dipy-1.11.0-cp312-macosx_11_0_arm64 (1).whl")
    assert list_links(*names, more=("-t", "win")).exit_code == 0
    assert list_links(*names, more=("-t", "macosx")).exit_code == 6


def serve_json(files: Sequence[Mapping[str, object]], **more: object) -> ScriptedServer:
    """Serve a page of a package index (PEP 691)."""
    page = {"meta": {"api-version": "1.4"}, "name": "dipy", "files": files, **more}
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    return ScriptedServer([answer(200, json.dumps(page).encode(), headers)])


def json_file(name: str, **more: object) -> dict[str, object]:
    return {"filename": name, "url": name, "hashes": {}, **more}


def test_an_empty_remote_file_stops_the_release() -> None:
    files = [json_file("dipy-1.11.0-py3-none-any.whl", size=3), json_file("dipy-1.11.0.tar.gz", size=0)]
    with serve_json(files) as server:
        result = run("--until", "download", "-u", server.url, "dipy", "1.11.0")
        listed = run("--until", "list", "-u", server.url, "dipy", "1.11.0")
    assert result.exit_code == 6, result.output
    assert "  dipy-1.11.0.tar.gz: it is empty (0 bytes)" in result.stderr
    # A listing shows it as it is.
    assert (listed.exit_code, "empty (0 bytes): dipy-1.11.0.tar.gz" in listed.stderr) == (0, True)


# --- L3: the reasons when nothing is chosen --------------------------------------------------------


def test_the_reasons_are_in_the_error_and_in_json() -> None:
    name = "scipy-openblas64-0.3.26.186-py3-none-macosx_10_9_x86_64.whl"
    result = list_links(name, project="scipy-openblas64", version="0.3.26.186", more=("--format", "json"))
    # It would be selected if the project were spelled with an underscore.
    assert result.exit_code == 6, result.output
    reason = "'openblas64' is not a version (PEP 440)"
    assert f"  {name}: {reason}" in result.stderr
    assert json.loads(result.stdout)["refused"] == [
        {"filename": name, "source": json.loads(result.stdout)["sources"][0], "reason": reason}
    ]
    assert "--until list" not in result.stderr


@pytest.mark.parametrize(
    ("names", "version", "reasons"),
    [
        (
            ("dipy-1.10-py3-none-any.whl", "dipy-1.10.tar.gz", "numpy-2.0.tar.gz", "README.txt"),
            "1.11.0",
            ["version 1.10, not 1.11.0"] * 2 + ["project numpy, not dipy", "neither a wheel nor an sdist"],
        ),
        (("dipy-1.11rc1.tar.gz",), "latest", ["version 1.11rc1 is a pre-release"]),
        (
            ("dipy-1.11+cpu-py3-none-any.whl",),
            "latest",
            ["version 1.11+cpu is a local version, which PyPI does not accept"],
        ),
        (("foo.whl",), "", ["a wheel name has 5 or 6 parts separated by dashes, not 1"]),
    ],
)
def test_every_file_has_a_reason_when_nothing_is_chosen(
    names: tuple[str, ...], version: str, reasons: list[str]
) -> None:
    result = list_links(*names, version=version, more=("--format", "json")) if version else list_any(*names)
    assert result.exit_code == 3, result.output
    refused = {file["filename"]: file["reason"] for file in json.loads(result.stdout)["refused"]}
    assert refused == dict(zip(names, reasons, strict=True))
    assert re.search("staged: (1[.]10|1[.]11rc1|1[.]11[+]cpu)[.]|foo.whl: a wheel name has", result.stderr)


def list_any(*names: str) -> Result:
    with ScriptedServer(Site(dict.fromkeys(names, b"x"))) as server:
        return run("--until", "list", "-u", server.url, "--format", "json")


# --- L14: --exclude --------------------------------------------------------------------------------


def test_exclude_leaves_files_out_and_the_reports_say_so() -> None:
    folder = make_folder()
    wheels.make_sdist(folder, "near", "1.0")
    base = ("--until", "check", "-u", folder, "--ignore", "native")
    result = run(*base, "--exclude", "*.tar.gz", "--format", "json", "near", "1.0")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [file["filename"] for file in report["files"]] == [GOOD]
    assert [(file["filename"], file["reason"]) for file in report["refused"]] == [
        ("near-1.0.tar.gz", "--exclude *.tar.gz")
    ]
    assert "not selected: near-1.0.tar.gz: --exclude *.tar.gz" in result.stderr
    for suffix, text in (
        ("txt", "left out by --exclude: near-1.0.tar.gz"),
        ("html", "Left out"),
        ("md", "Left out"),
    ):
        result = run(*base, "--exclude", "*.tar.gz", "--report", f"report.{suffix}", "near", "1.0")
        assert text in Path(f"report.{suffix}").read_text()


def test_exclude_from_the_environment_and_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder()
    wheels.make_sdist(folder, "near", "1.0")
    listed = ("--until", "list", "-u", folder, "--format", "json", "near", "1.0")
    Path("pyproject.toml").write_text('[tool.wheel-uploader]\nexclude = ["*.tar.gz"]\n')
    assert [file["filename"] for file in json.loads(run(*listed).stdout)["files"]] == [GOOD]
    Path("pyproject.toml").unlink()
    monkeypatch.setenv("WHEEL_UPLOADER_EXCLUDE", "*win_amd64.whl")
    assert [file["filename"] for file in json.loads(run(*listed).stdout)["files"]] == ["near-1.0.tar.gz"]


def test_reports_a_pattern_that_matches_nothing() -> None:
    folder = make_folder()
    result = run("--until", "list", "-u", folder, "--exclude", "*.ZIP", "near", "1.0")
    assert result.exit_code == 0
    assert "--exclude *.ZIP matches no staged file" in result.stderr
    result = run("--until", "list", "-u", folder, "--exclude", "*", "near", "1.0")
    assert result.exit_code == 3
    assert f"  {GOOD}: --exclude *" in result.stderr
    assert "correct the patterns of --exclude" in result.stderr
    result = run("--until", "list", "-u", folder, "--exclude", "", "near", "1.0")
    assert result.exit_code == 2


def test_exclude_decides_which_releases_there_are() -> None:
    folder = make_folder()
    wheels.make_wheel(folder, "near", "2.0")
    assert run("--until", "check", "-u", folder).exit_code == 2
    assert run("--until", "check", "-u", folder, "--ignore", "native", "--exclude", "near-2.*").exit_code == 0
    result = run(
        "--until", "list", "-u", folder, "--exclude", "near-2.*", "--format", "json", "near", "latest"
    )
    assert json.loads(result.stdout)["version"] == "1.0"


def test_excluded_files_of_trusted_hashes_are_not_missing() -> None:
    """A forge's archive of the sources has the name of an sdist, and is in the list of hashes."""
    folder = make_folder()
    sdist = wheels.make_sdist(folder, "near", "1.0")
    paths = (folder / GOOD, sdist)
    Path("SUMS").write_text("".join(f"{sha256(path.read_bytes())}  {path.name}\n" for path in paths))
    base = ("--until", "check", "--ignore", "native", "--sha256sums", "SUMS", "--exclude", sdist.name)
    result = run(*base, "-u", folder, "near", "1.0")
    assert result.exit_code == 0, result.output
    result = run(*base, "--expect", "2", "-u", folder, "near", "1.0")
    assert result.exit_code == 3, result.output


# --- L4: files that the staging index has withdrawn ------------------------------------------------

LINKS = "<!DOCTYPE html><title>Links for dipy</title>"


def serve_html(body: str, head: str = "") -> ScriptedServer:
    return ScriptedServer([answer(200, f"{LINKS}{head}{body}".encode())])


YANKED_PAGES = {
    "html": lambda reason: serve_html(f'<a href="{W}" data-yanked="{reason}">{W}</a>'),
    "json": lambda reason: serve_json([json_file(W, yanked=reason or True)]),
    "html status": lambda reason: serve_html(
        f"<a href={W}>{W}</a>",
        '<meta name="pypi:project-status" content="quarantined">'
        f'<meta name="pypi:project-status-reason" content="{reason}">',
    ),
    "json status": lambda reason: serve_json(
        [json_file(W)], **{"project-status": {"status": "archived", "reason": reason}}
    ),
}


@pytest.mark.parametrize("kind", YANKED_PAGES)
@pytest.mark.parametrize("reason", ["", "it segfaults"])
@pytest.mark.parametrize("version", ["1.11.0", "latest", None])
def test_withdrawn_files_are_not_taken(kind: str, reason: str, version: str | None) -> None:
    fact = {"html status": "its project is quarantined", "json status": "its project is archived"}.get(
        kind, "the index has yanked it"
    )
    with YANKED_PAGES[kind](reason) as server:
        arguments = ("--until", "list", "--format", "json", "-u", server.url, "dipy")
        result = run(*arguments, *([version] if version else []))
    assert result.exit_code == 3, result.output
    assert f"  {W}: {fact}" in result.stderr
    assert (reason in result.stderr) or not reason
    (refused,) = json.loads(result.stdout)["refused"]
    assert (refused["filename"], refused["reason"].startswith(fact)) == (W, True)


def test_selects_the_other_files_and_reports_a_yanked_one() -> None:
    sdist = "dipy-1.11.0.tar.gz"
    for server in (
        serve_json([json_file(W, yanked="segfaults"), json_file(sdist, yanked=False)]),
        serve_html(f'<a href="{W}" data-yanked="segfaults">{W}</a><a href="{sdist}">{sdist}</a>'),
    ):
        with server:
            result = run("--until", "list", "--format", "json", "-u", server.url, "dipy", "1.11.0")
        assert result.exit_code == 0, result.output
        assert [file["filename"] for file in json.loads(result.stdout)["files"]] == [sdist]
        assert f"not selected: {W}: the index has yanked it: segfaults" in result.stderr


def test_latest_is_not_a_withdrawn_release() -> None:
    files = [json_file(W, yanked="segfaults"), json_file("dipy-1.10.0.tar.gz")]
    for version in ("latest", None):
        with serve_json(files) as server:
            arguments = ("--until", "list", "--format", "json", "-u", server.url, "dipy")
            result = run(*arguments, *([version] if version else []))
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["version"] == "1.10.0"


@pytest.mark.parametrize("status", ["active", "deprecated", "", 3, None, ["quarantined"]])
def test_other_statuses_do_not_matter(status: object) -> None:
    with serve_json([json_file(W, yanked=False)], **{"project-status": {"status": status}}) as server:
        assert run("--until", "list", "-u", server.url, "dipy", "1.11.0").exit_code == 0
    with serve_json([json_file(W, yanked="")], **{"project-status": status}) as server:
        assert run("--until", "list", "-u", server.url, "dipy", "1.11.0").exit_code == 0


# --- H5 to H8: nightly builds ----------------------------------------------------------------------

NIGHTLY = "2.5.0.dev0+git20261128.abc1234"
LOGIN = {"TWINE_USERNAME": "u", "TWINE_PASSWORD": "p"}
DAY = 86400


def stage_build(version: str, *, days_old: float = 0, folder: str = "dist", text: str = "") -> Path:
    """Stage a pure wheel with a date."""
    wheel = wheels.make_wheel(
        Path(folder), "demo", version, files={"demo/build.py": f"# {text or version}\n".encode()}
    )
    moment = time.time() - days_old * DAY
    os.utime(wheel, (moment, moment))
    return wheel


@pytest.fixture
def served() -> Iterator[Served]:
    with scripted_index() as index:
        yield index


def publish(served: Served, *arguments: str) -> Result:
    target = ("--repository-url", served.upload_url, "--index-url", served.index_url, "--retries", "1")
    return run("-u", "dist", *target, "--confirm-timeout", "3", *arguments, env=LOGIN)


def test_a_nightly_with_a_commit_is_taken_where_the_target_is_not_pypi(served: Served) -> None:
    wheel = stage_build(NIGHTLY)
    result = publish(served, "--pre", "demo", "latest")
    assert result.exit_code == 0, result.output
    assert served.index.posted_filenames() == [wheel.name]


def test_a_nightly_with_a_commit_is_not_for_pypi(served: Served) -> None:
    stage_build(NIGHTLY)
    result = publish(served, "--profile", "pypi", "--pre", "demo", "latest")
    assert result.exit_code == 3, result.output
    assert f"Only local versions are staged: {NIGHTLY}. PyPI does not accept them" in result.stderr
    assert "--pre --pre" not in result.stderr
    assert "--pre" not in "".join(line for line in result.stderr.splitlines() if line.startswith("try:"))
    assert served.index.posts == []


@pytest.mark.parametrize("older", ["2.5.0.dev0", "2.4.0"])
def test_latest_is_the_newest_build_with_its_local_part(served: Served, older: str) -> None:
    stage_build(older, days_old=30)
    first = stage_build(NIGHTLY, days_old=1)
    assert publish(served, "--pre", "demo", "latest").exit_code == 0
    second = stage_build("2.5.0.dev0+git20261129.0123abc")
    result = publish(served, "--pre", "--max-age", "3d", "demo", "latest")
    assert result.exit_code == 0, result.output
    assert served.index.posted_filenames() == [first.name, second.name]


def test_max_age_is_that_of_the_newest_build(served: Served) -> None:
    stage_build("2.5.0.dev0")
    stage_build(NIGHTLY, days_old=5)
    result = publish(served, "--pre", "--max-age", "3d", "demo", "latest")
    assert result.exit_code == 3, result.output
    assert f"the newest staged build, demo {NIGHTLY}, is " in result.stderr
    assert served.index.posts == []


def test_for_pypi_a_newer_local_version_is_passed_over_with_a_word() -> None:
    stage_build("2.4.0", days_old=30)
    stage_build("2.5.0+git20261128.abc1234")
    result = run("--until", "list", "--format", "json", "-u", "dist", "demo", "latest")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["version"] == "2.4.0"
    assert "PyPI does not accept local versions: 2.5.0+git20261128.abc1234" in result.stderr


@pytest.mark.parametrize("suffix", ["", ".dev0"])
def test_the_date_decides_between_commits(served: Served, suffix: str) -> None:
    stage_build(f"3.7.0{suffix}+gitf97f66ab", days_old=5)
    wheel = stage_build(f"3.7.0{suffix}+git886365ca")
    result = publish(served, "--pre", "--max-age", "3d", "demo", "latest")
    assert result.exit_code == 0, result.output
    assert served.index.posted_filenames() == [wheel.name]
    assert f"3.7.0{suffix}+git886365ca was built last (" in result.stderr


def test_requests_dates_that_the_listing_lacks() -> None:
    old, new = "demo-3.7.0+gitf97f66ab-py3-none-any.whl", "demo-3.7.0+git886365ca-py3-none-any.whl"
    links = "".join(f"<a href={quote(name)}>{name}</a>" for name in (old, new))

    def site(request: Request) -> list[Step]:
        name = unquote(request.target.rpartition("/")[2])
        age = {old: 5, new: 0}.get(name)
        modified = {} if age is None else {"Last-Modified": formatdate(time.time() - age * DAY, usegmt=True)}
        return [answer(200, b"x" if name else links.encode(), {"Connection": "close", **modified})]

    with ScriptedServer(site) as server:
        result = run(
            "--until", "list", "--profile", "any", "--format", "json", "-u", server.url, "demo", "latest"
        )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["version"] == "3.7.0+git886365ca"


def test_without_dates_the_newest_commit_is_unknown() -> None:
    versions = ("3.7.0+git886365ca", "3.7.0+gitf97f66ab")
    names = [f"demo-{version}-py3-none-any.whl" for version in versions]
    arguments = ("--profile", "any")
    result = list_links(*names, project="demo", version="latest", more=arguments)
    assert result.exit_code == 2, result.output
    assert "the newest of 3.7.0+git886365ca, 3.7.0+gitf97f66ab is unknown" in result.stderr
    hint = re.search("for example demo (\\S+),", result.stderr)
    assert hint
    assert hint[1] in versions
    assert list_links(*names, project="demo", version=hint[1], more=arguments).exit_code == 0
    # Without a date for one of them, or copied one after the other.
    stage_build(versions[0])
    stage_build(versions[1])
    result = run("--until", "list", *arguments, "-u", "dist", "demo", "latest")
    assert (result.exit_code, "their dates are the same" in result.stderr) == (2, True)


def test_a_nightly_of_the_same_name_and_other_bytes(served: Served) -> None:
    stage_build("2.5.0.dev0", text="first")
    assert publish(served, "--pre", "demo", "latest").exit_code == 0
    stage_build("2.5.0.dev0", text="second")
    result = publish(served, "--pre", "demo", "latest")
    assert (result.exit_code, "overwrite it with -c" in result.stderr) == (6, True)
    result = publish(served, "-c", "--pre", "demo", "latest")
    assert result.exit_code == 7, result.output
    hint = result.stderr.splitlines()[-1]
    assert "delete 2.5.0.dev0 there, and run the same command again" in hint
    assert "under a new version" not in hint
    # The hint leads on: once the file is deleted, the same command publishes the new one.
    served.index.files.clear()
    assert publish(served, "-c", "--pre", "demo", "latest").exit_code == 0
    # A final release is not replaced, and PyPI permits no replacement.
    stage_build("2.5.0", text="first")
    assert publish(served, "demo", "2.5.0").exit_code == 0
    stage_build("2.5.0", text="second")
    for more in (("-c", "demo", "2.5.0"), ("-c", "--profile", "pypi", "--ignore", "name", "demo", "2.5.0")):
        result = publish(served, *more)
        assert (result.exit_code, "under a new version" in result.stderr) == (7, True)


# --- T2: a file of the release under another version -----------------------------------------------

DIRTY = "demo-1.0.1.dev0+gcd436f4.d20261128-pp311-pypy311_pp73-win_amd64.whl"


def stage_matrix(version: str = "1.0", platforms: Sequence[str] = ("win_amd64", "macosx_11_0_arm64")) -> None:
    for python in ("cp312", "cp313"):
        for platform in platforms:
            wheels.make_wheel(Path("dist"), "demo", version, f"{python}-{python}-{platform}")


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_a_place_under_another_version_is_a_warning(served: Served, more: tuple[str, ...]) -> None:
    stage_matrix()
    wheels.make_wheel(Path("dist"), "demo", "1.0.1.dev0+gcd436f4.d20261128", "pp311-pypy311_pp73-win_amd64")
    wheels.make_sdist(Path("dist"), "demo", "1.1.dev0")
    result = publish(served, *more, "--ignore", "native/none-in-platform-wheel", "demo", "1.0")
    assert result.exit_code == 0, result.output
    assert len(served.index.posts) == 4
    for text in (
        f"pp311 on win_amd64 is staged only as version 1.0.1.dev0+gcd436f4.d20261128 ({DIRTY})",
        "the checkout of its build probably had uncommitted changes",
        "the sdist is staged only as version 1.1.dev0 (demo-1.1.dev0.tar.gz)",
        "the checkout of its build was probably not at the tag",
    ):
        assert text in re.sub("\\s+", " ", result.stdout)
    if not more:
        assert "demo-1.1.dev0.tar.gz is staged, but as version 1.1.dev0" in re.sub("\\s+", " ", result.stdout)


def test_a_place_under_another_version_stops_a_strict_run(served: Served) -> None:
    stage_matrix()
    stage_matrix("0.0", ["manylinux_2_28_x86_64"])
    accept = ("--ignore", "native/none-in-platform-wheel", "--ignore", "release/no-sdist")
    result = publish(served, "--strict", *accept, "demo", "1.0")
    assert result.exit_code == 6, result.output
    assert "  release/other-version-in-place: release: cp312 on manylinux_x86_64" in result.stderr
    assert "probably had no tags" in result.stderr
    assert served.index.posts == []
    # The three ways out: the place is not to be filled, the finding is accepted.
    assert (
        publish(served, "--strict", *accept, "--exclude", "demo-0.0-*", "--dry-run", "demo", "1.0").exit_code
        == 0
    )
    ignore = ("--ignore", "release/other-version-in-place")
    assert publish(served, "--strict", *accept, *ignore, "--dry-run", "demo", "1.0").exit_code == 0


def test_does_not_warn_of_complete_releases_in_the_same_folder(served: Served) -> None:
    for version in ("0.9", "1.0", "1.1.dev0", "1.0+cpu"):
        stage_matrix(version)
        wheels.make_sdist(Path("dist"), "demo", version)
    result = publish(served, "--strict", "--ignore", "native/none-in-platform-wheel", "demo", "1.0")
    assert result.exit_code == 0, result.output
