"""The command line: options -> Options, Report -> screen, errors -> exit code. The one home of click.

Nothing heavy is imported at the top: ``--help`` has to answer at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wheel_uploader import __version__
from wheel_uploader.display import printable
from wheel_uploader.errors import Interrupted, ReleaseError, UsageError

if TYPE_CHECKING:
    from wheel_uploader.models import Options

_STAGES = ("list", "download", "check", "sign", "upload", "confirm")
_TYPES = "all, macosx, win, linux, manylinux, manylinux1, musllinux, any"


class _PathType(click.Path):
    """A local path with ``~`` expanded: it may come from a file or a variable, not from a shell."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(path_type=Path, **kwargs)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(Path(value).expanduser(), param, ctx)


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
        option.removeprefix("--"): parameter.name
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.name not in _NOT_CONFIGURABLE
    }
    try:
        values = config.load(path, known)
    except ReleaseError as error:
        _end(error)
    # One value may stand for a list of one, as on the command line.
    context.default_map = {known[key]: value for key, value in values.items()}


_NOT_CONFIGURABLE = {"help", "version_flag", "demo", "explain", "config"}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("project")
@click.argument("release", metavar="[VERSION]", default="")
@click.option(
    "-u",
    "--url",
    "--wheel-url-dir",
    "urls",
    multiple=True,
    metavar="URL",
    envvar="WHEEL_UPLOADER_URL",
    help="Where the files wait: a directory listing, a package index, a local folder or file. Repeatable.",
)
@click.option(
    "-w",
    "--wheelhouse",
    "--wheel-dir",
    "wheelhouse",
    type=_PathType(),
    default="wheelhouse",
    show_default=True,
    help="The local folder that the files are downloaded into.",
)
@click.option(
    "-t",
    "--type",
    "--wheel-type",
    "types",
    multiple=True,
    default=("all",),
    metavar="TYPE",
    envvar="WHEEL_UPLOADER_TYPE",
    help=f"Take only files for this platform: {_TYPES}, or a part of a tag. Repeatable.  [default: all]",
)
@click.option("--pre", is_flag=True, help="Let 'latest' be a pre-release or a dev version.")
@click.option(
    "-c", "--clobber", is_flag=True, help="Overwrite a file in the wheelhouse that differs from the source's."
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), help="Downloads at once.  [default: by number and size]"
)
@click.option(
    "--until", type=click.Choice(_STAGES), default="confirm", show_default=True, help="Stop after this stage."
)
@click.option(
    "-n", "--no-upload", "--no-twine", "no_upload", is_flag=True, help="Do not upload: --until sign."
)
@click.option(
    "--dry-run", is_flag=True, help="Stop after the comparison with the index; say what would be posted."
)
@click.option(
    "--profile", type=click.Choice(["pypi", "any"]), help="Whose rules hold.  [default: by the target]"
)
@click.option(
    "--ignore", multiple=True, metavar="ID", help="Accept what this check, or this family, finds. Repeatable."
)
@click.option("--strict", is_flag=True, help="Let warnings stop the release too.")
@click.option("-s", "--sign", is_flag=True, help="Sign every file, and SHA256SUMS, with gpg.")
@click.option(
    "--sign-with", default="gpg", show_default=True, metavar="PROGRAM", help="The program that signs."
)
@click.option("-i", "--identity", metavar="KEY", help="The key to sign with: fingerprint, key id or e-mail.")
@click.option(
    "-r", "--repository", metavar="NAME", help="The section of .pypirc to upload to.  [default: pypi]"
)
@click.option("--repository-url", metavar="URL", help="The upload URL itself; .pypirc is not read then.")
@click.option(
    "--index-url", metavar="URL", help="Where the index is read.  [default: derived from the upload URL]"
)
@click.option("--config-file", type=_PathType(), help="Another .pypirc.")
@click.option(
    "--username",
    metavar="NAME",
    help="Who uploads; the password comes from TWINE_PASSWORD, .pypirc or keyring.",
)
@click.option("--cert", type=_PathType(), help="CA certificates (PEM) for the index.")
@click.option("--client-cert", type=_PathType(), help="Client certificate and key (PEM) for the index.")
@click.option("--non-interactive", is_flag=True, help="Never ask for anything.")
@click.option(
    "--skip-existing/--no-skip-existing",
    default=True,
    show_default=True,
    help="Skip a file that the index serves with equal sha256; otherwise it is an error.",
)
@click.option(
    "--upload-jobs", type=click.IntRange(1, 16), default=4, show_default=True, help="Uploads at once."
)
@click.option("--keep-going", is_flag=True, help="Try the other files after one was refused.")
@click.option(
    "--confirm-timeout",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until the index lists every file.",
)
@click.option(
    "--lock-timeout",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="Wait for another run on the wheelhouse.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Silence of a server that is too long.",
)
@click.option(
    "--retries", type=click.IntRange(1, 20), default=6, show_default=True, help="Attempts for each request."
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    envvar="WHEEL_UPLOADER_ALLOW_HOST",
    help="Follow links of the listing to this host. Repeatable.",
)
@click.option(
    "--allow-insecure-host",
    "allow_insecure_hosts",
    multiple=True,
    metavar="HOST",
    envvar="WHEEL_UPLOADER_ALLOW_INSECURE_HOST",
    help="Use http, not https, with this host. Repeatable.",
)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The report on standard output.",
)
@click.option(
    "-v", "--verbose", count=True, help="Say more: refused files, waits, notes. Twice for every request."
)
@click.option(
    "--config",
    type=_PathType(exists=True, dir_okay=False),
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

    Every option can be set as WHEEL_UPLOADER_OPTION in the environment or under [tool.wheel-uploader] in
    pyproject.toml.
    """
    from wheel_uploader import pipeline, progress, report

    _stop_on_sigterm()
    talk = progress.make(sys.stderr, verbose=values["verbose"])
    try:
        options = _options(**values)
    except ReleaseError as error:
        _end(error)
    result = pipeline.run(options, talk)
    click.echo(report.FORMATS[report_format](result), nl=False)
    if result.error:
        _end(result.error)
    sys.exit(0)


def _options(
    *, project: str, release: str, until: str, no_upload: bool, profile: str | None, **values: Any
) -> Options:
    """The Options that a command line stands for. Raises UsageError for what click cannot see."""
    from wheel_uploader import checks
    from wheel_uploader.models import Options, Profile, Stage

    if not values["urls"]:
        raise UsageError(
            "no place to take the files from",
            hint="Give a listing, an index page or a folder: -u URL (see 'wheel-uploader --help').",
        )
    for check_id in values["ignore"]:
        checks.require_known(check_id)
    stage = Stage[until.upper()]
    return Options(
        project=project,
        version=release,
        until=min(stage, Stage.SIGN) if no_upload else stage,
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
    command(auto_envvar_prefix="WHEEL_UPLOADER")
