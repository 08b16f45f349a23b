"""Arguments of twine, uv publish, anaconda and the PyPI action: accepted, or refused with the right call."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from wheel_uploader.cli import output as cli_output
from wheel_uploader.cli import release_words
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.redaction import redact_secrets, register_secret

Function = TypeVar("Function", bound=Callable[..., Any])

_VARIABLES_HINT = (
    "Set TWINE_PASSWORD in the environment, for a token with TWINE_USERNAME=__token__ (anaconda.org: "
    "ANACONDA_API_TOKEN, GitHub: GH_TOKEN), or store it in .pypirc or in the keyring. Replace a secret that "
    "was typed on a machine with other users."
)
#: Options whose value is a secret, each with its short form.
_SECRET_OPTIONS: Mapping[str, tuple[str, ...]] = {"--token": (), "--password": ("-p",)}
#: Flags of other tools that have no equivalent, and what to do instead.
_FLAGS: Mapping[str, str] = {
    "--verify-metadata": "Leave it out: the metadata of every file is always checked.",
    "--print-hash": "Leave it out: the reports have the sha256 of every file (--format json, --report FILE).",
    "--disable-progress-bar": "Leave it out: progress is drawn on a terminal only; -q turns it off there.",
    "--no-progress": "Leave it out: progress is drawn on a terminal only; -q turns it off there.",
    "--no-cache": "Leave it out: what the caches say is checked against the bytes, and they may be deleted.",
    "--no-config": "Pass the configuration to use with --config FILE.",
    "--system-certs": "Leave it out: the certificates of the machine are trusted; --cert FILE adds others.",
    "--native-tls": "Leave it out: the certificates of the machine are trusted; --cert FILE adds others.",
    "--managed-python": "Leave it out: no Python is downloaded.",
    "--no-managed-python": "Leave it out: no Python is downloaded.",
    "--no-python-downloads": "Leave it out: no Python is downloaded.",
    "--offline": "Leave it out; --until check -u FOLDER asks no server.",
    "--preview": "Leave it out: there are no preview features.",
    "--force": "Pass --replace: it replaces files of development, pre-release and local versions.",
    "--private": "Leave it out: make the project private on anaconda.org.",
    "--register": "Leave it out: a project is created with its first file.",
    "--no-register": "Leave it out: a project is created with its first file.",
    "--fail": "Leave it out: other contents under a name that exists always end the run (exit code 7).",
    "--interactive": "Leave it out: a run prompts on a terminal only.",
    "--keep-basename": "Leave it out: files keep their names.",
}
#: The same for options with a value.
_VALUES: Mapping[str, str] = {
    "--comment": "Leave it out: indexes do not show the comment of an upload.",
    "--trusted-publishing": "Leave it out: in a CI job with an identity, trusted publishing is used if no "
    "password is set; set TWINE_PASSWORD to use that one.",
    "--keyring-provider": "Leave it out: the keyring is used if no other password is found.",
    "--cache-dir": "Leave it out: caches are in the wheelhouse; -w DIR selects it.",
    "--directory": "Change to that folder first, or pass the place of the files with -u.",
    "-l": "Pass the label with --label.",
    "--site": "Pass the URL with --repository-url.",
    "--package": "Leave it out: the project is the first argument.",
    "--package-type": "Leave it out: wheels and sdists are recognized by their names.",
    "--summary": "Leave it out: it is read from the metadata of the files.",
    "--description": "Leave it out: it is read from the metadata of the files.",
    "--thumbnail": "Leave it out: files are uploaded, and nothing else.",
    "--build-id": "Leave it out: build numbers are read from the names of the files.",
}
#: Options of other tools that have another name here.
_RENAMED: Mapping[str, str] = {"-l": "--label", "--force": "--replace"}
#: Options that print something and exit, whatever else was typed.
_INFORMATIONAL = ("version", "explain", "demo", "completion")
_ATTESTATION_POLICIES = ("auto", "require", "none")
#: The user name of twine for tokens.
_TOKEN_USER = "__token__"  # noqa: S105 - a name, not a token
_EMAIL_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}")
#: Any part of a platform tag has one of these words.
_PLATFORM_WORD = re.compile(
    r"(?i)any|all|mac|win|linux|ios|android|wasm|x86|arm|aarch|amd|i\d86|ppc|s390|riscv"
)
_MIN_TOKEN_LENGTH = 16


def _parameter_name(option: str) -> str:
    return f"other_{option.strip('-').replace('-', '_')}"


def hidden_options(function: Function) -> Function:
    """Add the options of other tools to a command; they are not shown, and none is passed to it."""
    names = [([name, *short], False) for name, short in _SECRET_OPTIONS.items()]
    names += [([name], False) for name in (*_VALUES, "--project")]
    names += [([name], True) for name in (*_FLAGS, "--no-attestations")]
    for spellings, is_flag in reversed(names):
        add = click.option(
            *spellings,
            _parameter_name(spellings[0]),
            is_flag=is_flag,
            multiple=not is_flag,
            hidden=True,
            expose_value=False,
        )
        function = add(function)
    return function


def refuse_other_calls(command: click.Command, ctx: click.Context, args: Sequence[str]) -> Mapping[str, Any]:
    """End the program if the arguments are those of another tool and mean something else here.

    Secrets among them are masked in all output first. Return the values as typed; none if click refuses them.
    """
    try:
        values, extra, _ = command.make_parser(ctx).parse_args(list(args))
    except click.UsageError:
        _register_likely_secrets(args)
        _refuse_underscores(command, args)
        return {}
    words = [word for word in (values.get("project"), values.get("release"), *extra) if isinstance(word, str)]
    project_options = values.get(_parameter_name("--project")) or ()
    is_folder = any("/" in value or os.sep in value for value in project_options)
    has_project = bool(project_options) and not is_folder

    def find_right_call(options: Sequence[str], secrets: Sequence[str] = ()) -> Sequence[str]:
        removed = [name for name in options if name not in _RENAMED]
        flags = [name for name in removed if name in _FLAGS]
        rest = _remove_options(args, [name for name in removed if name not in flags], flags)
        rest = [_RENAMED.get(argument, argument) for argument in rest]
        is_unsafe = any(secret in argument for secret in secrets for argument in rest)
        return () if is_unsafe else release_words.right_call(words, rest, values, has_project=has_project)

    _refuse_secrets(values, find_right_call)
    _refuse_version(args, has_project=has_project)
    help_option = command.get_help_option(ctx)
    if any(name in values for name in (*_INFORMATIONAL, help_option and help_option.name)):
        return values
    hints = {**_FLAGS, **_VALUES}
    found = [name for name in hints if values.get(_parameter_name(name))]
    if is_folder:
        # uv's option of this name.
        hints, found = {**hints, "--project": _VALUES["--directory"]}, [*found, "--project"]
    if found:
        are_options = "is an option" if len(found) == 1 else "are options"
        _refuse(
            f"{', '.join(found)} {are_options} of another tool",
            " ".join(dict.fromkeys(hints[name] for name in found)),
            find_right_call(found),
        )
    _refuse_attestations(values)
    release_words.refuse_other_calls(words, args, values, has_project=has_project)
    return values


def apply(ctx: click.Context, values: Mapping[str, Any]) -> None:
    """Put the values of accepted habits where the command expects them: NAME==VERSION and hidden options."""
    if values.get(_parameter_name("--no-attestations")):
        ctx.params["attestations"] = "none"
        ctx.set_parameter_source("attestations", click.core.ParameterSource.COMMANDLINE)
    named = values.get(_parameter_name("--project")) or [""]
    release_words.apply(ctx, named[-1])


def _remove_options(args: Sequence[str], with_value: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the arguments without these options and their values."""
    rest, is_value = [], False
    for argument in args:
        if is_value:
            is_value = False
        elif argument in with_value:
            is_value = True
        elif argument not in flags and not argument.startswith(tuple(f"{name}=" for name in with_value)):
            rest.append(argument)
    return rest


