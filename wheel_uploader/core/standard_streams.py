"""Standard input, output and error, which may be closed when the process starts."""

from __future__ import annotations

import os
import sys

_STREAM_NAMES = ("stdin", "stdout", "stderr")


def open_closed_streams() -> None:
    """Connect the standard streams that are closed to the null device.

    Otherwise the next file that is opened gets the descriptor of the stream and receives its output, and
    Python sets the stream to None.
    """
    for descriptor, name in enumerate(_STREAM_NAMES):
        mode = "w" if descriptor else "r"
        try:
            os.fstat(descriptor)
        except OSError:
            null_device = os.open(os.devnull, os.O_RDWR)
            if null_device != descriptor:
                os.dup2(null_device, descriptor)
                os.close(null_device)
            # Python makes descriptors non-inheritable, but children must inherit the standard streams.
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
