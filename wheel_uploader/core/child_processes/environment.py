"""The environment of child processes, filtered by the names and the values of variables.

By name: a child inherits only the variables that its kind lists, because a list of the names of all secrets
cannot be complete. By value: a listed variable is omitted if it contains a secret, which is a password or
token that this run uses, the value of a variable whose name marks it as a secret, or a recognizable token. A
URL loses its credentials instead of being omitted: without its proxy or index, pip would contact a different
server.
"""

from __future__ import annotations

import enum
import fnmatch
import os
import re
from collections.abc import Iterable, Mapping

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.redaction import (
    contains_secret,
    is_secret_variable,
    redact_secrets,
    sanitize,
    strip_url,
)
from wheel_uploader.core.secret_patterns import MASK


class ChildKind(enum.Enum):
    """The purpose of a child process, which determines the variables that it inherits."""

    #: Code of this package that reads files or renders a description.
    WORKER = "reader"
    #: The local index of a rehearsal or of the demo.
    LOCAL_INDEX = "index"
    #: A Python interpreter that reports its version and platform, or creates an environment.
    PYTHON = "python"
    #: pip, installing from its configured indexes.
    PIP = "pip"
    #: pip, using only an index on this machine.
    PIP_LOCAL_INDEX = "offline"
    #: The command of ``--smoke``.
    SMOKE_COMMAND = "command"
    GPG = "gpg"
    #: The run that the demo starts.
    DEMO = "demo"


