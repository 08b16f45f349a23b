"""httpx without the command line that it has as well, whose libraries take half of its time to load."""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

# Where rich and pygments are installed, as they are with twine, httpx loads them for a command that nobody
# calls here; where they are not, it goes without. So it does when its module for that cannot be imported.
if "httpx" not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _COMMAND_LINE in sys.modules and sys.modules[_COMMAND_LINE] is None:
        del sys.modules[_COMMAND_LINE]

__all__ = ["httpx"]
