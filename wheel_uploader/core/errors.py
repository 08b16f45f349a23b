"""The errors that stop a run: one class per outcome, with its exit code and a hint for the next step.

::

    ReleaseError                the base class; ``str()`` is the message for the user
    +-- UsageError           2  the command line or the configuration is wrong
    |   +-- OptionError         an option has an invalid value
    +-- NothingFoundError    3  no files of this release are staged, or the set is incomplete
    +-- CredentialsError     4  credentials are missing or were refused
    +-- NetworkError         5  a server sent no response, or an unusable one, after all retries
    |   +-- ListingError        the response is not a listing, or an untrustworthy one (2 if it never will be)
    |   |   +-- UnsupportedVersionError     an index page has a version that this program cannot read (2)
    |   +-- TransportError      no complete response was received; a retry may help
    |   +-- HttpStatusError          a server returned an unexpected status
    |   +-- PrivateHostError       a private address was not asked, because the user did not name it
    |   +-- RedirectNotAllowed     a server redirected to a host that is not allowed (2)
    |   +-- RedirectLoopError      a server redirected too often, as some do without a login
    |   +-- IndexNotFoundError     the URL of the index's pages cannot be derived from the upload URL (2)
    |   +-- SignInPageError        a page of the index is a form to sign in
    +-- FileError            6  a file failed a check, is corrupt, or changed during the run
    +-- ConflictError        7  the index will never accept these bytes under this name
    +-- PartialError         8  some files were uploaded and some were not; the same command continues
    +-- DeadlineError       10  a time limit expired
    +-- LockedError         11  another run has locked the wheelhouse
    +-- SigningError        12  gpg or Sigstore could not sign, or the result did not verify
    +-- StorageError        13  the local disk is full or read-only, or an I/O error; or memory ran out
    +-- RunInterrupted   128+N  a signal stopped the run
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Self


class ReleaseError(Exception):
    """Base class of the errors that stop a run: the message, and a hint for the next step."""

    exit_code = 1
    #: True if the same command can never succeed later, so that waiting is useless.
    is_permanent = False
    default_hint = "This is a bug in wheel-uploader: please report it."

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Iterable[str] = (),
        suggestion: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        #: One line for each further file or fact, so that all problems are reported at once.
        self.details = tuple(details)
        #: An argument as typed, and the likely intended one. The first is empty if an argument is missing.
        self.suggestion = suggestion

    def as_permanent(self) -> Self:
        """Return this error, marked as one that waiting cannot remove."""
        self.is_permanent = True
        return self

    def with_details(self, *details: str, message: str = "", hint: str = "") -> Self:
        """Return a copy of the error with additional details, and another message or hint if given."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.message, copied.hint = message or self.message, hint or self.hint
        copied.args = (copied.message,)
        copied.details = (*self.details, *details)
        copied.__cause__, copied.__traceback__ = self.__cause__, self.__traceback__
        return copied


class UsageError(ReleaseError):
    """The command line, an environment variable or a configuration file is wrong."""

    exit_code = 2
    default_hint = "Run 'wheel-uploader --help' for the options."


class OptionError(UsageError):
    """An option has a value that is invalid, or invalid in combination with other options.

    ``name`` is the field of Options; ``problem`` is the message without the option.
    """

    def __init__(self, name: str, problem: str, *, flag: str = "", hint: str | None = None) -> None:
        super().__init__(f"{flag or '--' + name.replace('_', '-')}: {problem}", hint=hint)
        self.name = name
        self.problem = problem


class NothingFoundError(ReleaseError):
    """No files of this release are staged, or expected files are missing."""

    exit_code = 3
    default_hint = "Check PROJECT, VERSION and the URL, or run the command again when the build is finished."


class CredentialsError(ReleaseError):
    """Credentials are missing and cannot be prompted for, or a server rejected them."""

    exit_code = 4
    default_hint = "Set TWINE_USERNAME and TWINE_PASSWORD, or add the repository to ~/.pypirc."


class NetworkError(ReleaseError):
    """A server was unreachable or its response was unusable, after all retries."""

    exit_code = 5
    default_hint = "Run the same command again: it does not repeat completed work."


class ListingError(NetworkError):
    """The response of a staging server is not a listing, or exceeds the limits for listings.

    ``is_permanent``: the same URL will not become a listing, so that the command must change (exit code 2).
    """

    default_hint = "Open the URL in a browser: it must list the files, without a login."
    #: True if the page exceeds a limit: it lists more than one release.
    is_too_large = False

    def as_permanent(self) -> Self:
        """Return this error, marked as one that only another command can remove."""
        self.exit_code = UsageError.exit_code
        return super().as_permanent()


class UnsupportedVersionError(ListingError):
    """An index page, staged or of the target, has a version that this program cannot read."""

    default_hint = "Version 1 is supported; a newer wheel-uploader may support more."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.as_permanent()


class TransportError(NetworkError):
    """No complete response was received: the connection was refused, reset, cut or stalled.

    A retry may help.
    """


class PrivateHostError(NetworkError):
    """A private address was not asked, because the user did not name it."""


