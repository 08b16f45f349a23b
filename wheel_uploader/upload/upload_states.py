"""The upload of one file as a state machine: states, events, and the table of transitions. Performs no I/O.

``file_upload.py`` performs the action of each state, and the table decides the next state.
docs/explanation/upload.rst shows the table and a drawing of it (``python -m tests.support.upload_page``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.StrEnum):
    """A state of the upload of one file. A look is a query of the index for the file's name and hash."""

    FIRST_POST = "first post"
    #: The last answer was not final.
    PAUSE = "pause"
    LOOK = "look"
    POST_AGAIN = "post again"
    # The looks after the last answer; they differ in what the answer and the earlier ones leave open.
    LOOK_REFUSED = "look after a failure"
    LOOK_EXISTS = "look for an existing file"
    LOOK_IN_DOUBT = "look for a file in doubt"
    LOOK_LAST = "last look"
    # The ends.
    NOT_TRIED = "not tried"
    ACCEPTED = "accepted"
    FOUND = "found"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    NOT_SENT = "not sent"
    REFUSED = "refused"
    REFUSED_UNREAD = "refused, index not read"
    UNKNOWN_UNREAD = "unknown, index not read"
    UNKNOWN_UNLISTED = "unknown, not listed"
    LOCAL_ERROR = "error on this side"

    @property
    def is_end(self) -> bool:
        """Return whether nothing follows: the state is a result."""
        return self not in ACTIONS


class Event(enum.StrEnum):
    """The outcome of an action: the class of an answer, of a look, or of a pause."""

    # Of a POST.
    ACCEPT = "2xx"
    NOT_FINAL = "not final: no answer, 429, 5xx"
    NOTHING_SENT = "nothing arrived: TLS, redirect"
    REFUSE = "refused"
    SAYS_EXISTS = "the name exists"
    REFUSE_IN_DOUBT = "refused or exists, and a POST may have stored the file"
    FAIL_LOCALLY = "error on this side"
    FAIL_IN_DOUBT = "error on this side, and a POST may have stored the file"
    RUN_ENDS = "the run ends"
    # Of a pause. There are no more attempts if all are used up, if the run ends, or if the file must not be
    # sent again without a look.
    PAUSED = "paused"
    GIVE_UP = "no more attempts"
    GIVE_UP_IN_DOUBT = "no more attempts, and a POST may have stored the file"
    # Of a look.
    SAME = "same hash"
    OTHER = "other hash or other name"
    ABSENT = "absent"
    #: Absent or unreadable, while the listing may lag; the next look follows after a pause.
    NOT_YET = "not listed yet"
    UNREADABLE = "unreadable"
    WRITE_ONLY = "no look (--write-only)"


#: The action of each state that is not an end.
ACTIONS: Mapping[State, str] = {
    State.FIRST_POST: "send the file",
    State.PAUSE: "wait, longer each time",
    State.LOOK: "query the index",
    State.POST_AGAIN: "send the file",
    State.LOOK_REFUSED: "query the index",
    State.LOOK_EXISTS: "query the index until the file is listed",
    State.LOOK_IN_DOUBT: "query the index until the file is listed",
    State.LOOK_LAST: "query the index",
}

_AFTER_POST = {
    Event.ACCEPT: State.ACCEPTED,
    Event.NOT_FINAL: State.PAUSE,
    Event.NOTHING_SENT: State.NOT_SENT,
    Event.REFUSE: State.LOOK_REFUSED,
    Event.SAYS_EXISTS: State.LOOK_EXISTS,
    Event.REFUSE_IN_DOUBT: State.LOOK_IN_DOUBT,
    Event.FAIL_LOCALLY: State.LOCAL_ERROR,
}

