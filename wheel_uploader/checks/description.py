"""The long description, rendered as PyPI does it: once for each distinct text, in a process of its own."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import NamedTuple

from wheel_uploader import child_processes
from wheel_uploader.checks import content_type as content_type_
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart

#: Characters that are tried at all.
MOST = 100_000
#: Seconds by the clock, on a machine that is busy with other things; see render.py for those of the CPU.
_SECONDS = 15.0


class Rendering(NamedTuple):
    """Why PyPI would refuse a description, and why that is not known; both empty when it renders."""

    refused: str = ""
    unknown: str = ""


@functools.lru_cache(maxsize=64)
def render(text: str, content_type: str) -> Rendering:
    """Render ``text``, which is not empty, as what ``content_type`` says (reStructuredText without one)."""
    if not text.strip():
        return Rendering(refused="it is blank")
    if content_type_.bare(content_type) == "text/plain":
        return Rendering()
    if len(text) > MOST:
        return Rendering(unknown=f"it has {len(text)} characters, and not more than {MOST} are tried")
    try:
        done = child_processes.run(
            [sys.executable, "-P", str(Path(__file__).with_name("render.py"))],
            Kind.READER,
            seconds=_SECONDS,
            stdin=f"{content_type}\n{text}".encode("utf-8", "replace"),
        )
    except CannotStart as error:
        return Rendering(unknown=f"the renderer could not be started ({error.reason})")
    except OSError as error:
        return Rendering(unknown=f"the renderer could not be given its input ({error.strerror})")
    if done.timed_out:
        return Rendering(unknown="rendering it takes too long")
    if done.status:
        return Rendering(unknown="rendering it takes too much time or memory")
    return Rendering(refused=done.output.text())
