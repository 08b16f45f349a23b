"""The long description, rendered as on PyPI: once for each distinct text, in a subprocess."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import NamedTuple

from wheel_uploader.checks import content_type as content_type_
from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError

#: Longest description in reStructuredText that is rendered, in characters; docutils takes a second for it.
MAX_RST_LENGTH = 100_000
#: Longest line that docutils accepts, in characters.
_MAX_RST_LINE = 10_000
#: Columns that docutils expands a tab to, and characters that it replaces with a space.
_TAB_WIDTH = 8
_VERTICAL_BLANKS = re.compile(r"[\v\f]")
#: Wall-clock limit in seconds, generous for a busy machine; render_worker.py has the CPU limit.
_TIMEOUT = 60.0


class Rendering(NamedTuple):
    """Reason why PyPI would reject a description, or why that is unknown; both empty if it renders."""

    rejection_reason: str = ""
    unknown_reason: str = ""


@functools.lru_cache(maxsize=64)
def render_description(text: str, content_type: str) -> Rendering:
    """Render the non-empty ``text`` according to ``content_type``; if that is empty, as reStructuredText."""
    media_type = content_type_.get_media_type(content_type)
    if media_type == "text/plain":
        return Rendering()
    if not text.strip(" \t\r\n"):
        return Rendering(rejection_reason="the description is blank")
    if media_type == "text/x-rst" and len(text) > _MAX_RST_LINE:
        if number := _find_overlong_line(text):
            reason = f"line {number} has more than {_MAX_RST_LINE} characters, which docutils does not accept"
            return Rendering(rejection_reason=reason)
        if len(text) > MAX_RST_LENGTH:
            return Rendering(
                unknown_reason=f"the description has {len(text)} characters of reStructuredText, "
                f"and at most {MAX_RST_LENGTH} are rendered"
            )
    return _render_in_subprocess(text, content_type)


def _find_overlong_line(text: str) -> int:
    """Return the number of the first line that docutils rejects because of its length; 0 if there is none."""
    for number, line in enumerate(_VERTICAL_BLANKS.sub(" ", text).splitlines(), start=1):
        if (
            len(line) > _MAX_RST_LINE // _TAB_WIDTH
            and len(line.expandtabs(_TAB_WIDTH).rstrip()) > _MAX_RST_LINE
        ):
            return number
    return 0


def _render_in_subprocess(text: str, content_type: str) -> Rendering:
    try:
        process = child_process.run_child(
            [sys.executable, "-P", str(Path(__file__).with_name("render_worker.py"))],
            ChildKind.WORKER,
            timeout=_TIMEOUT,
            stdin=f"{content_type}\n{text}".encode("utf-8", "replace"),
        )
    except ChildStartError as error:
        return Rendering(unknown_reason=f"could not start the renderer ({error.reason})")
    except OSError as error:
        return Rendering(unknown_reason=f"could not write to the renderer ({error.strerror})")
    if process.timed_out:
        return Rendering(unknown_reason="rendering the description takes too long")
    if process.exit_status:
        return Rendering(unknown_reason="rendering the description takes too much time or memory")
    return Rendering(rejection_reason=process.output.text())
