"""Worker process that inspects files: one line of JSON in and one out for each file (see apart.py).

Of a file that cannot be read it says so only, and whoever asked finds out why.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from wheel_uploader import checks, names, plain, verify
from wheel_uploader.archive.repeats import Repeats
from wheel_uploader.models import Inspection, Profile, SdistContent, WheelContent


def main() -> None:
    # Whatever else is printed in this process is no answer.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers, Profile(sys.argv[1]) if sys.argv[1] else None)


def serve(asked: Iterable[bytes], answers: BinaryIO, profile: Profile | None) -> None:
    """Read one file after another, until there are no more."""
    known = Repeats()

    def inspect(content: WheelContent | SdistContent) -> Inspection:
        return checks.inspect(content, profile=profile) if profile else Inspection()

    for line in asked:
        filename, path, sha256 = json.loads(line)
        try:
            values = plain.values(verify.read(names.parse(filename), Path(path), sha256, inspect, known))
        except Exception:  # noqa: BLE001 - it comes again where it can be told
            values = {}
        answers.write(json.dumps(values).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
