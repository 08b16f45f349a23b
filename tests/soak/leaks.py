"""Every way to give a secret, with a successful run and with every failure; every output is searched."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.soak import Figure
from tests.support import leaks, url_passwords
from tests.support.canaries import SECRET_INPUTS
from tools.testing import gpg


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Give a secret in 17 ways, publish, and fail in 8 ways; search every output for it."""
    cases = [(way, failure) for way in SECRET_INPUTS for failure in ("", *leaks.FAILURES)][::part]
    inspected: Counter[str] = Counter()
    problems = []
    with leaks.signing_keyring() as keys, ThreadPoolExecutor(jobs) as pool:
        for counts, failure in pool.map(lambda case: _one(case[0], case[1], keys), cases):
            inspected += counts
            problems += [failure] if failure else []
    yield Figure(
        f"{len({way for way, _ in cases})} ways in, {len(cases)} cases: {inspected.total()} outputs of "
        f"{len(inspected)} kinds ({', '.join(sorted(inspected))}); {len(problems)} leaks",
        problems,
    )
    urls = list(itertools.product(url_passwords.URL_INPUTS, url_passwords.SEPARATORS, url_passwords.PORTS))[
        ::part
    ]
    with ThreadPoolExecutor(jobs) as pool:
        url_leaks = list(filter(None, pool.map(lambda case: _url(*case), urls)))
    yield Figure(
        f"{len(urls)} URLs with a password that is not percent-encoded; {len(url_leaks)} leaks", url_leaks
    )


def _one(way: str, failure: str, keys: gpg.Keyring) -> tuple[Counter[str], str]:
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-leaks-") as folder:
        scenario = leaks.LeakScenario(way, Path(folder), keys)
        try:
            with scenario.open():
                if failure:
                    scenario.fail_with(failure)
                else:
                    scenario.publish()
        except AssertionError as leak:
            return scenario.inspected, f"{way}, {failure or 'publishes'}: {leak}"
        return scenario.inspected, ""


def _url(way: str, separator: str, port: str) -> str:
    with tempfile.TemporaryDirectory(prefix="wheel-uploader-leaks-") as folder:
        leak = url_passwords.find_problem(way, separator, port, Path(folder))
    return leak and f"{way}, {separator!r}, {port or 'no port'}: {leak}"
