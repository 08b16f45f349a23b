"""Test the confirmation of an upload against a scripted index: its requests, pauses and messages."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tools.testing.indexes import VirtualTime
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ConflictError, CredentialsError, DeadlineError, NetworkError
from wheel_uploader.core.models import Confirmation, IndexFile, LocalFile, ProjectPage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.confirmation import confirm_files

URL = "https://index.example/simple/"
A, B = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
FILES = [
    LocalFile(name=filenames.parse_filename(name), path=Path(name), size=1, sha256=digit * 64)
    for name, digit in ((A, "a"), (B, "b"))
]
BROKEN = NetworkError("the index is broken")
LOGIN = CredentialsError("the file requires a login")


def page(*files: LocalFile, view: str = "json", exists: bool = True, **other: str) -> ProjectPage:
    """Return a page with these files, of which ``other`` have another hash, by the letter of the file."""
    listed = [
        IndexFile(
            filename=file.filename,
            url=f"{URL}{file.filename}",
            hashes={"sha256": other.get(file.sha256[0], file.sha256)},
        )
        for file in files
    ]
    return ProjectPage(url=f"{URL}demo/", exists=exists, files=tuple(listed), page_format=view)


ALL, HTML = page(*FILES), page(*FILES, view="html")
ABSENT = page(exists=False)


@dataclass
class FakeIndex(SilentProgress):
    """An index whose last answers are repeated; also records the progress."""

    pages: Sequence[ProjectPage | NetworkError] = (ALL,)
    html_pages: Sequence[ProjectPage | NetworkError | None] = (None,)
    #: The problems of the coming requests by file name.
    probes: dict[str, list[Any]] = field(default_factory=dict)
    url: str = URL
    log: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    time: VirtualTime = field(default_factory=VirtualTime)

    def debug(self, text: str) -> None:
        self.lines.append(text)

    def _answer(self, step: str, answers: Sequence[Any]) -> Any:
        position = self.log.count(step)
        self.log.append(step)
        answer = answers[min(position, len(answers) - 1)]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fetch_project(self, project: str, *, revalidate: bool) -> ProjectPage:
        assert (project, revalidate) == ("demo", True)
        found: ProjectPage = self._answer("page", self.pages)
        return found

    def fetch_html_project(self, project: str) -> ProjectPage | None:
        assert project == "demo"
        found: ProjectPage | None = self._answer("html", self.html_pages)
        return found

    def get_sha256(self, file: IndexFile) -> str:
        return file.hashes["sha256"]

    def probe_file(self, served: IndexFile, file: LocalFile) -> str:
        assert (served.filename, served.hashes) == (file.filename, {"sha256": file.sha256})
        assert served.url == f"{URL}{file.filename}"
        problem: str = self._answer(f"probe {file.filename}", self.probes.get(file.filename, [""]))
        return problem

    def confirm(
        self, *, files: Sequence[LocalFile] = FILES, timeout: float = 5.0, **options: Any
    ) -> tuple[Confirmation, ...]:
        return confirm_files(
            cast("IndexClient", self),
            "demo",
            files,
            timeout=timeout,
            progress=self,
            sleep=self.time.sleep,
            clock=self.time.clock,
            **options,
        )

    def fail(self, **options: Any) -> DeadlineError:
        with pytest.raises(DeadlineError) as caught:
            self.confirm(**options)
        return caught.value


def confirmation(file: LocalFile, *views: str) -> Confirmation:
    url = f"{URL}{file.filename}"
    return Confirmation(filename=file.filename, sha256=file.sha256, url=url, page_formats=views)


PROBES = [f"probe {A}", f"probe {B}"]


def test_confirms_the_files_of_one_view() -> None:
    index = FakeIndex()
    assert index.confirm() == tuple(confirmation(file, "json") for file in FILES)
    assert index.log[:1] == ["page"]
    assert sorted(index.log[1:]) == ["html", *PROBES]
    html = FakeIndex(pages=[HTML])
    assert html.confirm() == tuple(confirmation(file, "html") for file in FILES)
    assert html.log[:1] == ["page"]
    assert sorted(html.log[1:]) == PROBES


def test_confirms_the_files_of_both_views() -> None:
    index = FakeIndex(html_pages=[HTML])
    assert index.confirm(timeout=0) == tuple(confirmation(file, "json", "html") for file in FILES)
    assert index.time.slept == []


def test_reads_the_html_view_while_the_files_are_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    index = FakeIndex(html_pages=[HTML])
    both, probe, read = (
        threading.Barrier(len(FILES) + 1, timeout=10),
        index.probe_file,
        index.fetch_html_project,
    )
    monkeypatch.setattr(index, "probe_file", lambda *of_file: [probe(*of_file), both.wait()][0])
    monkeypatch.setattr(index, "fetch_html_project", lambda project: [read(project), both.wait()][0])
    assert index.confirm(timeout=0) == tuple(confirmation(file, "json", "html") for file in FILES)


def test_asks_for_each_view_until_it_has_all_files() -> None:
    index = FakeIndex(
        pages=[ABSENT, page(FILES[0]), page(FILES[1])],
        html_pages=[page(view="html", exists=False), page(FILES[1], view="html"), HTML],
    )
    assert index.confirm(timeout=60) == tuple(confirmation(file, "json", "html") for file in FILES)
    steps = [step for step in index.log if step in ("page", "html")]
    assert steps == ["page", "page", "page", "html", "html", "html"]
    # A file is requested once, as soon as one view lists it: the second one together with the HTML view.
    assert index.log[:4] == ["page", "page", f"probe {A}", "page"]
    assert sorted(index.log[4:6]) == ["html", f"probe {B}"]
    assert sorted(step for step in index.log if step.startswith("probe")) == PROBES
    assert index.time.slept == [1.0, 1.5, 2.25, 3.375]
    assert index.lines == [
        "the index does not yet list 2 of 2 files; checking again",
        "the index does not yet list 1 of 2 files; checking again",
        "the index does not yet list 2 of 2 files; checking again",
        "the index does not yet list 1 of 2 files; checking again",
    ]


def test_names_the_files_that_one_view_lacks() -> None:
    error = FakeIndex(html_pages=[page(FILES[0], view="html")]).fail(timeout=0)
    assert error.message == f"{URL} does not list 1 of 2 files"
    assert error.details == (f"{B} (in its HTML view)",)
    error = FakeIndex(pages=[page(FILES[0])]).fail(timeout=0)
    assert error.details == (B,)
    error = FakeIndex(pages=[page()]).fail(timeout=0)
    assert error.details == (A, B)


# --- the deadline ----------------------------------------------------------------------------------


def test_waits_until_the_deadline() -> None:
    index = FakeIndex(pages=[ABSENT])
    error = index.fail(timeout=4.0)
    assert index.time.slept == [1.0, 1.5, 1.5]
    assert index.log == ["page"] * 4
    assert error.message == f"after 4 s {URL} does not list 2 of 2 files"
    assert error.details == (A, B)
    assert not error.is_permanent
    assert error.hint == (
        "The index accepted the files, and its listing may lag: run the same command again to check."
    )


def test_only_verified_files_need_not_appear_later() -> None:
    index = FakeIndex(pages=[ABSENT])
    error = index.fail(timeout=0, was_uploaded=False)
    assert (index.time.slept, error.is_permanent) == ([], True)
    assert error.message == f"{URL} does not list 2 of 2 files"
    assert error.hint == (
        "If they were uploaded just now, wait with --confirm-timeout; otherwise publish the missing files "
        "without --verify."
    )


def test_waits_for_an_index_that_fails() -> None:
    index = FakeIndex(pages=[BROKEN, ALL], html_pages=[BROKEN, HTML])
    assert index.confirm() == tuple(confirmation(file, "json", "html") for file in FILES)
    assert index.lines == ["the index is broken; checking again"] * 2
    # The files are requested when the first view lists them.
    assert [step for step in index.log if step in ("page", "html")] == ["page", "page", "html", "html"]
    assert sorted(index.log[2:5]) == ["html", *PROBES]
    error = FakeIndex(pages=[BROKEN]).fail(timeout=1)
    assert error.message == f"after 1 s {URL} does not list 2 of 2 files (the index is broken)"
    error = FakeIndex(html_pages=[BROKEN]).fail(timeout=1)
    assert error.message == f"after 1 s {URL} did not return the HTML view of 2 files (the index is broken)"
    assert error.details == ()


@pytest.mark.parametrize("was_uploaded", [True, False])
def test_does_not_wait_for_what_cannot_pass(was_uploaded: bool) -> None:
    index = FakeIndex(pages=[NetworkError("no index").as_permanent()])
    error = index.fail(timeout=60, was_uploaded=was_uploaded)
    assert index.time.slept == []
    assert error.message == "nothing shows that the index serves 2 files: no index"
    accepted = "The index accepted the files. " if was_uploaded else ""
    assert error.hint == f"{accepted}Correct the URL of its pages (--index-url), or the index."
    assert error.details == (A, B)


def test_reports_all_files_with_other_contents() -> None:
    index = FakeIndex(pages=[page(*FILES, a="c" * 64, b="d" * 64)])
    with pytest.raises(ConflictError) as caught:
        index.confirm()
    assert caught.value.message == f"{URL}demo/ serves 2 files with different contents"
    assert caught.value.details == (
        f"{A}: local sha256 {'a' * 64}, index sha256 {'c' * 64}",
        f"{B}: local sha256 {'b' * 64}, index sha256 {'d' * 64}",
    )
    assert caught.value.hint == (
        "Yank this release now, find out who else uploads files to it, and publish a new version."
    )


# --- the files themselves --------------------------------------------------------------------------


def test_requests_a_file_until_it_can_be_downloaded() -> None:
    index = FakeIndex(probes={A: ["files.example answered 404", BROKEN, ""]})
    assert len(index.confirm()) == 2
    assert index.log.count(f"probe {A}") == 3
    assert index.log.count(f"probe {B}") == 1
    assert index.lines == [
        f"{A} is listed and cannot be downloaded: files.example answered 404; checking again",
        f"{A} is listed and cannot be downloaded: the index is broken; checking again",
    ]


def test_names_the_files_that_cannot_be_downloaded() -> None:
    index = FakeIndex(probes={A: ["files.example answered 404"]})
    error = index.fail(timeout=1)
    assert error.message == f"after 1 s {URL} lists 2 files, and 1 cannot be downloaded"
    assert error.details == (f"{A}: files.example answered 404",)
    assert error.hint == (
        "Users cannot install the files named above. Ask the operator of the index; then run the same "
        "command again to check."
    )
    # A file that is not listed is the first problem.
    error = FakeIndex(pages=[page(FILES[0])], probes={A: ["404"]}).fail(timeout=0)
    assert error.message == f"{URL} does not list 1 of 2 files"


def test_logs_in_once_for_all_files() -> None:
    logins: list[None] = []

    def log_in() -> bool:
        logins.append(None)
        return True

    index = FakeIndex(probes={A: [LOGIN, ""], B: ["404", ""]})
    assert len(index.confirm(log_in=log_in)) == 2
    assert (len(logins), index.time.slept) == (1, [1.0])
    refused = FakeIndex(probes={A: [LOGIN]})
    error = refused.fail(timeout=1, log_in=log_in)
    assert len(logins) == 2
    assert refused.log.count(f"probe {A}") == 3
    assert error.details == (f"{A}: the file requires a login",)


def test_asks_for_a_login_again_if_there_was_none() -> None:
    logins: list[None] = []

    def log_in() -> bool:
        logins.append(None)
        return len(logins) > 1

    index = FakeIndex(probes={A: [LOGIN, LOGIN, ""]})
    assert len(index.confirm(log_in=log_in)) == 2
    assert len(logins) == 2
    without = FakeIndex(probes={A: [LOGIN]}).fail(files=FILES[:1], timeout=0)
    assert without.details == (f"{A}: the file requires a login",)


def test_a_page_that_requires_a_login_ends_the_confirmation() -> None:
    index = FakeIndex(pages=[ABSENT, cast("NetworkError", LOGIN)])
    with pytest.raises(CredentialsError, match="requires a login"):
        index.confirm(timeout=60)


def test_the_last_look_with_a_login_may_be_refused() -> None:
    """Credentials that may only upload do not hide what readers without a login see."""
    index = FakeIndex(pages=[page(FILES[0]), cast("NetworkError", LOGIN)])
    error = index.fail(timeout=0, log_in=lambda: True)
    assert index.log.count("page") == 2
    assert error.message.startswith(f"{URL} does not list 2 of 2 files")
