"""Tests how four tools handle faults: twine, ``uv publish``, the historic script, and wheel-uploader.

``python -m benchmarks.faults`` publishes a release of three small wheels with each tool against the same
faults, on loopback, with a fresh server for each cell. Results are verified against the server's storage and
its log of POSTs, never by a tool's output. It prints a table as Markdown, or with ``--rst`` in the form of
docs/explanation/failure-model.rst, and how it was measured. A tool that does not end within ``--limit`` is
killed, and "hangs" is printed for it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.fault_tools import COMMAND, ESCAPE, RESPONSE_TIMEOUT, Outcome, Task, Tool, find_tools
from tools.testing import gpg, indexes, wheels
from tools.testing.indexes import Reply, Reset, ScriptedIndex, Slow
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import Site

TAGS = ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64", "cp313-cp313-win_amd64")
FIRST, SECOND, THIRD = (wheels.wheel_filename("dipy", "1.11.0", tag) for tag in TAGS)
#: More responses than any tool makes requests.
_ALWAYS = 1000


def _build_wheel(tag: str, **parts: str) -> bytes:
    # Large enough that a connection can break in the middle of the upload.
    return wheels.wheel_bytes(tag=tag, files={"dipy/noise.bin": os.urandom(200_000)}, **parts)  # type: ignore[arg-type]


@dataclass
class Setup:
    """The setup of one cell: the staged files, the index, and the options of the tool."""

    site: Staging
    index: ScriptedIndex
    wheelhouse: Path
    #: The certificate of the authority that signed that of the index; None if it uses plain http.
    authority: Path | None = None
    #: Fields of Task besides those of a plain upload.
    task_options: dict[str, bool] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    #: Closed when the cell is done.
    exit_stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def add_to_index(self, name: str, data: bytes) -> None:
        """Store a file on the index before the run."""
        self.index.files[name] = data


class Staging(Site):
    """A directory listing whose first response for a file can be replaced."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files, hashes=False)
        self.first_responses: dict[str, bytes] = {}

    def __call__(self, request: Request) -> list[Step]:
        name = request.target.rpartition("/")[2]
        return [self.first_responses.pop(name)] if name in self.first_responses else super().__call__(request)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one cell."""

    outcomes: tuple[Outcome, ...]
    posts: int
    #: Number of files on the index with the staged contents, and of all others that were added.
    correct: int
    wrong: int
    #: Number of files that were on the index before and whose contents were replaced.
    overwritten: int

    @property
    def code(self) -> int | None:
        return self.outcomes[-1].code

    def describe(self, *, with_posts: bool) -> str:
        """Return a short text, with or without the number of POSTs."""
        codes = [f"exit {outcome.code}" for outcome in self.outcomes if outcome.code is not None]
        words = ["hangs" if self.code is None else ", then ".join(codes)]
        words += ["traceback"] * any(outcome.traceback for outcome in self.outcomes)
        words += ["raw escapes"] * any(outcome.raw_output for outcome in self.outcomes)
        words += [f"{self.posts} POST{'' if self.posts == 1 else 's'}"] * with_posts
        return ", ".join([*words, f"{self.correct} of 3", *self._describe_damage()])

    def _describe_damage(self) -> Iterator[str]:
        if self.wrong:
            yield f"{self.wrong} WRONG"
        if self.overwritten:
            yield f"{self.overwritten} OVERWRITTEN"


# --- the expected results ------------------------------------------------------------------------------


def _succeeds(result: Result) -> bool:
    return result.code == 0 and result.correct == 3


def _fails_cleanly(result: Result) -> bool:
    """Return whether the tool ended with a nonzero exit code; for faults that no tool can overcome."""
    return result.code not in (None, 0)


def _posts_nothing(result: Result) -> bool:
    return _fails_cleanly(result) and result.posts == 0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row: how the fault is set up, and the result of a good tool."""

    name: str
    set_up: Callable[[Setup], object]
    expects: Callable[[Result], bool]
    #: Repeat the command if the first run failed.
    repeats: bool = False
    needs_download: bool = False
    needs_signing: bool = False
    #: The index has a certificate of a private CA.
    has_private_ca: bool = False

    def applies_to(self, tool: Tool) -> bool:
        return (tool.can_download or not self.needs_download) and (tool.can_sign or not self.needs_signing)

    def is_handled(self, result: Result) -> bool:
        clean = not any(
            outcome.traceback or outcome.raw_output or outcome.code is None for outcome in result.outcomes
        )
        return clean and not (result.wrong or result.overwritten) and self.expects(result)


