"""A watchdog process that ends this one if it cannot end itself, for example during a long C call.

Python runs signal handlers between two bytecodes of the main thread, and no thread at all while a regular
expression holds the interpreter's lock. The watchdog is forked in the first milliseconds of a run. It learns
of every signal immediately, because the C part of Python's handler writes the signal's number to a pipe, and
it measures the time limits. If a run does not end when it must, the watchdog

1. orders a thread of the run to end it, which can still write a complete report;
2. if that fails too, kills the run's child processes, resets the terminal, writes the report and the final
   message itself, and ends the run with its exit code (see hard_exit.py) or with SIGKILL.

The watchdog ends together with the run, whose end closes the pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wheel_uploader import hard_exit

#: A function of the exit code, the grace period in seconds, and the context that the run has sent.
LastWords = Callable[[int, float, str], None]

#: Seconds after the grace period that a run gets to write its report and end by itself.
MARGIN = 5.0
#: Seconds after a second signal: while files are uploaded (so that the report has their states), and else.
SECOND_WHILE_UPLOADING, SECOND = 5.0, 0.3
#: Seconds that the run's own thread gets to end it, after a first and after a second signal.
PATIENCE, IMPATIENCE = 4.0, 0.5
#: Seconds that the interpreter may take to shut down after the last line has been printed.
_SHUTDOWN_SECONDS = 10.0

#: The exit code of a run whose time limit has expired.
TIME_LIMIT = 10


@dataclass(slots=True)
class Countdown:
    """The time at which a run is forced to exit, and its exit code. Times are in seconds."""

    grace: float
    #: The signals received, in order.
    signals: list[int] = field(default_factory=list)
    #: The time at which the time limit of the run (``--max-duration``) expires.
    limit: float | None = None
    uploading: bool = False
    #: The exit code of a run that has written all of its output.
    final: int | None = None
    _due: float | None = None

    def signalled(self, number: int, now: float) -> None:
        """Record a signal received at the time ``now``."""
        if self.final is not None:
            return
        self.signals.append(number)
        if len(self.signals) == 1:
            # A time limit that has already expired does not start a second grace period.
            self._due = min(now + self.grace + MARGIN, self._limit_due() or float("inf"))
        elif len(self.signals) == 2:
            self._due = now + (SECOND_WHILE_UPLOADING if self.uploading else SECOND)
        else:
            self._due = now + SECOND

    def finished(self, code: int, now: float) -> None:
        """Record that only the interpreter's shutdown remains."""
        self.final, self._due = code, now + _SHUTDOWN_SECONDS

    @property
    def due(self) -> float | None:
        """The time of the forced exit; None if none is scheduled."""
        return self._due if self._due is not None else self._limit_due()

    @property
    def code(self) -> int:
        """The exit code for a forced exit."""
        if self.final is not None:
            return self.final
        return 128 + self.signals[-1] if self.signals else TIME_LIMIT

    @property
    def patience(self) -> float:
        """Seconds that the run's own thread gets to end it."""
        return IMPATIENCE if len(self.signals) > 1 or self.final is not None else PATIENCE

    def _limit_due(self) -> float | None:
        return None if self.limit is None else self.limit + self.grace + MARGIN


class Watchdog:
    """The run's handle of its watchdog. Every method may be called from a signal handler."""

    def __init__(self, pid: int, wakeup: int, control: int, orders: int, exits: hard_exit.Exits) -> None:
        self.pid = pid
        #: Pipes for signal numbers from Python's C handler, for messages of this class, and for orders to it.
        self.wakeup, self._control, self._orders = wakeup, control, orders
        self._exits = exits

    def tell(self, word: str, value: object = "") -> None:
        """Send one line to the watchdog; errors are ignored, because the run can continue without it."""
        with contextlib.suppress(OSError):
            os.write(self._control, f"{word} {value}\n".encode())

    def order(self) -> int:
        """Wait for the order to end the run; return the exit code, or 0 if the watchdog has died."""
        try:
            return int(os.read(self._orders, 16) or 0)
        except (OSError, ValueError):
            return 0

    def arm(self) -> None:
        """Let the watchdog end this process with an exit code even during a C call."""
        self._exits.arm()


def start(grace: float, codes: Sequence[int], last_words: LastWords) -> Watchdog | None:
    """Start the watchdog of this process; return None if there is no fork or other threads are running.

    ``codes`` are the exit codes that it may need. ``last_words`` is called in the watchdog with the exit
    code, the grace period in seconds, and the context that the run has sent (JSON).
    """
    if not hasattr(os, "fork") or len(sys._current_frames()) > 1:  # noqa: SLF001 - counts foreign threads too
        return None
    try:
        exits = hard_exit.Exits(codes)
        signals_fd, wakeup = os.pipe()
        messages_fd, control = os.pipe()
        orders, orders_fd = os.pipe()
        run = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_watchdog(_WatchedRun(run, signals_fd, messages_fd, orders_fd, exits), grace, last_words)
    except OSError:
        return None
    for descriptor in (signals_fd, messages_fd, orders_fd):
        os.close(descriptor)
    os.set_blocking(wakeup, False)
    return Watchdog(pid, wakeup, control, orders, exits)


# --- in the watchdog -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _WatchedRun:
    """The watched process, and the pipes from and to it."""

    pid: int
    signals_fd: int
    messages_fd: int
    orders_fd: int
    exits: hard_exit.Exits

    def is_alive(self) -> bool:
        return os.getppid() == self.pid

    def wait_for_exit(self, seconds: float) -> bool:
        """Return whether the process ends within ``seconds``."""
        end = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        return True