class RedirectNotAllowed(NetworkError):
    """A server redirected to a URL that the host rules do not allow.

    ``is_invalid_url`` is true if the target is not a usable URL, so that no option can allow it.
    """

    def __init__(self, message: str, *, hint: str | None = None, is_invalid_url: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_invalid_url = is_invalid_url
        self.is_permanent = True
        self.exit_code = UsageError.exit_code

    def as_nothing_found(self) -> ReleaseError:
        """Return the error for a staging server, whose files are missing while the redirect is invalid."""
        if not self.is_invalid_url:
            return self
        return NothingFoundError(
            self.message,
            hint="Nothing was uploaded. Correct the redirect on the staging server, "
            "or give the final URL with -u.",
        )


class RedirectLoopError(NetworkError):
    """A server redirected more often than is followed."""


class HttpStatusError(NetworkError):
    """A server returned an unexpected status.

    ``url`` contains no secrets; ``excerpt`` is the start of the body, safe to print; ``retry_after`` is in
    seconds, or None if the server did not send it.
    """

    def __init__(
        self,
        status: int,
        url: str,
        *,
        reason: str = "",
        excerpt: str = "",
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        status_line = f"{status} {reason}".rstrip()
        super().__init__(f"{url} returned {status_line}" + (f": {excerpt}" if excerpt else ""), hint=hint)
        self.status = status
        self.url = url
        self.reason = reason
        self.excerpt = excerpt
        self.retry_after = retry_after


class IndexNotFoundError(NetworkError):
    """No URL that was derived from the upload URL has a page of the project or a list of projects."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.is_permanent = True
        self.exit_code = UsageError.exit_code


class SignInPageError(NetworkError):
    """A server answered with a form to sign in instead of a page of the index."""


class FileError(ReleaseError):
    """A file is corrupt, failed a check, or differs from its listing. Nothing was uploaded."""

    exit_code = 6
    default_hint = "Nothing was uploaded. Fix or rebuild the files named above, then run the command again."


class ConflictError(ReleaseError):
    """The index has, or had, other bytes under one of our names. A retry cannot help."""

    exit_code = 7
    default_hint = "A file name can be used only once: release these files under a new version."


class PartialError(ReleaseError):
    """Some files of the release are on the index and some are not."""

    exit_code = 8
    default_hint = "Run the same command again: it continues where this run stopped."


class DeadlineError(ReleaseError):
    """A time limit expired."""

    exit_code = 10
    default_hint = "Run the same command again: it does not repeat completed work."


class LockedError(ReleaseError):
    """Another run of this program has locked the wheelhouse."""

    exit_code = 11
    default_hint = "Wait for the other run with --lock-timeout 600, or use another wheelhouse with -w."


class SigningError(ReleaseError):
    """gpg or Sigstore could not sign, or the result did not verify."""

    exit_code = 12
    default_hint = "Fix the key, or run without -s to publish unsigned files."


class StorageError(ReleaseError):
    """The local disk cannot be read or written, or a limit of the process is too low."""

    exit_code = 13
    default_hint = "Free space or fix the permissions, then run the same command again."


#: This module does not import ``signal``; the number is the same on every system.
_SIGINT = 2


class RunInterrupted(ReleaseError):
    """A signal stopped the run, and it shut down cleanly."""

    default_hint = "Run the same command again to continue."

    def __init__(self, signal_number: int) -> None:
        is_keyboard = signal_number == _SIGINT
        super().__init__("interrupted (Ctrl-C)" if is_keyboard else f"stopped by signal {signal_number}")
        self.exit_code = 128 + signal_number


#: Exit codes by priority, for runs that fail in several ways.
EXIT_CODE_PRIORITY = (7, 8, 4, 12, 6, 13, 3, 5, 10, 11)


def most_important_error(errors: Iterable[ReleaseError]) -> ReleaseError:
    """Return the error whose exit code has the highest priority.

    Raises ValueError if ``errors`` is empty.
    """

    def priority(error: ReleaseError) -> int:
        if error.exit_code > 128:
            return -1
        return (
            EXIT_CODE_PRIORITY.index(error.exit_code)
            if error.exit_code in EXIT_CODE_PRIORITY
            else len(EXIT_CODE_PRIORITY)
        )

    return min(errors, key=priority)


def _find_shortage(exception: BaseException | None) -> StorageError | None:
    """Return the error if an exception, or one that it was raised from, is about a limit of the process."""
    while exception is not None:
        match exception:
            case OSError(errno=errno.EMFILE | errno.ENFILE):
                return StorageError(
                    "too many files are open for a limit of this user or machine",
                    hint="Raise the limit, for example with 'ulimit -n 1024', and run the command again.",
                )
            case MemoryError() | OSError(errno=errno.ENOMEM):
                return StorageError(
                    "there is not enough memory, or a limit of this user is too low",
                    hint="Free memory or raise the limit (ulimit -v), then run the same command again.",
                )
            case RuntimeError() if "start new thread" in str(exception):
                return StorageError(
                    "no thread could be started: a limit of this user or machine is too low",
                    hint="Raise the limit of processes (ulimit -u), then run the same command again.",
                )
        exception = exception.__cause__ or exception.__context__
    return None


def as_unexpected_error(exception: BaseException) -> ReleaseError:
    """Return an unexpected exception as a ReleaseError, with its traceback in the details.

    If a limit of the process was hit, no traceback would help: the error is a StorageError.
    """
    if shortage := _find_shortage(exception):
        return shortage
    # Not at the top, because this module is imported at startup, which must be fast.
    import traceback

    lines = "".join(traceback.format_exception(exception)).rstrip().split("\n")
    return ReleaseError(f"unexpected {type(exception).__name__}: {exception}", details=lines)
