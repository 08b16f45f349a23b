"""The click command: help under headings, hidden aliases, errors in the words of the program."""

from __future__ import annotations

from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from wheel_uploader.cli import other_tools
from wheel_uploader.cli import output as cli_output
from wheel_uploader.cli.option import AliasedOption
from wheel_uploader.cli.options import GROUPS
from wheel_uploader.core.errors import UsageError

#: Commands for the usual tasks, at the end of ``--help`` and of the manual page.
EXAMPLES = (
    ("Check the files of a release in place:", "wheel-uploader --until check -u dist"),
    ("Try the release on a local index:", "wheel-uploader --rehearse -u dist dipy 1.11.0"),
    ("Publish a release to PyPI:", "wheel-uploader -u URL -w ~/wheelhouse dipy 1.11.0"),
    (
        "Publish the newest build from cron:",
        "wheel-uploader -q --max-age 3d -u URL -w DIR -r internal --pre dipy latest",
    ),
)
#: Width in characters of the left column of ``--help``, below every heading.
_NAME_COLUMN = 27


class Command(click.Command):
    """A command that groups its options in ``--help`` and shows no aliases there or in completion."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, keep them as they were typed, and end the program if they are wrong."""
        # The message that says how to continue repeats them.
        ctx.meta[cli_output.TYPED_ARGUMENTS_KEY] = tuple(args)
        typed = {} if ctx.resilient_parsing else other_tools.refuse_other_calls(self, ctx, args)
        try:
            rest = super().parse_args(ctx, args)
            other_tools.apply(ctx, typed)
            return rest
        except click.NoSuchOption as error:
            aliases = self._aliases(ctx)
            names = [
                name
                for option in self.get_params(ctx)
                for name in (*option.opts, *option.secondary_opts)
                if not getattr(option, "hidden", False)
            ]
            shown = [name for name in names if name not in aliases]
            _refuse(click.NoSuchOption(error.option_name, possibilities=shown, ctx=ctx))
        except click.UsageError as error:
            _refuse(error)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below the headings of their stages."""
        for title, records in help_sections(self, ctx).items():
            with formatter.section(title):
                rows = [(f"{names:<{_NAME_COLUMN}}", text) for names, text in records]
                formatter.write_dl(rows, col_max=_NAME_COLUMN)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, with commands that are not wrapped."""
        with formatter.section("Examples"):
            for purpose, line in EXAMPLES:
                formatter.write(f"  {purpose}\n    {line}\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the completions of click without aliases."""
        aliases = self._aliases(ctx)
        return [item for item in super().shell_complete(ctx, incomplete) if item.value not in aliases]

    def _aliases(self, ctx: click.Context) -> set[str]:
        options = self.get_params(ctx)
        return {alias for option in options if isinstance(option, AliasedOption) for alias in option.aliases}


def _refuse(error: click.UsageError) -> NoReturn:
    """End the program as with every other error, not in click's words."""
    cli_output.exit_with(
        UsageError(error.format_message(), hint="See 'wheel-uploader --help' for the options.")
    )


def help_sections(command: click.Command, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Return the options below each heading of ``--help``, each as its spelling and its help text."""
    records: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, "Other")}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            records[getattr(parameter, "group", "") or "Other"].append(record)
    return records