def _respond(*actions: indexes.Action) -> Callable[[Setup], None]:
    return lambda setup: setup.index.script.extend(actions)


def _add_other_contents(setup: Setup) -> None:
    setup.task_options |= {"skip_existing": True, "as_pypi": True}
    setup.add_to_index(SECOND, _build_wheel(TAGS[1]))


def _add_other_name(setup: Setup) -> None:
    setup.task_options |= {"skip_existing": True, "as_pypi": True}
    setup.add_to_index(wheels.wheel_filename("dipy", "1.11.0", TAGS[1], build="1"), setup.site.files[SECOND])


def _use_other_index(setup: Setup) -> None:
    setup.task_options["skip_existing"] = True
    setup.add_to_index(FIRST, setup.site.files[FIRST])
    setup.index.by_name[FIRST] = Reply(409, "Conflict")


def _add_detectable_fault(setup: Setup) -> None:
    setup.task_options["as_pypi"] = True
    wrong = "Classifier: Programming Language :: Snake"
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0")
    setup.site.files[SECOND] = _build_wheel(TAGS[1], metadata=metadata.replace("License: BSD", wrong))
    setup.index.by_name[SECOND] = Reply(400, "Invalid value for classifiers.")


def _add_decoy_metadata(setup: Setup) -> None:
    setup.site.files[SECOND] = wheels.wheel_bytes(
        tag=TAGS[1], files={"a/METADATA": b"Metadata-Version: 2.1\nName: evil\nVersion: 9\n"}
    )


def _cut_download(setup: Setup) -> None:
    setup.site.first_responses[SECOND] = answer(200, setup.site.files[SECOND])[:-1000]


def _serve_page(setup: Setup) -> None:
    setup.site.first_responses[SECOND] = answer(200, b"<!DOCTYPE html><title>We are back soon</title>")


def _add_other_build(setup: Setup) -> None:
    (setup.wheelhouse / SECOND).write_bytes(_build_wheel(TAGS[1]))


def _add_build_tag(setup: Setup) -> None:
    del setup.site.files[SECOND]
    setup.site.files[wheels.wheel_filename("dipy", "1.11.0", TAGS[1], build="1")] = _build_wheel(
        TAGS[1], build="1"
    )


def _send_escapes(setup: Setup) -> None:
    setup.task_options["verbose"] = True
    for name in setup.site.files:
        setup.index.by_name[name] = Reply(400, f"No {ESCAPE}\x07 way", body=f"{ESCAPE}\x07\n{COMMAND}\n")


def _add_old_signature(setup: Setup) -> None:
    setup.task_options["sign"] = True
    keys = setup.exit_stack.enter_context(gpg.keyring())
    keys.make_key("Release Manager <me@example.com>")
    setup.environment["GNUPGHOME"] = str(keys.home)
    (setup.wheelhouse / f"{FIRST}.asc").write_text("of an older build\n")


def _require_login_to_read(setup: Setup) -> None:
    """Make the index answer 404 to readers without a login, as GitLab and others do."""
    _overwrite(setup)
    setup.index.password, setup.index.anonymous = ("user", "word"), Reply(404)


def _overwrite(setup: Setup) -> None:
    setup.index.overwrites = True
    setup.add_to_index(SECOND, _build_wheel(TAGS[1]))


def _trust_private_ca(setup: Setup) -> None:
    setup.environment["SSL_CERT_FILE"] = str(setup.authority)


def _ask_to_sign_in(setup: Setup) -> None:
    """Answer every request with a form, as a gateway in front of an index does."""
    form = "<!DOCTYPE html><title>Sign in</title><form><input name=p type=password></form>"
    setup.index.anonymous = setup.index.reader = Reply(200, body=form)
    setup.index.script.extend([Reply(200, body=form)] * _ALWAYS)


_HANGING_KEYRING = """
import time
from keyring.backend import KeyringBackend
class Keyring(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        time.sleep(3600)
    get_credential = get_password
    def set_password(self, service, username, password):
        pass
"""


