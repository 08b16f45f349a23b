"""The hook for pre-commit: ``python -P -m wheel_uploader.cli.pre_commit --until check -u dist``.

It takes the options of the command. It passes if nothing is built, and runs the command once for each release
if there are several.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import click

from wheel_uploader.cli import command
from wheel_uploader.cli import output as cli_output
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.errors import EXIT_CODE_PRIORITY, ReleaseError
from wheel_uploader.core.redaction import sanitize


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge each release in the folders of ``-u``, and return the exit code of the worst."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    places, others = _split_places(arguments)
    context = command.make_context("wheel-uploader", list(arguments), resilient_parsing=True)
    from wheel_uploader.pipeline.local_releases import find_local_releases

    try:
        releases = find_local_releases(places, context.params["exclude"]) if places else None
    except ReleaseError as error:
        cli_output.print_error(error)
        return error.exit_code
    if releases is None:
        return _run(arguments)
    if not releases:
        if not context.params["quiet"]:
            click.echo(f"nothing is built in {sanitize(', '.join(places))}: nothing to check")
        return 0
    if len(releases) == 1 or context.params["project"]:
        return _run(arguments)
    codes = []
    for release in releases:
        if not context.params["quiet"]:
            click.echo(f"== {release.name}")
        codes.append(_run([f"--url={url}" for url in release.urls] + others))
    return min(codes, key=_priority)


def _split_places(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the values of ``--url``, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-u", "--url", "--wheel-url-dir", dest="places", action="append", default=[])
    known, others = parser.parse_known_args(arguments)
    return known.places, others


def _run(arguments: Sequence[str]) -> int:
    """Run the command, and return its exit code."""
    try:
        command.main(args=list(arguments), prog_name="wheel-uploader", obj=CancellationToken())
    except SystemExit as end:
        return int(end.code or 0)


def _priority(code: int) -> int:
    """Return the rank of an exit code: failures as in ``EXIT_CODE_PRIORITY``, then 0."""
    if code in EXIT_CODE_PRIORITY:
        return EXIT_CODE_PRIORITY.index(code)
    return len(EXIT_CODE_PRIORITY) + (code == 0)


if __name__ == "__main__":
    sys.exit(main())
