"""The environment of child processes: what each kind of child may inherit, by name and by value.

By name: a child inherits the variables that its kind lists, and no others, because nobody can list the names
of all secrets. By value: what is listed is not inherited if it holds a secret: a password or token that this
run uses, the value of a variable whose name says that it is a secret, a token that is recognized as such. A
URL loses its login instead of being left out: a pip without its proxy or its index would go to another
server.
"""

from __future__ import annotations

import enum
import fnmatch
import os
import re
from collections.abc import Iterable, Mapping

from wheel_uploader.display import bare_url, holds_secret, is_secret_name, printable, redact
from wheel_uploader.errors import UsageError
from wheel_uploader.redaction import HIDDEN


class Kind(enum.Enum):
    """What a child is for, which decides what it may know."""

    #: Reads files or renders a description; code of this package.
    READER = "reader"
    #: The index of a rehearsal or of the demo.
    INDEX = "index"
    #: A Python of this machine that is asked what it is, or that makes an environment.
    PYTHON = "python"
    #: pip, installing from where it is configured to.
    PIP = "pip"
    #: pip, asking an index of this machine and no other.
    OFFLINE = "offline"
    #: The command of ``--smoke``.
    COMMAND = "command"
    GPG = "gpg"
    #: The run of the demo.
    DEMO = "demo"


#: What any program needs to find its files, its libraries and its language.
_ANY = (
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
#: How a Python behaves, but not where it looks for modules.
_BEHAVIOUR = (
    *("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE", "PYTHONUNBUFFERED"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "PYTHON_GIL", "PYTHONMALLOC"),
)
#: Where this Python looks for modules: for programs of this very Python only.
_MODULES = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV")
_PROXIES = tuple(
    name for word in ("HTTP", "HTTPS", "ALL", "NO") for name in (f"{word}_PROXY", f"{word.lower()}_proxy")
)
_NETWORK = (*_PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: What builds an sdist that a wheel requires.
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
_SCREEN = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_SESSION_TYPE")
_TERMINAL = ("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "WT_SESSION", "ANSICON")
#: What tests commonly ask for.
_TESTS = (
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
_PIP = ("PIP_*", *_NETWORK, *_COMPILERS, *_BEHAVIOUR, "PYENV_ROOT", "PYENV_VERSION")

_NAMES: Mapping[Kind, tuple[str, ...]] = {
    Kind.READER: (*_ANY, *_BEHAVIOUR, *_MODULES),
    Kind.INDEX: (*_ANY, *_BEHAVIOUR, *_MODULES),
    Kind.PYTHON: (*_ANY, *_BEHAVIOUR),
    # NETRC names a file that pip takes logins from.
    Kind.PIP: (*_ANY, *_PIP, "NETRC"),
    Kind.OFFLINE: (*_ANY, *_BEHAVIOUR),
    Kind.COMMAND: (*_ANY, *_PIP, *_SCREEN, *_TESTS),
    # Its agent may be started with this environment, and may open a window to ask for a passphrase later.
    Kind.GPG: (*_ANY, "GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO", "TERM", *_SCREEN),
    Kind.DEMO: (*_ANY, *_BEHAVIOUR, *_MODULES, *_TERMINAL, "PYTHON_KEYRING_BACKEND"),
}

#: Names of files and folders: a child does not run without some of them, and a word in them may well be equal
#: to a short password.
_PLACES = re.compile(
    r"(?:.*PATH|HOME|USER|USERNAME|LOGNAME|TMPDIR|TEMP|TMP|XDG_\w+|.*PROFILE|.*ROOT|.*DRIVE|.*DIR|WINDIR|COMSPEC"
    r"|.*PROGRAM(?:FILES|W6432|DATA).*|PUBLIC|(?:LOCAL)?APPDATA|GNUPGHOME|PYTHONHOME|PYTHONUSERBASE|VIRTUAL_ENV"
    r"|SSL_CERT_FILE|\w+_CA_BUNDLE|NETRC|XAUTHORITY|CARGO_HOME|RUSTUP_HOME|DISPLAY|WAYLAND_DISPLAY)\Z"
)
#: A path, or the URL of one.
_LOCAL = re.compile(r"(?:[/~.\\]|[A-Za-z]:[/\\]|file:)")
_BARE_LOGIN = re.compile(r"[^/\s@]{1,2000}@[^@\s]{1,2000}\Z")
#: Characters of a secret that is not a word of a path by chance.
_NO_CHANCE = 12
#: What a release is published with.
_OURS = ("TWINE_", "WHEEL_UPLOADER_", "ACTIONS_ID_TOKEN_REQUEST_", "ACTIONS_RUNTIME_")
#: Characters of a secret of another variable: ``TOKEN_TYPE=user`` is not one.
_LIKELY = 8


def environment(kind: Kind, passed: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment of a child; ``passed`` names more variables, which are not filtered."""
    kept = {}
    for name in os.environ:
        value = _harmless(name) if allows(kind, name) else None
        if value is not None:
            kept[name] = value
    return kept | {name: os.environ[name] for name in passed if name in os.environ}


def require_passable(names: Iterable[str]) -> None:
    """Raise UsageError for a variable that is never passed on: it holds what this program publishes with."""
    for name in names:
        if not name or "=" in name or "\0" in name:
            raise UsageError(
                f"{printable(name)!r} is not the name of a variable (--smoke-env)",
                hint="Give the name alone: --smoke-env DATABASE_URL.",
            )
        if name.upper().startswith(_OURS):
            raise UsageError(
                f"{printable(name)} is not passed on to a command that runs unpublished code (--smoke-env)",
                hint="Give the command credentials of its own in another variable.",
            )


def allows(kind: Kind, name: str) -> bool:
    """Tell whether a child of this kind may have a variable of this name."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _NAMES[kind])


def without_logins(kind: Kind) -> tuple[str, ...]:
    """Return the names of variables that the kind lists, but that are held back or changed."""
    return tuple(name for name in os.environ if allows(kind, name) and _harmless(name) != os.environ[name])


def _harmless(name: str) -> str | None:
    """Return the value of a variable without secrets; None if it has to be left out."""
    value = os.environ[name]
    if _PLACES.match(name):
        return None if holds_secret(value, shortest=_NO_CHANCE) else value
    if is_secret_name(name):
        return None
    if not (name in _PROXIES or name.startswith("PIP_")):
        return value if _masked(name, value) == value else None
    words = [_harmless_word(name, word) for word in value.split(" ")]
    return None if None in words else " ".join(filter(None, words))


def _harmless_word(name: str, word: str) -> str | None:
    """Return a URL without its secrets, and a path as it is; None for another word that holds a secret."""
    if _LOCAL.match(word):
        return None if holds_secret(word, shortest=_NO_CHANCE) else word
    if "://" in word:
        # An index that refuses to answer is better than the default one in its place.
        return _masked(name, word if redact(word) == word else bare_url(word))
    # A proxy may be named without a scheme.
    word = word.rpartition("@")[2] if _BARE_LOGIN.match(word) else word
    return word if _masked(name, word) == word else None


def _masked(name: str, value: str) -> str:
    """Return a value without what is a secret of this run, looks like one, or is one of another variable."""
    for other, secret in os.environ.items():
        if other != name and len(secret) >= _LIKELY and is_secret_name(other):
            value = value.replace(secret, HIDDEN)
    return redact(value)
