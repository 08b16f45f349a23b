"""The command with a release of one wheel, a stub of anaconda.org, and other bytes under the same name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from click.testing import Result

from tests.support import in_process
from tests.support.command_line import CommandLine, RunResult
from tools.testing import wheels
from tools.testing.anaconda_site import TOKEN, Request, ServedSite

VERSION = "1.0.dev0"
WHEEL = f"demo-{VERSION}-py3-none-any.whl"
UPLOAD_URL = "https://anaconda.org/nightlies"


class AnacondaCommand:
    """Publishes the files of ``folder/staged`` to the stub."""

    def __init__(
        self, served: ServedSite, folder: Path, version: str = VERSION, *, stages: bool = True
    ) -> None:
        """``stages``: stage a wheel of the release."""
        self.served, self.folder, self.version = served, folder, version
        self.old_bytes = wheels.make_wheel(
            folder / "old", "demo", version, files={"demo/__init__.py": b"x = 0\n"}
        ).read_bytes()
        self.wheel = wheels.make_wheel(folder / ("staged" if stages else "new"), "demo", version)
        self.new_bytes = self.wheel.read_bytes()
        self.command_line = CommandLine(folder)
        self.command_line.environment |= {
            "ANACONDA_API_TOKEN": TOKEN,
            "WHEEL_UPLOADER_ANACONDA_API": served.api_url,
        }

    def add_wheel(self, tag: str) -> str:
        """Stage another wheel of the release, and return its name."""
        return wheels.make_wheel(self.folder / "staged", "demo", self.version, tag=tag).name

    def arguments(self, *options: str, pip_label: str = "main") -> list[str]:
        """Return the arguments of the command."""
        fixed = ["-u", "staged", "-w", "house", "--repository-url", UPLOAD_URL]
        fixed += ["--index-url", self.served.pip_url(pip_label), "--confirm-timeout", "2", "--retries", "2"]
        return [*fixed, *options, "demo", self.version]

    def run(self, *options: str, pip_label: str = "main", **variables: str) -> RunResult:
        """Publish the release."""
        return self.command_line.run(*self.arguments(*options, pip_label=pip_label), **variables)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a run in this process."""
        return {
            "HOME": str(self.folder),
            "NETRC": os.devnull,
            "ANACONDA_API_TOKEN": TOKEN,
            "WHEEL_UPLOADER_ANACONDA_API": self.served.api_url,
        }

    def run_in_process(
        self, *options: str, pip_label: str = "main", is_named: bool = True, **variables: str
    ) -> Result:
        """Publish the release in this process, which takes less time.

        ``is_named``: False if the options select the targets.
        """
        environment = {**self.variables, **variables}
        arguments: list[str | Path] = list(self.arguments(*options, pip_label=pip_label))
        arguments[1], arguments[3] = self.folder / "staged", self.folder / "house"
        if not is_named:
            del arguments[4:8]
        done = in_process.run(*arguments, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def run_killed(self, number: int, when: str, *options: str) -> bool:
        """Kill the command ``before`` or ``after`` its request ``number`` is done; return whether it was."""
        process: list[subprocess.Popen[bytes]] = []
        started, first = threading.Event(), len(self.served.site.requests)

        def on_request(position: int, _request: Request, moment: str) -> None:
            if position - first == number and moment == when:
                started.wait(30)
                process[0].kill()
                process[0].wait(30)

        self.served.site.on_request = on_request
        process.append(
            subprocess.Popen(
                [sys.executable, "-m", "wheel_uploader", *self.arguments(*options)],
                cwd=self.folder,
                env=self.command_line.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        started.set()
        code = process[0].wait(120)
        self.served.site.on_request = lambda _number, _request, _when: None
        return code == -signal.SIGKILL

    def saved_files(self) -> list[Path]:
        """Return the old files that are saved in the wheelhouse."""
        folder = self.folder / "house" / ".wheel-uploader" / "replaced"
        return sorted(path for path in folder.glob("*.whl") if path.is_file())
