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
from dataclasses import field
from typing import Any

from wheel_uploader.core import hard_exit
from wheel_uploader.core.lazy_dataclass import dataclass

#: A function of the exit code, the grace period in seconds, and the context that the run has sent.
FinalReportWriter = Callable[[int, float, str], None]

#: Seconds after the grace period that a run gets to write its report and end by itself.
REPORT_SECONDS = 5.0
#: Seconds after a second signal: while files are uploaded (so that the report has their states), and else.
UPLOADING_SECOND_SIGNAL_DELAY, SECOND_SIGNAL_DELAY = 5.0, 0.3
#: Seconds that the run's own thread gets to end it, after a first and after a second signal.
GUARD_SECONDS, URGENT_GUARD_SECONDS = 4.0, 0.5
#: Seconds that the interpreter may take to shut down after the last line has been printed.
_SHUTDOWN_SECONDS = 10.0

#: The exit code of a run whose time limit has expired.
TIME_LIMIT_EXIT_CODE = 10


@dataclass(slots=True)
class Countdown:
    """The time at which a run is forced to exit, and its exit code. Times are in seconds."""

    grace_seconds: float
    #: The signals received, in order.
    signals: list[int] = field(default_factory=list)
    #: The time at which the time limit of the run (``--max-duration``) expires.
    time_limit_at: float | None = None
    is_uploading: bool = False
    #: The exit code of a run that has written all of its output.
    final_exit_code: int | None = None
    _force_exit_at: float | None = None

    def record_signal(self, number: int, now: float) -> None:
        """Record a signal received at the time ``now``."""
        if self.final_exit_code is not None:
            return
        self.signals.append(number)
        if len(self.signals) == 1:
            # A time limit that has already expired does not start a second grace period.
            self._force_exit_at = min(
                now + self.grace_seconds + REPORT_SECONDS, self._time_limit_exit_at() or float("inf")
            )
        elif len(self.signals) == 2:
            self._force_exit_at = now + (
                UPLOADING_SECOND_SIGNAL_DELAY if self.is_uploading else SECOND_SIGNAL_DELAY
            )
        else:
            self._force_exit_at = now + SECOND_SIGNAL_DELAY

    def mark_output_complete(self, code: int, now: float) -> None:
        """Record that only the interpreter's shutdown remains."""
        self.final_exit_code, self._force_exit_at = code, now + _SHUTDOWN_SECONDS

    @property
    def force_exit_at(self) -> float | None:
        """The time of the forced exit; None if none is scheduled."""
        return self._force_exit_at if self._force_exit_at is not None else self._time_limit_exit_at()

    @property
    def exit_code(self) -> int:
        """The exit code for a forced exit."""
        if self.final_exit_code is not None:
            return self.final_exit_code
        return 128 + self.signals[-1] if self.signals else TIME_LIMIT_EXIT_CODE

    @property
    def guard_seconds(self) -> float:
        """Seconds that the run's own thread gets to end it."""
        return (
            URGENT_GUARD_SECONDS
            if len(self.signals) > 1 or self.final_exit_code is not None
            else GUARD_SECONDS
        )

    def _time_limit_exit_at(self) -> float | None:
        return (
            None if self.time_limit_at is None else self.time_limit_at + self.grace_seconds + REPORT_SECONDS
        )


class Watchdog:
    """The run's handle of its watchdog. Every method may be called from a signal handler."""

    def __init__(self, pid: int, wakeup: int, control: int, orders: int, exits: hard_exit.ExitPipes) -> None:
        self.pid = pid
        #: Pipes for signal numbers from Python's C handler, for messages of this class, and for orders to it.
        self.wakeup_fd, self._control, self._orders = wakeup, control, orders
        self._exits = exits

    def send(self, word: str, value: object = "") -> None:
        """Send one line to the watchdog; errors are ignored, because the run can continue without it."""
        with contextlib.suppress(OSError):
            os.write(self._control, f"{word} {value}\n".encode())

    def wait_for_order(self) -> int:
        """Wait for the order to end the run; return the exit code, or 0 if the watchdog has died."""
        try:
            return int(os.read(self._orders, 16) or 0)
        except (OSError, ValueError):
            return 0

    def arm_hard_exit(self) -> None:
        """Let the watchdog end this process with an exit code even during a C call."""
        self._exits.start_waiting()


def start_watchdog(
    grace_seconds: float, exit_codes: Sequence[int], write_final_report: FinalReportWriter
) -> Watchdog | None:
    """Start the watchdog of this process; return None if there is no fork or other threads are running.

    ``exit_codes`` are the exit codes that it may need. ``write_final_report`` is called in the watchdog with
    the exit code, the grace period in seconds, and the context that the run has sent (JSON).
    """
    if not hasattr(os, "fork") or len(sys._current_frames()) > 1:  # noqa: SLF001 - counts foreign threads too
        return None
    try:
        exits = hard_exit.ExitPipes(exit_codes)
        signals_fd, wakeup = os.pipe()
        messages_fd, control = os.pipe()
        orders, orders_fd = os.pipe()
        run = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_watchdog(
                _WatchedRun(run, signals_fd, messages_fd, orders_fd, exits), grace_seconds, write_final_report
            )
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
    exits: hard_exit.ExitPipes

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


