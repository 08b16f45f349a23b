"""Where the package that is tested was imported from: children of the tests must import the same one.

``pytest`` imports the installed package because the checkout comes last on its path
(``--import-mode=append``). Children find it in the same way: PYTHONSAFEPATH, which conftest.py sets, keeps
the current directory, often the checkout, from being searched first.
"""

from __future__ import annotations

from pathlib import Path

import wheel_uploader

#: The directory that has it: for PYTHONPATH, where a child would not look there.
HOME = Path(wheel_uploader.__file__).parent.parent