#: Variables that any program needs to find its files, its libraries and its language.
_COMMON = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP"),
    *(
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CONFIG_DIRS",
        "XDG_DATA_HOME",
        "XDG_DATA_DIRS",
        "XDG_RUNTIME_DIR",
    ),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"),
    # Windows.
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS", "USERNAME", "USERPROFILE", "PUBLIC"),
    *("HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "PROGRAMFILES"),
    *(
        "PROGRAMFILES(X86)",
        "PROGRAMFILES(ARM)",
        "PROGRAMW6432",
        "COMMONPROGRAMFILES",
        "COMMONPROGRAMFILES(X86)",
    ),
    *("COMMONPROGRAMW6432", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_ARCHITEW6432"),
    *("PROCESSOR_IDENTIFIER", "PROCESSOR_LEVEL", "PROCESSOR_REVISION"),
)
#: Variables for the behaviour of Python, without those for its module search path.
_PYTHON_BEHAVIOUR = (
    *("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE", "PYTHONUNBUFFERED"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "PYTHON_GIL", "PYTHONMALLOC"),
)
#: Variables for the module search path, only for programs that run with the same interpreter.
_PYTHON_PATHS = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV")
_PROXIES = tuple(
    name for word in ("HTTP", "HTTPS", "ALL", "NO") for name in (f"{word}_PROXY", f"{word.lower()}_proxy")
)
_NETWORK = (*_PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Variables for building sdists that a wheel requires.
_COMPILERS = (
    *(
        "CC",
        "CXX",
        "FC",
        "AR",
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "FFLAGS",
        "LDFLAGS",
        "ARCHFLAGS",
        "RUSTFLAGS",
    ),
    *("CPATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET"),
    *(
        "CARGO_HOME",
        "RUSTUP_HOME",
        "INCLUDE",
        "LIB",
        "LIBPATH",
        "VSINSTALLDIR",
        "VCINSTALLDIR",
        "WINDOWSSDKDIR",
    ),
)
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_SESSION_TYPE")
_TERMINAL = ("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "WT_SESSION", "ANSICON")
#: Variables that test suites commonly read.
_TEST_SETTINGS = (
    *(
        "CI",
        "NO_COLOR",
        "FORCE_COLOR",
        "PYTEST_ADDOPTS",
        "HYPOTHESIS_PROFILE",
        "MPLBACKEND",
        "QT_QPA_PLATFORM",
    ),
    *(
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "BLIS_NUM_THREADS",
    ),
)
_PIP = ("PIP_*", *_NETWORK, *_COMPILERS, *_PYTHON_BEHAVIOUR, "PYENV_ROOT", "PYENV_VERSION")

_ALLOWED_NAMES: Mapping[ChildKind, tuple[str, ...]] = {
    ChildKind.WORKER: (*_COMMON, *_PYTHON_BEHAVIOUR, *_PYTHON_PATHS),
    ChildKind.LOCAL_INDEX: (*_COMMON, *_PYTHON_BEHAVIOUR, *_PYTHON_PATHS),
    ChildKind.PYTHON: (*_COMMON, *_PYTHON_BEHAVIOUR),
    # NETRC names a file from which pip reads credentials.
    ChildKind.PIP: (*_COMMON, *_PIP, "NETRC"),
    ChildKind.PIP_LOCAL_INDEX: (*_COMMON, *_PYTHON_BEHAVIOUR),
    ChildKind.SMOKE_COMMAND: (*_COMMON, *_PIP, *_DESKTOP, *_TEST_SETTINGS),
    # gpg may start its agent with this environment, and the agent may open a window for a passphrase later.
    ChildKind.GPG: (*_COMMON, "GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO", "TERM", *_DESKTOP),
    ChildKind.DEMO: (*_COMMON, *_PYTHON_BEHAVIOUR, *_PYTHON_PATHS, *_TERMINAL, "PYTHON_KEYRING_BACKEND"),
}

#: Variables that hold paths: a child may not run without them, and a word in a path may happen to equal a
#: short password.
_PATH_NAMES = re.compile(
    r"(?:.*PATH|HOME|USER|USERNAME|LOGNAME|TMPDIR|TEMP|TMP|XDG_\w+|.*PROFILE|.*ROOT|.*DRIVE|.*DIR|WINDIR|COMSPEC"
    r"|.*PROGRAM(?:FILES|W6432|DATA).*|PUBLIC|(?:LOCAL)?APPDATA|GNUPGHOME|PYTHONHOME|PYTHONUSERBASE|VIRTUAL_ENV"
    r"|SSL_CERT_FILE|\w+_CA_BUNDLE|NETRC|XAUTHORITY|CARGO_HOME|RUSTUP_HOME|DISPLAY|WAYLAND_DISPLAY)\Z"
)
#: The start of a path or file URL.
_LOCAL_PATH = re.compile(r"(?:[/~.\\]|[A-Za-z]:[/\\]|file:)")
_BARE_LOGIN = re.compile(r"[^/\s@]{1,2000}@[^@\s]{1,2000}\Z")
#: Length from which a secret is assumed not to occur in a path by chance.
_MIN_SECRET_IN_PATH = 12
#: Prefixes of the variables that hold the credentials for publishing.
_PUBLISHING_PREFIXES = ("TWINE_", "WHEEL_UPLOADER_", "ACTIONS_ID_TOKEN_REQUEST_", "ACTIONS_RUNTIME_")
#: Length from which the value of another variable counts as a secret: ``TOKEN_TYPE=user`` is too short.
_MIN_FOREIGN_SECRET = 8


def build_environment(kind: ChildKind, extra_names: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment of a child; ``extra_names`` names variables to add without filtering."""
    inherited = {}
    for name in os.environ:
        value = _value_without_secrets(name) if may_inherit(kind, name) else None
        if value is not None:
            inherited[name] = value
    return inherited | {name: os.environ[name] for name in extra_names if name in os.environ}


def check_extra_names(names: Iterable[str]) -> None:
    """Raise UsageError for an invalid name, or a variable that holds credentials for publishing."""
    for name in names:
        if not name or "=" in name or "\0" in name:
            raise UsageError(
                f"{sanitize(name)!r} is not a valid name of a variable (--smoke-env)",
                hint="Pass the name without a value: --smoke-env DATABASE_URL.",
            )
        if name.upper().startswith(_PUBLISHING_PREFIXES):
            raise UsageError(
                f"refusing to pass {sanitize(name)} to a command that runs unpublished code (--smoke-env)",
                hint="Pass separate credentials to the command in another variable.",
            )


def may_inherit(kind: ChildKind, name: str) -> bool:
    """Return whether a child of this kind may inherit a variable with this name."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _ALLOWED_NAMES[kind])


def list_filtered_names(kind: ChildKind) -> tuple[str, ...]:
    """Return the variables that the kind lists but that are omitted or changed because of a secret."""
    return tuple(
        name
        for name in os.environ
        if may_inherit(kind, name) and _value_without_secrets(name) != os.environ[name]
    )


def _value_without_secrets(name: str) -> str | None:
    """Return the value of a variable without secrets; None if the variable must be omitted."""
    value = os.environ[name]
    if _PATH_NAMES.match(name):
        return None if contains_secret(value, min_length=_MIN_SECRET_IN_PATH) else value
    if is_secret_variable(name):
        return None
    if not (name in _PROXIES or name.startswith("PIP_")):
        return value if _mask_secrets(name, value) == value else None
    words = [_word_without_secrets(name, word) for word in value.split(" ")]
    return None if None in words else " ".join(filter(None, words))


def _word_without_secrets(name: str, word: str) -> str | None:
    """Return a URL without secrets, or any other word unchanged; None if the other word contains a secret."""
    if _LOCAL_PATH.match(word):
        return None if contains_secret(word, min_length=_MIN_SECRET_IN_PATH) else word
    if "://" in word:
        # Keep the URL: a request that fails without credentials is better than one to the default index.
        return _mask_secrets(name, word if redact_secrets(word) == word else strip_url(word))
    # A proxy may be given without a scheme.
    word = word.rpartition("@")[2] if _BARE_LOGIN.match(word) else word
    return word if _mask_secrets(name, word) == word else None


def _mask_secrets(name: str, value: str) -> str:
    """Return a value with known and recognizable secrets, and those of other variables, masked."""
    for other, secret in os.environ.items():
        if other != name and len(secret) >= _MIN_FOREIGN_SECRET and is_secret_variable(other):
            value = value.replace(secret, MASK)
    return redact_secrets(value)
