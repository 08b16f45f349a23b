"""A line with delay and rate between a client's side and a server's side of this machine.

As root on Linux: two network namespaces, joined by rig.pipe; TCP is the kernel's own. Elsewhere: rig.proxy
on loopback, before each server. Whatever was made is gone when the ``with`` ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "wheels"
_CLIENT, _SERVER = "10.77.0.1", "10.77.0.2"
#: What a kernel has unless somebody tuned it: least, initial and most bytes of a socket's buffer.
_BUFFERS = {"net.ipv4.tcp_rmem": "4096 131072 6291456", "net.ipv4.tcp_wmem": "4096 16384 4194304"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the line is like; ``delay`` in seconds for both ways together, ``rate`` in bits per second."""

    delay: float
    rate: float
    loss: float = 0.0

    @property
    def queue(self) -> float:
        """Bytes that may wait before the line: what fits on it, and 1 MB on a short one."""
        return max(1e6, self.delay * self.rate / 8)

    def __str__(self) -> str:
        speed = f"{self.rate / 1e9:g} Gbit/s" if self.rate >= 1e9 else f"{self.rate / 1e6:g} Mbit/s"
        loss = f", {self.loss:.1%} loss" if self.loss else ""
        return f"{self.delay * 1000:.0f} ms, {speed}{loss}"

    @property
    def arguments(self) -> list[str]:
        values = {"delay": self.delay / 2, "rate": self.rate, "queue": self.queue, "loss": self.loss}
        return [part for name, value in values.items() for part in (f"--{name}", str(value))]


class Link:
    """Two sides, where programs are started, and what is between them."""

    #: How it works, for the note under a table.
    kind = ""
    #: Where servers on the other side bind to.
    bind = "127.0.0.1"

    def client(self, command: Sequence[str]) -> list[str]:
        """The command, to be started on the client's side."""
        return list(command)

    def server(self, command: Sequence[str]) -> list[str]:
        """The command, to be started on the server's side."""
        return list(command)

    def reach(self, port: int) -> str:
        """``host:port`` under which a client reaches what listens on ``port`` on the other side."""
        raise NotImplementedError


class Namespaces(Link):
    """Two network namespaces and a pipe between them."""

    bind = _SERVER

    def __init__(self, near: str, far: str) -> None:
        self.near, self.far = near, far
        control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip()
        self.kind = f"two network namespaces, TCP of the kernel ({control}), packets delayed by rig.pipe"

    def client(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.near, *command]

    def server(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.far, *command]

    def reach(self, port: int) -> str:
        return f"{_SERVER}:{port}"


class Proxies(Link):
    """A delaying proxy before each server that is asked for."""

    kind = "rig.proxy on loopback, which delays, slow-starts and limits what it passes on"

    def __init__(self, line: Line, stack: contextlib.ExitStack) -> None:
        self._line = line
        self._stack = stack
        self._ports: dict[int, int] = {}

    def reach(self, port: int) -> str:
        if port not in self._ports:
            command = [sys.executable, "-m", "benchmarks.rig.proxy", str(port), *self._line.arguments]
            self._ports[port] = int(self._stack.enter_context(_helper(command)))
        return f"127.0.0.1:{self._ports[port]}"


@contextlib.contextmanager
def joined(line: Line, *, proxy: bool = False) -> Iterator[Link]:
    """The two sides of a line; ``proxy`` asks for the kind that needs no root."""
    with contextlib.ExitStack() as stack:
        if proxy or not _can_make_namespaces():
            yield Proxies(line, stack)
        else:
            yield stack.enter_context(_namespaces(line))


def _can_make_namespaces() -> bool:
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not is_root or not shutil.which("ip") or not Path("/dev/net/tun").exists():
        return False
    probe = f"{_PREFIX}-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)
    return made


@contextlib.contextmanager
def _namespaces(line: Line) -> Iterator[Namespaces]:
    _sweep()
    near, far = (f"{_PREFIX}-{os.getpid()}-{side}" for side in ("near", "far"))
    devices = [f"wl{os.getpid()}{side}" for side in "ab"]
    with contextlib.ExitStack() as stack:
        for name in (near, far):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        stack.enter_context(_helper([sys.executable, "-m", "benchmarks.rig.pipe", *devices, *line.arguments]))
        ends = zip((near, far), devices, (_CLIENT, _SERVER), strict=True)
        for name, device, address in ends:
            _ip("link", "set", device, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/30", "dev", device)
            _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            for key, value in _BUFFERS.items():
                tune = ["ip", "netns", "exec", name, "sysctl", "-q", "-w", f"{key}={value}"]
                subprocess.run(tune, check=False, capture_output=True)
        yield Namespaces(near, far)


def _sweep() -> None:
    """Remove namespaces of a benchmark that was killed."""
    listed = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True).stdout
    for name in (line.split()[0] for line in listed.splitlines() if line.startswith(f"{_PREFIX}-")):
        pid = name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def _helper(command: list[str]) -> Iterator[str]:
    """A process of the rig, which ends when its standard input does; the first line that it says."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin and process.stdout
        try:
            said = process.stdout.readline().strip()
            if not said:
                raise RuntimeError(f"{' '.join(command[2:4])} did not start")
            yield said
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
