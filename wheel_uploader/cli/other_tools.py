"""Arguments of twine, uv publish and the PyPI action: accepted, or refused with the right call."""

from __future__ import annotations

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
}
#: The same for options with a value.
_VALUES: Mapping[str, str] = {
    "--comment": "Leave it out: indexes do not show the comment of an upload.",
    "--trusted-publishing": "Leave it out: in a CI job with an identity, trusted publishing is used if no "
    "password is set; set TWINE_PASSWORD to use that one.",
    "--keyring-provider": "Leave it out: the keyring is used if no other password is found.",
    "--cache-dir": "Leave it out: caches are in the wheelhouse; -w DIR selects it.",
    "--directory": "Change to that folder first, or pass the place of the files with -u.",
}
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
        return {}
    _refuse_secrets(values)
    help_option = command.get_help_option(ctx)
    if any(name in values for name in (*_INFORMATIONAL, help_option and help_option.name)):
        return values
    for name, hint in {**_FLAGS, **_VALUES}.items():
        if values.get(_parameter_name(name)):
            _refuse(f"{name} is an option of another tool", hint)
    _refuse_attestations(values)
    words = [word for word in (values.get("project"), values.get("release"), *extra) if isinstance(word, str)]
    has_project = bool(values.get(_parameter_name("--project")))
    release_words.refuse_other_calls(words, args, values, has_project=has_project)
    return values


def apply(ctx: click.Context, values: Mapping[str, Any]) -> None:
    """Put the values of accepted habits where the command expects them: NAME==VERSION and hidden options."""
    if values.get(_parameter_name("--no-attestations")):
        ctx.params["attestations"] = "none"
        ctx.set_parameter_source("attestations", click.core.ParameterSource.COMMANDLINE)
    named = values.get(_parameter_name("--project")) or [""]
    release_words.apply(ctx, named[-1])


def _refuse_secrets(values: Mapping[str, Any]) -> None:
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


def _refuse(message: str, hint: str) -> NoReturn:
    cli_output.exit_with(UsageError(message, hint=hint))
