"""The outcome of a child process: its exit status and a bounded part of its output."""

from __future__ import annotations

import signal

from wheel_uploader.core.lazy_dataclass import dataclass

#: Default limit in bytes for each output stream; half of it is kept from the start and half from the end.
MAX_OUTPUT_SIZE = 1 << 20


class ChildStartError(Exception):
    """A program could not be started: it is missing or not executable, or an argument is invalid."""

    def __init__(self, program: str, error: OSError | ValueError) -> None:
        self.reason = getattr(error, "strerror", None) or str(error)
        super().__init__(f"{program}: {self.reason}")


class ChildScopeEnded(Exception):
    """The scope of a child has ended, so that the child was not started or not completed."""


class CapturedOutput:
    """The start and the end of one output stream of a child, up to a limit."""

    def __init__(self, limit: int = MAX_OUTPUT_SIZE) -> None:
        self._half = limit // 2
        self._start, self._end = bytearray(), bytearray()
        #: Number of bytes read.
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Append a chunk; drop data from the middle if the limit is exceeded."""
        self.size += len(chunk)
        room = self._half - len(self._start)
        self._start += chunk[:room] if room > 0 else b""
        self._end += chunk[max(0, room) :]
        if len(self._end) > 2 * self._half:
            del self._end[: -self._half]

    @property
    def dropped_bytes(self) -> int:
        """Number of bytes dropped from the middle."""
        return self.size - len(self._start) - min(len(self._end), self._half)

    def __bytes__(self) -> bytes:
        """Return the start and the end, joined without a marker even if bytes were dropped between them."""
        return bytes(self._start + self._end[-self._half :])

    def text(self) -> str:
        """Return the output as text, with a line for the number of bytes dropped from the middle."""
        if not self.dropped_bytes:
            return bytes(self).decode(errors="replace")
        gap = f"\n... {self.dropped_bytes} bytes omitted ...\n"
        return self._start.decode(errors="replace") + gap + self._end[-self._half :].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class CompletedChild:
    """The exit status and the output of a child."""

    #: The exit code, or the negative number of the signal that killed the child.
    exit_status: int
    output: CapturedOutput
    #: Standard error; empty if it was merged into the output.
    error_output: CapturedOutput
    #: True if the child was ended because of its time limit.
    timed_out: bool = False
    #: True if the child was ended because it exceeded its output limit.
    exceeded_limit: bool = False


def describe_exit_status(status: int) -> str:
    """Return a description such as ``exit code 3``, ``killed by SIGKILL`` or ``killed by SIGRTMIN+2``."""
    return f"killed by {_signal_name(-status)}" if status < 0 else f"exit code {status}"


def _signal_name(number: int) -> str:
    first_realtime, last_realtime = getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", 0)
    # The standard library has names only for the first and the last real-time signal.
    if first_realtime < number < last_realtime:
        return f"SIGRTMIN+{number - first_realtime}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
