"""The long description, rendered as on PyPI: once for each distinct text, in a subprocess."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import NamedTuple

from wheel_uploader.checks import content_type as content_type_
from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError

#: Longest description that is rendered, in characters.
MAX_DESCRIPTION_LENGTH = 100_000
#: Wall-clock limit in seconds, generous for a busy machine; render_worker.py has the CPU limit.
_TIMEOUT = 15.0


class Rendering(NamedTuple):
    """Reason why PyPI would reject a description, or why that is unknown; both empty if it renders."""

    rejection_reason: str = ""
    unknown_reason: str = ""


@functools.lru_cache(maxsize=64)
def render_description(text: str, content_type: str) -> Rendering:
    """Render the non-empty ``text`` according to ``content_type``; if that is empty, as reStructuredText."""
    if not text.strip():
        return Rendering(rejection_reason="the description is blank")
    if content_type_.get_media_type(content_type) == "text/plain":
        return Rendering()
    if len(text) > MAX_DESCRIPTION_LENGTH:
        return Rendering(
            unknown_reason=f"the description has {len(text)} characters, "
            f"and at most {MAX_DESCRIPTION_LENGTH} are rendered"
        )
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
