"""A process that outlives this one by a moment and ends its children, even after SIGKILL."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

#: Names the child that a process descends from, and is inherited with the environment: whoever leaves the
#: process group of a child is found by it.
MARK = "CHILD_OF_WHEEL_UPLOADER"
#: Seconds for a shell to go to the background.
_START_LIMIT = 5.0
HAS_PROC = sys.platform == "linux" and Path("/proc/self/environ").exists()
run_mark = secrets.token_hex(8)

#: Reads process groups from a pipe, and ends them when the pipe is closed: when its last writer is gone,
#: however. It goes to the background of a session of its own, so that it is nobody's child and no signal for
#: us reaches it.
_WATCHER = r"""
exec 3<&0
(
  trap '' HUP INT QUIT TERM
  groups=' '
  sweep=
  while read -r word group; do
    case $word in
      +) groups="$groups$group " ;;
      -)
        case $groups in
          *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
        esac
        ;;
      sweep) sweep=1 ;;
    esac
  done
  for signal in TERM KILL; do
    again=
    for group in $groups; do
      kill -s $signal -- "-$group" && again=1
    done
    if [ "$sweep" ]; then
      for place in $(grep -lsF -e "$1" /proc/[0-9]*/environ); do
        place=${place#/proc/}
        kill -s $signal "${place%/environ}" && again=1
      done
    fi
    [ "$again" ] || break
    [ $signal = KILL ] || sleep 1
  done
) <&3 &
"""


class Watcher:
    """A process that ends the children of this one when this one is gone; started with the first child."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._starting = threading.Lock()
        self._sweeps = False

    def start(self, *, sweeps: bool) -> None:
        """Start the watcher unless it runs; without a POSIX shell there is none."""
        if os.name != "posix":
            return
        if self._pipe is None:
            with self._starting:
                if self._pipe is None:
                    self._pipe = _start_watcher()
        if sweeps and not self._sweeps:
            self._sweeps = True
            self._tell("sweep x")

    def add(self, group: int) -> None:
        self._tell(f"+ {group}")

    def remove(self, group: int) -> None:
        self._tell(f"- {group}")

    def _tell(self, line: str) -> None:
        # A watcher that was killed, or stopped until the pipe is full, is done without.
        with contextlib.suppress(OSError):
            if self._pipe is not None and self._pipe >= 0:
                os.write(self._pipe, f"{line}\n".encode())


def _start_watcher() -> int:
    """Return the descriptor to write process groups to; -1 if there is no watcher."""
    try:
        reading, writing = os.pipe()
    except OSError:
        return -1
    try:
        os.set_blocking(writing, False)
        shell = subprocess.Popen(
            [shutil.which("sh") or "/bin/sh", "-c", _WATCHER, "sh", f"{MARK}={run_mark}-"],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,
        )
        with shell:
            shell.wait(_START_LIMIT)
    except (OSError, subprocess.SubprocessError):
        os.close(writing)
        return -1
    finally:
        os.close(reading)
    return writing


def sweep(mark: str) -> None:
    """Kill what inherited ``mark``: descendants that left the process group."""
    line = f"{MARK}={mark}".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if line in place.read_bytes():
                os.kill(int(place.parent.name), signal.SIGKILL)


def kill_tree(pid: int) -> None:
    """Kill a process of Windows and its descendants; Windows has neither groups nor a gentle signal."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_START_LIMIT,
            check=False,
        )
