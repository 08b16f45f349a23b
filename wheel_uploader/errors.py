"""Everything that can stop a run: one class for each way to end, with its exit code and the next step.

::

    ReleaseError                what every class below is; ``str()`` is the sentence that a person reads
    +-- UsageError           2  the command line or the configuration is wrong
    |   +-- OptionError         one option has a value that it cannot have
    +-- NothingFoundError    3  nothing of this release is staged, or the set is incomplete
    +-- CredentialsError     4  credentials are missing or were refused
    +-- NetworkError         5  a server did not answer, or not sensibly, after every retry
    |   +-- ListingError        the answer is not a listing, or a listing that cannot be trusted
    |   +-- TransportError      no whole answer came; asking again may help
    |   +-- HttpStatus          a server answered with a status that is not what was asked for
    |   +-- RedirectRefused     a server sent us elsewhere, where nobody allowed us to go
    +-- FileError            6  a file failed a check, is damaged, or changed under way
    +-- ConflictError        7  the index will not take these bytes under this name, ever
    +-- PartialError         8  some files were posted and some were not
    +-- DeadlineError       10  a time limit ran out
    +-- LockedError         11  another run holds the wheelhouse
    +-- SigningError        12  gpg or Sigstore could not sign, or what they made did not verify
    +-- StorageError        13  the local disk: full, read-only, an I/O error
    +-- Interrupted      128+N  a signal stopped the run
"""

from __future__ import annotations

from collections.abc import Iterable


class ReleaseError(Exception):
    """A run ends here: what happened, to which file, and (the hint) what to do next."""

    exit_code = 1
    default_hint = "This is a bug in wheel-uploader: please report it."

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Iterable[str] = (),
        instead: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        #: One line for each further file or fact; all that is wrong is said at once.
        self.details = tuple(details)
        #: An argument as it was typed, and what was likely meant; the first is empty where one is missing.
        self.instead = instead


class UsageError(ReleaseError):
    """The command line, an environment variable or a configuration file is wrong."""

    exit_code = 2
    default_hint = "Run 'wheel-uploader --help' for the options."


class OptionError(UsageError):
    """One option has a value that it cannot have, alone or together with the others.

    ``name`` is its field in Options; ``problem`` is the message without the option.
    """

    def __init__(self, name: str, problem: str, *, flag: str = "", hint: str | None = None) -> None:
        super().__init__(f"{flag or '--' + name.replace('_', '-')}: {problem}", hint=hint)
        self.name = name
        self.problem = problem


class NothingFoundError(ReleaseError):
    """Nothing of this release is at the source, or not all that was expected."""

    exit_code = 3
    default_hint = "Check PROJECT, VERSION and the URL; or wait until the build is done and run this again."


class CredentialsError(ReleaseError):
    """Credentials are missing, and nobody can be asked; or a server refused them."""

    exit_code = 4
    default_hint = "Set TWINE_USERNAME and TWINE_PASSWORD, or add the repository to ~/.pypirc."


class NetworkError(ReleaseError):
    """A server could not be reached or did not answer sensibly, and the retries are used up."""

    exit_code = 5
    default_hint = "Nothing is lost: run the same command again."


class ListingError(NetworkError):
    """What a staging place answered is not a listing, or one that breaks the limits for listings."""

    default_hint = "Open the URL in a browser: it has to show the files themselves, without a login."


class TransportError(NetworkError):
    """No answer came, or not all of it: refused, reset, cut, stalled. Asking again may help."""


class RedirectRefused(NetworkError):
    """A server sent us to another place, and the rules for hosts do not let us follow.

    ``invalid``: what it sent is not a URL that anybody could ask, so nothing that the user allows can help.
    """

    def __init__(self, message: str, *, hint: str | None = None, invalid: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.invalid = invalid

    def as_missing(self) -> ReleaseError:
        """Return the error that this is at a staging place, whose files are missing until it is mended."""
        if not self.invalid:
            return self
        return NothingFoundError(
            self.message,
            hint="Nothing was posted. Correct the redirect on the staging server, "
            "or give the final URL with -u.",
        )


class HttpStatus(NetworkError):
    """A server answered, but not with what was asked for.

    ``url`` is without secrets; ``excerpt`` is the start of the body, harmless to print; ``retry_after`` is
    in seconds, None when the server did not say.
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
        said = f"{status} {reason}".rstrip()
        super().__init__(f"{url} answered {said}" + (f": {excerpt}" if excerpt else ""), hint=hint)
        self.status = status
        self.url = url
        self.reason = reason
        self.excerpt = excerpt
        self.retry_after = retry_after


class FileError(ReleaseError):
    """A file is damaged, failed a check, or is not what was listed; nothing was posted."""

    exit_code = 6
    default_hint = "Nothing was posted. Fix or rebuild the files named above, then run this again."


class ConflictError(ReleaseError):
    """The index has, or had, something else under a name of ours; no retry can help."""

    exit_code = 7
    default_hint = "A file name can be used only once: release these files under a new version."


class PartialError(ReleaseError):
    """Some files of the release are on the index and some are not."""

    exit_code = 8
    default_hint = "Run the same command again: it continues where this run stopped."


class DeadlineError(ReleaseError):
    """A time limit ran out while waiting."""

    exit_code = 10
    default_hint = "Run the same command again: nothing that is done will be done twice."


class LockedError(ReleaseError):
    """Another run of this program holds the wheelhouse."""

    exit_code = 11
    default_hint = "Let this one wait with --lock-timeout 600, or give it a wheelhouse of its own with -w."


class SigningError(ReleaseError):
    """gpg could not sign, or Sigstore could not attest."""

    exit_code = 12
    default_hint = "Run without -s to publish unsigned, or repair the key."


class StorageError(ReleaseError):
    """The wheelhouse cannot be written or read."""

    exit_code = 13
    default_hint = "Free space or fix the permissions, then run the same command again."


class Interrupted(ReleaseError):
    """A signal asked the run to stop, and it stopped in good order."""

    default_hint = "Run the same command again to continue."

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.exit_code = 128 + signal_number


#: The worst for the person first: which error is told as the end of a run when several hold.
WORST_FIRST = (8, 7, 4, 12, 6, 13, 3, 5, 10, 11)


def worst(errors: Iterable[ReleaseError]) -> ReleaseError:
    """The error whose exit code matters most to the person (DESIGN: "the worst for the person wins").

    Raises ValueError when ``errors`` is empty.
    """

    def rank(error: ReleaseError) -> int:
        if error.exit_code > 128:
            return -1
        return WORST_FIRST.index(error.exit_code) if error.exit_code in WORST_FIRST else len(WORST_FIRST)

    return min(errors, key=rank)


def unexpected(bug: BaseException) -> ReleaseError:
    """An exception that nobody expected as the end of a run; where it came from stands in the details."""
    # Not at the top: the first milliseconds of a run import this module.
    import traceback

    lines = "".join(traceback.format_exception(bug)).rstrip().split("\n")
    return ReleaseError(f"unexpected {type(bug).__name__}: {bug}", details=lines)