#: The table: for each state the possible events, and the state that follows.
TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.FIRST_POST: {**_AFTER_POST, Event.RUN_ENDS: State.NOT_TRIED},
    State.PAUSE: {
        Event.PAUSED: State.LOOK,
        Event.GIVE_UP: State.LOOK_REFUSED,
        Event.GIVE_UP_IN_DOUBT: State.LOOK_LAST,
    },
    State.LOOK: {
        Event.SAME: State.FOUND,
        Event.OTHER: State.CONFLICT,
        Event.ABSENT: State.POST_AGAIN,
        Event.UNREADABLE: State.PAUSE,
        # Nothing can be stored, or the index never overwrites a file.
        Event.WRITE_ONLY: State.POST_AGAIN,
    },
    State.POST_AGAIN: {
        **_AFTER_POST,
        Event.FAIL_IN_DOUBT: State.LOOK_LAST,
        Event.RUN_ENDS: State.PAUSE,
    },
    State.LOOK_REFUSED: {
        Event.SAME: State.SKIPPED,
        Event.OTHER: State.CONFLICT,
        Event.ABSENT: State.REFUSED,
        Event.UNREADABLE: State.REFUSED_UNREAD,
        Event.WRITE_ONLY: State.REFUSED_UNREAD,
    },
    State.LOOK_EXISTS: {
        Event.SAME: State.SKIPPED,
        Event.OTHER: State.CONFLICT,
        Event.NOT_YET: State.LOOK_EXISTS,
        Event.ABSENT: State.UNKNOWN_UNLISTED,
        Event.UNREADABLE: State.UNKNOWN_UNREAD,
        Event.WRITE_ONLY: State.UNKNOWN_UNREAD,
    },
    State.LOOK_IN_DOUBT: {
        Event.SAME: State.FOUND,
        Event.OTHER: State.CONFLICT,
        Event.NOT_YET: State.LOOK_IN_DOUBT,
        Event.ABSENT: State.UNKNOWN_UNLISTED,
        Event.UNREADABLE: State.UNKNOWN_UNREAD,
        Event.WRITE_ONLY: State.UNKNOWN_UNREAD,
    },
    State.LOOK_LAST: {
        Event.SAME: State.FOUND,
        Event.OTHER: State.CONFLICT,
        Event.ABSENT: State.UNKNOWN_UNLISTED,
        Event.UNREADABLE: State.UNKNOWN_UNREAD,
        Event.WRITE_ONLY: State.UNKNOWN_UNREAD,
    },
}

#: The status of the file at each end. A refusal is "rejected" if it is about the file, else "failed"; both
#: say that no POST of this run can have stored the file.
RESULTS: Mapping[State, str] = {
    State.NOT_TRIED: "not tried",
    State.ACCEPTED: "uploaded; to be confirmed by hash",
    State.FOUND: "uploaded",
    State.SKIPPED: "skipped",
    State.CONFLICT: "conflict",
    State.NOT_SENT: "failed",
    State.REFUSED: "rejected or failed",
    State.REFUSED_UNREAD: "rejected or failed",
    State.UNKNOWN_UNREAD: "unknown",
    State.UNKNOWN_UNLISTED: "unknown",
    State.LOCAL_ERROR: "failed",
}

# --- the replacement of a file ---------------------------------------------------------------------


class ReplaceState(enum.StrEnum):
    """A state of the replacement of one file (``--replace``), which is removed before the upload."""

    SAVE = "save"
    PREPARE = "prepare"
    PAUSE_PREPARE = "pause before the next preparation"
    REMOVE = "remove"
    LOOK_REMOVED = "look after an unclear removal"
    PAUSE = "pause before the removal"
    UPLOAD = "upload"
    LOOK_NEW = "look for the new bytes"
    RESTORE = "restore"
    LOOK_OLD = "last look"
    # The ends.
    NOT_STARTED = "not started"
    REPLACED = "replaced"
    SAME = "same bytes"
    KEPT = "old bytes kept"
    RESTORED = "old bytes restored"
    OTHER_PARTY = "bytes of another party"
    NOT_SERVED = "not served"
    UNKNOWN = "unknown"

    @property
    def is_end(self) -> bool:
        """Return whether nothing follows: the state is a result."""
        return self not in REPLACE_ACTIONS


class ReplaceEvent(enum.StrEnum):
    """The outcome of a step of a replacement."""

    SAVED = "saved and verified"
    READY = "prepared, or the old file is in the way"
    GONE = "listed, and its bytes are gone"
    UNSAVED = "cannot be fetched"
    RUN_ENDS = "the run ends"
    REMOVED = "removed"
    NOT_FINAL = "not final: no answer, 429, 5xx"
    REFUSED = "refused"
    USED_UP = "all attempts used up"
    PAUSED = "paused"
    # Of a look.
    NEW = "new hash"
    OLD = "old hash"
    OTHER = "other hash"
    ABSENT = "absent"
    #: After an upload whose outcome is unknown.
    ABSENT_IN_DOUBT = "absent, and an upload may have stored its file"
    UNREADABLE = "unreadable"
    # Of an upload of the new or of the old bytes, with its retries.
    ACCEPTED = "accepted or found"
    EXISTS = "the name exists, and is absent"
    FAILED = "not accepted"
    #: There are no old bytes to upload.
    NOTHING_SAVED = "nothing was saved"


REPLACE_ACTIONS: Mapping[ReplaceState, str] = {
    ReplaceState.SAVE: "fetch the old bytes, and verify them",
    ReplaceState.PREPARE: "announce the new file, as far as the old one permits",
    ReplaceState.PAUSE_PREPARE: "wait, longer each time",
    ReplaceState.REMOVE: "remove the old file",
    ReplaceState.LOOK_REMOVED: "query the target",
    ReplaceState.PAUSE: "wait, longer each time",
    ReplaceState.UPLOAD: "upload the new bytes, as above",
    ReplaceState.LOOK_NEW: "query the target until the file is listed",
    ReplaceState.RESTORE: "upload the old bytes, as above",
    ReplaceState.LOOK_OLD: "query the target",
}

