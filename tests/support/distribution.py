"""Distributes modules over the workers of pytest-xdist (``--dist loadfile``).

A worker makes the fixtures of a module once. Modules start in the order of their folders: those of
``tests/e2e`` take longest, and those of ``tests/unit``, which are small, fill the time at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tools.testing import indexes
from tools.testing.indexes import Devpi

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling


@pytest.fixture(scope="session")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """Yield a devpi-server, in which each test makes indexes with names of its own."""
    with indexes.devpi_server(tmp_path_factory.mktemp("devpi")) as server:
        yield server


# Without pytest-xdist, as in WebAssembly, there is no such hook.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ModuleScheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            # One worker starts devpi-server, which takes ten seconds of CPU.
            return "devpi" if "devpi" in nodeid else str(super()._split_scope(nodeid))

    # Otherwise the modules with the most tests would start first.
    config.option.loadscopereorder = False
    return ModuleScheduling(config, log)
