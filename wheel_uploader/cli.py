"""The command line: options -> Options, Report -> screen, errors -> exit code. The one home of click.

Nothing heavy is imported at the top: ``--help`` has to answer at once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from wheel_uploader import __version__, stopping
from wheel_uploader.cli_options import GroupedCommand, LocalPath, Option, stage_options
from wheel_uploader.display import HIDDEN, printable
from wheel_uploader.errors import (
    DeadlineError,
    Interrupted,
    NetworkError,
    PartialError,
    ReleaseError,
    UsageError,
)

if TYPE_CHECKING:
    from wheel_uploader.models import Options, Report


def _explain(context: click.Context, _parameter: click.Parameter, check_id: str | None) -> None:
    if check_id is None or context.resilient_parsing:
        return
    from wheel_uploader import checks

    try:
        click.echo(checks.explain(check_id))
    except ReleaseError as error:
        _end(error)
    context.exit(0)


def _demo(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from wheel_uploader import demo

    try:
        context.exit(demo.run())
    except ReleaseError as error:
        _end(error)


def _defaults(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Take the defaults of the command from [tool.wheel-uploader]."""
    if context.resilient_parsing:
        return
    from wheel_uploader import config

    path = path or config.find(Path.cwd())
    if path is None:
        return
    known = {
        name.removeprefix("--"): parameter.name
        for parameter in context.command.params
        if isinstance(parameter, Option)
        for name in parameter.opts
        if name.startswith("--")
    }
    try:
        values = config.load(path, known)
    except ReleaseError as error:
        _end(error)
    context.default_map = {known[key]: value for key, value in values.items()}


class _Command(GroupedCommand):
    """Keeps the arguments as they were typed, for the message that says how to continue."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_TYPED] = tuple(args)
        return super().parse_args(ctx, args)


_TYPED = f"{__name__}.typed"


@click.command(
    cls=_Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("project", metavar="[PROJECT]", default="")
@click.argument("release", metavar="[VERSION]", default="")
@stage_options
@click.option(
    "--config",
    type=LocalPath(exists=True, dir_okay=False),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_defaults,
    help="The pyproject.toml to read.  [default: the nearest one upwards]",
)
@click.option(
    "--explain",
    metavar="ID",
    is_eager=True,
    expose_value=False,
    callback=_explain,
    help="Explain a check, or a family of checks, and exit.",
)
@click.option(
    "--demo",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_demo,
    help="Run everything once against a staging server and an index on this machine, and exit.",
)
@click.version_option(__version__, "-V", "--version", prog_name="wheel-uploader")
def command(report_format: str, **values: Any) -> NoReturn:
    """Take one release from where its wheels are staged to a package index.

    list -> download -> check -> sign -> upload -> confirm

    Finds the wheels and the sdist of PROJECT VERSION at URL, downloads them into a local wheelhouse, checks
    every file, signs them if asked, uploads what the index does not have yet, and waits until the index
    serves exactly these bytes. VERSION may be 'latest'.

    Files of this machine are checked where they lie, and nothing is written, with --until check; then
    PROJECT may be left out: it is that of the files.

    Every option can be set as WHEEL_UPLOADER_OPTION in the environment or under [tool.wheel-uploader] in
    pyproject.toml.
    """
    context = click.get_current_context()
    watch = context.obj or stopping.Watch()
    try:
        with watch.limited(values["max_duration"]):
            from wheel_uploader import pipeline, progress

            talk = progress.make(sys.stderr, verbose=values["verbose"])
            result = pipeline.run(_options(**_that_hold(context, values)), talk, watch)
    except ReleaseError as error:
        _end(error)
    except stopping.Stop as stop:
        _end(stop.error)
    _show(result, report_format)
    if result.error:
        _tell(result.error, again=context.meta[_TYPED] if _continues(result) else ())
    watch.finished()
    sys.exit(result.exit_code)


def _show(result: Report, report_format: str) -> None:
    from wheel_uploader import report

    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    click.echo(report.FORMATS[report_format](result, utf8), nl=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error: the runner reads both, and a document on standard output stays whole.
        click.echo(report.workflow_commands(result), err=True, nl=False)


def _continues(result: Report) -> bool:
    """Whether the same command takes up where this run ended."""
    ended = result.error
    if isinstance(ended, PartialError | DeadlineError | Interrupted):
        return True
    return isinstance(ended, NetworkError) and bool(result.results)


def _that_hold(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """``values`` without what the configuration says of a release, when files are checked on their own.

    One wheel is never all that is expected; it needs no wheelhouse, and no index to go to.
    """
    if values["project"]:
        return values
    dropped = {
        parameter.name
        for parameter in context.command.params
        if isinstance(parameter, Option)
        and parameter.group in {"List", "Download", "Upload and confirm"}
        and context.get_parameter_source(parameter.name or "") is ParameterSource.DEFAULT_MAP
    }
    return {name: value for name, value in values.items() if name not in dropped - {"urls"}}


def _options(
    *, project: str, release: str, until: str, no_upload: bool, profile: str | None, **values: Any
) -> Options:
    """The Options that a command line stands for. Raises UsageError for what click cannot see."""
    from wheel_uploader import checks
    from wheel_uploader.http import logins
    from wheel_uploader.models import Options, Profile, Stage
    from wheel_uploader.release import parse_version

    if not values["urls"]:
        raise UsageError(
            "no place to take the files from",
            hint="Give a listing, an index page or a folder: -u URL (see 'wheel-uploader --help').",
        )
    for check_id in values["ignore"]:
        checks.require_known(check_id)
    if values["like"]:
        parse_version(values["like"])
    stage = min(Stage[until.upper()], Stage.SIGN if no_upload else Stage.CONFIRM)
    if not project and stage > Stage.CHECK:
        raise UsageError(
            "no project was named",
            hint="Say PROJECT, and its VERSION, at the end; without them, files are only checked: "
            "--until check -u FILE.",
        )
    return Options(
        url_token=os.environ.get(logins.VARIABLE),
        project=project,
        version=release,
        until=stage,
        profile=Profile(profile) if profile else None,
        **values,
    )


def _end(error: ReleaseError) -> NoReturn:
    """Say what happened, and end with the error's exit code."""
    _tell(error)
    sys.exit(error.exit_code)


def _tell(error: ReleaseError, *, again: Sequence[str] = ()) -> None:
    """Say what happened, to which files, and what to do next; ``again``: with which arguments."""
    click.echo(f"error: {printable(error.message)}", err=True)
    for detail in error.details:
        click.echo(f"  {printable(detail)}", err=True)
    if again:
        line = printable(shlex.join(["wheel-uploader", *again]), limit=_LONGEST_COMMAND)
        with_secrets = f" (with what stands for {HIDDEN})" if HIDDEN in line else ""
        click.echo(f"to continue{with_secrets}: {line}", err=True)
    click.echo(f"next: {printable(error.hint)}", err=True)


#: click's exit code for Ctrl-C.
_ABORTED = 1
#: Characters: no system takes a longer one.
_LONGEST_COMMAND = 2_000_000


def main() -> None:
    """Run the command; the only place that meets exceptions which nobody expected."""
    watch = stopping.listen()
    try:
        command(prog_name="wheel-uploader", obj=watch)
    except SystemExit as end:
        watch.finished()
        code = int(end.code or 0)
        if code == _ABORTED and watch.error:
            # It came while click was at work, which knows no other end than this one.
            code = watch.error.exit_code
        if code and threading.active_count() > 1:
            # A thread was left behind; one that writes while the interpreter goes down would crash it.
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
        sys.exit(code)
