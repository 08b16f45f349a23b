"""What a person or a program reads after a run; every format is made from the Report alone."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader.models import Report
from wheel_uploader.report import json, text

#: ``--format`` to the function that makes it.
FORMATS: dict[str, Callable[[Report], str]] = {"text": text.render, "json": json.render}
