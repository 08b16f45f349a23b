"""The options of the command, grouped by stage, and the help that shows them so; with cli, click's home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

STAGES = ("list", "download", "check", "sign", "upload", "confirm")
PREFIX = "WHEEL_UPLOADER"

Function = TypeVar("Function", bound=Callable[..., Any])


class LocalPath(click.Path):
    """A local path with ``~`` expanded: it may come from a file or a variable, not from a shell."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(Path(value).expanduser(), param, ctx)


def _seconds(_context: click.Context, _parameter: click.Parameter, value: Any) -> float:
    """What ``20m``, ``1h30m``, or a number of the configuration, says in seconds."""
    from wheel_uploader import waiting

    try:
        return waiting.parse_duration(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _ignores(_context: click.Context, _parameter: click.Parameter, values: tuple[Any, ...]) -> dict[str, str]:
    """Ids to reasons; those of the command line and of the environment come without."""
    return dict((value, "") if isinstance(value, str) else value for value in values)


class Option(click.Option):
    """An option that knows under which heading ``--help`` shows it, and its variable in the environment."""

    group = ""

    def __init__(self, names: list[str], **settings: Any) -> None:
        long = next(name for name in names if name.startswith("--"))
        variable = long.partition("/")[0].removeprefix("--").replace("-", "_").upper()
        super().__init__(names, envvar=f"{PREFIX}_{variable}", **settings)


def _option(*names: str, **settings: Any) -> Option:
    return Option(list(names), **settings)


def _duration(name: str, text: str) -> Option:
    kind, callback = click.UNPROCESSED, _seconds
    return _option(name, type=kind, callback=callback, default="0", metavar="DURATION", help=text)


def _list() -> list[Option]:
    return [
        _option(
            "-u",
            "--url",
            "--wheel-url-dir",
            "urls",
            multiple=True,
            metavar="URL",
            help="Where the files wait: a listing, an index page, a local folder or file. Repeatable.",
        ),
        _option(
            "-t",
            "--type",
            "--wheel-type",
            "types",
            multiple=True,
            default=("all",),
            metavar="TYPE",
            help="Only files for this platform: all (the default), macosx, win, linux, manylinux, "
            "manylinux1, musllinux, any, or a part of a platform tag. Repeatable.",
        ),
        _option("--pre", is_flag=True, help="Let 'latest' be a pre-release or a dev version."),
        _option(
            "--expect",
            # The configuration may have a number or a table.
            type=click.UNPROCESSED,
            metavar="N|FILE",
            help="What has to be there: a number of files, or a file with a name or a tag on each line.",
        ),
        _duration("--wait", "Wait so long (20m, 1h30m) until what is expected is listed, twice the same."),
        _option(
            "--hashes",
            type=LocalPath(),
            metavar="FILE",
            help="A SHA256SUMS that you trust: its files have to be there, with these bytes.",
        ),
        _option(
            "--require-hashes",
            is_flag=True,
            help="Refuse files that neither the listing nor --hashes vouches for.",
        ),
        _option(
            "--netrc", is_flag=True, help="Log in where the files wait with what ~/.netrc (or NETRC) has."
        ),
        _option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="HOST",
            help="Follow links of a listing to this host. Repeatable.",
        ),
        _option(
            "--allow-insecure-host",
            "allow_insecure_hosts",
            multiple=True,
            metavar="HOST",
            help="Use http, not https, with this host. Repeatable.",
        ),
    ]


def _download() -> list[Option]:
    return [
        _option(
            "-w",
            "--wheelhouse",
            "--wheel-dir",
            "wheelhouse",
            type=LocalPath(),
            metavar="DIR",
            help="The local folder that the files are downloaded into.  [default: wheelhouse; none where "
            "local files are only checked]",
        ),
        _option(
            "-c", "--clobber", is_flag=True, help="Overwrite a file there that differs from the source's."
        ),
        _option("-j", "--jobs", type=click.IntRange(1, 64), help="Downloads at once.  [default: by size]"),
        _option(
            "--timeout",
            type=click.FloatRange(min=1),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a server may be silent.",
        ),
        _option(
            "--retries",
            type=click.IntRange(1, 20),
            default=6,
            show_default=True,
            help="Attempts for each request.",
        ),
        _option(
            "--lock-timeout",
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="Wait for another run that uses the wheelhouse.",
        ),
    ]


