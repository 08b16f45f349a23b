"""The repositories in .pypirc, with their URLs, credentials and certificates."""

from __future__ import annotations

import codecs
import configparser
import locale
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from twine import utils

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Options, option_rules
from wheel_uploader.core.models.target_settings import SETTING_KEYS, TargetSettings
from wheel_uploader.core.ownership import explain_untrusted
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.user_files import read_user_file
from wheel_uploader.index.target import selected_repository

_TWINE_KEYS = ("repository", "username", "password", "ca_cert", "client_cert")
_KEYS = (*_TWINE_KEYS, *SETTING_KEYS, *(key.replace("-", "_") for key in SETTING_KEYS))
#: Sections that are not repositories. Pip, setuptools and old twine wrote the second.
_OTHER_SECTIONS = frozenset({"distutils", "server-login"})
#: Other text before an equals sign may be a pasted token, which must not be shown.
_PLAIN_KEY = re.compile(r"[a-z][a-z_-]{1,19}\Z")
#: The repositories that need no section.
_WELL_KNOWN = frozenset({"pypi", "testpypi"})
#: The separators of ``index-servers``: the specification has blanks and line ends, people write commas.
_SEPARATORS = re.compile(r"[,;\s]+")
#: Encodings of files that begin with a byte order mark, which editors on Windows write.
_MARKED_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pypirc:
    """The content of one file."""

    #: The file as the user wrote it, for messages.
    path: str
    #: Repository name to its settings. Excluded from ``repr``, because it contains passwords.
    repositories: Mapping[str, Mapping[str, str]] = field(repr=False)
    #: Names of sections that ``index-servers`` does not list, so that they are not used.
    unlisted: tuple[str, ...]
    #: Names in ``index-servers`` that have no section.
    absent: tuple[str, ...] = ()
    #: The keys of each section that are not settings, such as a misspelled ``user``.
    unknown_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def target_settings(self, name: str) -> TargetSettings:
        """Return the settings of a repository that twine does not know. Raises UsageError."""
        own = {key: value for key, value in self.select(name).items() if key not in _TWINE_KEYS}
        return TargetSettings.parse(own, f"[{name}] of {self.path}")

    def select(self, name: str) -> Mapping[str, str]:
        """Return the settings of a repository. Raises UsageError without quoting the file."""
        shown, section = sanitize(self.path), sanitize(name)
        if name not in self.repositories and name in self.unlisted:
            raise UsageError(
                f"the section [{section}] of {shown} is not listed in index-servers",
                hint=f"Add {section} to index-servers in the section [distutils] of {shown}.",
            )
        if (name not in self.repositories or name in self.absent) and (similar := self._find_similar(name)):
            raise UsageError(
                f"{shown} has no section [{section}], but [{sanitize(similar)}]",
                hint="Write the name in the same way, also in index-servers: capitals and blanks count.",
            )
        if name not in self.repositories:
            raise UsageError(
                f"repository '{section}' not found in {shown}",
                hint=f"Use one of {', '.join(map(sanitize, sorted(self.repositories)))}, "
                "or pass --repository-url.",
            )
        if name in self.absent:
            raise UsageError(
                f"{shown} has no section [{section}], which index-servers lists",
                hint=f"Add the section, with a line 'repository = URL', to {shown}.",
            )
        settings = self.repositories[name]
        if not settings.get("repository"):
            raise UsageError(
                f"the section [{section}] of {shown} has no upload URL",
                hint="Add a line 'repository = URL' to the section.",
            )
        return settings

    def _find_similar(self, name: str) -> str:
        """Return the name of another section that differs in capitals and blanks only; empty if none does."""
        others = (*self.unlisted, *(each for each in self.repositories if each not in self.absent))
        return next((each for each in others if each.strip().casefold() == name.strip().casefold()), "")


