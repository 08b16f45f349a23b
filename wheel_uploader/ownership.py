"""Who besides this user could have written a file, by its owner and modes and those of its directory."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_ROOT = 0


def untrusted(path: Path) -> str:
    """Return why other users could have written ``path``, in one clause with its owner; empty if none could.

    root is the administrator of the machine, and is trusted. On Windows, which has no modes of this kind, the
    result is always empty. Raises OSError if there is no such file.
    """
    if not hasattr(os, "geteuid"):
        return ""
    found = path.stat()
    owner = f"it belongs to {user(found.st_uid)}"
    if not _is_trusted(found.st_uid):
        return owner
    if _others_can_write(found):
        return f"{owner}, and other users can write to it"
    # Of a symbolic link, the directory that it is in, and that of the file.
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        state = folder.stat()
        if not _is_trusted(state.st_uid):
            return f"{owner}, and its directory {folder} to {user(state.st_uid)}"
        if _others_can_write(state):
            return f"{owner}, and other users can write to its directory {folder}"
    return ""


def user(number: int) -> str:
    """Return the name of a user for messages."""
    with contextlib.suppress(ImportError, KeyError, OverflowError):
        import pwd

        return f"{pwd.getpwuid(number).pw_name} (uid {number})"
    return f"uid {number}"


def _is_trusted(owner: int) -> bool:
    return owner in {_ROOT, os.geteuid()}


def _others_can_write(state: os.stat_result) -> bool:
    return bool(state.st_mode & stat.S_IWOTH) or (
        bool(state.st_mode & stat.S_IWGRP) and not _is_private_group(state.st_gid)
    )


def _is_private_group(group: int) -> bool:
    """Return whether the group is root's, or the one that many systems make for each user.

    There the umask is 002, and that group can write to everything that the user makes.
    """
    if group == _ROOT:
        return True
    try:
        import grp
        import pwd

        us, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except (ImportError, KeyError):
        return False
    return us.pw_gid == group and found.gr_name == us.pw_name and set(found.gr_mem) <= {us.pw_name}
