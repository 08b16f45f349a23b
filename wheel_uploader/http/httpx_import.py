"""Import httpx without its CLI dependencies (rich, pygments), which take half of its import time.

The only module that imports httpx and httpcore: a move to a library with the same API, such as httpx2 and
httpcore2, changes two lines here (see .ci/httpx2).
"""

from __future__ import annotations

import sys

_CLI_MODULE = "httpx._main"

# httpx imports rich and pygments for its command line if they are installed, as they are with twine. It
# works without them, and equally if its command line module cannot be imported.
if "httpx" not in sys.modules:
    sys.modules[_CLI_MODULE] = None  # type: ignore[assignment]
try:
    import httpcore
    import httpx
finally:
    if _CLI_MODULE in sys.modules and sys.modules[_CLI_MODULE] is None:
        del sys.modules[_CLI_MODULE]

__all__ = ["httpcore", "httpx"]