def _check() -> list[Option]:
    return [
        _option(
            "--profile", type=click.Choice(["pypi", "any"]), help="Whose rules hold.  [default: the target's]"
        ),
        _option(
            "--ignore",
            multiple=True,
            # The configuration may give a reason with each.
            type=click.UNPROCESSED,
            callback=_ignores,
            metavar="ID",
            help="Accept what this check, or family of checks, finds. Repeatable.",
        ),
        _option("--strict", is_flag=True, help="Let warnings stop the release too."),
        _option(
            "--like",
            metavar="VERSION",
            help="The release on the index to compare with.  [default: the newest final one below this]",
        ),
        _option("--no-like", is_flag=True, help="Compare with no other release."),
        _option(
            "--allow-lost",
            multiple=True,
            metavar="TAG",
            help="Accept that this python, platform or both (cp310-win32, 'pp*') of it are gone. Repeatable.",
        ),
    ]


def _sign() -> list[Option]:
    return [
        _option("-s", "--sign", is_flag=True, help="Sign every file, and SHA256SUMS, with gpg."),
        _option("-i", "--identity", metavar="KEY", help="The key: fingerprint, key id or e-mail."),
        _option(
            "--sign-with",
            default="gpg",
            show_default=True,
            metavar="PROGRAM",
            help="The program that signs.",
        ),
    ]


def _upload() -> list[Option]:
    return [
        _option(
            "-r", "--repository", metavar="NAME", help="The section of .pypirc to upload to.  [default: pypi]"
        ),
        _option("--repository-url", metavar="URL", help="The upload URL itself; .pypirc is not read then."),
        _option(
            "--index-url",
            metavar="URL",
            help="Where the index is read.  [default: derived from the upload URL]",
        ),
        _option("--config-file", type=LocalPath(), metavar="FILE", help="Another .pypirc."),
        _option(
            "--username",
            metavar="NAME",
            help="Who uploads; the password comes from TWINE_PASSWORD, .pypirc or keyring.",
        ),
        _option("--cert", type=LocalPath(), metavar="FILE", help="CA certificates (PEM) for the index."),
        _option("--client-cert", type=LocalPath(), metavar="FILE", help="Client certificate and key (PEM)."),
        _option("--non-interactive", is_flag=True, help="Never ask for anything."),
        _option(
            "--skip-existing/--no-skip-existing",
            default=True,
            show_default=True,
            help="Skip a file that the index serves with equal sha256; otherwise it is an error.",
        ),
        _option(
            "--upload-jobs",
            type=click.IntRange(1, 16),
            default=4,
            show_default=True,
            help="Uploads at once.",
        ),
        _option("--keep-going", is_flag=True, help="Try the other files after one was refused."),
        _option(
            "--confirm-timeout",
            type=click.FloatRange(min=0),
            default=600.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait until the index lists every file.",
        ),
    ]


def _run() -> list[Option]:
    return [
        _option(
            "--until",
            type=click.Choice(STAGES),
            default="confirm",
            show_default=True,
            help="Stop after this stage.",
        ),
        _option(
            "-n",
            "--no-upload",
            "--no-twine",
            "no_upload",
            is_flag=True,
            help="Do not upload: the same as --until sign.",
        ),
        _option(
            "--dry-run",
            is_flag=True,
            help="Stop after the comparison with the index; say what would be posted.",
        ),
        _option(
            "--format",
            "report_format",
            type=click.Choice(["text", "json", "sarif"]),
            default="text",
            show_default=True,
            help="The report on standard output; sarif is for code scanning.",
        ),
        _duration(
            "--max-duration",
            "End after so long (50m, 1h30m); a file that is being uploaded then gets 30 s more.",
        ),
        _option("-v", "--verbose", count=True, help="Say more: refused files, waits, notes."),
    ]


GROUPS: dict[str, Callable[[], list[Option]]] = {
    "List": _list,
    "Download": _download,
    "Check": _check,
    "Sign": _sign,
    "Upload and confirm": _upload,
    "The run": _run,
}


def stage_options(function: Function) -> Function:
    """Give a command all the options of ``GROUPS``, in that order."""
    options = []
    for title, make in GROUPS.items():
        for option in make():
            option.group = title
            options.append(option)
    # As stacked decorators would: click reads them from the last to the first.
    for option in reversed(options):
        function.__dict__.setdefault("__click_params__", []).append(option)
    return function


class GroupedCommand(click.Command):
    """A command whose ``--help`` shows the options under the headings of their stages."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, "Other")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[getattr(parameter, "group", "") or "Other"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=34)
