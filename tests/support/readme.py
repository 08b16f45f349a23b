"""README.rst and the pages of docs/, and the parts of them that come from the program.

``python -m tests.support.readme`` writes these parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import yaml  # type: ignore[import-untyped]

from tests.support.generated_parts import replace_parts
from tools.testing import tested_package
from wheel_uploader import cli
from wheel_uploader.checks import CHECKS
from wheel_uploader.cli.option import Option

README = tested_package.ROOT / "README.rst"
DOCS = tested_package.ROOT / "docs"
#: The pages about single checks, which docs/extensions/check_pages.py writes for each build.
CHECK_PAGES = DOCS / "reference" / "checks"


def pages() -> list[Path]:
    """Return the README and the written pages of docs/."""
    written = (path for path in sorted(DOCS.rglob("*.rst")) if CHECK_PAGES not in path.parents)
    return [README, *written]


def page(name: str) -> str:
    """Return the text of a page of docs/, such as ``how-to/nightly``."""
    return (DOCS / f"{name}.rst").read_text(encoding="utf-8")


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
    rows = [("id", "sev", "finding")]
    for check in CHECKS:
        severity = check.severity.value[0].upper()
        elsewhere = check.severity_off_pypi.value[0].upper()
        rows.append(
            (
                f":doc:`{check.id} <checks/{check.id}>`",
                severity if severity == elsewhere else f"{severity}/{elsewhere}",
                check.title,
            )
        )
    return format_table(rows)


def format_table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return a simple table; the first row is its header."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def settings_table() -> str:
    """Return the keys of the configuration file and the variables that set the same options."""
    options = [parameter for parameter in cli.command.params if isinstance(parameter, Option)]
    rows = [(f"``{option.key}``", f"``{option.variables[0]}``", str(option.kind)) for option in options]
    return format_table([("key", "variable", "value in the file"), *rows])


def json_keys() -> str:
    """Return the keys of the report and of its files and findings, as the JSON Schema describes them."""
    schema = json.loads((tested_package.HOME / SCHEMA).read_text(encoding="utf-8"))
    parts = {"report": schema, "file": schema["$defs"]["file"], "finding": schema["$defs"]["finding"]}
    blocks = []
    for title, part in parts.items():
        lines = [f"Keys of {'the report' if title == 'report' else f'a {title}'}:", ""]
        for key, value in part["properties"].items():
            definition = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            description = value.get("description") or definition.get("description", "")
            lines.append(f"* ``{key}``" + (f": {description}" if description else ""))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def action_parts() -> str:
    """Return the inputs and outputs of action.yml."""
    action = yaml.safe_load((tested_package.ROOT / "action.yml").read_text(encoding="utf-8"))
    blocks = []
    for title in ("inputs", "outputs"):
        lines = [".. list-table::", "   :header-rows: 1", ""]
        header = (
            (title.removesuffix("s"), "default", "meaning") if title == "inputs" else ("output", "meaning")
        )
        rows = [
            (
                f"``{name}``",
                *([_literal(described["default"])] if title == "inputs" else []),
                _option_literals(described["description"]),
            )
            for name, described in action[title].items()
        ]
        for row in (header, *rows):
            lines += [
                f"   {'*' if column == 0 else ' '} - {cell}".rstrip() for column, cell in enumerate(row)
            ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _literal(value: str) -> str:
    return f"``{value}``" if value else ""


def _option_literals(text: str) -> str:
    """Mark options and quoted words in a plain description."""
    return re.sub(r"`([^`]+)`|(?<=\()(--[a-z-]+)(?=\))", lambda found: f"``{found[1] or found[2]}``", text)


#: The JSON Schema of the report, in the package.
SCHEMA = "wheel_uploader/report/formats/schema.json"

#: By page of docs/ and by NAME: what makes the text between ``.. NAME begins`` and ``.. NAME ends``.
GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "reference/command-line": {"help": help_block},
    "reference/checks": {"checks": checks_table},
    "reference/configuration": {"settings": settings_table},
    "reference/json": {"json": json_keys},
    "how-to/github-actions": {"action": action_parts},
}


def with_generated_parts(name: str) -> str:
    """Return the text of a page of docs/ with its generated parts replaced."""
    return replace_parts(page(name), {part: make() for part, make in GENERATED[name].items()})


if __name__ == "__main__":
    for name in GENERATED:
        (DOCS / f"{name}.rst").write_text(with_generated_parts(name), encoding="utf-8")
