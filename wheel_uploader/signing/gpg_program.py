"""Run gpg, with a time limit and without a terminal, and parse its output; no other module starts it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import field

from wheel_uploader.core import bounds
from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError, CompletedChild, describe_exit_status
from wheel_uploader.core.errors import SigningError
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import unquote_to_bytes

_STATUS = b"[GNUPG:] "
#: Bytes. gpg writes some kilobytes; a program that writes more is not gpg.
_OUTPUT_LIMIT = 8 * 1024 * 1024
#: 40 digits, or 64 for a version 5 key.
_FINGERPRINT = re.compile(r"[0-9A-F]{40,64}\Z")
_TIMESTAMP = re.compile(r"[0-9]{1,11}\Z")
#: Bytes of a socket's path without the final NUL; fewer on macOS and the BSDs.
_SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
_AGENT_SOCKET = re.compile(rb"agent-(?:\w{1,20}-)?socket")
_AGENT_UNREACHABLE = re.compile("connect to the agent|no gpg-agent running", re.IGNORECASE)
#: Options of every call: no prompts, no terminal, no network access.
_COMMON_OPTIONS = (
    *("--batch", "--no-tty", "--yes", "--status-fd", "2"),
    *("--pinentry-mode", "error", "--trust-model", "always", "--no-auto-key-retrieve"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpgResult:
    """The result of one call of gpg: exit status, standard output, status lines and messages."""

    exit_status: int
    output: bytes
    #: Each starts with its keyword: ``("SIG_CREATED", "D", "22", ...)``.
    status_lines: tuple[tuple[str, ...], ...]
    messages: tuple[str, ...]

    def status_arguments(self, keyword: str) -> tuple[tuple[str, ...], ...]:
        """Return the arguments of every status line with this keyword."""
        return tuple(line[1:] for line in self.status_lines if line[0] == keyword)

    @property
    def error_code(self) -> int:
        """The libgpg-error code that gpg ended with, without the error source; 0 if there is none."""
        lines = [*self.status_arguments("ERROR"), *self.status_arguments("FAILURE")]
        codes = [bounds.parse_whole_number(line[1], 0xFFFF_FFFF) for line in lines if len(line) > 1]
        valid = [code for code in codes if code is not None]
        return valid[-1] & 0xFFFF if valid else 0

    @property
    def last_message(self) -> str:
        """The last message of gpg, safe to print."""
        if self.messages:
            return _make_printable(self.messages[-1])
        if self.exit_status < 0:
            return f"it printed no message and was {describe_exit_status(self.exit_status)}"
        return f"it printed no message and exited with {self.exit_status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """A secret key of the keyring, as gpg lists it."""

    fingerprint: str
    user_id: str
    subkeys: tuple[str, ...] = ()
    #: The reason that it cannot sign, in one clause; empty if it can.
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.user_id})"


@dataclass(frozen=True, slots=True)
class Gpg:
    """The gpg program, and the time limit of a call in seconds."""

    program: str
    timeout: float = 60.0

    @classmethod
    def find(cls, program: str, *, timeout: float) -> Gpg:
        """Find the program on the PATH and try it. Raises SigningError if it is missing or is not gpg."""
        path = shutil.which(program)
        if path is None:
            raise SigningError(
                f"{sanitize(program)!r}, which is needed to sign, is not an executable program",
                hint="Install GnuPG, pass its path with --sign-with, or run without -s.",
            )
        gpg = cls(path, timeout)
        answer = gpg.run("--with-colons", "--list-config", "version")
        if not answer.output.startswith(b"cfg:version:"):
            raise SigningError(
                f"{sanitize(path)} does not behave like gpg: {answer.last_message}",
                hint="Pass the path of GnuPG with --sign-with, or run without -s.",
            )
        return gpg

    def run(self, *arguments: str, stdin: bytes = b"", feed: Iterable[bytes] | None = None) -> GpgResult:
        """Call gpg once, without a terminal and in a new session.

        Its input is ``stdin``, or the chunks of ``feed`` through a pipe. Raises SigningError on a timeout or
        unlimited output, and whatever ``feed`` raises.
        """
        completed = self._run([*_COMMON_OPTIONS, *arguments], stdin, feed)
        if completed.timed_out:
            raise self._timeout_error()
        if completed.exceeded_limit:
            raise SigningError(
                f"{sanitize(self.program)} does not behave like gpg: it writes too much output",
                hint="Pass the path of GnuPG with --sign-with, or run without -s.",
            )
        lines = bytes(completed.error_output).split(b"\n")
        return GpgResult(
            exit_status=completed.exit_status,
            output=bytes(completed.output),
            status_lines=tuple(
                _status_fields(line) for line in lines if line.startswith(_STATUS) and line.split()[1:]
            ),
            messages=tuple(
                text
                for line in lines
                if not line.startswith(_STATUS) and (text := line.decode(errors="replace").strip())
            ),
        )

    def _run(self, arguments: list[str], stdin: bytes, feed: Iterable[bytes] | None) -> CompletedChild:
        try:
            with storage_errors("a temporary file"):
                return child_process.run_child(
                    [self.program, *arguments],
                    ChildKind.GPG,
                    timeout=self.timeout,
                    stdin=stdin,
                    stdin_pieces=feed,
                    max_output_size=_OUTPUT_LIMIT,
                    kill_at_limit=True,
                    variables={"LC_ALL": "C", "LANGUAGE": ""},
                )
        except ChildStartError as error:
            raise SigningError(f"{sanitize(self.program)} cannot be run: {sanitize(error.reason)}") from error

    def _timeout_error(self) -> SigningError:
        return SigningError(
            f"{sanitize(self.program)} did not finish within {format_duration(self.timeout)} and was stopped",
            hint="Check whether gpg-agent hangs or a smart card is missing; 'gpgconf --kill all' resets it.",
        )

    def list_secret_keys(self, identity: str | None) -> tuple[SecretKey, ...]:
        """Return the secret keys that match ``identity`` (a fingerprint, key ID, address or name), or all."""
        selector = ("--", identity) if identity else ()
        answer = self.run("--with-colons", "--fixed-list-mode", "--list-secret-keys", *selector)
        if not answer.output and (error := self.agent_error(answer)):
            raise error
        return tuple(_parse_keys(answer.output.decode(errors="replace")))

    def agent_error(self, answer: GpgResult) -> SigningError | None:
        """Return the error to raise if gpg could not connect to its agent; else None."""
        message = next((text for text in answer.messages if _AGENT_UNREACHABLE.search(text)), "")
        # 77 and 78 are GPG_ERR_NO_AGENT and GPG_ERR_AGENT; listing all keys ends without a code.
        if not message and answer.error_code not in {77, 78}:
            return None
        socket = max(self._sockets(), key=len, default=b"")
        if len(socket) > _SOCKET_PATH_LIMIT:
            home_length = len(os.path.dirname(socket))  # noqa: PTH120 - bytes
            max_length = home_length - len(socket) + _SOCKET_PATH_LIMIT
            return SigningError(
                f"gpg cannot connect to its agent: the path of a socket has {len(socket)} bytes, but the "
                f"system allows {_SOCKET_PATH_LIMIT}: {sanitize(os.fsdecode(socket))}",
                hint=f"Set GNUPGHOME to a path of at most {max_length} bytes; a "
                "symbolic link to the directory is enough: ln -s FOLDER ~/.g; export GNUPGHOME=~/.g",
            )
        return SigningError(
            "gpg cannot connect to its agent, which holds the secret keys: "
            f"{_make_printable(message) or answer.last_message}",
            hint="Run 'gpgconf --kill all' and 'gpgconf --launch gpg-agent', then this command again.",
        )

    def _sockets(self) -> list[bytes]:
        """Return the paths of the sockets that gpg-agent opens; if it cannot open one, it does not start."""
        sibling = shutil.which("gpgconf", path=os.path.dirname(self.program))  # noqa: PTH120
        program = sibling or shutil.which("gpgconf")
        if not program:
            return []
        try:
            listing = child_process.run_child([program, "--list-dirs"], ChildKind.GPG, timeout=self.timeout)
        except (ChildStartError, OSError):
            return []
        pairs = (line.partition(b":") for line in bytes(listing.output).splitlines())
        return [unquote_to_bytes(path) for name, _, path in pairs if _AGENT_SOCKET.fullmatch(name)]


def _make_printable(message: str) -> str:
    return sanitize(message.removeprefix("gpg: "), limit=200)


def _status_fields(line: bytes) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").split()[1:])


# --- gpg --with-colons (doc/DETAILS of GnuPG) --------------------------------------------------------


@dataclass(slots=True)
class _KeyRecords:
    """A ``sec`` record and the records that belong to it."""

    record: list[str]
    fingerprints: list[str] = field(default_factory=list)
    user_id: str = "no name"
    #: True after the first user ID, the only one that is shown, was read.
    has_user_id: bool = False


def _parse_keys(text: str) -> Iterator[SecretKey]:
    keys: list[_KeyRecords] = []
    for line in text.split("\n"):
        record = [*line.split(":"), *[""] * 20]
        if record[0] == "sec":
            keys.append(_KeyRecords(record))
        elif keys and record[0] == "fpr" and _FINGERPRINT.match(record[9]):
            keys[-1].fingerprints.append(record[9])
        elif keys and record[0] == "uid" and not keys[-1].has_user_id:
            keys[-1].user_id, keys[-1].has_user_id = _unescape(record[9]), True
    for key in keys:
        if key.fingerprints:
            yield SecretKey(
                fingerprint=key.fingerprints[0],
                subkeys=tuple(key.fingerprints[1:]),
                user_id=sanitize(key.user_id, limit=200),
                problem=_problem(key.record),
            )


def _problem(record: list[str]) -> str:
    validity, expires, capabilities = record[1], record[6], record[11]
    if validity == "r":
        return "is revoked"
    if validity == "e" and _TIMESTAMP.match(expires):
        return f"expired on {bounds.date_from_timestamp(float(expires)):%Y-%m-%d}"
    if "D" in capabilities:
        return "is disabled"
    # Capital letters are what the whole key, subkeys included, can be used for today.
    return "" if "S" in capabilities else "has no valid key that can sign"


def _unescape(text: str) -> str:
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
