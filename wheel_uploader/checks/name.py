"""Checks of file names: the rules of PEP 427 and PEP 440, and the tags that PyPI accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from wheel_uploader.checks.registry import check, pypi_check
from wheel_uploader.core.models import SdistContent, Severity, WheelContent

_LINUX_ARCHITECTURES = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
_MACOS_ARCHITECTURES = "ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2"
#: The platform tags that PyPI accepts (Warehouse, August 2026).
_ACCEPTED_PLATFORM = re.compile(
    rf"""any | win32 | win_(?:amd64|arm64|ia64)
    | manylinux1_(?:x86_64|i686) | manylinux2010_(?:x86_64|i686)
    | manylinux2014_(?:x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)
    | linux_armv[67]l
    | manylinux_\d+_\d+_(?:{_LINUX_ARCHITECTURES}|ppc64) | musllinux_\d+_\d+_(?:{_LINUX_ARCHITECTURES})
    | macosx_10_\d+_(?:{_MACOS_ARCHITECTURES}) | macosx_(?:11|12|13|14|15|26)_0_(?:{_MACOS_ARCHITECTURES})
    | ios_\d+_\d+_(?:arm64|x86_64)_(?:iphoneos|iphonesimulator)\w*
    | android_\d+_(?:armeabi_v7a|arm64_v8a|x86|x86_64)
    | pyemscripten_\d+_\d+_wasm32\w*""",
    re.VERBOSE,
)
_KNOWN_PYTHON = re.compile(r"(?:py|cp|pp|ip|jy|graalpy)\d+")
_KNOWN_ABI = re.compile(
    r"none|abi3t?|cp\d+[dmut]*|abi\d+|pypy\d+_pp\d+|pypy_\d+|graalpy\d+(?:_\d+_native|_[a-z0-9_]+)?|jython\d+"
)
#: Platforms that exist, whether or not PyPI accepts them.
_KNOWN_PLATFORM = re.compile(
    r"any|win32|win_\w+|(?:many|musl)?linux[^\W_]*+_\w+|macosx_\d+_\d+_\w+|ios_\w+|android_\w+|py(?:odide|emscripten)_\w+"
    r"|emscripten_\w+|wasi_\w+|(?:freebsd|netbsd|openbsd|dragonfly|solaris|sunos|aix|cygwin|mingw|haiku|hp_ux)\w*"
)


@check("name/invalid", Severity.ERROR)
def invalid(content: WheelContent | SdistContent) -> Iterator[str]:
    """File name is not a valid wheel or sdist name.

    Indexes and installers read the project, version and tags from the file name. PyPI rejects a name that it
    cannot parse, and pip ignores the file. Common causes are a renamed file, a download that was saved twice
    ("name (1).whl"), and a home-made build script. Build the file again with a current build tool and do not
    rename it.
    """
    try:
        if isinstance(content, WheelContent):
            parse_wheel_filename(content.filename)
        else:
            parse_sdist_filename(content.filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion, ValueError) as error:
        yield str(error)


@pypi_check("name/not-normalized")
def not_normalized(wheel: WheelContent) -> Iterator[str]:
    """Project name in the file name is not normalized.

    PyPI accepts a wheel only if its file name starts with the normalized project name: lower case, with "_"
    in place of every run of "-", "_" and "." ("some_thing-1.0-py3-none-any.whl"). Old versions of setuptools
    and bdist_wheel use the name as the project spells it. Update the build tools and build again. Do not just
    rename the file, because the name of the .dist-info directory inside must match.
    """
    normalized = wheel.name.project.replace("-", "_")
    if wheel.name.raw_project != normalized:
        yield f"the file name starts with '{wheel.name.raw_project}' instead of '{normalized}'"


@check("name/version-not-normalized", Severity.WARNING)
def version_not_normalized(wheel: WheelContent) -> Iterator[str]:
    """Version in the file name is not normalized.

    "1.00" and "1.0", for example, are two spellings of the same version; tools that compare file names as
    text treat them as two, and a release may end up with both. The cause is a version written by hand
    together with a build tool that does not normalize it. Use the normalized version (PEP 440) in the
    project, and build again.
    """
    if wheel.name.raw_version != str(wheel.name.version):
        yield f"the version is '{wheel.name.raw_version}'; normalized, it is '{wheel.name.version}'"


@pypi_check("name/local-version")
def local_version(content: WheelContent | SdistContent) -> Iterator[str]:
    """Version has a local version segment.

    A version with a "+" segment ("1.0+cu128", "1.0+g1a2b3c") is for builds that are shared within one place,
    and PyPI rejects it. The usual cause is setuptools-scm or versioneer run on a checkout that is not exactly
    at the tag, or that has uncommitted changes. Tag the commit, build from a clean checkout, or upload to
    your own index.
    """
    if content.name.version.local:
        yield f"'{content.name.version}' has the local segment '+{content.name.version.local}'"


@pypi_check("name/platform-refused")
def platform_refused(wheel: WheelContent) -> Iterator[str]:
    """Wheel has a platform tag that PyPI rejects.

    PyPI accepts only platform tags that state what the wheel requires: a plain "linux_x86_64" guarantees
    nothing about the system's libraries, and a macOS tag must have the minor version 0 from macOS 11 on.
    Common causes are a Linux wheel that was not repaired, and MACOSX_DEPLOYMENT_TARGET with a minor version.
    For Linux, run "auditwheel repair" (cibuildwheel does); for macOS, set MACOSX_DEPLOYMENT_TARGET=11.0;
    publish wheels for other platforms elsewhere.
    """
    for platform in wheel.name.platforms:
        # PyPI compares the tag in lower case, and ignores what follows the name of some systems.
        if not _ACCEPTED_PLATFORM.fullmatch(platform.lower()):
            yield f"PyPI rejects the platform tag '{platform}'{_suggest_fix(platform)}"


def _suggest_fix(platform: str) -> str:
    if platform.startswith("linux_"):
        return ": run 'auditwheel repair' on the wheel"
    if platform.startswith("macosx_"):
        return ": from macOS 11 on, PyPI accepts only existing versions of the form X.0"
    return ""


@check("name/tags-unsorted", Severity.NOTE)
def tags_unsorted(wheel: WheelContent) -> Iterator[str]:
    """Compressed tag set is not sorted.

    The specification asks for sorted tags, so that each set of tags corresponds to one file name. Nothing
    breaks today; older versions of auditwheel write "manylinux_2_17_x86_64.manylinux2014_x86_64". No action
    is needed other than updating the tool that names the wheel.
    """
    for tags in (wheel.name.pythons, wheel.name.abis, wheel.name.platforms):
        if list(tags) != sorted(tags):
            yield f"'{'.'.join(tags)}' is not sorted"


@check("name/unknown-tag", Severity.NOTE)
def unknown_tag(wheel: WheelContent) -> Iterator[str]:
    """Tag is not known to any installer.

    A wheel with an unknown tag is never installed; pip silently falls back to the sdist. Common causes are a
    typo in a tag that was set by hand, and a wheel for a very new Python implementation. Compare the tag with
    the output of "pip debug --verbose" on the target system.
    """
    patterns = (
        (_KNOWN_PYTHON, wheel.name.pythons),
        (_KNOWN_ABI, wheel.name.abis),
        (_KNOWN_PLATFORM, wheel.name.platforms),
    )
    for pattern, tags in patterns:
        for tag in tags:
            if not pattern.fullmatch(tag):
                yield f"no installer is known to support the tag '{tag}'"


CHECKS = (
    invalid,
    not_normalized,
    version_not_normalized,
    local_version,
    platform_refused,
    tags_unsorted,
    unknown_tag,
)
