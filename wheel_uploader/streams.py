"""Standard input, output and error, which whoever started the process may have closed."""

from __future__ import annotations

import os
import sys

_NAMES = ("stdin", "stdout", "stderr")


def complete() -> None:
    """Connect each of the three that is closed to the null device.

    Otherwise the next file that is opened would get its descriptor, and what is printed would go there; and
    Python has None for its stream.
    """
    for descriptor, name in enumerate(_NAMES):
        mode = "w" if descriptor else "r"
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            # Unlike other descriptors, these three are inherited.
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
