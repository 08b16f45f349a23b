"""The replacement of one file whose name must be free before the new bytes can be uploaded.

The old bytes are saved and verified before they are removed, and put back if the new ones are not accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol

from wheel_uploader.core.errors import ConflictError, HttpStatusError, NetworkError, ReleaseError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import FileComparison, FileStatus, LocalFile, UploadOutcome, UploadResult
from wheel_uploader.http import retry
from wheel_uploader.upload.file_upload import FileUpload, UploadContext
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.upload_states import REPLACE_TRANSITIONS, ReplaceEvent, ReplaceState

#: Attempts to upload to a name that the target calls taken right after its removal.
_MAX_TAKEN = 4
#: Seconds to wait until the target lists a file after it rejected it as existing.
_LISTING_TIMEOUT = 3.0
#: Seconds between looks for the new bytes, at most.
_MAX_PAUSE = 5.0
#: Pauses after a signal are cut to this many seconds, so that the name is free as short as possible.
_MAX_PAUSE_AT_END = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFile:
    """The file that is replaced, as it was when it was saved."""

    sha256: str
    #: The text that comparisons show instead of the sha256, if the target knows only another hash.
    listed_hash: str = ""
    #: The saved and verified bytes; None if the target listed the file and no longer has its bytes.
    saved: LocalFile | None = None

    @property
    def path(self) -> Path | None:
        """The place of the saved bytes."""
        return self.saved.path if self.saved else None


class Replacer(Protocol):
    """Saves and removes files of a target."""

    def find_saved(self, file: LocalFile) -> OldFile | None:
        """Return the old file that an earlier run saved and did not replace; None if there is none."""
        ...

    def find_others(self, files: Sequence[LocalFile]) -> list[LocalFile]:
        """Return the saved files of this project with other names, which may be absent."""
        ...

    def save(self, file: LocalFile) -> OldFile | None:
        """Save the bytes that the target has under this name; None if it has none. Raises ReleaseError."""
        ...

    def prepare(self, file: LocalFile) -> UploadResponse:
        """Make one attempt to find out, before the removal, whether the target will accept the new bytes.

        EXISTS means that only the old file is in the way.
        """
        ...

    def remove(self, file: LocalFile, old: OldFile) -> UploadResponse:
        """Make one attempt to remove the old file if it is still there."""
        ...

    def discard(self, file: LocalFile) -> None:
        """Discard the saved bytes, because the name is served."""
        ...


@dataclass(slots=True, kw_only=True)
class FileReplacement:
    """The replacement of one file. Each state has an action, which returns an event; the table decides."""

    file: LocalFile
    replacer: Replacer
    #: For the uploads. After the removal, they are made even if the run must end.
    context: UploadContext
    #: Makes one attempt to upload, even if the run must end.
    upload: Callable[[LocalFile], UploadResponse]
    table: Mapping[ReplaceState, Mapping[ReplaceEvent, ReplaceState]] = field(
        default_factory=lambda: REPLACE_TRANSITIONS
    )
    state: ReplaceState = ReplaceState.SAVE
    old: OldFile | None = None
    #: The number of attempts to prepare the new file and to remove the old one.
    preparations: int = 0
    removals: int = 0
    #: True after a removal without an answer, which the target may still carry out.
    is_removal_unclear: bool = False
    #: True after a look that showed the new bytes.
    is_seen: bool = False
    #: True after an upload, of the new or of the old bytes, whose outcome is unknown.
    is_upload_unclear: bool = False
    #: The number of uploads to a name that the target called taken.
    taken: int = 0
    attempts: int = 0
    error: ReleaseError | None = None
    sleep: Callable[[float], object] = time.sleep

    def run(self) -> UploadResult:
        """Replace the file, and return the result."""
        while not self.state.is_end:
            event = self._act()
            self.state = self.table[self.state][event]
        return self._end()

    def _act(self) -> ReplaceEvent:
        match self.state:
            case ReplaceState.SAVE:
                return self._save()
            case ReplaceState.REMOVE:
                return self._remove()
            case ReplaceState.PREPARE:
                return self._prepare()
            case ReplaceState.PAUSE | ReplaceState.PAUSE_PREPARE:
                return self._pause()
            case ReplaceState.UPLOAD:
                return self._upload()
            case ReplaceState.LOOK_NEW:
                return self._look_for_new()
            case ReplaceState.RESTORE:
                return self._restore()
            case ReplaceState.LOOK_OLD:
                event = self._look()
                is_in_doubt = event is ReplaceEvent.ABSENT and self.is_upload_unclear
                return ReplaceEvent.ABSENT_IN_DOUBT if is_in_doubt else event
            case _:
                return self._look()

    # --- the actions of the states ---------------------------------------------------------------------

    def _save(self) -> ReplaceEvent:
        if self.context.must_end():
            return ReplaceEvent.RUN_ENDS
        try:
            self.old = self.replacer.save(self.file)
        except ReleaseError as error:
            self.error = error
            return ReplaceEvent.UNSAVED
        if self.old is None:
            # Only an earlier run can have removed it.
            self.old = self.replacer.find_saved(self.file)
            return ReplaceEvent.ABSENT
        if self.old.sha256 == self.file.sha256:
            return ReplaceEvent.NEW
        return ReplaceEvent.SAVED if self.old.saved else ReplaceEvent.GONE

    def _prepare(self) -> ReplaceEvent:
        self.preparations += 1
        try:
            answer = self.replacer.prepare(self.file)
        except ReleaseError as error:
            self.error = error
            return ReplaceEvent.REFUSED
        if answer.kind in (ResponseKind.ACCEPTED, ResponseKind.EXISTS):
            return ReplaceEvent.READY
        self.error = answer.to_error(self.file.filename)
        return ReplaceEvent.NOT_FINAL if answer.kind is ResponseKind.RETRY else ReplaceEvent.REFUSED

    def _remove(self) -> ReplaceEvent:
        if self.old is None:
            return ReplaceEvent.REMOVED
        self.removals += 1
        if self.old.path:
            self.context.progress.debug(f"{self.file.filename}: the old bytes are saved as {self.old.path}")
        try:
            answer = self.replacer.remove(self.file, self.old)
        except ReleaseError as error:
            self.error, self.is_removal_unclear = error, True
            return ReplaceEvent.NOT_FINAL
        match answer.kind:
            case ResponseKind.ACCEPTED:
                return ReplaceEvent.REMOVED
            case ResponseKind.RETRY:
                self.error, self.is_removal_unclear = answer.to_error(self.file.filename), True
                return ReplaceEvent.NOT_FINAL
            case ResponseKind.EXISTS:
                self.error = answer.to_error(self.file.filename)
                return ReplaceEvent.OTHER
            case ResponseKind.REJECTED:
                self.error = answer.to_error(self.file.filename)
                return ReplaceEvent.REFUSED

    def _pause(self) -> ReplaceEvent:
        turn = self.removals if self.state is ReplaceState.PAUSE else self.preparations
        if turn >= self.context.retries:
            return ReplaceEvent.USED_UP
        self.context.wait(retry.compute_backoff(HttpStatusError(503, ""), turn))
        return ReplaceEvent.RUN_ENDS if self.context.must_end() else ReplaceEvent.PAUSED

    def _look(self) -> ReplaceEvent:
        """Query the target once, and compare with the new and the old bytes."""
        if self.context.query_index is None:
            return ReplaceEvent.UNREADABLE
        try:
            comparison = self.context.query_index(self.file)
        except ReleaseError as error:
            self.error = self.error or error
            return ReplaceEvent.UNREADABLE
        match comparison.result:
            case FileComparison.SAME:
                self.is_seen = True
                return ReplaceEvent.NEW
            case FileComparison.ABSENT:
                return ReplaceEvent.ABSENT
            case _ if self.old and comparison.index_sha256 in (self.old.sha256, self.old.listed_hash):
                return ReplaceEvent.OLD
            case _:
                return ReplaceEvent.OTHER

    def _look_for_new(self) -> ReplaceEvent:
        """Query the target until it lists the new bytes, for as long as a listing may lag."""
        waited, pause = 0.0, 0.5
        while True:
            event = self._look()
            limit = min(self.context.listing_timeout, 10 * _LISTING_TIMEOUT)
            if event not in (ReplaceEvent.ABSENT, ReplaceEvent.UNREADABLE) or waited >= limit:
                return event
            self._wait(pause)
            waited, pause = waited + pause, min(pause * 1.5, _MAX_PAUSE)

    def _upload(self) -> ReplaceEvent:
        result = self._upload_file(self.file)
        self.attempts += result.attempts
        if result.outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED):
            return ReplaceEvent.ACCEPTED
        self.error = result.error
        event = self._look()
        if event is ReplaceEvent.NEW:
            return ReplaceEvent.ACCEPTED
        if event in (ReplaceEvent.OLD, ReplaceEvent.OTHER):
            return event
        if isinstance(result.error, ConflictError) and self.taken < _MAX_TAKEN:
            # The target has not noticed the removal everywhere.
            self.taken += 1
            self._wait(float(self.taken))
            return ReplaceEvent.EXISTS
        return ReplaceEvent.FAILED

    def _restore(self) -> ReplaceEvent:
        if self.old is None or self.old.saved is None:
            return ReplaceEvent.NOTHING_SAVED
        self.context.progress.info(f"{self.file.filename}: putting the old bytes back")
        result = self._upload_file(self.old.saved)
        is_stored = result.outcome in (FileStatus.UPLOADED, FileStatus.SKIPPED)
        return ReplaceEvent.ACCEPTED if is_stored else ReplaceEvent.FAILED

    def _upload_file(self, file: LocalFile) -> UploadResult:
        context = replace(
            self.context,
            upload=self.upload,
            wait=self._wait,
            must_end=lambda: False,
            listing_timeout=min(self.context.listing_timeout, _LISTING_TIMEOUT),
        )
        result = FileUpload(file, context).run()
        self.is_upload_unclear |= result.outcome is FileStatus.UNKNOWN
        return result

    def _wait(self, seconds: float) -> None:
        if self.context.must_end():
            # The name is not served now: do not wait long, and do not give up either.
            self.sleep(min(seconds, _MAX_PAUSE_AT_END))
        else:
            self.context.wait(seconds)

    # --- the results -----------------------------------------------------------------------------------

    def _end(self) -> UploadResult:
        filename, error = (
            self.file.filename,
            self.error or NetworkError(f"{self.file.filename}: not replaced"),
        )
        match self.state:
            case ReplaceState.NOT_STARTED:
                return self._result(FileStatus.NOT_TRIED)
            case ReplaceState.REPLACED:
                if self.is_seen:
                    self.replacer.discard(self.file)
                return self._result(FileStatus.UPLOADED)
            case ReplaceState.SAME:
                self.replacer.discard(self.file)
                return self._result(FileStatus.SKIPPED)
            case ReplaceState.KEPT:
                if self.old and not self.is_removal_unclear:
                    self.replacer.discard(self.file)
                return self._failed(error, "the old file was not replaced and is served")
            case ReplaceState.RESTORED:
                self.replacer.discard(self.file)
                return self._failed(error, "the old bytes were put back and are served")
            case ReplaceState.OTHER_PARTY:
                conflict = ConflictError(
                    f"{filename}: another job uploaded other bytes during the replacement",
                    hint="Find out which job it is, then run the same command again.",
                )
                return self._result(FileStatus.CONFLICT, conflict)
            case _:
                return self._not_served(error)

    def _failed(self, error: ReleaseError, outcome: str) -> UploadResult:
        return self._result(FileStatus.FAILED, error.with_details(message=f"{error.message}; {outcome}"))

    def _not_served(self, error: ReleaseError) -> UploadResult:
        """Return the result for a name that is or may be absent, with the place of the saved bytes."""
        path = self.old.path if self.old else None
        saved = f"the old bytes are saved as {path}" if path else "there are no saved bytes"
        is_certain = self.state is ReplaceState.NOT_SERVED
        name = self.file.filename
        absence = f"{name} is not served at present" if is_certain else f"nothing shows that {name} is served"
        return self._result(
            FileStatus.FAILED if is_certain else FileStatus.UNKNOWN,
            error.with_details(
                message=f"{error.message}; {absence}, {saved}",
                hint=f"{error.hint} The same command repairs it first.",
            ),
        )

    def _result(self, outcome: UploadOutcome, error: ReleaseError | None = None) -> UploadResult:
        return UploadResult(
            file=self.file,
            outcome=outcome,
            reason=error.message if error else "",
            attempts=self.attempts,
            error=error,
        )
