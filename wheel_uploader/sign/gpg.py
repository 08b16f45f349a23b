"""gpg as a program: the one place that starts it, with a limit and no terminal, and reads its answers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from wheel_uploader import bounded
from wheel_uploader.disk import storage_errors
from wheel_uploader.display import is_secret_variable, printable
from wheel_uploader.errors import SigningError
from wheel_uploader.sign.feeding import feeding

_STATUS = b"[GNUPG:] "
#: gpg answers in kilobytes; whatever writes more is not gpg.
_ANSWER_LIMIT = 8 * 1024 * 1024
#: 40 digits; 64 of a version 5 key.
_FINGERPRINT = re.compile(r"[0-9A-F]{40,64}\Z")
_SECONDS = re.compile(r"[0-9]{1,11}\Z")
_NO_AGENT = re.compile("connect to the agent|no gpg-agent running", re.IGNORECASE)
#: What every call says: ask nobody, use no terminal, fetch nothing.
_ALWAYS = (
    *("--batch", "--no-tty", "--yes", "--status-fd", "2"),
    *("--pinentry-mode", "error", "--trust-model", "always", "--no-auto-key-retrieve"),
)
#: gpg-agent lives on after the run with the environment of the call that started it: no secrets in there.
_NOT_FOR_GPG = ("TWINE_", "WHEEL_UPLOADER_")


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
        """The last thing that gpg said, harmless to show."""
        said = self.words[-1] if self.words else f"it said nothing, and ended with {self.exit_status}"
        return _harmless(said)


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
        with (
            _file_of(stdin) as given,
            self._started([*_ALWAYS, *arguments], given if feed is None else subprocess.PIPE) as process,
            feeding(process, feed or (), kill=_kill),
        ):
            output, errors = self._communicate(process)
        lines = errors.split(b"\n")
        return Answer(
            exit_status=process.returncode,
            output=output,
            statuses=tuple(
                _words_of(line) for line in lines if line.startswith(_STATUS) and line.split()[1:]
            ),
            words=tuple(
                text
                for line in lines
                if not line.startswith(_STATUS) and (text := line.decode(errors="replace").strip())
            ),
        )

    @contextlib.contextmanager
    def _started(self, arguments: list[str], stdin: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not (name.startswith(_NOT_FOR_GPG) or is_secret_variable(name, value))
        }
        try:
            process = subprocess.Popen(
                [self.program, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, "LC_ALL": "C", "LANGUAGE": ""},
                # Without a controlling terminal nothing can ask, and Ctrl-C reaches us alone.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SigningError(f"{printable(self.program)} cannot be run: {printable(reason)}") from error
        with process:
            try:
                yield process
            except BaseException:
                _kill(process)
                raise

    def _communicate(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Everything the program writes until it ends; a flood and a long silence are cut off."""
        deadline = time.monotonic() + self.timeout
        texts = bytearray(), bytearray()
        readers = []
        for stream, text in zip((process.stdout, process.stderr), texts, strict=True):
            readers.append(threading.Thread(target=_drain, args=(stream, text, process), daemon=True))
            readers[-1].start()
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None
        if any(reader.is_alive() for reader in readers):
            raise self._too_slow()
        if max(map(len, texts)) > _ANSWER_LIMIT:
            raise SigningError(
                f"{printable(self.program)} does not answer as gpg does: it writes without end",
                hint="Name GnuPG's program with --sign-with, or run without -s.",
            )
        return bytes(texts[0]), bytes(texts[1])

    def _too_slow(self) -> SigningError:
        return SigningError(
            f"{printable(self.program)} did not answer within {self.timeout:g} seconds, and was stopped",
            hint="See whether gpg-agent hangs or a card is missing: 'gpgconf --kill all' starts them anew.",
        )

    def secret_keys(self, identity: str | None) -> tuple[SecretKey, ...]:
        """The secret keys that ``identity`` (a fingerprint, key id, address or name) stands for; or all."""
        wanted = ("--", identity) if identity else ()
        answer = self.call("--with-colons", "--fixed-list-mode", "--list-secret-keys", *wanted)
        if not answer.output and (trouble := agent_trouble(answer)):
            raise trouble
        return tuple(_parse_keys(answer.output.decode(errors="replace")))


def agent_trouble(answer: Answer) -> SigningError | None:
    """The error to raise when gpg could not reach its agent."""
    said = next((text for text in answer.words if _NO_AGENT.search(text)), "")
    # 77 and 78 are GPG_ERR_NO_AGENT and GPG_ERR_AGENT; the listing of all keys ends without a code.
    if not said and answer.error_code not in {77, 78}:
        return None
    return SigningError(
        f"gpg cannot reach its agent, which holds the secret keys: {_harmless(said) or answer.last_words}",
        hint="Run 'gpgconf --kill all' and 'gpgconf --launch gpg-agent', then this again.",
    )


def _file_of(data: bytes) -> IO[bytes]:
    """A nameless file to read ``data`` from: unlike a pipe it never blocks and never breaks."""
    with storage_errors("a temporary file"):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(data)
        file.seek(0)
    return file


def _harmless(said: str) -> str:
    return printable(said.removeprefix("gpg: "), limit=200)


def _words_of(line: bytes) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").split()[1:])


def _drain(stream: IO[bytes], into: bytearray, process: subprocess.Popen[bytes]) -> None:
    while chunk := os.read(stream.fileno(), 65536):
        into += chunk
        if len(into) > _ANSWER_LIMIT:
            _kill(process)
            return


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started: a child that keeps the pipe open would keep us waiting."""
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


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
