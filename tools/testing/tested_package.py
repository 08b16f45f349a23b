"""The location of the package under test: child processes of the tests must import the same one.

``pytest`` imports the installed package because the checkout comes last on its path
(``--import-mode=append``). Child processes do the same: PYTHONSAFEPATH, which conftest.py sets, keeps the
current directory, often the checkout, from being searched first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import wheel_uploader

#: The directory that contains the package, for the PYTHONPATH of children that would not find it otherwise.
HOME = Path(wheel_uploader.__file__).parent.parent

ROOT = Path(__file__).parents[2]

_RUN = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
sys.argv[0] = module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run_module(name: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a module of ``tests`` with the same package under test.

    ``-m`` alone does not find ``tests``, because the current directory is not searched.
    """
    return [python, "-c", _RUN, str(ROOT), name, *arguments]
