"""A second process that ends this one when nothing in it can, for example inside a long C call.

Python runs signal handlers between two bytecodes of the main thread, and no thread at all while a regular
expression holds the interpreter's lock. The watchdog is a fork from the first milliseconds of a run. It hears
every signal at the moment of its arrival, because the C part of Python's handler writes the signal's number
to a pipe, and it keeps the time. When a run that has to end does not, the watchdog

1. asks a thread of the run to end it, which can still write the report of what has been done;
2. if that does not work either: kills the run's child processes, resets the terminal, writes the report and
   the last sentence itself, and ends the run with its exit code (see hard_exit.py), or with SIGKILL.

It ends when the run ends: then the pipe from it is closed.
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

#: Takes the exit code, the grace period in seconds, and what the run has told about itself.
LastWords = Callable[[int, float, str], None]

#: Seconds beyond the grace period in which a run that ends by itself writes its report.
MARGIN = 5.0
#: Seconds after a second signal: while files are uploaded (the report says what became of them), and else.
SECOND_WHILE_UPLOADING, SECOND = 5.0, 0.3
#: Seconds for the run's own thread to end it, after a first and after a second signal.
PATIENCE, IMPATIENCE = 4.0, 0.5
#: Seconds that the interpreter may take to shut down after the last line has been printed.
_SHUTDOWN = 10.0

#: The exit code of a run whose time limit has expired.
TIME_LIMIT = 10


@dataclass(slots=True)
class Countdown:
    """When a run has to be ended by force, and with which exit code. Times are in seconds."""

    grace: float
    #: The signals so far, in order.
    signals: list[int] = field(default_factory=list)
    #: When the time limit of the run expires (``--max-duration``).
    limit: float | None = None
    uploading: bool = False
    #: The exit code of a run that has said everything.
    final: int | None = None
    _due: float | None = None

    def signalled(self, number: int, now: float) -> None:
        """Count one signal."""
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
        """Note that only the interpreter's shutdown is left."""
        self.final, self._due = code, now + _SHUTDOWN

    @property
    def due(self) -> float | None:
        """The moment to end the run by force."""
        return self._due if self._due is not None else self._limit_due()

    @property
    def code(self) -> int:
        """The exit code of a run that is ended by force."""
        if self.final is not None:
            return self.final
        return 128 + self.signals[-1] if self.signals else TIME_LIMIT

    @property
    def patience(self) -> float:
        """Seconds that the run's own thread gets."""
        return IMPATIENCE if len(self.signals) > 1 or self.final is not None else PATIENCE

    def _limit_due(self) -> float | None:
        return None if self.limit is None else self.limit + self.grace + MARGIN


class Watchdog:
    """The run's end of the watchdog. Every method may be called from a signal handler."""

    def __init__(self, pid: int, wakeup: int, control: int, orders: int, exits: hard_exit.Exits) -> None:
        self.pid = pid
        #: Where Python's C handler writes the numbers of signals; where this class writes; where orders come.
        self.wakeup, self._control, self._orders = wakeup, control, orders
        self._exits = exits

    def tell(self, word: str, value: object = "") -> None:
        """Send one line; a watchdog that has died is not missed before it is needed."""
        with contextlib.suppress(OSError):
            os.write(self._control, f"{word} {value}\n".encode())

    def order(self) -> int:
        """Wait for the order to end the run; the exit code, or 0 if the watchdog has died."""
        try:
            return int(os.read(self._orders, 16) or 0)
        except (OSError, ValueError):
            return 0

    def arm(self) -> None:
        """Let the watchdog end this process with an exit code even inside a C call."""
        self._exits.arm()


def start(grace: float, codes: Sequence[int], last_words: LastWords) -> Watchdog | None:
    """Start the watchdog of this process; None where there is no fork, or other threads are running.

    ``codes``: the exit codes that it may have to use. ``last_words`` is called in the watchdog with the exit
    code, the seconds that the run was given, and what the run told about itself (JSON).
    """
    if not hasattr(os, "fork") or len(sys._current_frames()) > 1:  # noqa: SLF001 - counts foreign threads too
        return None
    try:
        exits = hard_exit.Exits(codes)
        heard, wakeup = os.pipe()
        told, control = os.pipe()
        orders, ordering = os.pipe()
        run = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_watchdog(_Run(run, heard, told, ordering, exits), grace, last_words)
    except OSError:
        return None
    for descriptor in (heard, told, ordering):
        os.close(descriptor)
    os.set_blocking(wakeup, False)
    return Watchdog(pid, wakeup, control, orders, exits)


# --- in the watchdog -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """The process that is watched, and what leads to it."""

    pid: int
    heard: int
    told: int
    ordering: int
    exits: hard_exit.Exits

    def is_alive(self) -> bool:
        return os.getppid() == self.pid

    def gone_within(self, seconds: float) -> bool:
        """Wait for its end."""
        end = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        return True


