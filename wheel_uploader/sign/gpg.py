"""gpg as a program: the one place that starts it, with a limit and no terminal, and reads its answers."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from wheel_uploader import bounded, child_processes
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart, Completed, describe
from wheel_uploader.disk import storage_errors
from wheel_uploader.display import printable
from wheel_uploader.errors import SigningError
from wheel_uploader.urls import unquote_to_bytes

_STATUS = b"[GNUPG:] "
#: gpg answers in kilobytes; whatever writes more is not gpg.
_ANSWER_LIMIT = 8 * 1024 * 1024
#: 40 digits; 64 of a version 5 key.
_FINGERPRINT = re.compile(r"[0-9A-F]{40,64}\Z")
_SECONDS = re.compile(r"[0-9]{1,11}\Z")
#: Bytes of a socket's path without the final zero; fewer on macOS and the BSDs.
_SOCKET_LIMIT = 107 if sys.platform == "linux" else 103
_AGENT_SOCKET = re.compile(rb"agent-(?:\w{1,20}-)?socket")
_NO_AGENT = re.compile("connect to the agent|no gpg-agent running", re.IGNORECASE)
#: What every call says: ask nobody, use no terminal, fetch nothing.
_ALWAYS = (
    *("--batch", "--no-tty", "--yes", "--status-fd", "2"),
    *("--pinentry-mode", "error", "--trust-model", "always", "--no-auto-key-retrieve"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one call of gpg gave: exit status, standard output, status lines, and its words for people."""

    exit_status: int
    output: bytes
    #: ``("SIG_CREATED", "D", "22", ...)``: the keyword first.
    statuses: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]

    def status(self, keyword: str) -> tuple[tuple[str, ...], ...]:
        """The arguments of every status line of that keyword."""
        return tuple(line[1:] for line in self.statuses if line[0] == keyword)

    @property
    def error_code(self) -> int:
        """The code of libgpg-error that gpg ended with, without its source; 0 when there is none."""
        lines = [*self.status("ERROR"), *self.status("FAILURE")]
        codes = [bounded.whole_number(line[1], 0xFFFF_FFFF) for line in lines if len(line) > 1]
        known = [code for code in codes if code is not None]
        return known[-1] & 0xFFFF if known else 0

    @property
    def last_words(self) -> str:
        """The last line that gpg printed for people, harmless to show."""
        if self.words:
            return _harmless(self.words[-1])
        if self.exit_status < 0:
            return f"it said nothing, and was {describe(self.exit_status)}"
        return f"it said nothing, and ended with {self.exit_status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """A secret key of the keyring, as gpg lists it."""

    fingerprint: str
    user_id: str
    subkeys: tuple[str, ...] = ()
    #: Why it cannot sign, in one clause; empty when it can.
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.user_id})"


@dataclass(frozen=True, slots=True)
class Gpg:
    """The program to call, and how many seconds one call may take."""

    program: str
    timeout: float = 60.0

    @classmethod
    def find(cls, program: str, *, timeout: float) -> Gpg:
        """The program on the PATH, tried out. Raises SigningError when it is not there or is not gpg."""
        found = shutil.which(program)
        if found is None:
            raise SigningError(
                f"{printable(program)!r} is not a program that can be run here: it is needed to sign",
                hint="Install GnuPG, name its program with --sign-with, or run without -s.",
            )
        gpg = cls(found, timeout)
        answer = gpg.call("--with-colons", "--list-config", "version")
        if not answer.output.startswith(b"cfg:version:"):
            raise SigningError(
                f"{printable(found)} does not answer as gpg does: {answer.last_words}",
                hint="Name GnuPG's program with --sign-with, or run without -s.",
            )
        return gpg

    def call(self, *arguments: str, stdin: bytes = b"", feed: Iterable[bytes] | None = None) -> Answer:
        """Call gpg once, without a terminal, in a session of its own.

        It reads ``stdin``, or the pieces of ``feed`` through a pipe. Raises SigningError when it does not
        end, and what ``feed`` raises.
        """
        done = self._completed([*_ALWAYS, *arguments], stdin, feed)
        if done.timed_out:
            raise self._too_slow()
        if done.flooded:
            raise SigningError(
                f"{printable(self.program)} does not answer as gpg does: it writes without end",
                hint="Name GnuPG's program with --sign-with, or run without -s.",
            )
        lines = bytes(done.errors).split(b"\n")
        return Answer(
            exit_status=done.status,
            output=bytes(done.output),
            statuses=tuple(
                _words_of(line) for line in lines if line.startswith(_STATUS) and line.split()[1:]
            ),
            words=tuple(
                text
                for line in lines
                if not line.startswith(_STATUS) and (text := line.decode(errors="replace").strip())
            ),
        )

    def _completed(self, arguments: list[str], stdin: bytes, feed: Iterable[bytes] | None) -> Completed:
        try:
            with storage_errors("a temporary file"):
                return child_processes.run(
                    [self.program, *arguments],
                    Kind.GPG,
                    seconds=self.timeout,
                    stdin=stdin,
                    feed=feed,
                    limit=_ANSWER_LIMIT,
                    ends_at_limit=True,
                    variables={"LC_ALL": "C", "LANGUAGE": ""},
                )
        except CannotStart as error:
            raise SigningError(
                f"{printable(self.program)} cannot be run: {printable(error.reason)}"
            ) from error

    def _too_slow(self) -> SigningError:
        return SigningError(
            f"{printable(self.program)} did not answer within {self.timeout:g} seconds, and was stopped",
            hint="See whether gpg-agent hangs or a card is missing: 'gpgconf --kill all' starts them anew.",
        )

    def secret_keys(self, identity: str | None) -> tuple[SecretKey, ...]:
        """The secret keys that ``identity`` (a fingerprint, key id, address or name) stands for; or all."""
        wanted = ("--", identity) if identity else ()
        answer = self.call("--with-colons", "--fixed-list-mode", "--list-secret-keys", *wanted)
        if not answer.output and (trouble := self.agent_trouble(answer)):
            raise trouble
        return tuple(_parse_keys(answer.output.decode(errors="replace")))

    def agent_trouble(self, answer: Answer) -> SigningError | None:
        """Return the error to raise if gpg could not reach its agent."""
        said = next((text for text in answer.words if _NO_AGENT.search(text)), "")
        # 77 and 78 are GPG_ERR_NO_AGENT and GPG_ERR_AGENT; the listing of all keys ends without a code.
        if not said and answer.error_code not in {77, 78}:
            return None
        socket = max(self._sockets(), key=len, default=b"")
        if len(socket) > _SOCKET_LIMIT:
            folder = len(os.path.dirname(socket))  # noqa: PTH120 - bytes
            return SigningError(
                f"gpg cannot reach its agent: the path of a socket of it has {len(socket)} bytes, and the "
                f"system allows {_SOCKET_LIMIT}: {printable(os.fsdecode(socket))}",
                hint=f"Set GNUPGHOME to a path of at most {folder - len(socket) + _SOCKET_LIMIT} bytes; a "
                "symbolic link to the folder is enough: ln -s FOLDER ~/.g; export GNUPGHOME=~/.g",
            )
        return SigningError(
            "gpg cannot reach its agent, which holds the secret keys: "
            f"{_harmless(said) or answer.last_words}",
            hint="Run 'gpgconf --kill all' and 'gpgconf --launch gpg-agent', then this again.",
        )

    def _sockets(self) -> list[bytes]:
        """Return the paths of the sockets that gpg-agent opens; it does not start without one of them."""
        beside = shutil.which("gpgconf", path=os.path.dirname(self.program))  # noqa: PTH120
        program = beside or shutil.which("gpgconf")
        if not program:
            return []
        try:
            listed = child_processes.run([program, "--list-dirs"], Kind.GPG, seconds=self.timeout)
        except (CannotStart, OSError):
            return []
        pairs = (line.partition(b":") for line in bytes(listed.output).splitlines())
        return [unquote_to_bytes(path) for name, _, path in pairs if _AGENT_SOCKET.fullmatch(name)]


def _harmless(said: str) -> str:
    return printable(said.removeprefix("gpg: "), limit=200)


def _words_of(line: bytes) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").split()[1:])


# --- gpg --with-colons (doc/DETAILS of GnuPG) --------------------------------------------------------


@dataclass(slots=True)
class _Listed:
    """One ``sec`` record and those that follow it."""

    record: list[str]
    fingerprints: list[str] = field(default_factory=list)
    user_id: str = "no name"
    #: User IDs and subkeys after the first say nothing that is shown.
    named: bool = False


def _parse_keys(text: str) -> Iterator[SecretKey]:
    listed: list[_Listed] = []
    for line in text.split("\n"):
        record = [*line.split(":"), *[""] * 20]
        if record[0] == "sec":
            listed.append(_Listed(record))
        elif listed and record[0] == "fpr" and _FINGERPRINT.match(record[9]):
            listed[-1].fingerprints.append(record[9])
        elif listed and record[0] == "uid" and not listed[-1].named:
            listed[-1].user_id, listed[-1].named = _unescape(record[9]), True
    for key in listed:
        if key.fingerprints:
            yield SecretKey(
                fingerprint=key.fingerprints[0],
                subkeys=tuple(key.fingerprints[1:]),
                user_id=printable(key.user_id, limit=200),
                problem=_problem(key.record),
            )


def _problem(record: list[str]) -> str:
    validity, expires, capabilities = record[1], record[6], record[11]
    if validity == "r":
        return "is revoked"
    if validity == "e" and _SECONDS.match(expires):
        return f"expired on {bounded.moment_of(float(expires)):%Y-%m-%d}"
    if "D" in capabilities:
        return "is disabled"
    # A capital letter is what the whole key, subkeys included, can do today.
    return "" if "S" in capabilities else "has no part that can sign today"


def _unescape(text: str) -> str:
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
