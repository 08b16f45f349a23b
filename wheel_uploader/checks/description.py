"""The long description, rendered as PyPI does it: once for each distinct text, in a process of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import NamedTuple

#: Characters that are tried at all.
MOST = 100_000
#: Seconds by the clock, on a machine that is busy with other things; see render.py for those of the CPU.
_SECONDS = 15.0
#: What the process needs of the environment; secrets are not among it.
_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "HOME",
    "USERPROFILE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "LANG",
)


class Rendering(NamedTuple):
    """Why PyPI would refuse a description, and why that is not known; both empty when it renders."""

    refused: str = ""
    unknown: str = ""


@functools.lru_cache(maxsize=64)
def render(text: str, content_type: str) -> Rendering:
    """Render ``text``, which is not empty, as what ``content_type`` says (reStructuredText without one)."""
    header = Message()
    header["Content-Type"] = content_type or "text/x-rst"
    if not text.strip():
        return Rendering(refused="it is blank")
    if header.get_content_type() == "text/plain":
        return Rendering()
    if len(text) > MOST:
        return Rendering(unknown=f"it has {len(text)} characters, and not more than {MOST} are tried")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(Path(__file__).with_name("render.py"))],
            input=f"{content_type}\n{text}".encode("utf-8", "replace"),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
    except subprocess.TimeoutExpired:
        return Rendering(unknown="rendering it takes too long")
    except subprocess.CalledProcessError:
        return Rendering(unknown="rendering it takes too much time or memory")
    except OSError as error:
        return Rendering(unknown=f"the renderer could not be started ({error.strerror})")
    return Rendering(refused=done.stdout.decode("utf-8", "replace"))
