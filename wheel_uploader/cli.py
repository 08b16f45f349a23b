"""The command line: options -> Options, Report -> screen, errors -> exit code. The one home of click.

Nothing heavy is imported at the top: ``--help`` has to answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from wheel_uploader import __version__
from wheel_uploader.cli_options import GroupedCommand, LocalPath, Option, stage_options
from wheel_uploader.display import printable
from wheel_uploader.errors import Interrupted, ReleaseError, UsageError

if TYPE_CHECKING:
    from wheel_uploader.models import Options


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


@click.command(
    cls=GroupedCommand,
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
    from wheel_uploader import pipeline, progress, report

    _stop_on_sigterm()
    talk = progress.make(sys.stderr, verbose=values["verbose"])
    try:
        options = _options(**_that_hold(click.get_current_context(), values))
    except ReleaseError as error:
        _end(error)
    result = pipeline.run(options, talk)
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    click.echo(report.FORMATS[report_format](result, utf8), nl=False)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On standard error: the runner reads both, and a document on standard output stays whole.
        click.echo(report.workflow_commands(result), err=True, nl=False)
    if result.error:
        _end(result.error)
    sys.exit(0)


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
    from wheel_uploader import checks, logins
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


def _stop_on_sigterm() -> None:
    def stop(number: int, _frame: object) -> NoReturn:
        raise Interrupted(number)

    signal.signal(signal.SIGTERM, stop)


def _end(error: ReleaseError) -> NoReturn:
    """Say what happened, to which files and what to do next; then end with the error's exit code."""
    click.echo(f"error: {printable(error.message)}", err=True)
    for detail in error.details:
        click.echo(f"  {printable(detail)}", err=True)
    click.echo(f"next: {printable(error.hint)}", err=True)
    sys.exit(error.exit_code)


def main() -> None:
    """Run the command; the only place that meets exceptions which nobody expected."""
    command(prog_name="wheel-uploader")