def _run_watchdog(run: _WatchedRun, grace: float, write_final_report: FinalReportWriter) -> None:
    """Watch the run until it ends, then exit; never return."""
    try:
        signal.set_wakeup_fd(-1)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGTTOU", "SIGPIPE"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        _close_other_descriptors([2, run.signals_fd, run.messages_fd, run.orders_fd, *run.exits.write_fds])
        _watch_run(run, Countdown(grace), write_final_report)
    finally:
        os._exit(0)


def _close_other_descriptors(descriptors: list[int]) -> None:
    """Close all other descriptors: locks and pipes of the run must not remain open in the watchdog."""
    kept = sorted(descriptors)
    for lower, upper in zip([-1, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(lower + 1, upper)
    for _ in range(2):
        os.open(os.devnull, os.O_RDWR)


def _watch_run(run: _WatchedRun, countdown: Countdown, write_final_report: FinalReportWriter) -> None:
    import select

    terminal = _SavedTerminal()
    context, reported, buffer = "", False, b""
    ordered_at: float | None = None
    poll = select.poll()
    for descriptor in (run.signals_fd, run.messages_fd):
        poll.register(descriptor, select.POLLIN)
    while True:
        due = ordered_at + countdown.guard_seconds if ordered_at is not None else countdown.force_exit_at
        timeout = None if due is None else max(0.0, due - time.monotonic())
        for descriptor, _ in poll.poll(None if timeout is None else timeout * 1000 + 1):
            data = os.read(descriptor, 65536)
            if not data:
                # The run has ended.
                return
            if descriptor == run.signals_fd:
                for number in data:
                    if 128 + number in run.exits.exit_codes:
                        countdown.record_signal(number, time.monotonic())
                continue
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                word, _, value = line.decode().partition(" ")
                if word == "limit":
                    countdown.time_limit_at = time.monotonic() + float(value) if value else None
                elif word == "uploading":
                    countdown.is_uploading = value == "True"
                elif word == "context":
                    context = value
                elif word == "reported":
                    reported = True
                elif word == "finished":
                    countdown.mark_output_complete(int(value), time.monotonic())
        if due is None or time.monotonic() < due:
            continue
        if ordered_at is None and countdown.final_exit_code is None:
            ordered_at = time.monotonic()
            with contextlib.suppress(OSError):
                os.write(run.orders_fd, str(countdown.exit_code).encode())
            continue
        reporter = None if reported or countdown.final_exit_code is not None else write_final_report
        _force_exit(run, countdown, terminal, reporter, context)
        return


def _force_exit(
    run: _WatchedRun,
    countdown: Countdown,
    terminal: _SavedTerminal,
    write_final_report: FinalReportWriter | None,
    context: str,
) -> None:
    """End the run from outside, whatever it is doing."""
    if not run.is_alive():
        return
    kill_descendants(run.pid, except_pid=os.getpid())
    terminal.restore()
    if write_final_report and len(countdown.signals) > 1:
        print_second_signal(countdown.signals[-1])
    elif write_final_report:
        with contextlib.suppress(Exception):
            write_final_report(countdown.exit_code, countdown.grace_seconds, context)
    run.exits.trigger_exit(countdown.exit_code)
    if not run.wait_for_exit(1.0):
        with contextlib.suppress(OSError):
            os.kill(run.pid, signal.SIGKILL)


def print_second_signal(number: int) -> None:
    """Print that a second signal has ended the run; safe in a signal handler."""
    with contextlib.suppress(OSError):
        os.write(2, f"error: stopped immediately by a second signal ({number})\n".encode())


def kill_descendants(parent: int, *, except_pid: int) -> None:
    """Kill the descendants of ``parent`` except ``except_pid``, without taking a lock or waiting."""
    for pid, is_group in list_descendants(parent):
        if pid != except_pid:
            with contextlib.suppress(OSError):
                (os.killpg if is_group else os.kill)(pid, signal.SIGKILL)


def list_descendants(parent: int) -> list[tuple[int, bool]]:
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
        self._saved = read_terminal_settings([2])

    def restore(self) -> None:
        restore_terminal_settings(self._saved)
        if self._saved:
            with contextlib.suppress(OSError):
                os.write(2, b"\r\x1b[K")


def read_terminal_settings(descriptors: Sequence[int]) -> dict[int, Any]:
    """Return the settings of those descriptors that are terminals."""
    settings: dict[int, Any] = {}
    for descriptor in descriptors:
        if os.isatty(descriptor):
            with contextlib.suppress(ImportError, OSError):
                import termios

                settings[descriptor] = termios.tcgetattr(descriptor)
    return settings


def restore_terminal_settings(saved: dict[int, Any]) -> None:
    """Restore the settings that ``read_terminal_settings`` returned."""
    for descriptor, settings in saved.items():
        with contextlib.suppress(Exception):
            import termios

            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
