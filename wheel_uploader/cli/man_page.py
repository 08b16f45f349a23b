"""The manual page, generated from the command when the wheel is built (see hatch_build.py)."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from datetime import date

import click

from wheel_uploader import __version__
from wheel_uploader.cli.click_command import EXAMPLES, help_sections
from wheel_uploader.core import errors


def man_page(command: click.Command, day: date) -> str:
    """Return the page in the macros of man(7)."""
    return "\n".join(_lines(command, day)) + "\n"


def _lines(command: click.Command, day: date) -> Iterator[str]:
    context = click.Context(command, info_name="wheel-uploader", **command.context_settings)
    first, *rest = inspect.cleandoc(command.help or "").split("\n\n")
    yield f'.TH WHEEL\\-UPLOADER 1 "{day:%Y-%m-%d}" "wheel\\-uploader {_plain(__version__)}"'
    yield ".SH NAME"
    yield from _text(f"wheel-uploader - {first[0].lower()}{first[1:].rstrip('.')}")
    yield from (".SH SYNOPSIS", ".B wheel\\-uploader")
    yield "[\\fIOPTIONS\\fR] [\\fIPROJECT\\fR] [\\fIVERSION\\fR]"
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(rest):
        yield from [".PP"] * bool(number)
        yield from _text(paragraph)
    yield ".SH OPTIONS"
    for title, records in help_sections(command, context).items():
        yield f".SS {_plain(title)}"
        for names, text in records:
            yield from _tagged(names, text)
    yield ".SH EXIT STATUS"
    yield from _tagged("0", "Success; also if there was nothing new to publish.")
    for code, meaning in sorted(exit_codes().items()):
        yield from _tagged(str(code), meaning)
    yield from _tagged("128+N", "Stopped by signal N.")
    yield ".SH EXAMPLES"
    for purpose, line in EXAMPLES:
        yield from (".TP", _plain(purpose), f".B {_plain(line)}")
    yield from (".SH SEE ALSO", ".BR twine (1),", ".BR pip (1)")


def exit_codes() -> dict[int, str]:
    """Return exit codes with their meanings, from the error classes; signals are not among them."""
    classes = [error for error in errors.ReleaseError.__subclasses__() if error is not errors.RunInterrupted]
    return {1: "Unexpected: a bug."} | {
        error.exit_code: (error.__doc__ or "").splitlines()[0] for error in classes
    }


def _tagged(tag: str, text: str) -> Iterator[str]:
    yield from (".TP", f".B {_plain(tag)}")
    yield from _text(text)


def _text(text: str) -> list[str]:
    """Return a paragraph in short lines, as roff's linters expect."""
    return [_plain(line) for line in textwrap.wrap(" ".join(text.split()), 66, break_on_hyphens=False)]


def _plain(text: str) -> str:
    """Escape text so that roff prints it verbatim, with hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text
