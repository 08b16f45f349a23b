"""Subprocess that renders a description from stdin and writes the reason for a failure to stdout.

It runs in a separate process because half a kilobyte of hostile reStructuredText can keep docutils busy
indefinitely, and docutils cannot be interrupted within the same process. The first line of the input is the
content type.
"""

from __future__ import annotations

import io
import sys

#: CPU time limit in seconds, including startup; 100,000 characters of ordinary text need one.
CPU_LIMIT_SECONDS = 2
#: Memory limit in bytes.
MEMORY_LIMIT_BYTES = 400 << 20


def main() -> None:
    """Render the description on standard input and write the reason if that fails."""
    _set_limits()
    content_type, _, text = sys.stdin.buffer.read().decode("utf-8").partition("\n")
    sys.stdout.buffer.write(find_rendering_problem(text, content_type).encode("utf-8", "backslashreplace"))


def _set_limits() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's timeout applies there.
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_SECONDS, CPU_LIMIT_SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def find_rendering_problem(text: str, content_type: str) -> str:
    """Return a clause that says why PyPI would reject this description; empty if it renders."""
    kind = content_type.partition(";")[0].strip().lower()
    warnings = io.StringIO()
    try:
        if kind == "text/markdown":
            from readme_renderer import markdown

            # PyPI ignores the variant.
            rendered = markdown.render(text)
        else:
            from readme_renderer import rst

            rendered = rst.render(text, stream=warnings)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - docutils raises almost anything, and PyPI rejects any failure
        return f"the description cannot be rendered ({type(error).__name__})"
    if rendered is not None:
        return ""
    warning = warnings.getvalue().strip().partition("\n")[0]
    language = "Markdown" if kind == "text/markdown" else "reStructuredText"
    note = "" if content_type else " (the default without a Description-Content-Type)"
    reason = warning.removeprefix("<string>:") or "no output"
    return f"the description does not render as {language}{note}: {reason}"


if __name__ == "__main__":
    main()