def _run_watchdog(run: _WatchedRun, grace: float, last_words: LastWords) -> None:
    """Watch the run until it ends, then exit; never return."""
    try:
        signal.set_wakeup_fd(-1)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGTTOU", "SIGPIPE"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        _close_other_descriptors([2, run.signals_fd, run.messages_fd, run.orders_fd, *run.exits.writing])
        _watch_run(run, Countdown(grace), last_words)
    finally:
        os._exit(0)


def _close_other_descriptors(descriptors: list[int]) -> None:
    """Close all other descriptors: locks and pipes of the run must not remain open in the watchdog."""
    kept = sorted(descriptors)
    for lower, upper in zip([-1, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(lower + 1, upper)
    for _ in range(2):
        os.open(os.devnull, os.O_RDWR)


def _watch_run(run: _WatchedRun, countdown: Countdown, last_words: LastWords) -> None:
    import select

    terminal = _SavedTerminal()
    context, reported, buffer = "", False, b""
    ordered_at: float | None = None
    poll = select.poll()
    for descriptor in (run.signals_fd, run.messages_fd):
        poll.register(descriptor, select.POLLIN)
    while True:
        due = ordered_at + countdown.patience if ordered_at is not None else countdown.due
        timeout = None if due is None else max(0.0, due - time.monotonic())
        for descriptor, _ in poll.poll(None if timeout is None else timeout * 1000 + 1):
            data = os.read(descriptor, 65536)
            if not data:
                # The run has ended.
                return
            if descriptor == run.signals_fd:
                for number in data:
                    if 128 + number in run.exits.codes:
                        countdown.signalled(number, time.monotonic())
                continue
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                word, _, value = line.decode().partition(" ")
                if word == "limit":
                    countdown.limit = time.monotonic() + float(value) if value else None
                elif word == "uploading":
                    countdown.uploading = value == "True"
                elif word == "context":
                    context = value
                elif word == "reported":
                    reported = True
                elif word == "finished":
                    countdown.finished(int(value), time.monotonic())
        if due is None or time.monotonic() < due:
            continue
        if ordered_at is None and countdown.final is None:
            ordered_at = time.monotonic()
            with contextlib.suppress(OSError):
                os.write(run.orders_fd, str(countdown.code).encode())
            continue
        reporter = None if reported or countdown.final is not None else last_words
        _force_exit(run, countdown, terminal, reporter, context)
        return


def _force_exit(
    run: _WatchedRun,
    countdown: Countdown,
    terminal: _SavedTerminal,
    last_words: LastWords | None,
    context: str,
) -> None:
    """End the run from outside, whatever it is doing."""
    if not run.is_alive():
        return
    kill_descendants(run.pid, spared=os.getpid())
    terminal.restore()
    if last_words and len(countdown.signals) > 1:
        say_at_once(countdown.signals[-1])
    elif last_words:
        with contextlib.suppress(Exception):
            last_words(countdown.code, countdown.grace, context)
    run.exits.fire(countdown.code)
    if not run.wait_for_exit(1.0):
        with contextlib.suppress(OSError):
            os.kill(run.pid, signal.SIGKILL)


def say_at_once(number: int) -> None:
    """Print that a second signal has ended the run; safe in a signal handler."""
    with contextlib.suppress(OSError):
        os.write(2, f"error: stopped immediately by a second signal ({number})\n".encode())


def kill_descendants(parent: int, *, spared: int) -> None:
    """Kill the descendants of ``parent`` except ``spared``, without taking a lock or waiting."""
    for pid, is_group in descendants(parent):
        if pid != spared:
            with contextlib.suppress(OSError):
                (os.killpg if is_group else os.kill)(pid, signal.SIGKILL)


def descendants(parent: int) -> list[tuple[int, bool]]:
    """Return the descendants of ``parent``, with True for leaders of a process group.

    The result is empty on systems without /proc.
    """
    parents: dict[int, int] = {}
    leaders: set[int] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - only the names are needed
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{int(name)}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
                parents[int(name)] = int(fields[1])
                if int(fields[2]) == int(name):
                    leaders.add(int(name))
    pids: list[int] = [parent]
    for ancestor in pids:
        pids += [pid for pid, its_parent in parents.items() if its_parent == ancestor and pid not in pids]
    return [(pid, pid in leaders) for pid in pids[1:]]


class _SavedTerminal:
    """The terminal settings at the start of the run, because a password prompt turns echo off."""

    def __init__(self) -> None:
        self._saved = read_terminal([2])

    def restore(self) -> None:
        restore_terminal(self._saved)
        if self._saved:
            with contextlib.suppress(OSError):
                os.write(2, b"\r\x1b[K")


def read_terminal(descriptors: Sequence[int]) -> dict[int, Any]:
    """Return the settings of those descriptors that are terminals."""
    settings: dict[int, Any] = {}
    for descriptor in descriptors:
        if os.isatty(descriptor):
            with contextlib.suppress(ImportError, OSError):
                import termios

                settings[descriptor] = termios.tcgetattr(descriptor)
    return settings


def restore_terminal(saved: dict[int, Any]) -> None:
    """Restore the settings that ``read_terminal`` returned."""
    for descriptor, settings in saved.items():
        with contextlib.suppress(Exception):
            import termios

            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
