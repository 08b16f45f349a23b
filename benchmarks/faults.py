"""What four tools do when things go wrong: twine, ``uv publish``, the historic script, and wheel-uploader.

``python -m benchmarks.faults`` publishes a release of three small wheels with each tool against the same
faults, on loopback, with a fresh server for each cell. The judge is the server's own store and its log of
POSTs, never what a tool says. Prints a table as Markdown, or with ``--rst`` as for README.rst, and how it
was made; a tool that does not end within ``--limit`` is ended, and "hangs" is printed.
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

from benchmarks.fault_tools import ANSWER_LIMIT, COMMAND, ESCAPE, End, Task, Tool, tools
from tests import gpg, indexes, wheels
from tests.indexes import Reset, Say, ScriptedIndex, Slow
from tests.scripted import Request, ScriptedServer, Step, answer
from tests.staging import Site

TAGS = ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64", "cp313-cp313-win_amd64")
FIRST, SECOND, THIRD = (wheels.wheel_filename("dipy", "1.11.0", tag) for tag in TAGS)
#: More than any tool posts.
_FOR_EVER = 1000


def _wheel(tag: str, **parts: str) -> bytes:
    # Enough that a connection can break in the middle of it.
    return wheels.wheel_bytes(tag=tag, files={"dipy/noise.bin": os.urandom(200_000)}, **parts)  # type: ignore[arg-type]


@dataclass
class Bed:
    """One cell: what is staged, the index, and what is asked for."""

    site: Staging
    index: ScriptedIndex
    house: Path
    #: What the tool is asked beside the plain upload: fields of Task.
    asks: dict[str, bool] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    #: To be closed when the cell is done.
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def has(self, name: str, data: bytes) -> None:
        """Let the index have this already."""
        self.index.files[name] = data


class Staging(Site):
    """A directory listing that answers the first request for a file as it is told to."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files, hashes=False)
        self.once: dict[str, bytes] = {}

    def __call__(self, request: Request) -> list[Step]:
        name = request.target.rpartition("/")[2]
        return [self.once.pop(name)] if name in self.once else super().__call__(request)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of it."""

    ends: tuple[End, ...]
    posts: int
    #: Files of the release on the index with the right bytes, and files there that nobody staged.
    right: int
    wrong: int

    @property
    def code(self) -> int | None:
        return self.ends[-1].code

    def told(self, *, posts: bool) -> str:
        """In a few words, with the number of POSTs or without."""
        codes = [f"exit {end.code}" for end in self.ends if end.code is not None]
        words = ["hangs" if self.code is None else ", then ".join(codes)]
        words += ["traceback"] * any(end.traceback for end in self.ends)
        words += ["raw escapes"] * any(end.raw for end in self.ends)
        words += [f"{self.posts} POST{'' if self.posts == 1 else 's'}"] * posts
        return ", ".join([*words, f"{self.right} of 3", *[f"{self.wrong} WRONG"] * (self.wrong > 0)])


# --- what is to come of a fault ------------------------------------------------------------------------


def _arrives(seen: Seen) -> bool:
    return seen.code == 0 and seen.right == 3


def _says_so(seen: Seen) -> bool:
    """It cannot succeed, and its exit code says so."""
    return seen.code not in (None, 0)


def _posts_nothing(seen: Seen) -> bool:
    return _says_so(seen) and seen.posts == 0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row: how the bed is made, and what a good tool makes of it."""

    name: str
    make: Callable[[Bed], object]
    wants: Callable[[Seen], bool]
    #: The same command once more when the first run failed.
    again: bool = False
    downloads: bool = False
    signs: bool = False

    def is_for(self, tool: Tool) -> bool:
        return (tool.downloads or not self.downloads) and (tool.signs or not self.signs)

    def is_good(self, seen: Seen) -> bool:
        clean = not any(end.traceback or end.raw or end.code is None for end in seen.ends)
        return clean and seen.wrong == 0 and self.wants(seen)


def _script(*actions: indexes.Action) -> Callable[[Bed], None]:
    return lambda bed: bed.index.script.extend(actions)


