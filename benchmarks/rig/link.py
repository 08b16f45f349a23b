"""Simulates a line with delay and rate between a client's side and a server's side of this machine.

As root on Linux: two network namespaces, joined by rig.pipe, with the kernel's TCP. Elsewhere: rig.proxy on
loopback, in front of each server. Everything is removed when the ``with`` block ends.
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

_NAMESPACE_PREFIX = "wheels"
_CLIENT_ADDRESS, _SERVER_ADDRESS = "10.77.0.1", "10.77.0.2"
#: Default kernel settings: minimum, initial and maximum bytes of a socket's buffer.
_SOCKET_BUFFERS = {"net.ipv4.tcp_rmem": "4096 131072 6291456", "net.ipv4.tcp_wmem": "4096 16384 4194304"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """The properties of a line: ``delay`` in seconds, round trip, and ``rate`` in bits per second."""

    delay: float
    rate: float
    loss: float = 0.0

    @property
    def queue(self) -> float:
        """Size of the queue in bytes: the bandwidth-delay product, and at least 1 MB."""
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
    """The connection of a client's and a server's side; builds the commands to start programs on them."""

    #: Description for the note below a table.
    kind = ""
    #: Address that servers bind to.
    bind = "127.0.0.1"

    def client(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs ``command`` on the client's side."""
        return list(command)

    def server(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs ``command`` on the server's side."""
        return list(command)

    def reach(self, port: int) -> str:
        """Return the ``host:port`` at which a client reaches ``port`` of the server's side."""
        raise NotImplementedError


class Namespaces(Link):
    """Two network namespaces and a pipe between them."""

    bind = _SERVER_ADDRESS

    def __init__(self, near: str, far: str) -> None:
        self.near, self.far = near, far
        control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip()
        self.kind = f"two network namespaces, TCP of the kernel ({control}), packets delayed by rig.pipe"

    def client(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.near, *command]

    def server(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.far, *command]

    def reach(self, port: int) -> str:
        return f"{_SERVER_ADDRESS}:{port}"


class Proxies(Link):
    """A delaying proxy in front of each server."""

    kind = "rig.proxy on loopback, with delay, slow start and a rate limit"

    def __init__(self, line: Line, stack: contextlib.ExitStack) -> None:
        self._line = line
        self._stack = stack
        self._ports: dict[int, int] = {}

    def reach(self, port: int) -> str:
        if port not in self._ports:
            command = [sys.executable, "-m", "benchmarks.rig.proxy", str(port), *self._line.arguments]
            self._ports[port] = int(self._stack.enter_context(_run_helper(command)))
        return f"127.0.0.1:{self._ports[port]}"


@contextlib.contextmanager
def open_link(line: Line, *, proxy: bool = False) -> Iterator[Link]:
    """Yield the two sides of a line; ``proxy`` selects the kind that does not need root."""
    with contextlib.ExitStack() as stack:
        if proxy or not _can_make_namespaces():
            yield Proxies(line, stack)
        else:
            yield stack.enter_context(_namespaces(line))


def _can_make_namespaces() -> bool:
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not is_root or not shutil.which("ip") or not Path("/dev/net/tun").exists():
        return False
    probe = f"{_NAMESPACE_PREFIX}-{os.getpid()}-probe"
    created = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)
    return created


@contextlib.contextmanager
def _namespaces(line: Line) -> Iterator[Namespaces]:
    _remove_stale_namespaces()
    near, far = (f"{_NAMESPACE_PREFIX}-{os.getpid()}-{side}" for side in ("near", "far"))
    devices = [f"wl{os.getpid()}{side}" for side in "ab"]
    with contextlib.ExitStack() as stack:
        for name in (near, far):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        stack.enter_context(
            _run_helper([sys.executable, "-m", "benchmarks.rig.pipe", *devices, *line.arguments])
        )
        sides = zip((near, far), devices, (_CLIENT_ADDRESS, _SERVER_ADDRESS), strict=True)
        for name, device, address in sides:
            _ip("link", "set", device, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/30", "dev", device)
            _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            for key, value in _SOCKET_BUFFERS.items():
                tune = ["ip", "netns", "exec", name, "sysctl", "-q", "-w", f"{key}={value}"]
                subprocess.run(tune, check=False, capture_output=True)
        yield Namespaces(near, far)


def _remove_stale_namespaces() -> None:
    """Remove the namespaces of a benchmark that was killed."""
    output = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True).stdout
    for name in (line.split()[0] for line in output.splitlines() if line.startswith(f"{_NAMESPACE_PREFIX}-")):
        pid = name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def _run_helper(command: list[str]) -> Iterator[str]:
    """Run a helper process, which ends when its standard input is closed; yield its first line of output."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin and process.stdout
        try:
            first_line = process.stdout.readline().strip()
            if not first_line:
                raise RuntimeError(f"{' '.join(command[2:4])} did not start")
            yield first_line
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
