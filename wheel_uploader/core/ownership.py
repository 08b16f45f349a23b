"""Checks whether other users could have written a file, by owners and modes of the file and its directory."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_ROOT_UID = 0


def explain_untrusted(path: Path) -> str:
    """Return in one clause, with its owner, why other users could have written ``path``; empty if none could.

    root is trusted as the administrator of the machine. On Windows, which has no such modes, the result is
    always empty. Raises OSError if the file does not exist.
    """
    if not hasattr(os, "geteuid"):
        return ""
    file_stat = path.stat()
    owner = f"it belongs to {format_user(file_stat.st_uid)}"
    if not _is_trusted(file_stat.st_uid):
        return owner
    if _others_can_write(file_stat):
        return f"{owner}, and other users can write to it"
    # For a symbolic link, check its own directory and that of its target.
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        folder_stat = folder.stat()
        if not _is_trusted(folder_stat.st_uid):
            return f"{owner}, and its directory {folder} to {format_user(folder_stat.st_uid)}"
        if _others_can_write(folder_stat):
            return f"{owner}, and other users can write to its directory {folder}"
    return ""


def format_user(uid: int) -> str:
    """Return the name and ID of a user for messages."""
    with contextlib.suppress(ImportError, KeyError, OverflowError):
        import pwd

        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    return f"uid {uid}"


def _is_trusted(owner: int) -> bool:
    return owner in {_ROOT_UID, os.geteuid()}


def _others_can_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IWOTH) or (
        bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid)
    )


def _is_private_group(group: int) -> bool:
    """Return whether the group is root's, or the private group that many systems create for each user.

    On those systems the umask is 002, so that the group can write to every file that the user creates.
    """
    if group == _ROOT_UID:
        return True
    try:
        import grp
        import pwd

        current_user, group_entry = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except (ImportError, KeyError):
        return False
    return (
        current_user.pw_gid == group
        and group_entry.gr_name == current_user.pw_name
        and set(group_entry.gr_mem) <= {current_user.pw_name}
    )
