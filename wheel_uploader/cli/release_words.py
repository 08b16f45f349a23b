"""The words PROJECT and VERSION: NAME==VERSION, and files or commands of other tools in their place."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from wheel_uploader.cli import output as cli_output
from wheel_uploader.core.errors import NothingFoundError, UsageError
from wheel_uploader.core.redaction import sanitize

#: Commands of other tools, with the options of the same call here.
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "upload": (),
    "publish": (),
    "check": ("--until", "check"),
}
#: Commands of other tools without an equivalent, and what to do instead.
_OTHER_COMMANDS: Mapping[str, str] = {
    "register": "Leave it out: a project is created with its first file.",
    "remove": "Remove files on the index itself; --prune removes older releases after an upload.",
    "move": "Upload with --label; labels of published files are changed on anaconda.org.",
    "copy": "Upload with --label; labels of published files are changed on anaconda.org.",
}
_DISTRIBUTION_SUFFIXES = (".whl", ".tar.gz", ".zip")
_SUFFIXES = (*_DISTRIBUTION_SUFFIXES, ".asc", ".attestation", ".tar.bz2", ".egg")
_FIRST_CALLS = (
    "wheel-uploader --until check -u dist                  check the files in the folder dist",
    "wheel-uploader --rehearse -u dist PROJECT VERSION     try the release on a local index",
    "wheel-uploader -u dist PROJECT VERSION                publish it to PyPI",
)
#: A requirement with one version, as pip takes it.
_PINNED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]{0,999})\s*={2,3}\s*([^\s=]{1,999})\s*")
#: The last stages of runs that need a project.
_STAGES_WITH_PROJECT = frozenset({"sign", "upload", "confirm"})
#: Files that are named one by one; more are passed as their folder.
_MAX_PLACES = 4


def refuse_other_calls(
    words: Sequence[str], args: Sequence[str], values: Mapping[str, Any], *, has_project: bool
) -> None:
    """End the program, with the right call, if the words are not PROJECT and VERSION."""
    command = _find_command(words, has_project=has_project)
    paths = [word for word in words if _is_path(word)]
    right = right_call(words, args, values, has_project=has_project)
    if command:
        _exit(
            f"'{command}' is a command of another tool; here the options say what to do",
            f"For a project of that name, pass --project {command}.",
            right,
        )
    if paths and words[0] in _OTHER_COMMANDS and not has_project:
        _exit(f"'{words[0]}' is a command of another tool", _OTHER_COMMANDS[words[0]], ())
    if paths:
        shown = sanitize(paths[0], limit=200)
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        _exit(
            f"{shown}{more} is not PROJECT or VERSION, but the place of files",
            "Pass the files, or their folder, with -u.",
            right,
        )
    if len(words) > 2 - has_project:
        extra = ", ".join(f"'{sanitize(word, limit=100)}'" for word in words[2 - has_project :])
        expected = "VERSION after --project" if has_project else "PROJECT and VERSION"
        _exit(f"there is more than {expected}: {extra}", "Quote a value with blanks.", ())
    if len(words) == 2 and _PINNED.fullmatch(words[0]):
        _exit("the version is given twice", "Give PROJECT==VERSION, or PROJECT VERSION.", ())


def right_call(
    words: Sequence[str], args: Sequence[str], values: Mapping[str, Any], *, has_project: bool
) -> list[str]:
    """Return the arguments here for those of another tool; the same ones if they mean the same."""
    paths = [word for word in words if _is_path(word)]
    if command := _find_command(words, has_project=has_project):
        return _right_call(words, paths or _folders(words[1:]), args, values, _COMMANDS[command])
    return _right_call(words, paths, args, values, ()) if paths else list(args)


def _find_command(words: Sequence[str], *, has_project: bool) -> str:
    return words[0] if words and words[0] in _COMMANDS and not has_project else ""


def is_version(text: str) -> bool:
    """Return whether a text is a version with a dot."""
    # Imported here to keep --help fast.
    from packaging.version import InvalidVersion, Version

    try:
        return "." in text and bool(Version(text))
    except InvalidVersion:
        return False


def apply(context: click.Context, project: str) -> None:
    """Set PROJECT and VERSION from ``--project`` and from ``NAME==VERSION``."""
    words = [
        context.params.get(name) or ""
        for name in ("project", "release")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    words = [project, *words] if project else words
    if words and (pinned := _PINNED.fullmatch(words[0])):
        words = [*pinned.groups(), *words[1:]]
    for name, word in zip(("project", "release"), words, strict=False):
        context.params[name] = word
        context.set_parameter_source(name, ParameterSource.COMMANDLINE)


def require_any(context: click.Context, values: Mapping[str, Any]) -> None:
    """Raise UsageError if the command was called with nothing to do."""
    if not context.meta[cli_output.TYPED_ARGUMENTS_KEY] and not values["urls"] and not values["project"]:
        raise UsageError(
            "nothing to do: give the place of the files and the release",
            details=_FIRST_CALLS,
            hint="'wheel-uploader --help' has all options, and 'wheel-uploader --demo' shows a whole run.",
        )
    project, urls = values["project"], values["urls"]
    if project and not urls and not values["release"] and "PROJECT" not in _release([project]):
        raise UsageError(
            f"no source given, and {sanitize(project)} is a folder with files of a release",
            hint="Pass the files, or their folder, with -u.",
            suggestion=(project, f"--url={project}"),
        )
    needs_project = values["until"] in _STAGES_WITH_PROJECT and not values["rehearse"]
    if needs_project and not project and len(urls) == 1 and "PROJECT" not in _release(urls):
        raise UsageError(
            "no project given",
            hint="Give PROJECT and VERSION as the last arguments, or only check the files: "
            "--until check -u FILE.",
            suggestion=("", "==".join(_release(urls))),
        )


def require_place(context: click.Context, values: Mapping[str, Any]) -> None:
    """Raise NothingFoundError if a word after ``-u``, maybe a user name, does not exist as a path.

    Listing would find out, too, but only after the login of the target.
    """
    is_typed = context.get_parameter_source("urls") is ParameterSource.COMMANDLINE
    names = [place for place in values["urls"] if is_typed and not values["wait"] and _is_user_name(place)]
    if names:
        raise NothingFoundError(
            f"no such file or directory: {sanitize(names[0])}",
            hint="Check the path: -u is the place of the files. A user name is passed with "
            f"--username {sanitize(names[0])}.",
        )


def _is_path(word: str) -> bool:
    """Return whether a word is a file or a pattern; a folder may have the name of the project."""
    return "/" in word or os.sep in word or "*" in word or word.lower().endswith(_SUFFIXES)


def _right_call(
    words: Sequence[str],
    paths: Sequence[str],
    args: Sequence[str],
    values: Mapping[str, Any],
    options: Sequence[str],
) -> list[str]:
    """Return the arguments that do here what the typed ones do in another tool."""
    rest = [argument for argument in args if argument != "--"]
    for word in words:
        rest.remove(word)
    places = list(values.get("urls") or ())
    for place in places:
        if _is_user_name(place):
            rest = _rename_user_option(rest, place)
    given = any(not _is_user_name(place) for place in places)
    sources = [] if given else [part for place in _places(paths) for part in ("-u", place)]
    comments = {word for word in words if any(character.isspace() for character in word)}
    if comments and "-c" in rest:
        # twine's -c is a comment.
        rest.remove("-c")
    named = [word for word in words if word not in {*_COMMANDS, *paths, *comments}]
    release = [] if "check" in options else named or _release(paths)
    return [*options, *rest, *sources, *release]


def is_there(name: str, what: Callable[[Path], bool] = Path.exists) -> bool:
    """Return whether a path exists; False for a text that cannot be a path."""
    with contextlib.suppress(OSError, ValueError):
        return what(Path(name))
    return False


def _folders(words: Sequence[str]) -> list[str]:
    """Return the folders among the words, or the one that other tools take if none is named."""
    return [word for word in words if is_there(word, Path.is_dir)] or ["dist"]


def _is_user_name(place: str) -> bool:
    return re.fullmatch(r"[\w+-]{1,64}", place) is not None and not is_there(place)


def _rename_user_option(arguments: list[str], name: str) -> list[str]:
    for index, argument in enumerate(arguments[:-1]):
        if argument in {"-u", "--url"} and arguments[index + 1] == name:
            return [*arguments[:index], "--username", *arguments[index + 1 :]]
    return arguments


def _places(paths: Sequence[str]) -> list[str]:
    """Return the one folder that has exactly these files, or else the files; a pattern is its folder."""
    folders = {str(Path(path).parent) for path in paths}
    names = {Path(path).name for path in paths}
    if len(folders) != 1 or any(is_there(path, Path.is_dir) for path in paths):
        return list(dict.fromkeys(path for path in paths if not path.endswith((".asc", ".attestation"))))
    folder = folders.pop()
    if len(paths) == 1 and not any("*" in path for path in paths) and not Path(paths[0]).parent.name:
        return list(paths)
    listed = {name for name in _names_in(folder) if name.endswith(_DISTRIBUTION_SUFFIXES)}
    is_whole = any("*" in name for name in names) or listed <= names
    if is_whole or len(paths) > _MAX_PLACES:
        return [folder]
    return list(paths)


def _names_in(folder: str) -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        return [path.name for path in Path(folder).iterdir()]
    return []


def _release(paths: Sequence[str]) -> list[str]:
    """Return project and version of the files, if all belong to one release."""
    # Imported here to keep --help fast.
    from wheel_uploader.core.filenames import InvalidFilename, parse_filename

    names = [Path(path).name for path in paths]
    if any("*" in name for name in names) or not any(name.endswith(_SUFFIXES) for name in names):
        names = _names_in(str(Path(paths[0]).parent if "*" in paths[0] else paths[0]))
    found = set()
    for name in names:
        try:
            parsed = parse_filename(name)
        except InvalidFilename:
            continue
        found.add((str(parsed.project), str(parsed.version)))
    return list(found.pop()) if len(found) == 1 else ["PROJECT", "VERSION"]


def _exit(message: str, hint: str, right: Sequence[str]) -> None:
    cli_output.exit_with(UsageError(message, hint=hint), right_arguments=right)
