"""anaconda.org as a target: labels, tokens, URLs, wrong settings and faults, against a stub of the site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.anaconda_command import VERSION, WHEEL, AnacondaCommand
from tools.testing.anaconda_site import ORG, STEPS, TOKEN, Fault, ServedSite, anaconda_site
from wheel_uploader.core.errors import CredentialsError, UsageError
from wheel_uploader.core.models import TargetSettings
from wheel_uploader.targets.anaconda import credentials, urls


@pytest.fixture
def served() -> Iterator[ServedSite]:
    with anaconda_site() as running:
        yield running


@pytest.fixture
def command(served: ServedSite, tmp_path: Path) -> AnacondaCommand:
    return AnacondaCommand(served, tmp_path)


def headers_of(served: ServedSite, *steps: str) -> list[str]:
    return [
        value
        for request in served.site.requests
        if request.step in steps
        for name, value in request.headers.items()
        if name.lower() == "authorization"
    ]


# --- publishing ------------------------------------------------------------------------------------


def test_publishes_a_new_project_and_confirms_it(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run_in_process()
    assert done.exit_code == 0, done.stderr
    [dist] = served.site.dists.values()
    assert (dist.content, dist.labels) == (command.new_bytes, ["main"])
    assert "the index serves 1 of 1 file with the same sha256" in done.stdout
    assert {*headers_of(served, "stage", "commit")} == {f"token {TOKEN}"}


def test_the_storage_and_the_page_of_pip_never_see_the_token(
    served: ServedSite, command: AnacondaCommand, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password a-netrc-password\n", encoding="utf-8")
    netrc.chmod(0o600)
    done = command.run_in_process("-vvv", NETRC=str(netrc))
    assert done.exit_code == 0
    assert headers_of(served, "storage", "storage get", "pip") == []
    assert TOKEN not in done.stderr + done.stdout


def test_equal_bytes_are_skipped_and_get_the_label_that_they_lack(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.store("demo", VERSION, WHEEL, command.new_bytes, "main")
    served.site.store("demo", VERSION, "demo-0.9-py3-none-any.whl", b"other", "main")
    done = command.run_in_process("--label", "dev", "--label", "main", pip_label="dev")
    assert done.exit_code == 0, done.stderr
    assert served.site.steps(without_reads=True) == ["channels post"]
    [request] = [request for request in served.site.requests if request.step == "channels post"]
    assert request.body == {"package": "demo", "version": VERSION, "basename": WHEEL}
    assert served.site.dists["demo", WHEEL].labels == ["main", "dev"]
    assert served.site.dists["demo", "demo-0.9-py3-none-any.whl"].labels == ["main"]
    served.site.requests.clear()
    assert command.run_in_process("--label", "dev", pip_label="dev").exit_code == 0
    assert served.site.steps(without_reads=True) == []


def test_an_api_that_knows_only_an_md5_is_compared_by_that(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.hashes = ("md5",)
    served.site.store("demo", VERSION, WHEEL, command.new_bytes)
    assert command.run_in_process().exit_code == 0
    assert served.site.steps(without_reads=True) == []
    served.site.store("demo", VERSION, WHEEL, command.old_bytes)
    different = command.run_in_process()
    assert different.exit_code == 7
    assert hashlib.md5(command.old_bytes).hexdigest() in different.stderr
    replaced = command.run_in_process("--replace")
    assert replaced.exit_code == 0, replaced.stderr
    assert served.site.content(WHEEL) == command.new_bytes


def test_a_build_of_the_same_version_replaces_that_of_the_night_before(
    served: ServedSite, command: AnacondaCommand
) -> None:
    for content in (command.old_bytes, command.new_bytes):
        command.wheel.write_bytes(content)
        done = command.run_in_process("--replace", "-q")
        assert done.exit_code == 0, done.stderr
        assert served.site.content(WHEEL) == content
        assert (command.folder / "house" / WHEEL).read_bytes() == content
    command.wheel.write_bytes(command.old_bytes)
    refused = command.run_in_process()
    assert (refused.exit_code, "overwrite it with -c" in refused.stderr) == (6, True)
    assert (command.folder / "house" / WHEEL).read_bytes() == command.new_bytes


def test_a_final_release_in_the_wheelhouse_is_never_replaced(served: ServedSite, tmp_path: Path) -> None:
    final = AnacondaCommand(served, tmp_path / "final", "1.0")
    assert final.run_in_process().exit_code == 0
    kept = final.wheel.read_bytes()
    final.wheel.write_bytes(final.old_bytes)
    refused = final.run_in_process("--replace")
    assert refused.exit_code == 6, refused.stderr
    assert (final.folder / "house" / final.wheel.name).read_bytes() == kept


def test_looks_up_each_file_of_a_package_without_a_list(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.lists_files = False
    served.site.store("demo", VERSION, WHEEL, command.new_bytes)
    done = command.run_in_process()
    assert done.exit_code == 0, done.stderr
    assert served.site.steps(without_reads=True) == []


def test_settings_of_a_section_select_organization_labels_and_token(
    served: ServedSite, command: AnacondaCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.wheel-uploader.targets.nightly]\nurl = "https://anaconda.org/{ORG}"\n'
        f'labels = ["dev"]\ntoken-variable = "MY_TOKEN"\nanaconda-api = "{served.api_url}"\n'
        f'index-url = "{served.pip_url("dev")}"\n',
        encoding="utf-8",
    )
    done = command.command_line.run(
        *("-u", "staged", "-r", "nightly", "--confirm-timeout", "3", "demo", VERSION),
        ANACONDA_API_TOKEN="another-token-that-is-not-used",
        WHEEL_UPLOADER_ANACONDA_API="",
        MY_TOKEN=TOKEN,
    )
    assert done.exit_code == 0, done.stderr
    [dist] = served.site.dists.values()
    assert dist.labels == ["dev"]


def test_a_section_of_pypirc_has_the_token(
    served: ServedSite, command: AnacondaCommand, tmp_path: Path
) -> None:
    text = (
        f"[distutils]\nindex-servers = nightly\n[nightly]\nrepository = https://anaconda.org/{ORG}\n"
        f"password = {TOKEN}\nlabels = dev, main\nindex-url = {served.pip_url('dev')}\n"
    )
    (tmp_path / ".pypirc").write_text(text, encoding="utf-8")
    (tmp_path / ".pypirc").chmod(0o600)
    done = command.command_line.run(
        *("-u", "staged", "-r", "nightly", "--confirm-timeout", "3", "demo", VERSION), ANACONDA_API_TOKEN=""
    )
    assert done.exit_code == 0, done.stderr
    [dist] = served.site.dists.values()
    assert dist.labels == ["dev", "main"]
    assert TOKEN not in done.stderr


# --- wrong settings --------------------------------------------------------------------------------


def test_sends_no_request_without_a_token(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run_in_process(ANACONDA_API_TOKEN="", BINSTAR_API_TOKEN="")
    assert done.exit_code == 4
    assert "ANACONDA_API_TOKEN" in done.stderr
    assert served.site.requests == []


def test_a_wrong_token_ends_the_run(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.run_in_process(ANACONDA_API_TOKEN="a-token-of-another-site")
    assert done.exit_code == 4
    assert "the token was rejected" in done.stderr
    assert served.site.steps(without_reads=True) == []


def test_an_unknown_organization_is_named(
    served: ServedSite, command: AnacondaCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.anaconda_command.UPLOAD_URL", "https://anaconda.org/nightliess")
    done = command.run_in_process()
    assert done.exit_code == 2
    assert "nightliess" in done.stderr
    assert served.site.steps(without_reads=True) == []


def test_a_full_account_ends_the_run_with_the_words_of_the_site(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.is_full = True
    done = command.run_in_process()
    assert done.exit_code == 6
    assert "Storage requirements exceeded (3221225472 bytes)." in done.stderr
    assert served.site.steps().count("stage") == 1


@pytest.mark.parametrize("is_there", [False, True])
def test_a_label_that_the_site_rejects_is_named(
    served: ServedSite, command: AnacondaCommand, is_there: bool
) -> None:
    if is_there:
        served.site.store("demo", VERSION, WHEEL, command.new_bytes, "main")
    words = "channel nosuch does not exist"
    served.site.faults = [
        Fault(step, status=404, words=words, times=99) for step in ("stage", "channels post")
    ]
    done = command.run_in_process("--label", "nosuch")
    assert done.exit_code == 2
    assert "nosuch" in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("label", ["a b", "a/b", "../x", "é"])
def test_a_label_that_cannot_be_one_is_refused(
    served: ServedSite, command: AnacondaCommand, label: str
) -> None:
    done = command.run_in_process("--label", label)
    assert done.exit_code == 2
    assert "is not a label" in done.stderr
    assert served.site.requests == []


@pytest.mark.parametrize("step", ["package get", "stage", "dist get"])
def test_an_empty_answer_is_not_taken_for_an_empty_package(
    served: ServedSite, command: AnacondaCommand, step: str
) -> None:
    served.site.store("demo", VERSION, WHEEL, command.old_bytes)
    served.site.empty_steps = {step}
    done = command.run_in_process("--replace")
    assert done.exit_code in (5, 8, 10), done.stderr
    assert served.site.content(WHEEL) == command.old_bytes


def test_a_page_that_never_lists_the_file_ends_with_10(served: ServedSite, command: AnacondaCommand) -> None:
    served.site.lists_on_pip_page = False
    done = command.run_in_process("--confirm-timeout", "1")
    assert done.exit_code == 10
    assert "does not list 1 of 1 file" in done.stderr


def test_an_object_that_is_listed_and_gone_is_not_confirmed(
    served: ServedSite, command: AnacondaCommand
) -> None:
    served.site.faults = [Fault("storage get", status=404, words="NoSuchKey", times=99)]
    done = command.run_in_process("--confirm-timeout", "1")
    assert done.exit_code == 10
    assert "cannot be downloaded" in done.stderr


def test_write_only_is_refused(command: AnacondaCommand) -> None:
    done = command.run_in_process("--write-only")
    assert done.exit_code == 2
    assert "--write-only applies to package indexes only" in done.stderr


# --- faults ----------------------------------------------------------------------------------------

FAULTS: dict[str, dict[str, object]] = {
    "500 once": {"status": 500},
    "503 for ever": {"status": 503, "times": 99},
    "524 once, done": {"status": 524, "is_done": True},
    "reset before": {"action": "reset before"},
    "reset after": {"action": "reset after"},
    "hang": {"action": "hang"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_a_step_is_survived_or_told(
    served: ServedSite, command: AnacondaCommand, step: str, fault: str
) -> None:
    other = "demo-0.9-py3-none-any.whl"
    if not step.startswith("package"):
        served.site.store("demo", "0.9", other, b"other", "main")
    served.site.faults = [Fault(step, **FAULTS[fault])]  # type: ignore[arg-type]
    done = command.run_in_process("--timeout", "1")
    if fault == "503 for ever":
        assert done.exit_code == 5, done.stderr
        assert served.site.content(WHEEL) is None
    else:
        assert done.exit_code == 0, done.stderr
        assert served.site.content(WHEEL) == command.new_bytes
    assert served.site.removed == []
    served.site.faults = []
    assert command.run_in_process().exit_code == 0
    assert served.site.content(WHEEL) == command.new_bytes


@pytest.mark.parametrize("step", ["package post", "release post"])
@pytest.mark.parametrize("status", [400, 409])
def test_accepts_that_another_job_created_the_same(
    served: ServedSite, command: AnacondaCommand, step: str, status: int
) -> None:
    words = f"Owner {ORG} already have a package named demo"
    served.site.faults = [Fault(step, status=status, words=words, is_done=True)]
    done = command.run_in_process()
    assert done.exit_code == 0, done.stderr


def test_a_name_that_another_job_took_is_a_conflict(served: ServedSite, command: AnacondaCommand) -> None:
    def take(_number: int, request: object, when: str) -> None:
        if getattr(request, "step", "") == "stage" and when == "before":
            served.site.store("demo", VERSION, WHEEL, command.old_bytes)

    served.site.on_request = take
    done = command.run_in_process()
    assert done.exit_code == 7
    assert hashlib.sha256(command.old_bytes).hexdigest() in done.stderr
    assert served.site.content(WHEEL) == command.old_bytes


# --- URLs and tokens -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://anaconda.org/ORG", ""),
        ("https://anaconda.org/ORG/", ""),
        ("https://www.anaconda.org/ORG/repo", ""),
        ("https://anaconda.org/ORG/demo/files", ""),
        ("https://anaconda.org/ORG/demo/files?version=1.0&label=dev", "dev"),
        ("https://pypi.anaconda.org/ORG/simple", ""),
        ("https://pypi.anaconda.org/ORG/label/dev/simple/demo/", "dev"),
        ("https://pypi.anaconda.org/t/my-secret-token/ORG/simple", ""),
        ("https://api.anaconda.org/package/ORG/demo", ""),
        ("https://api.anaconda.org/dist/ORG/demo/1.0/x.whl", ""),
        (" HTTPS://ANACONDA.ORG/ORG ", ""),
    ],
)
def test_takes_every_url_that_people_paste(url: str, label: str) -> None:
    assert urls.claims(url)
    parsed = urls.parse_upload_url(url)
    assert (parsed.owner, parsed.label) == ("ORG", label)
    assert "my-secret-token" not in repr(parsed)


@pytest.mark.parametrize(
    "url", ["https://anaconda.org/", "https://api.anaconda.org/package/", "https://anaconda.org/../"]
)
def test_a_url_without_an_organization_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="names no organization"):
        urls.parse_upload_url(url)


@pytest.mark.parametrize(
    "url", ["https://anaconda.org.example/ORG", "https://index.example/anaconda.org/", ""]
)
def test_other_hosts_are_package_indexes(url: str) -> None:
    assert not urls.claims(url)


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        (("main",), "ORG/simple/"),
        (("dev", "main"), "ORG/simple/"),
        (("dev", "rc"), "ORG/label/dev/simple/"),
    ],
)
def test_the_page_of_pip_is_that_of_main_or_of_the_first_label(labels: tuple[str, ...], path: str) -> None:
    assert urls.pip_root("ORG", labels) == f"https://pypi.anaconda.org/{path}"


@pytest.mark.parametrize(
    "url",
    ["http://api.example/", "ftp://127.0.0.1/", "https://u:p@api.example/", "https://api.example/?x=1", "x"],
)
def test_refuses_an_api_that_must_not_get_a_token(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(urls.API_VARIABLE, url)
    with pytest.raises(UsageError):
        urls.find_api_url("", ())


def test_another_server_needs_the_url_of_its_pages(served: ServedSite, command: AnacondaCommand) -> None:
    done = command.command_line.run(
        *("-u", "staged", "--repository-url", f"https://anaconda.org/{ORG}", "demo", VERSION)
    )
    assert done.exit_code == 2
    assert "--index-url" in done.stderr
    assert served.site.requests == []


def test_the_variables_of_the_client_have_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*credentials.TOKEN_VARIABLES, "MINE"):
        monkeypatch.delenv(name, raising=False)
    found = []
    for name in ("BINSTAR_API_TOKEN", "ANACONDA_API_TOKEN", "MINE"):
        monkeypatch.setenv(name, f" token-of-{name}\r\n")
        found.append(credentials.find_token(TargetSettings(token_variable="MINE")).value)
    assert found == ["token-of-BINSTAR_API_TOKEN", "token-of-ANACONDA_API_TOKEN", "token-of-MINE"]
    monkeypatch.setenv("MINE", "two words")
    with pytest.raises(CredentialsError, match="MINE") as caught:
        credentials.find_token(TargetSettings(token_variable="MINE"))
    assert "two words" not in str(caught.value)