def read_pypirc(path: str) -> Pypirc:
    """Read a file as twine does, but also with a byte order mark and with commas in ``index-servers``.

    Raises UsageError without quoting the file. The default file may be missing.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_read_text(Path(path).expanduser()))
    except FileNotFoundError as error:
        if path != utils.DEFAULT_CONFIG_FILE:
            raise _unreadable(path, error) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except (configparser.Error, ValueError) as error:
        raise UsageError(
            f"cannot parse {sanitize(path)} as .pypirc{_describe_parse_error(error)}",
            hint="It needs a [distutils] section with index-servers, and a section for each of them.",
        ) from None
    listed = parser.get("distutils", "index-servers", fallback="pypi testpypi")
    names = list(filter(None, _SEPARATORS.split(listed)))
    repositories = {name: _settings(parser, name) for name in names}
    repositories.setdefault("pypi", {"repository": utils.DEFAULT_REPOSITORY, **_old_login(parser)})
    unlisted = tuple(name for name in parser.sections() if name not in {*names, *_OTHER_SECTIONS})
    absent = tuple(name for name in names if name not in _WELL_KNOWN and not parser.has_section(name))
    return Pypirc(
        path=path,
        repositories=repositories,
        unlisted=unlisted,
        absent=absent,
        unknown_keys={
            name: tuple(key for key in parser.options(name) if key not in _KEYS and _PLAIN_KEY.match(key))
            for name in names
            if parser.has_section(name)
        },
    )


def read_selected_pypirc(options: Options) -> Pypirc | None:
    """Return the file that has the settings of the selected repository; None if no file has them.

    Raises UsageError, also if other users could have written ~/.pypirc: it names the index that gets the
    token.
    """
    if not selected_repository(options).is_in_pypirc:
        return None
    path = str(options.config_file or utils.DEFAULT_CONFIG_FILE)
    if not options.config_file:
        _require_own(Path(path).expanduser())
    return read_pypirc(path)


def _require_own(path: Path) -> None:
    try:
        reason = explain_untrusted(path)
    except OSError:
        return  # Missing or unreadable: reported where it is read.
    if reason:
        raise UsageError(
            f"refusing to use {sanitize(str(path))}: {sanitize(reason)}",
            hint=f"If you trust the file, pass it with --config-file {sanitize(str(path))}.",
        )


def is_readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine may read a file; always False on Windows."""
    try:
        return hasattr(os, "geteuid") and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _read_text(path: Path) -> str:
    data = read_user_file(path)
    for mark, encoding in _MARKED_ENCODINGS:
        if data.startswith(mark):
            return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(locale.getencoding())


def _describe_parse_error(error: Exception) -> str:
    """Return the cause of an error, to follow the message, without quoting the file."""
    match error:
        case UnicodeDecodeError():
            return ": it is not UTF-8 text"
        case configparser.DuplicateSectionError() | configparser.DuplicateOptionError():
            kind = "option" if isinstance(error, configparser.DuplicateOptionError) else "section"
            return f": the {kind} in line {error.lineno} was there before"
        case configparser.MissingSectionHeaderError():
            return f": line {error.lineno} comes before the first section"
        case configparser.ParsingError() if error.errors:
            return f": line {error.errors[0][0]} is neither a section nor an option"
    return ""


def _settings(parser: configparser.RawConfigParser, name: str) -> dict[str, str]:
    """Return the settings of one repository; those of the two well-known ones need no URL."""
    own = {key: parser.get(name, key) for key in _KEYS if parser.has_option(name, key)}
    if "repository" in own:
        own["repository"] = option_rules.strip_blanks(own["repository"])
    known = {"pypi": utils.DEFAULT_REPOSITORY, "testpypi": utils.TEST_REPOSITORY}
    default = {"repository": known[name]} if name in _WELL_KNOWN else {}
    return default | _old_login(parser) | own


def _old_login(parser: configparser.RawConfigParser) -> dict[str, str]:
    """Return the login of the obsolete section [server-login], which applies to every repository."""
    section = "server-login"
    return {
        key: parser.get(section, key) for key in ("username", "password") if parser.has_option(section, key)
    }


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(f"cannot read {sanitize(path)}: {error.strerror}", hint="Correct --config-file.")
