"""How a child process ended, and the part of its output that is kept."""

from __future__ import annotations

import signal
from dataclasses import dataclass

#: Bytes of one output stream that are kept, half of them from its start and half from its end.
KEPT = 1 << 20


class CannotStart(Exception):
    """The system did not start a program: it is absent, is not executable, or an argument is invalid."""

    def __init__(self, program: str, error: OSError | ValueError) -> None:
        self.reason = getattr(error, "strerror", None) or str(error)
        super().__init__(f"{program}: {self.reason}")


class Stopped(Exception):
    """The scope of this child has ended, so it was not started or not finished."""


class Output:
    """One output stream of a child: its start and its end, up to a limit."""

    def __init__(self, limit: int = KEPT) -> None:
        self._half = limit // 2
        self._start, self._end = bytearray(), bytearray()
        #: Bytes that were read.
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        room = self._half - len(self._start)
        self._start += chunk[:room] if room > 0 else b""
        self._end += chunk[max(0, room) :]
        if len(self._end) > 2 * self._half:
            del self._end[: -self._half]

    @property
    def dropped(self) -> int:
        """Bytes from the middle that are not kept."""
        return self.size - len(self._start) - min(len(self._end), self._half)

    def __bytes__(self) -> bytes:
        """Return what is kept, without a gap only if nothing was dropped."""
        return bytes(self._start + self._end[-self._half :])

    def text(self) -> str:
        """Return what is kept as text; a line says how many bytes are missing in the middle."""
        if not self.dropped:
            return bytes(self).decode(errors="replace")
        gap = f"\n... {self.dropped} bytes left out ...\n"
        return self._start.decode(errors="replace") + gap + self._end[-self._half :].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended, and what it printed."""

    #: As the system reports it; the negative number of a signal that killed it.
    status: int
    output: Output
    #: Empty if standard error went to the output.
    errors: Output
    #: Whether it was ended because its time was over.
    timed_out: bool = False
    #: Whether it was ended because it wrote more than the limit.
    flooded: bool = False


def describe(status: int) -> str:
    """Return how a process ended: ``exit code 3``, ``killed by SIGKILL``, ``killed by SIGRTMIN+2``."""
    return f"killed by {_signal_name(-status)}" if status < 0 else f"exit code {status}"


def _signal_name(number: int) -> str:
    first, last = getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", 0)
    # The standard library names the first and the last of the real-time signals only.
    if first < number < last:
        return f"SIGRTMIN+{number - first}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
