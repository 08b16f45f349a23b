"""Measures uploads of a nightly to anaconda.org over a line with high latency, compared with anaconda-client.

``python -m benchmarks.anaconda`` starts, for each of the two in turn, three times, a stub of the site and of
its storage behind a line of 80 ms, and uploads 71 small wheels of a new version. Ours reads the organization,
checks every file, uploads, and confirms; the real anaconda-client, which uv installs from PyPI, uploads.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.rig import measure, tables
from benchmarks.rig.link import Line, Link, open_link
from benchmarks.rig.measure import Contender, Cost
from tools.testing import anaconda_client, wheels
from tools.testing.anaconda_site import ORG, TOKEN, ServedSite, anaconda_site
from wheel_uploader import __version__

OURS, PEER = "wheel-uploader, checked and confirmed", "anaconda upload"
VERSION = "1.0.dev0"


@click.command()
@click.option("--wheels", "count", type=int, default=71, show_default=True, help="Number of wheels.")
@click.option("--delay", type=float, default=80, show_default=True, help="Round trip in milliseconds.")
@click.option("--rate", type=float, default=1000, show_default=True, help="Mbit/s.")
@click.option("--runs", type=int, default=3, show_default=True, help="Number of rounds.")
@click.option("--rst", is_flag=True, help="Print the table as reStructuredText.")
def main(count: int, delay: float, rate: float, runs: int, *, rst: bool) -> None:
    """Upload the wheels of a nightly with both programs."""
    line = Line(delay=delay / 1000, rate=rate * 1e6)
    with tempfile.TemporaryDirectory(prefix="nightly-") as name, open_link(line, proxy=True) as link:
        folder = Path(name)
        try:
            client = anaconda_client.install(folder / "client")
        except anaconda_client.NotInstallable as reason:
            raise click.ClickException(str(reason)) from None
        staged = make_release(folder / "staged", count)
        costs = measure.run_rounds(
            [
                Contender(name=OURS, run=functools.partial(_run_ours, link, staged)),
                Contender(name=PEER, run=functools.partial(_run_peer, link, staged, client)),
            ],
            runs,
            None,
        )
    print(f"{count} wheels to a stub of anaconda.org; {line}\n")
    print(tables.format_costs(costs, costs[OURS], count, rst=rst))
    print(
        f"\nMedians of {runs}, in turn, a fresh site for each; whole processes. {link.kind}. "
        f"{measure.describe_machine()}. wheel-uploader {__version__}; {anaconda_client.PACKAGE}; "
        f"Python {sys.version.split()[0]}."
    )


def make_release(folder: Path, count: int) -> Path:
    """Make small wheels of one version with different platform tags."""
    for number in range(count):
        tag = f"cp312-cp312-manylinux_2_{number + 17}_x86_64"
        wheels.make_wheel(folder, "demo", VERSION, tag=tag)
    return folder


def _run_ours(link: Link, staged: Path, folder: Path) -> Cost:
    with anaconda_site(reach=link.reach) as served:
        command = [
            sys.executable,
            "-m",
            "wheel_uploader",
            "-q",
            "-u",
            str(staged),
            "-w",
            str(folder / "house"),
        ]
        command += ["--repository-url", f"https://anaconda.org/{ORG}", "--index-url", served.pip_url()]
        # The tags are not those of the files inside.
        command += ["--ignore", "native", "--ignore", "release", "demo", VERSION]
        environment = {**os.environ, "HOME": str(folder), "NETRC": os.devnull, "ANACONDA_API_TOKEN": TOKEN}
        environment["WHEEL_UPLOADER_ANACONDA_API"] = served.api_url
        return _run(command, served, folder, environment)


def _run_peer(link: Link, staged: Path, client: Path, folder: Path) -> Cost:
    with anaconda_site(reach=link.reach) as served:
        command = anaconda_client.build_command(client, *sorted(staged.iterdir()))
        return _run(command, served, folder, anaconda_client.write_environment(folder, served))


def _run(command: list[str], served: ServedSite, folder: Path, environment: Mapping[str, str]) -> Cost:
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    cost = measure.run(command, cwd=folder, environment=environment)
    print(f"  {len(served.site.requests)} requests", file=sys.stderr)
    return replace(cost, files=len(served.site.dists))


if __name__ == "__main__":
    main()
