"""The two targets of docs/how-to/nightly-anaconda.rst, as stubs of anaconda.org on loopback."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.testing import tested_package
from tools.testing.anaconda_site import TOKEN, AnacondaSite, ServedSite, anaconda_site

PAGE = tested_package.ROOT / "docs" / "how-to" / "nightly-anaconda.rst"


def read_blocks(language: str) -> list[str]:
    """Return the blocks of code in a language that the page shows."""
    blocks = re.findall(
        rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return ["\n".join(line.removeprefix("    ") for line in block.splitlines()) + "\n" for block in blocks]


@dataclass(frozen=True)
class Organization:
    """One target, and the label that it gives."""

    site: AnacondaSite
    label: str

    def filenames(self) -> set[str]:
        """Return the names of the files with the label."""
        return {dist.basename for dist in self.site.dists.values() if self.label in dist.labels}


@dataclass(frozen=True)
class NightlyTargets:
    """The targets in the order of the page, and the variables with their tokens."""

    sites: tuple[Organization, Organization]
    variables: Mapping[str, str]


@contextlib.contextmanager
def nightly_targets(folder: Path) -> Iterator[NightlyTargets]:
    """Run both organizations, and write the page's ``nightly.toml``, with their addresses, to ``folder``."""
    [config] = read_blocks("toml")
    with anaconda_site("dipy") as first, anaconda_site("scientific-python-nightly-wheels") as second:
        config = _set_address(config, first, "dev")
        config = _set_address(config, second, "main")
        (folder / "nightly.toml").write_text(config)
        yield NightlyTargets(
            sites=(Organization(first.site, "dev"), Organization(second.site, "main")),
            variables={"FIRST_TOKEN": TOKEN, "SECOND_TOKEN": TOKEN},
        )


def _set_address(config: str, served: ServedSite, label: str) -> str:
    """Add the addresses of a stub to the section of its organization."""
    line = f'url = "https://anaconda.org/{served.site.org}"\n'
    assert config.count(line) == 1
    more = f'anaconda-api = "{served.api_url}"\nindex-url = "{served.pip_url(label)}"\n'
    return config.replace(line, f"{line}{more}")