def _has_other_bytes(bed: Bed) -> None:
    bed.asks |= {"skips": True, "as_pypi": True}
    bed.has(SECOND, _wheel(TAGS[1]))


def _has_other_name(bed: Bed) -> None:
    bed.asks |= {"skips": True, "as_pypi": True}
    bed.has(wheels.wheel_filename("dipy", "1.11.0", TAGS[1], build="1"), bed.site.files[SECOND])


def _is_not_pypi(bed: Bed) -> None:
    bed.asks["skips"] = True
    bed.has(FIRST, bed.site.files[FIRST])
    bed.index.by_name[FIRST] = Say(409, "Conflict")


def _faulty(bed: Bed) -> None:
    bed.asks["as_pypi"] = True
    wrong = "Classifier: Programming Language :: Snake"
    metadata = wheels.METADATA.format(project="dipy", version="1.11.0")
    bed.site.files[SECOND] = _wheel(TAGS[1], metadata=metadata.replace("License: BSD", wrong))
    bed.index.by_name[SECOND] = Say(400, "Invalid value for classifiers.")


def _decoy(bed: Bed) -> None:
    bed.site.files[SECOND] = wheels.wheel_bytes(
        tag=TAGS[1], files={"a/METADATA": b"Metadata-Version: 2.1\nName: evil\nVersion: 9\n"}
    )


def _cut(bed: Bed) -> None:
    bed.site.once[SECOND] = answer(200, bed.site.files[SECOND])[:-1000]


def _page(bed: Bed) -> None:
    bed.site.once[SECOND] = answer(200, b"<!DOCTYPE html><title>We are back soon</title>")


def _is_there(bed: Bed) -> None:
    (bed.house / SECOND).write_bytes(_wheel(TAGS[1]))


def _build_tag(bed: Bed) -> None:
    del bed.site.files[SECOND]
    bed.site.files[wheels.wheel_filename("dipy", "1.11.0", TAGS[1], build="1")] = _wheel(TAGS[1], build="1")


def _escapes(bed: Bed) -> None:
    bed.asks["verbose"] = True
    for name in bed.site.files:
        bed.index.by_name[name] = Say(400, f"No {ESCAPE}\x07 way", body=f"{ESCAPE}\x07\n{COMMAND}\n")


def _signed_before(bed: Bed) -> None:
    bed.asks["signs"] = True
    keys = bed.held.enter_context(gpg.keyring())
    keys.make_key("Release Manager <me@example.com>")
    bed.environment["GNUPGHOME"] = str(keys.home)
    (bed.house / f"{FIRST}.asc").write_text("of an older build\n")


_STORED_AND_LOST = Reset(stores=True)
FAULTS = (
    Fault(name="503 for ever", make=_script(*[Say(503)] * _FOR_EVER), wants=_says_so),
    Fault(name="503 twice, then fine", make=_script(Say(503), Say(503)), wants=_arrives),
    Fault(
        name="429 with Retry-After: 1", make=_script(Say(429, headers={"Retry-After": "1"})), wants=_arrives
    ),
    Fault(name="reply lost after the file was stored", make=_script(_STORED_AND_LOST), wants=_arrives),
    Fault(name="connection reset in mid-body, once", make=_script(Reset(after=50_000)), wants=_arrives),
    Fault(
        name="connection reset in mid-body, always",
        make=_script(*[Reset(after=50_000)] * _FOR_EVER),
        wants=_says_so,
    ),
    Fault(
        name="400 on file 2, which nobody can know",
        make=_script(Say(200, stores=True), Say(400)),
        wants=_says_so,
    ),
    Fault(name="400 on file 2 for a fault that can be seen", make=_faulty, wants=_posts_nothing),
    Fault(name="server accepts and never answers", make=_script(*[Slow(3600)] * _FOR_EVER), wants=_says_so),
    Fault(name="same name, other bytes on the index", make=_has_other_bytes, wants=_posts_nothing),
    Fault(name="same bytes under another name there", make=_has_other_name, wants=_posts_nothing),
    Fault(name="file 1 is there, on an index that is not PyPI", make=_is_not_pypi, wants=_arrives),
    Fault(name="download cut short; the same again", make=_cut, wants=_arrives, again=True, downloads=True),
    Fault(
        name="HTML page for a wheel; the same again", make=_page, wants=_arrives, again=True, downloads=True
    ),
    Fault(name="another build lies in the wheelhouse", make=_is_there, wants=_posts_nothing, downloads=True),
    Fault(name="wheel with a build tag", make=_build_tag, wants=_arrives),
    Fault(name="escape sequences in an answer", make=_escapes, wants=_says_so),
    Fault(name="sign; an .asc is there, no terminal", make=_signed_before, wants=_arrives, signs=True),
    Fault(name="decoy METADATA", make=_decoy, wants=_posts_nothing),
)


