"""Gives pytest-xdist whole modules, so that a worker makes the fixtures of a module once.

The tests of a group (``xdist_group``) stay together as well. Modules start in the order of their folders:
those of ``tests/e2e`` take longest, and those of ``tests/unit``, which are small, fill the time at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tools.testing import indexes
from tools.testing.indexes import Devpi

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadGroupScheduling


@pytest.fixture(scope="session")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """Yield a devpi-server, in which each test makes indexes with names of its own."""
    with indexes.devpi_server(tmp_path_factory.mktemp("devpi")) as server:
        yield server


def pytest_itemcollected(item: pytest.Item) -> None:
    # One worker starts the server, which takes ten seconds of CPU.
    if item.config.pluginmanager.hasplugin("xdist") and "devpi" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("devpi"))


# Without pytest-xdist, as in WebAssembly, there is no such hook.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling | None:
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ModuleScheduling(LoadGroupScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            return nodeid.partition("::")[0] if scope == nodeid else scope

    # Otherwise the modules with the most tests would start first.
    config.option.loadscopereorder = False
    return ModuleScheduling(config, log)
