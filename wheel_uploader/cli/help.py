"""The command as click sees it: its help has headings, and it keeps what was typed."""

from __future__ import annotations

import click

from wheel_uploader.cli import screen
from wheel_uploader.cli.options import GROUPS
from wheel_uploader.errors import UsageError

#: Characters of the left column, which is the same below all headings.
_NAMES = 27


class Command(click.Command):
    """A command whose ``--help`` shows the options under the headings of their stages."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # For the message that says how to continue.
        ctx.meta[screen.TYPED] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            # In the words that every other end has.
            screen.end(UsageError(error.format_message(), hint="'wheel-uploader --help' has the options."))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, records in sections(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl([(f"{names:<{_NAMES}}", text) for names, text in records], col_max=_NAMES)


def sections(command: click.Command, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Heading to options: how each is written, and what it does."""
    found: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, "Other")}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            found[getattr(parameter, "group", "") or "Other"].append(record)
    return found
