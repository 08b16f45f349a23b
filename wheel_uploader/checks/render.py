"""A program of its own: a description on standard input, and on standard output why it does not render.

It runs apart because docutils can be kept busy for ever by half a kilobyte of hostile reStructuredText, and
nothing stops it in the same process. The first line of the input is the content type.
"""

from __future__ import annotations

import io
import re
import sys

_VARIANT = re.compile(r";\s*variant\s*=\s*\"?([\w.-]+)", re.IGNORECASE)
#: Seconds of CPU time, start included; 100,000 characters of ordinary text need one.
CPU_SECONDS = 2
#: Bytes of memory.
MEMORY = 400 << 20


def main() -> None:
    _limit()
    content_type, _, text = sys.stdin.buffer.read().decode("utf-8").partition("\n")
    sys.stdout.buffer.write(why_not(text, content_type).encode("utf-8", "backslashreplace"))


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits: there the parent's clock decides.
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def why_not(text: str, content_type: str) -> str:
    """Why PyPI would refuse this description, in a clause; empty when it renders."""
    kind = content_type.partition(";")[0].strip().lower()
    variant = _VARIANT.search(content_type)
    warnings = io.StringIO()
    try:
        if kind == "text/markdown":
            from readme_renderer import markdown

            rendered = markdown.render(text, variant=variant[1] if variant else "GFM")
        else:
            from readme_renderer import rst

            rendered = rst.render(text, stream=warnings)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - docutils raises nearly anything, and PyPI refuses whatever fails
        return f"it cannot be rendered ({type(error).__name__})"
    if rendered is not None:
        return ""
    said = warnings.getvalue().strip().partition("\n")[0]
    language = "Markdown" if kind == "text/markdown" else "reStructuredText"
    aside = "" if content_type else ", which it is without a Description-Content-Type"
    return f"it does not render as {language}{aside}: {said.removeprefix('<string>:') or 'nothing comes out'}"


if __name__ == "__main__":
    main()
