"""Compares our findings on real wheels with those of other checkers.

``python -m benchmarks.interoperate FOLDER...`` runs check-wheel-contents, ``twine check --strict``,
``auditwheel show`` and abi3audit on every wheel in the folders that they apply to, and compares their
complaints with our findings on the same subject. It prints each disagreement, with the reason if it is
settled, and exits with 1 if one is not. Then find out which side is right, and add a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tools.testing import peer_tools
from tools.testing.peer_comparison import Disagreement, compare


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--venv", type=click.Path(path_type=Path), help="Keep the virtual environment of the peers here."
)
@click.option("--jobs", default=2, show_default=True, help="Number of peers to run concurrently.")
def main(folders: Sequence[Path], venv: Path | None, jobs: int) -> None:
    """Compare our findings on the wheels in FOLDERS with those of other checkers."""
    files = [path for folder in folders for path in sorted(folder.glob("*.whl"))]
    with peer_tools.installed(venv, peer_tools.IN_TURN) as peers, ThreadPoolExecutor(jobs) as pool:
        pairs = [(path, peer) for path in files for peer in peers if peer.takes(path.name)]
        verdicts = pool.map(lambda pair: peer_tools.against(pair[1], pair[0]), pairs)
        disagreements = [
            disagreement
            for pair, theirs in zip(pairs, verdicts, strict=True)
            for disagreement in compare(*pair, theirs)
        ]
    settled: dict[str, list[Disagreement]] = {}
    for disagreement in disagreements:
        if disagreement.settled:
            side = "we" if disagreement.ours else disagreement.peer
            settled.setdefault(f"{side} {disagreement.complaint}", []).append(disagreement)
    print(
        f"{len(files)} wheels, {len(pairs)} verdicts of {', '.join(f'{p.name} {p.version}' for p in peers)}"
    )
    agreed = len(pairs) - len({(disagreement.wheel, disagreement.peer) for disagreement in disagreements})
    print(f"{agreed} agree with ours")
    for title, group in sorted(settled.items()):
        print(f"settled: {title} on {len(group)} wheels: {group[0].settled}")
    unsettled = [disagreement for disagreement in disagreements if not disagreement.settled]
    for disagreement in unsettled:
        print(f"not settled: {disagreement}")
    if unsettled:
        raise click.ClickException(f"{len(unsettled)} disagreements are not settled")


if __name__ == "__main__":
    main()
