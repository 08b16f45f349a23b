"""The manual page, made of the command itself when the wheel is built (see hatch_build.py)."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from datetime import date

import click

from wheel_uploader import __version__, errors
from wheel_uploader.cli.help import sections

_EXAMPLES = (
    ("Look at a release before it goes up:", "wheel-uploader --until check -u dist"),
    (
        "Take one to PyPI:",
        "wheel-uploader -u https://staging.example.com/wheels/ -w ~/wheelhouse dipy 1.11.0",
    ),
    (
        "Every night, by cron:",
        "wheel-uploader -q --max-age 3d --keep-releases 5 -u URL -w DIR -r internal --pre dipy latest",
    ),
)


def page(command: click.Command, day: date) -> str:
    """The page in man(7)'s macros."""
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
    for title, records in sections(command, context).items():
        yield f".SS {_plain(title)}"
        for names, text in records:
            yield from _tagged(names, text)
    yield ".SH EXIT STATUS"
    yield from _tagged("0", "What was asked for is done; nothing new is such an end, too.")
    for code, meaning in sorted(exit_codes().items()):
        yield from _tagged(str(code), meaning)
    yield from _tagged("128+N", "Stopped by signal N.")
    yield ".SH EXAMPLES"
    for what, line in _EXAMPLES:
        yield from (".TP", _plain(what), f".B {_plain(line)}")
    yield from (".SH SEE ALSO", ".BR twine (1),", ".BR pip (1)")


def exit_codes() -> dict[int, str]:
    """What each way to end means, by the classes of errors; a signal has no code of its own."""
    ends = [error for error in errors.ReleaseError.__subclasses__() if error is not errors.Interrupted]
    return {1: "Unexpected: a bug."} | {
        error.exit_code: (error.__doc__ or "").splitlines()[0] for error in ends
    }


def _tagged(tag: str, text: str) -> Iterator[str]:
    yield from (".TP", f".B {_plain(tag)}")
    yield from _text(text)


def _text(text: str) -> list[str]:
    """A paragraph in short lines, as roff's own tools want them."""
    return [_plain(line) for line in textwrap.wrap(" ".join(text.split()), 66, break_on_hyphens=False)]


def _plain(text: str) -> str:
    """Text that roff shows as it is: no escapes, no macros, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text