def publish(fault: Fault, tool: Tool, limit: float) -> Seen:
    """One cell."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        site = Staging({name: _wheel(tag) for name, tag in zip((FIRST, SECOND, THIRD), TAGS, strict=True)})
        served = stack.enter_context(indexes.scripted_index())
        house = home / "house"
        house.mkdir()
        bed = Bed(site=site, index=served.index, house=house, held=stack)
        fault.make(bed)
        staged = home / "staged"
        staged.mkdir()
        for name, data in site.files.items():
            # Where nothing is downloaded, a signature lies beside the files from the start.
            (staged / name).write_bytes(data)
        for left in house.glob("*.asc") if not tool.downloads else ():
            shutil.copy(left, staged)
        before = dict(served.index.files)
        listing = stack.enter_context(ScriptedServer(site))
        task = Task(
            staging_url=listing.url,
            staged=staged,
            house=house,
            upload_url=served.upload_url,
            reading_url=served.reading_url,
            environment=bed.environment,
            **bed.asks,
        )
        ends = [tool.run(task, limit)]
        if fault.again and ends[0].code:
            ends.append(tool.run(task, limit))
        there = served.index.files.items()
        # Some posts were cut off before they had a name: they count.
        return Seen(
            ends=tuple(ends),
            posts=len(served.index.posts),
            right=sum(item in site.files.items() for item in there),
            wrong=sum(item not in site.files.items() and item not in before.items() for item in there),
        )


# --- the table -----------------------------------------------------------------------------------------


@click.command(help=__doc__)
@click.option("--limit", default=120.0, show_default=True, help="Seconds for each run of a tool.")
@click.option("--only", default="", help="Only faults with this in their names.")
@click.option("--rst", is_flag=True, help="As for README.rst: without the numbers of POSTs.")
@click.option("--jobs", default=4, show_default=True, help="Cells at once.")
def main(limit: float, only: str, rst: bool, jobs: int) -> None:
    """Print the table."""
    there = tools()
    chosen = [fault for fault in FAULTS if only in fault.name]
    with ThreadPoolExecutor(jobs) as pool:

        def cell(fault: Fault, tool: Tool) -> str:
            if not fault.is_for(tool):
                return "\N{EM DASH}"
            seen = publish(fault, tool, limit)
            told = seen.told(posts=not rst)
            return told if fault.is_good(seen) else f"**{told}**"

        rows = [[pool.submit(cell, fault, tool) for tool in there] for fault in chosen]
        head = ["fault", *(tool.name for tool in there)]
        body = [
            [fault.name, *(each.result() for each in row)] for fault, row in zip(chosen, rows, strict=True)
        ]
    for line in (rst_table if rst else markdown_table)(head, body):
        print(line)
    print()
    print(how(there, limit))


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *body):
        yield f"| {' | '.join(row)} |"


def rst_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    line = "  ".join("=" * width for width in widths)
    yield from (line, _padded(head, widths), line)
    yield from (_padded(row, widths) for row in body)
    yield line


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def how(there: Sequence[Tool], limit: float) -> str:
    versions = ", ".join(f"{tool.name} ({tool.version})" for tool in there)
    return (
        f"{versions}; Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; a run is ended after {limit:.0f} s; an answer may "
        f"take {ANSWER_LIMIT} s where a tool lets one say so: uv publish (15 min by default), wheel-uploader "
        "(4 min by default)"
    )


if __name__ == "__main__":
    main()