REPLACE_TRANSITIONS: Mapping[ReplaceState, Mapping[ReplaceEvent, ReplaceState]] = {
    ReplaceState.SAVE: {
        ReplaceEvent.SAVED: ReplaceState.PREPARE,
        ReplaceEvent.GONE: ReplaceState.PREPARE,
        ReplaceEvent.NEW: ReplaceState.SAME,
        ReplaceEvent.ABSENT: ReplaceState.UPLOAD,
        ReplaceEvent.UNSAVED: ReplaceState.KEPT,
        ReplaceEvent.RUN_ENDS: ReplaceState.NOT_STARTED,
    },
    ReplaceState.PREPARE: {
        ReplaceEvent.READY: ReplaceState.REMOVE,
        ReplaceEvent.NOT_FINAL: ReplaceState.PAUSE_PREPARE,
        ReplaceEvent.REFUSED: ReplaceState.KEPT,
    },
    ReplaceState.PAUSE_PREPARE: {
        ReplaceEvent.PAUSED: ReplaceState.PREPARE,
        ReplaceEvent.USED_UP: ReplaceState.KEPT,
        ReplaceEvent.RUN_ENDS: ReplaceState.KEPT,
    },
    ReplaceState.REMOVE: {
        ReplaceEvent.REMOVED: ReplaceState.UPLOAD,
        ReplaceEvent.NOT_FINAL: ReplaceState.LOOK_REMOVED,
        ReplaceEvent.REFUSED: ReplaceState.KEPT,
        ReplaceEvent.OTHER: ReplaceState.OTHER_PARTY,
    },
    ReplaceState.LOOK_REMOVED: {
        ReplaceEvent.ABSENT: ReplaceState.UPLOAD,
        ReplaceEvent.OLD: ReplaceState.PAUSE,
        ReplaceEvent.NEW: ReplaceState.REPLACED,
        ReplaceEvent.OTHER: ReplaceState.OTHER_PARTY,
        # The upload finds out whether the name is free.
        ReplaceEvent.UNREADABLE: ReplaceState.UPLOAD,
    },
    ReplaceState.PAUSE: {
        ReplaceEvent.PAUSED: ReplaceState.REMOVE,
        ReplaceEvent.USED_UP: ReplaceState.KEPT,
        ReplaceEvent.RUN_ENDS: ReplaceState.KEPT,
    },
    ReplaceState.UPLOAD: {
        ReplaceEvent.ACCEPTED: ReplaceState.LOOK_NEW,
        ReplaceEvent.EXISTS: ReplaceState.UPLOAD,
        ReplaceEvent.OLD: ReplaceState.KEPT,
        ReplaceEvent.OTHER: ReplaceState.OTHER_PARTY,
        ReplaceEvent.FAILED: ReplaceState.RESTORE,
    },
    ReplaceState.LOOK_NEW: {
        ReplaceEvent.NEW: ReplaceState.REPLACED,
        ReplaceEvent.OLD: ReplaceState.KEPT,
        ReplaceEvent.OTHER: ReplaceState.OTHER_PARTY,
        ReplaceEvent.ABSENT: ReplaceState.RESTORE,
        # The confirmation of the run asks again.
        ReplaceEvent.UNREADABLE: ReplaceState.REPLACED,
    },
    ReplaceState.RESTORE: {
        ReplaceEvent.ACCEPTED: ReplaceState.LOOK_OLD,
        ReplaceEvent.FAILED: ReplaceState.LOOK_OLD,
        ReplaceEvent.NOTHING_SAVED: ReplaceState.LOOK_OLD,
    },
    ReplaceState.LOOK_OLD: {
        ReplaceEvent.NEW: ReplaceState.REPLACED,
        ReplaceEvent.OLD: ReplaceState.RESTORED,
        ReplaceEvent.OTHER: ReplaceState.OTHER_PARTY,
        ReplaceEvent.ABSENT: ReplaceState.NOT_SERVED,
        ReplaceEvent.ABSENT_IN_DOUBT: ReplaceState.UNKNOWN,
        ReplaceEvent.UNREADABLE: ReplaceState.UNKNOWN,
    },
}

REPLACE_RESULTS: Mapping[ReplaceState, str] = {
    ReplaceState.NOT_STARTED: "not tried",
    ReplaceState.REPLACED: "uploaded; to be confirmed by hash",
    ReplaceState.SAME: "skipped",
    ReplaceState.KEPT: "failed; the old bytes are served",
    ReplaceState.RESTORED: "failed; the old bytes are served again",
    ReplaceState.OTHER_PARTY: "conflict",
    ReplaceState.NOT_SERVED: "failed; the run says that the file is not served, and how to repair it",
    ReplaceState.UNKNOWN: "unknown; the run says where the old bytes are saved, and how to repair it",
}
