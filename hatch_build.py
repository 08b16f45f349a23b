"""Build hook for the files beside the package: the manual page and completions for shells."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Where each shell looks below a prefix.
COMPLETIONS = {
    "bash": "share/bash-completion/completions/wheel-uploader",
    "zsh": "share/zsh/site-functions/_wheel-uploader",
    "fish": "share/fish/vendor_completions.d/wheel-uploader.fish",
}


class CustomBuildHook(BuildHookInterface[Any]):
    """Makes the files from the command itself, which needs click and nothing else."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the manual page and the completions, and add them to the wheel."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from wheel_uploader.cli import command, completion, man_page
        finally:
            sys.path.remove(self.root)
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
        texts = {"share/man/man1/wheel-uploader.1": man_page.man_page(command, day.date())}
        texts |= {path: completion.completion_script(command, shell) for shell, path in COMPLETIONS.items()}
        self._folder = Path(tempfile.mkdtemp())
        for path, text in texts.items():
            file = self._folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(file)] = path

    def finalize(self, version: str, *_: object) -> None:
        """Remove the files that were written for the wheel."""
        if version != "editable":
            shutil.rmtree(self._folder)