def _refuse_underscores(command: click.Command, args: Sequence[str]) -> None:
    """Refuse an option with underscores, as the inputs of the PyPI action had them."""
    known = {spelling for parameter in command.params for spelling in parameter.opts}
    for index, argument in enumerate(args):
        name, separator, value = argument.partition("=")
        right = name.replace("_", "-")
        if name.startswith("--") and right != name and right in known:
            rest = [*args[:index], f"{right}{separator}{value}", *args[index + 1 :]]
            _refuse(f"{name} is spelled {right}", "Options have dashes, no underscores.", rest)


def _refuse_version(args: Sequence[str], *, has_project: bool) -> None:
    """Refuse ``--version 1.0``, which would print a version and upload nothing."""
    for option, value in itertools.pairwise(args):
        if option == "--version" and release_words.is_version(value):
            rest = _remove_options(args, ["--version"], [])
            _refuse(
                "--version prints the version of wheel-uploader",
                "The version of the release is the argument after PROJECT.",
                [*rest, value] if has_project else (),
            )


def _refuse_secrets(
    values: Mapping[str, Any], find_right_call: Callable[[Sequence[str], Sequence[str]], Sequence[str]]
) -> None:
    """Refuse secrets in arguments, after all of them have been registered."""
    found = {
        name: list(values.get(_parameter_name(name)) or ())
        for name in _SECRET_OPTIONS
        if values.get(_parameter_name(name))
    }
    types, places = values.get("types") or (), values.get("urls") or ()
    found["-t"] = [value for value in types if _is_token(value) or _is_no_platform(value)]
    found["-u"] = [value for value in places if _is_token(value) and not release_words.is_there(value)]
    found["--username"] = [value for value in [values.get("username")] if value and _is_token(value)]
    for secrets in found.values():
        for secret in secrets:
            register_secret(secret)
    for name, secrets in found.items():
        if secrets:
            meaning = {"-t": " (-t is the platform of wheels)", "-u": " (-u is the place of the files)"}
            _refuse(
                f"a password or token after {name} is refused{meaning.get(name, '')}: other users of the "
                "machine can see the arguments of a command",
                _VARIABLES_HINT,
                find_right_call((name, *_SECRET_OPTIONS.get(name, ())), secrets),
            )
    for value in places:
        if value == _TOKEN_USER or (_EMAIL_ADDRESS.fullmatch(value) and not release_words.is_there(value)):
            _refuse(
                "the value of -u is a user name; -u is the place of the files",
                f"Pass the user name with --username {value}, and the folder with the files with -u.",
            )


