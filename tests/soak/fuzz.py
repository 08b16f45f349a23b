"""The property tests of the suite with many more inputs, random or (by hand) guided by coverage.

``python -m tests.soak.fuzz NAME`` runs a property with atheris, if installed, which searches for inputs that
reach more code; the arguments after NAME go to libFuzzer, such as ``-runs=100000``. Without NAME the names
are printed.
"""

from __future__ import annotations

import importlib
import inspect
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hypothesis import is_hypothesis_test

from tests.soak import Figure

#: The number of inputs for each property.
INPUTS = 5_000
#: The maximum size of an input; a property reads only as much as it draws.
_SIZE = 4096
#: Modules whose properties are about external input: names, listings, responses, archives, code.
MODULES = (
    *("core.test_filenames", "core.test_html_text", "core.test_redaction"),
    *("http.test_host_policy", "http.test_body", "facts.test_archive_fuzz", "facts.test_binaries_hostile"),
    *("listing.test_sources_html", "listing.test_sources_simple", "listing.test_sources_formats"),
    *("listing.test_sources_anaconda", "listing.test_sources_github", "signing.test_attestations_fuzz"),
)


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Give 5,000 random inputs to each property of parsers, names, archives and compiled code."""
    named = list(properties())
    with ProcessPoolExecutor(jobs, initializer=_enter_temporary_directory) as pool:
        tried = list(pool.map(_fuzz, named, [INPUTS // part] * len(named)))
    problems = [problem for _, failures in tried for problem in failures]
    yield Figure(
        f"{sum(count for count, _ in tried)} inputs for {len(named)} properties: {len(problems)} undeclared "
        "exceptions or broken properties",
        problems,
    )


def properties() -> dict[str, Callable[[bytes], bytes | None]]:
    """Return the properties by name; each takes bytes, and raises an error if they break it."""
    by_name: dict[str, Callable[[bytes], bytes | None]] = {}
    for module in MODULES:
        for name, test in vars(importlib.import_module(f"tests.unit.{module}")).items():
            # Properties that also take fixtures or parameters cannot be fuzzed.
            if is_hypothesis_test(test) and not inspect.signature(test).parameters:
                by_name[f"{module}.{name}"] = _entry(test)
    return by_name


def _entry(test: Any) -> Callable[[bytes], bytes | None]:
    entry: Callable[[bytes], bytes | None] = test.hypothesis.fuzz_one_input
    return entry


def _fuzz(name: str, inputs: int) -> tuple[int, list[str]]:
    entry, rng = properties()[name], random.Random(name)
    count = 0
    for number in range(inputs):
        try:
            count += entry(rng.randbytes(rng.randrange(_SIZE))) is not None
        except Exception as error:  # noqa: BLE001 - any exception is a result
            return count, [f"{name}, input {number}: {type(error).__name__}: {error}"]
    return count, []


def _enter_temporary_directory() -> None:
    """Change to a temporary directory, because hypothesis writes its database there."""
    os.chdir(tempfile.mkdtemp(prefix="wheel-uploader-fuzz-"))


def main() -> None:
    """Run a property with atheris."""
    if len(sys.argv) < 2:
        print("\n".join(properties()))
        return
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["wheel_uploader"]):
        entry = properties()[sys.argv.pop(1)]
    atheris.Setup(sys.argv, entry)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
