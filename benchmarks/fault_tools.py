"""The four tools of ``benchmarks.faults``: how each is started, ended when it hangs, and listened to.

twine is the one that we depend on, uv comes with the extra ``benchmarks``; a tool that is not there is
absent. Of the historic wheel-uploader script (MacPython/terryfy) only the way of working is here, in a few
lines of our own: the names are those that the listing shows, what is in the folder already is taken as it
is, and all of it is handed to twine.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from wheel_uploader.publish.sending import ANSWER_FACTOR

#: What the fault rows write into the server's answers, to be looked for in what a tool prints.
ESCAPE = "\x1b]0;pwned"
COMMAND = "::error::pwned"
#: Seconds that an answer to an upload may take, where a tool lets one say so.
ANSWER_LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a tool is asked to do."""

    #: The listing of the staging place, and the same files as a folder, for tools that download nothing.
    staging_url: str
    staged: Path
    #: A folder of this tool's own for what it downloads.
    house: Path
    upload_url: str
    reading_url: str
    #: To leave out what the index has already.
    skips: bool = False
    #: The index is to be taken for PyPI: twine skips nothing elsewhere, and our checks ask who the target is.
    as_pypi: bool = False
    signs: bool = False
    verbose: bool = False
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class End:
    """How one run of a tool ended. ``code`` is None when it did not within the limit."""

    code: int | None
    traceback: bool
    #: Whether what the server said reached the terminal raw, or CI as a command.
    raw: bool


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One of the four."""

    name: str
    version: str
    command: Callable[[Task], Sequence[str]]
    downloads: bool
    signs: bool = True

    def run(self, task: Task, limit: float) -> End:
        """Run it to its end, or for so many seconds; never with a terminal."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                self.command(task),
                cwd=task.house,
                env=_environment(task),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Without a terminal to ask, and to be ended with all that it started.
                start_new_session=True,
            )
            code: int | None = None
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.seek(0)
            said = log.read().decode(errors="replace")
        return End(
            code=code,
            traceback=bool(re.search("Traceback \\(most recent call last\\)|panicked at", said)),
            raw=ESCAPE in said or bool(re.search(f"(?m)^\\s*{COMMAND}", said)),
        )


def _environment(task: Task) -> dict[str, str]:
    """Nothing of this machine's own configuration, the same for all."""
    home = str(task.house.parent)
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "NETRC": os.devnull,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONWARNINGS": "ignore",
        "TWINE_USERNAME": "user",
        "TWINE_PASSWORD": "word",
        "UV_PUBLISH_USERNAME": "user",
        "UV_PUBLISH_PASSWORD": "word",
        "UV_CACHE_DIR": f"{home}/uv",
        "UV_NO_CONFIG": "1",
        "UV_HTTP_TIMEOUT": str(ANSWER_LIMIT),
        **task.environment,
    }


def _files(task: Task) -> list[str]:
    return sorted(str(path) for path in task.staged.glob("*.whl"))


#: twine, which asks the index that it takes for PyPI (here: our server) for what is there.
_TWINE_AS_PYPI = """
import sys
from twine import __main__, repository
repository.WAREHOUSE, repository.LEGACY_PYPI = sys.argv.pop(1), sys.argv.pop(1)
sys.exit(__main__.main())
"""


def _twine(task: Task) -> list[str]:
    start = ["-m", "twine"]
    if task.as_pypi:
        start = ["-c", _TWINE_AS_PYPI, task.upload_url, task.reading_url]
    command = [sys.executable, *start, "upload", "--non-interactive", "--repository-url", task.upload_url]
    command += ["--skip-existing"] * task.skips + ["--sign"] * task.signs + ["--verbose"] * task.verbose
    return [*command, *_files(task)]


def _uv(task: Task) -> list[str]:
    command = [uv_program(), "publish", "--trusted-publishing", "never", "--keyring-provider", "disabled"]
    command += ["--publish-url", task.upload_url, "--check-url", task.reading_url]
    return [*command, *["-v"] * task.verbose, *_files(task)]


_HISTORIC = """
import os, re, subprocess, sys, urllib.request
listing, upload_url, *options = sys.argv[1:]
text = urllib.request.urlopen(listing).read().decode()
wheels = []
for name in re.findall(">(dipy-1.11.0-[^<]*[.]whl)<", text):
    project, version, python, abi, platform = os.path.splitext(name)[0].split("-")
    wheels.append(name)
    if not os.path.exists(name):
        urllib.request.urlretrieve(listing + name, name)
upload = [sys.executable, "-m", "twine", "upload", "--repository-url", upload_url]
subprocess.check_call([*upload, *options, *wheels])
"""


def _historic(task: Task) -> list[str]:
    options = ["--sign"] * task.signs + ["--verbose"] * task.verbose
    return [sys.executable, "-c", _HISTORIC, task.staging_url, task.upload_url, *options]


def _ours(task: Task) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "-u", task.staging_url, "-w", "."]
    command += ["--repository-url", task.upload_url, "--timeout", str(ANSWER_LIMIT / ANSWER_FACTOR)]
    return [
        *command,
        *["--profile", "pypi"] * task.as_pypi,
        *["-s"] * task.signs,
        *["-v"] * task.verbose,
        "dipy",
        "1.11.0",
    ]


def uv_program() -> str:
    """The uv beside this Python, or on PATH; empty when there is none."""
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv") or ""


def tools() -> tuple[Tool, ...]:
    """Those that are there, ours last."""
    twine, ours = metadata.version("twine"), metadata.version("wheel-uploader")
    found = [Tool(name="twine", version=twine, command=_twine, downloads=False)]
    if program := uv_program():
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        found.append(
            Tool(name="uv publish", version=said.split()[1], command=_uv, downloads=False, signs=False)
        )
    found.append(Tool(name="historic script", version=twine, command=_historic, downloads=True))
    return (*found, Tool(name="wheel-uploader", version=ours, command=_ours, downloads=True))
