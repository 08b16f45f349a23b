"""A watcher process that ends the children of this process after its end, even by SIGKILL."""

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

#: The environment variable that identifies the child from which a process descends. It is inherited, so that
#: descendants are found even if they have left the process group of the child.
MARK_VARIABLE = "CHILD_OF_WHEEL_UPLOADER"
#: Limit in seconds for the watcher's shell to fork into the background, and for taskkill.
_START_TIMEOUT = 5.0
HAS_PROC = sys.platform == "linux" and Path("/proc/self/environ").exists()
RUN_MARK = secrets.token_hex(8)

#: Shell script that reads process groups from a pipe, and ends them when the pipe is closed because its last
#: writer has ended for any reason. It forks into the background in a separate session, so that it is not our
#: child and does not receive signals meant for us.
_WATCHER_SCRIPT = r"""
exec 3<&0
(
  trap '' HUP INT QUIT TERM
  groups=' '
  starting=' '
  sweep=
  while read -r word group mark; do
    case $word in
      start) starting="$starting$group " ;;
      +) groups="$groups$group " ;;
      -)
        case $groups in
          *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
        esac
        ;;
      sweep) sweep=1 ;;
    esac
    case $starting in
      *" $mark "*) starting="${starting%%" $mark "*} ${starting#*" $mark "}" ;;
    esac
  done
  for signal in TERM KILL; do
    again=
    for group in $groups; do
      kill -s $signal -- "-$group" && again=1
    done
    [ "$sweep" ] && marks=$2 || marks=
    for mark in $marks $starting; do
      for place in $(grep -lsF -e "$1=$mark" /proc/[0-9]*/environ); do
        place=${place#/proc/}
        kill -s $signal "${place%/environ}" && again=1
      done
    done
    [ "$starting" = ' ' ] || again=1
    [ "$again" ] || break
    [ $signal = KILL ] || sleep 1
  done
) <&3 &
"""


class ChildWatcher:
    """Handle of the watcher process, which is started with the first child."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._start_lock = threading.Lock()
        self._sweep_enabled = False

    def start(self, *, sweep_marked: bool) -> None:
        """Start the watcher unless it is running; do nothing without a POSIX shell.

        ``sweep_marked``: also end marked descendants that have left their process group.
        """
        if os.name != "posix":
            return
        if self._pipe is None:
            with self._start_lock:
                if self._pipe is None:
                    self._pipe = _start_watcher()
        if sweep_marked and not self._sweep_enabled:
            self._sweep_enabled = True
            self._send("sweep x")

    def announce_start(self, mark: str) -> None:
        """Tell the watcher that a child with this mark is about to start; its process group is not known yet.

        Without ``add_group`` or ``withdraw`` after it, the watcher ends the processes with the mark.
        """
        self._send(f"start {mark}")

    def withdraw(self, mark: str) -> None:
        """Tell the watcher that the announced child could not be started."""
        self._send(f"failed 0 {mark}")

    def add_group(self, group: int, mark: str) -> None:
        """Tell the watcher to end this process group, which is that of the child with this mark."""
        self._send(f"+ {group} {mark}")

    def remove_group(self, group: int) -> None:
        """Tell the watcher that this process group has ended."""
        self._send(f"- {group}")

    def _send(self, line: str) -> None:
        # If the watcher was killed, or stopped until the pipe is full, the run continues without it.
        with contextlib.suppress(OSError):
            if self._pipe is not None and self._pipe >= 0:
                os.write(self._pipe, f"{line}\n".encode())


def _start_watcher() -> int:
    """Start the watcher and return the descriptor to write process groups to; -1 if that fails."""
    try:
        read_fd, write_fd = os.pipe()
    except OSError:
        return -1
    try:
        os.set_blocking(write_fd, False)
        shell = subprocess.Popen(
            [shutil.which("sh") or "/bin/sh", "-c", _WATCHER_SCRIPT, "sh", MARK_VARIABLE, f"{RUN_MARK}-"],
            stdin=read_fd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,
        )
        with shell:
            shell.wait(_START_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        os.close(write_fd)
        return -1
    finally:
        os.close(read_fd)
    return write_fd


def kill_marked(mark: str) -> None:
    """Kill the processes that inherited ``mark``: descendants that have left the process group."""
    marker = f"{MARK_VARIABLE}={mark}".encode()
    for environ_path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker in environ_path.read_bytes():
                os.kill(int(environ_path.parent.name), signal.SIGKILL)


def kill_windows_tree(pid: int) -> None:
    """Kill a Windows process and its descendants; Windows has neither process groups nor SIGTERM."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_START_TIMEOUT,
            check=False,
        )