def _is_token(value: object) -> bool:
    text = str(value)
    return "://" not in text and redact_secrets(text) != text


def _is_no_platform(value: str) -> bool:
    return len(value) >= _MIN_TOKEN_LENGTH and not _PLATFORM_WORD.search(value)


def _register_likely_secrets(args: Sequence[str]) -> None:
    """Mask what may be a secret in arguments that cannot be parsed, because the message may quote them."""
    spellings = [*_SECRET_OPTIONS, *(short for names in _SECRET_OPTIONS.values() for short in names)]
    for index, argument in enumerate(args):
        name, separator, value = argument.partition("=")
        if name in spellings:
            value = value if separator else "".join(args[index + 1 : index + 2])
        elif argument.startswith("-p"):
            value = argument[2:]
        else:
            continue
        register_secret(value)


def _refuse_attestations(values: Mapping[str, Any]) -> None:
    policy = values.get("attestations")
    if isinstance(policy, str) and policy not in _ATTESTATION_POLICIES:
        _refuse(
            "--attestations has no value of " + ", ".join(_ATTESTATION_POLICIES),
            "twine's flag is the default here, --attestations auto: leave it out. --attest creates new ones.",
        )


def _refuse(message: str, hint: str, right_arguments: Sequence[str] = ()) -> NoReturn:
    cli_output.exit_with(UsageError(message, hint=hint), right_arguments=right_arguments)
