"""The four tools of ``benchmarks.faults``: how each is started, stopped if it hangs, and its output read.

twine is the version that we depend on; uv is installed by the extra ``benchmarks``, and left out if it is
missing. The historic wheel-uploader script (MacPython/terryfy) is represented by a short equivalent: it reads
the names in the listing, reuses files that are already in the folder, and passes everything to twine.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tools.uv_program import find_uv_program
from wheel_uploader.upload.requests_adapter import RESPONSE_TIMEOUT_FACTOR

#: Texts in the server's responses that a tool must not print raw: an escape sequence and a CI command.
ESCAPE = "\x1b]0;pwned"
COMMAND = "::error::pwned"
#: Timeout in seconds for the response to an upload, if a tool has an option for it.
RESPONSE_TIMEOUT = 8


@dataclass(frozen=True, kw_only=True)
class Task:
    """The inputs of a tool's run."""

    #: URL of the listing; the same files are in ``staged``, for tools that do not download.
    staging_url: str
    staged: Path
    #: A separate folder for each tool's downloads.
    wheelhouse: Path
    upload_url: str
    index_url: str
    #: Skip files that are already on the index.
    skip_existing: bool = False
    #: Treat the index as PyPI: twine only skips files there, and our checks depend on the target.
    as_pypi: bool = False
    sign: bool = False
    verbose: bool = False
    #: There is a user name, and the password is in the keyring.
    uses_keyring: bool = False
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a tool's run. ``code`` is None if it did not end within the limit."""

    code: int | None
    traceback: bool
    #: True if the tool printed an escape sequence or a CI command of the server unchanged.
    raw_output: bool


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool that publishes a release."""

    name: str
    version: str
    build_command: Callable[[Task], Sequence[str]]
    can_download: bool
    can_sign: bool = True

    def run(self, task: Task, limit: float) -> Outcome:
        """Run the tool without a terminal, for ``limit`` seconds at most."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                self.build_command(task),
                cwd=task.wheelhouse,
                env=_build_environment(task),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Without a terminal to prompt on, and in a process group that can be killed as a whole.
                start_new_session=True,
            )
            code: int | None = None
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.seek(0)
            output = log.read().decode(errors="replace")
        return Outcome(
            code=code,
            traceback=bool(re.search("Traceback \\(most recent call last\\)|panicked at", output)),
            raw_output=ESCAPE in output or bool(re.search(f"(?m)^\\s*{COMMAND}", output)),
        )


def _build_environment(task: Task) -> dict[str, str]:
    """Return the same environment for all tools, without the configuration of this machine."""
    home = str(task.wheelhouse.parent)
    passwords = {"TWINE_PASSWORD": "word", "UV_PUBLISH_PASSWORD": "word"}
    return {
        # uv runs the program keyring, which twine brings.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": home,
        "NETRC": os.devnull,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONWARNINGS": "ignore",
        "TWINE_USERNAME": "user",
        "UV_PUBLISH_USERNAME": "user",
        **({} if task.uses_keyring else passwords),
        "UV_CACHE_DIR": f"{home}/uv",
        "UV_NO_CONFIG": "1",
        "UV_HTTP_TIMEOUT": str(RESPONSE_TIMEOUT),
        **task.environment,
    }


def _list_files(task: Task) -> list[str]:
    return sorted(str(path) for path in task.staged.glob("*.whl"))


#: Runs twine with our server in the place of PyPI, so that it looks there for existing files.
_TWINE_AS_PYPI = """
import sys
from twine import __main__, repository
repository.WAREHOUSE, repository.LEGACY_PYPI = sys.argv.pop(1), sys.argv.pop(1)
sys.exit(__main__.main())
"""


def _build_twine(task: Task) -> list[str]:
    program = ["-m", "twine"]
    if task.as_pypi:
        program = ["-c", _TWINE_AS_PYPI, task.upload_url, task.index_url]
    command = [sys.executable, *program, "upload", "--non-interactive", "--repository-url", task.upload_url]
    command += (
        ["--skip-existing"] * task.skip_existing + ["--sign"] * task.sign + ["--verbose"] * task.verbose
    )
    return [*command, *_list_files(task)]


def _build_uv(task: Task) -> list[str]:
    keyring = "subprocess" if task.uses_keyring else "disabled"
    command = [find_uv_program(), "publish", "--trusted-publishing", "never", "--keyring-provider", keyring]
    command += ["--publish-url", task.upload_url, "--check-url", task.index_url]
    return [*command, *["-v"] * task.verbose, *_list_files(task)]


_HISTORIC_SCRIPT = """
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


def _build_historic(task: Task) -> list[str]:
    options = ["--sign"] * task.sign + ["--verbose"] * task.verbose
    return [sys.executable, "-c", _HISTORIC_SCRIPT, task.staging_url, task.upload_url, *options]


def _build_ours(task: Task) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "-u", task.staging_url, "-w", "."]
    command += [
        "--repository-url",
        task.upload_url,
        "--timeout",
        str(RESPONSE_TIMEOUT / RESPONSE_TIMEOUT_FACTOR),
    ]
    return [
        *command,
        *["--profile", "pypi"] * task.as_pypi,
        *["-s"] * task.sign,
        *["-v"] * task.verbose,
        "dipy",
        "1.11.0",
    ]


def find_tools() -> tuple[Tool, ...]:
    """Return the installed tools, ours last."""
    twine, ours = metadata.version("twine"), metadata.version("wheel-uploader")
    found_tools = [Tool(name="twine", version=twine, build_command=_build_twine, can_download=False)]
    if program := find_uv_program():
        output = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        found_tools.append(
            Tool(
                name="uv publish",
                version=output.split()[1],
                build_command=_build_uv,
                can_download=False,
                can_sign=False,
            )
        )
    found_tools.append(
        Tool(name="historic script", version=twine, build_command=_build_historic, can_download=True)
    )
    return (
        *found_tools,
        Tool(name="wheel-uploader", version=ours, build_command=_build_ours, can_download=True),
    )