def _hang_keyring(setup: Setup) -> None:
    """Have the password only in a keyring that waits for a dialog on a screen without a user."""
    setup.task_options["uses_keyring"] = True
    setup.index.password = ("user", "word")
    home = setup.wheelhouse.parent
    (home / "hanging_keyring.py").write_text(_HANGING_KEYRING)
    root = str(Path(__file__).parent.parent)
    setup.environment |= {
        "PYTHON_KEYRING_BACKEND": "hanging_keyring.Keyring",
        "PYTHONPATH": os.pathsep.join([root, str(home)]),
    }


def _burn_name(setup: Setup) -> None:
    """Reject the second file as PyPI does if a file of this name was deleted there; the first one is in."""
    setup.add_to_index(FIRST, setup.site.files[FIRST])
    setup.task_options |= {"skip_existing": True, "as_pypi": True}
    reason = (
        "This filename was previously used by a file that has since been deleted. Use a different version."
    )
    setup.index.by_name[SECOND] = Reply(400, reason)


_STORED_WITHOUT_REPLY = Reset(stores=True)
FAULTS = (
    Fault(name="503 on every request", set_up=_respond(*[Reply(503)] * _ALWAYS), expects=_fails_cleanly),
    Fault(name="503 twice, then success", set_up=_respond(Reply(503), Reply(503)), expects=_succeeds),
    Fault(
        name="429 with Retry-After: 1",
        set_up=_respond(Reply(429, headers={"Retry-After": "1"})),
        expects=_succeeds,
    ),
    Fault(
        name="reply lost after the file was stored", set_up=_respond(_STORED_WITHOUT_REPLY), expects=_succeeds
    ),
    Fault(name="connection reset in mid-body, once", set_up=_respond(Reset(after=50_000)), expects=_succeeds),
    Fault(
        name="connection reset in mid-body, always",
        set_up=_respond(*[Reset(after=50_000)] * _ALWAYS),
        expects=_fails_cleanly,
    ),
    Fault(
        name="400 on file 2, undetectable fault",
        set_up=_respond(Reply(200, stores=True), Reply(400)),
        expects=_fails_cleanly,
    ),
    Fault(name="400 on file 2, detectable fault", set_up=_add_detectable_fault, expects=_posts_nothing),
    Fault(
        name="server accepts and never answers",
        set_up=_respond(*[Slow(3600)] * _ALWAYS),
        expects=_fails_cleanly,
    ),
    Fault(
        name="same name, different contents on the index", set_up=_add_other_contents, expects=_posts_nothing
    ),
    Fault(name="same contents, another name on the index", set_up=_add_other_name, expects=_posts_nothing),
    Fault(name="file 1 exists, index other than PyPI", set_up=_use_other_index, expects=_succeeds),
    Fault(
        name="download cut short; run repeated",
        set_up=_cut_download,
        expects=_succeeds,
        repeats=True,
        needs_download=True,
    ),
    Fault(
        name="HTML page for a wheel; run repeated",
        set_up=_serve_page,
        expects=_succeeds,
        repeats=True,
        needs_download=True,
    ),
    Fault(
        name="another build in the wheelhouse",
        set_up=_add_other_build,
        expects=_posts_nothing,
        needs_download=True,
    ),
    Fault(name="wheel with a build tag", set_up=_add_build_tag, expects=_succeeds),
    Fault(name="escape sequences in a response", set_up=_send_escapes, expects=_fails_cleanly),
    Fault(
        name="sign; an .asc exists, no terminal",
        set_up=_add_old_signature,
        expects=_succeeds,
        needs_signing=True,
    ),
    Fault(
        name="404 to anonymous readers, other contents there",
        set_up=_require_login_to_read,
        expects=_posts_nothing,
    ),
    Fault(name="index that overwrites, other contents there", set_up=_overwrite, expects=_posts_nothing),
    Fault(
        name="private CA in SSL_CERT_FILE",
        set_up=_trust_private_ca,
        expects=_succeeds,
        has_private_ca=True,
    ),
    Fault(name="sign-in page for every request", set_up=_ask_to_sign_in, expects=_fails_cleanly),
    Fault(name="keyring that never answers", set_up=_hang_keyring, expects=_posts_nothing),
    Fault(name="burned name in a partial release", set_up=_burn_name, expects=_fails_cleanly),
    Fault(name="decoy METADATA", set_up=_add_decoy_metadata, expects=_posts_nothing),
)