def _be_watchdog(run: _Run, grace: float, last_words: LastWords) -> None:
    """Watch until the run is over; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGTTOU", "SIGPIPE"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        _keep_only([2, run.heard, run.told, run.ordering, *run.exits.writing])
        _watch(run, Countdown(grace), last_words)
    finally:
        os._exit(0)


def _keep_only(descriptors: list[int]) -> None:
    """Close all others: a lock or a pipe of the caller must not stay open in here."""
    kept = sorted(descriptors)
    for before, after in zip([-1, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(before + 1, after)
    for _ in range(2):
        os.open(os.devnull, os.O_RDWR)


def _watch(run: _Run, countdown: Countdown, last_words: LastWords) -> None:
    import select

    saved = _Terminal()
    about, said, text = "", False, b""
    ordered: float | None = None
    poll = select.poll()
    for descriptor in (run.heard, run.told):
        poll.register(descriptor, select.POLLIN)
    while True:
        due = ordered + countdown.patience if ordered is not None else countdown.due
        left = None if due is None else max(0.0, due - time.monotonic())
        for descriptor, _ in poll.poll(None if left is None else left * 1000 + 1):
            data = os.read(descriptor, 65536)
            if not data:
                # The run has ended.
                return
            if descriptor == run.heard:
                for number in data:
                    if 128 + number in run.exits.codes:
                        countdown.signalled(number, time.monotonic())
                continue
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                word, _, value = line.decode().partition(" ")
                if word == "limit":
                    countdown.limit = time.monotonic() + float(value) if value else None
                elif word == "uploading":
                    countdown.uploading = value == "True"
                elif word == "about":
                    about = value
                elif word == "said":
                    said = True
                elif word == "finished":
                    countdown.finished(int(value), time.monotonic())
        if due is None or time.monotonic() < due:
            continue
        if ordered is None and countdown.final is None:
            ordered = time.monotonic()
            with contextlib.suppress(OSError):
                os.write(run.ordering, str(countdown.code).encode())
            continue
        _end(run, countdown, saved, None if said or countdown.final is not None else last_words, about)
        return


def _end(
    run: _Run,
    countdown: Countdown,
    saved: _Terminal,
    last_words: LastWords | None,
    about: str,
) -> None:
    """End the run, whatever it does."""
    if not run.is_alive():
        return
    kill_descendants(run.pid, spared=os.getpid())
    saved.restore()
    if last_words and len(countdown.signals) > 1:
        say_at_once(countdown.signals[-1])
    elif last_words:
        with contextlib.suppress(Exception):
            last_words(countdown.code, countdown.grace, about)
    run.exits.fire(countdown.code)
    if not run.gone_within(1.0):
        with contextlib.suppress(OSError):
            os.kill(run.pid, signal.SIGKILL)


def say_at_once(number: int) -> None:
    """Say that a second signal has ended the run; this takes no time."""
    with contextlib.suppress(OSError):
        os.write(2, f"error: stopped at once by a second signal ({number})\n".encode())


def kill_descendants(parent: int, *, spared: int) -> None:
    """Kill what ``parent`` has started, but for the watchdog; takes no lock and waits for nothing."""
    for pid, is_group in descendants(parent):
        if pid != spared:
            with contextlib.suppress(OSError):
                (os.killpg if is_group else os.kill)(pid, signal.SIGKILL)


def descendants(parent: int) -> list[tuple[int, bool]]:
    """The processes that ``parent`` started, and theirs; True for those that lead a process group.

    Empty where there is no /proc.
    """
    parents: dict[int, int] = {}
    leaders: set[int] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - names are what is wanted
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{int(name)}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
                parents[int(name)] = int(fields[1])
                if int(fields[2]) == int(name):
                    leaders.add(int(name))
    found: list[int] = [parent]
    for each in found:
        found += [pid for pid, its_parent in parents.items() if its_parent == each and pid not in found]
    return [(pid, pid in leaders) for pid in found[1:]]


class _Terminal:
    """The settings of the terminal at the start: a prompt for a password turns the echo off."""

    def __init__(self) -> None:
        self._saved = read_terminal([2])

    def restore(self) -> None:
        restore_terminal(self._saved)
        if self._saved:
            with contextlib.suppress(OSError):
                os.write(2, b"\r\x1b[K")


def read_terminal(descriptors: Sequence[int]) -> dict[int, Any]:
    """The settings of those descriptors that are terminals."""
    found: dict[int, Any] = {}
    for descriptor in descriptors:
        if os.isatty(descriptor):
            with contextlib.suppress(ImportError, OSError):
                import termios

                found[descriptor] = termios.tcgetattr(descriptor)
    return found


def restore_terminal(saved: dict[int, Any]) -> None:
    """Set terminals to the settings that they had."""
    for descriptor, settings in saved.items():
        with contextlib.suppress(Exception):
            import termios

            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
