"""Repeated attempts at requests that change something: after an unclear response, look before the next."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import HttpStatusError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.progress import Progress
from wheel_uploader.http import retry
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The number of attempts, and the pauses between them."""

    count: int
    progress: Progress
    sleep: Callable[[float], object] = cancellation.sleep_unless_cancelled

    def repeat(
        self, what: str, attempt: Callable[[], UploadResponse], is_done: Callable[[], bool]
    ) -> UploadResponse:
        """Call ``attempt`` until it is accepted, or ``is_done`` shows that an unclear one was done.

        ``what`` is for messages. Raises the error of a rejection, and of the last attempt.
        """
        number = 1
        while True:
            answer = attempt()
            if answer.kind is ResponseKind.ACCEPTED:
                return answer
            is_last = number >= self.count or answer.kind is not ResponseKind.RETRY
            if not is_last:
                self._pause(what, answer, number)
            if is_done():
                return answer
            if is_last:
                raise answer.to_error(what)
            number += 1

    def _pause(self, what: str, answer: UploadResponse, number: int) -> None:
        """Wait after attempt ``number``, from 1."""
        status = HttpStatusError(answer.status, "", retry_after=answer.retry_after)
        seconds = retry.compute_backoff(status, number)
        self.progress.debug(
            f"{what}: {answer.summary}; looking, then attempt {number + 1} of {self.count} in "
            f"{format_duration(seconds)}"
        )
        self.sleep(seconds)