@contextlib.contextmanager
def _run_index(home: Path, *, has_private_ca: bool) -> Iterator[tuple[indexes.Served, Path | None]]:
    if has_private_ca:
        with indexes.private_ca_index(home) as served_with_authority:
            yield served_with_authority
    else:
        with indexes.scripted_index() as served:
            yield served, None


def publish(fault: Fault, tool: Tool, limit: float) -> Result:
    """Run one cell: publish with a tool against a fault."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        site = Staging(
            {name: _build_wheel(tag) for name, tag in zip((FIRST, SECOND, THIRD), TAGS, strict=True)}
        )
        served, authority = stack.enter_context(_run_index(home, has_private_ca=fault.has_private_ca))
        wheelhouse = home / "house"
        wheelhouse.mkdir()
        setup = Setup(
            site=site,
            index=served.index,
            wheelhouse=wheelhouse,
            authority=authority,
            exit_stack=stack,
        )
        fault.set_up(setup)
        staged = home / "staged"
        staged.mkdir()
        for name, data in site.files.items():
            # A tool that does not download finds an old signature next to the staged files.
            (staged / name).write_bytes(data)
        for signature in wheelhouse.glob("*.asc") if not tool.can_download else ():
            shutil.copy(signature, staged)
        before = dict(served.index.files)
        listing = stack.enter_context(ScriptedServer(site))
        task = Task(
            staging_url=listing.url,
            staged=staged,
            wheelhouse=wheelhouse,
            upload_url=served.upload_url,
            index_url=served.index_url,
            environment=setup.environment,
            **setup.task_options,
        )
        outcomes = [tool.run(task, limit)]
        if fault.repeats and outcomes[0].code:
            outcomes.append(tool.run(task, limit))
        on_index = served.index.files.items()
        # Posts that were interrupted before their file name are counted too.
        return Result(
            outcomes=tuple(outcomes),
            posts=len(served.index.posts),
            correct=sum(item in site.files.items() for item in on_index),
            wrong=sum(item not in site.files.items() and item not in before.items() for item in on_index),
            overwritten=sum(served.index.files[name] != data for name, data in before.items()),
        )


# --- the table -----------------------------------------------------------------------------------------


@click.command(help=__doc__)
@click.option("--limit", default=120.0, show_default=True, help="Timeout in seconds for each run of a tool.")
@click.option("--only", default="", help="Run only faults whose names contain this text.")
@click.option("--rst", is_flag=True, help="Print reStructuredText, without the numbers of POSTs.")
@click.option("--jobs", default=4, show_default=True, help="Number of cells to run concurrently.")
def main(limit: float, only: str, rst: bool, jobs: int) -> None:
    """Print the table."""
    tools = find_tools()
    selected = [fault for fault in FAULTS if only in fault.name]
    with ThreadPoolExecutor(jobs) as pool:

        def run_cell(fault: Fault, tool: Tool) -> str:
            if not fault.applies_to(tool):
                return "\N{EM DASH}"
            result = publish(fault, tool, limit)
            text = result.describe(with_posts=not rst)
            return text if fault.is_handled(result) else f"**{text}**"

        rows = [[pool.submit(run_cell, fault, tool) for tool in tools] for fault in selected]
        head = ["fault", *(tool.name for tool in tools)]
        body = [
            [fault.name, *(future.result() for future in row)]
            for fault, row in zip(selected, rows, strict=True)
        ]
    for line in (rst_table if rst else markdown_table)(head, body):
        print(line)
    print()
    print(describe_setup(tools, limit))


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *body):
        yield f"| {' | '.join(row)} |"


def rst_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    line = "  ".join("=" * width for width in widths)
    yield from (line, _pad_row(head, widths), line)
    yield from (_pad_row(row, widths) for row in body)
    yield line


def _pad_row(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def describe_setup(tools: Sequence[Tool], limit: float) -> str:
    versions = ", ".join(f"{tool.name} ({tool.version})" for tool in tools)
    return (
        f"{versions}; Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; a run is killed after {limit:.0f} s; the response "
        f"timeout is {RESPONSE_TIMEOUT} s if a tool has one: uv publish (15 min by default), wheel-uploader "
        "(4 min by default)"
    )


if __name__ == "__main__":
    main()
