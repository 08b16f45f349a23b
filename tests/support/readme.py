"""Generates the parts of README.rst that come from the program: ``python -m tests.support.readme``."""

from __future__ import annotations

import re

import click

from tests.support.generated_parts import replace_parts
from tools.testing import tested_package
from wheel_uploader import cli
from wheel_uploader.checks import CHECKS

README = tested_package.ROOT / "README.rst"


def generated_parts() -> dict[str, str]:
    """Return the generated parts by NAME: the text between ``.. NAME begins`` and ``.. NAME ends``."""
    return {"help": help_block(), "checks": checks_table()}


def section(title: str) -> str:
    """Return the text below a section title of the README, up to the next one of the same level."""
    text = README.read_text(encoding="utf-8")
    _, _, below = text.partition(f"\n{title}\n{'=' * len(title)}\n")
    assert below, title
    return re.split(r"(?m)^.+\n={3,}$", below, maxsplit=1)[0]


def help_block() -> str:
    context = click.Context(
        cli.command, info_name="wheel-uploader", terminal_width=100, **cli.command.context_settings
    )
    lines = cli.command.get_help(context).splitlines()
    return ".. code-block:: text\n\n" + "\n".join(f"    {line}".rstrip() for line in lines)


def checks_table() -> str:
    rows = [("id", "sev", "what it finds")]
    for check in CHECKS:
        severity = check.severity.value[0].upper()
        elsewhere = check.severity_off_pypi.value[0].upper()
        rows.append(
            (f"``{check.id}``", severity if severity == elsewhere else f"{severity}/{elsewhere}", check.title)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def with_generated_parts(text: str) -> str:
    """Return the README's text with the generated parts replaced."""
    return replace_parts(text, generated_parts())


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text(encoding="utf-8")), encoding="utf-8")
