"""Queries of the system's keyring with a time limit: a locked one may wait for a dialog for ever."""

from __future__ import annotations

import time
from dataclasses import field
from typing import Any

from twine import auth

from wheel_uploader.core import task_pool
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass


def find_keyring() -> Any:
    """Return the module keyring; None where twine could not import it."""
    return getattr(auth, "keyring", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringEntry:
    """The keyring's answer for an index."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: The reason if it has nothing: the rest of a sentence that begins with "the keyring".
    problem: str = "has no entry"


class KeyringLookup:
    """A query that runs in the background and is abandoned after ``limit`` seconds.

    Without ``username``, the keyring chooses the user.
    """

    def __init__(self, system: str, username: str | None, *, limit: float) -> None:
        self._system, self._username = system, username
        self.limit = limit
        self._ends_at = time.monotonic() + limit
        self._call = task_pool.start_call(self._ask, "keyring")

    def has_answered(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the answer, and return whether it is there."""
        return task_pool.wait_for_call(self._call, seconds)

    def entry(self) -> KeyringEntry:
        """Return the answer; wait for it until the time limit."""
        if not self.has_answered(max(0.0, self._ends_at - time.monotonic())):
            return KeyringEntry(problem=f"did not answer within {format_duration(self.limit)}")
        return self._call.result()

    def _ask(self) -> KeyringEntry:
        keyring = find_keyring()
        username = self._username
        subject = "username"
        try:
            if username is None:
                found = keyring.get_credential(self._system, None)
                username = found.username if found else None
            subject = "password"
            password = keyring.get_password(self._system, username) if username else None
        except (Exception, SystemExit) as error:  # noqa: BLE001 (backends raise anything)
            if type(error).__name__ == "NoKeyringError":
                return KeyringEntry(problem="is not available")
            auth.logger.warning(f"Error getting {subject} from keyring", exc_info=error)
            return KeyringEntry(problem=f"failed ({type(error).__name__})")
        if not all(isinstance(value, str | None) for value in (username, password)):
            return KeyringEntry(problem="returned something that is not text")
        return KeyringEntry(username=username, password=password)
