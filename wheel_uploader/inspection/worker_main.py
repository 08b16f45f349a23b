"""Worker process that inspects files: one line of JSON in and one line out per file (see worker.py).

The response for a file that cannot be read is empty; the parent reads the file itself to find the error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile
from wheel_uploader.facts.member_cache import MemberCache
from wheel_uploader.inspection import serialization, verification


def main() -> None:
    """Serve requests from stdin until its end; the profile is the first argument."""
    # Keep stdout for the protocol; send stray prints to stderr.
    with os.fdopen(os.dup(1), "wb") as responses:
        os.dup2(2, 1)
        serve_requests(sys.stdin.buffer, responses, CheckProfile(sys.argv[1]) if sys.argv[1] else None)


def serve_requests(requests: Iterable[bytes], responses: BinaryIO, profile: CheckProfile | None) -> None:
    """Inspect one file per line of ``requests`` and write the result to ``responses``."""
    member_cache = MemberCache()
    inspect = verification.create_inspection(profile)
    for line in requests:
        filename, path, sha256 = json.loads(line)
        try:
            values = serialization.to_json(
                verification.inspect_file(
                    filenames.parse_filename(filename), Path(path), sha256, inspect, member_cache
                )
            )
        except Exception:  # noqa: BLE001 - the parent re-reads the file and reports the error
            values = {}
        responses.write(json.dumps(values).encode() + b"\n")
        responses.flush()


if __name__ == "__main__":
    main()
