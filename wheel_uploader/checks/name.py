"""The file name: what PEP 427 and PEP 440 ask of it, and which tags PyPI takes."""

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
from wheel_uploader.models import SdistContent, Severity, WheelContent

_JOINT = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
_MAC = "ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2"
#: The platform tags that PyPI takes (Warehouse, August 2026).
_TAKEN = re.compile(
    rf"""any | win32 | win_(?:amd64|arm64|ia64)
    | manylinux1_(?:x86_64|i686) | manylinux2010_(?:x86_64|i686)
    | manylinux2014_(?:x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)
    | linux_armv[67]l
    | manylinux_\d+_\d+_(?:{_JOINT}|ppc64) | musllinux_\d+_\d+_(?:{_JOINT})
    | macosx_10_\d+_(?:{_MAC}) | macosx_(?:11|12|13|14|15|26)_0_(?:{_MAC})
    | ios_\d+_\d+_(?:arm64|x86_64)_(?:iphoneos|iphonesimulator)
    | android_\d+_(?:armeabi_v7a|arm64_v8a|x86|x86_64)
    | pyemscripten_\d+_\d+_wasm32""",
    re.VERBOSE,
)
_KNOWN_PYTHON = re.compile(r"(?:py|cp|pp|ip|jy|graalpy)\d+")
_KNOWN_ABI = re.compile(
    r"none|abi3t?|cp\d+[dmut]*|abi\d+|pypy\d+_pp\d+|pypy_\d+|graalpy\d+(?:_\d+_native|_[a-z0-9_]+)?|jython\d+"
)
#: Platforms that exist, whether PyPI takes them or not.
_KNOWN_PLATFORM = re.compile(
    r"any|win32|win_\w+|(?:many|musl)?linux[^\W_]*+_\w+|macosx_\d+_\d+_\w+|ios_\w+|android_\w+|py(?:odide|emscripten)_\w+"
    r"|emscripten_\w+|wasi_\w+|(?:freebsd|netbsd|openbsd|dragonfly|solaris|sunos|aix|cygwin|mingw|haiku|hp_ux)\w*"
)


@check("name/invalid", Severity.ERROR)
def invalid(content: WheelContent | SdistContent) -> Iterator[str]:
    """The file name is not a valid wheel or sdist name.

    Indexes and installers read project, version and tags from the name, so PyPI refuses a name that it
    cannot parse, and pip ignores the file. Common causes are a renamed file, a download saved twice ("name
    (1).whl"), and a home-made build script. Build the file again with a current build tool and do not
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
    """The project's name in the file name is not normalized.

    PyPI takes a wheel only when its name starts with the normalized project name: lower case, with "_" for
    every run of "-", "_" and "." ("some_thing-1.0-py3-none-any.whl"). Old versions of setuptools and
    bdist_wheel write the name as the project spells it. Update the build tools and build again; do not just
    rename the file, for the .dist-info directory inside has to agree.
    """
    wanted = wheel.name.project.replace("-", "_")
    if wheel.name.raw_project != wanted:
        yield f"it starts with '{wheel.name.raw_project}', not '{wanted}'"


@check("name/version-not-normalized", Severity.WARNING)
def version_not_normalized(wheel: WheelContent) -> Iterator[str]:
    """The version in the file name is not in normal form.

    "1.00" and "1.0.post1" are one version in two spellings; tools that compare names as text see two, and a
    release may end up with both. It comes from a version written by hand and a build tool that does not
    normalize. Write the version in normal form (PEP 440) in the project, and build again.
    """
    if wheel.name.raw_version != str(wheel.name.version):
        yield f"the version is written '{wheel.name.raw_version}', its normal form is '{wheel.name.version}'"


@pypi_check("name/local-version")
def local_version(content: WheelContent | SdistContent) -> Iterator[str]:
    """The version is a local version.

    A version with a "+" part ("1.0+cu128", "1.0+g1a2b3c") is for builds that are shared in one place; PyPI
    takes none. The usual cause is setuptools-scm or versioneer on a checkout that is not exactly at the
    tag, or that has changes. Tag the commit, build from a clean checkout, or upload to an index of your
    own.
    """
    if content.name.version.local:
        yield f"'{content.name.version}' has the local part '+{content.name.version.local}'"


@pypi_check("name/platform-refused")
def platform_refused(wheel: WheelContent) -> Iterator[str]:
    """The wheel has a platform tag that PyPI refuses.

    PyPI takes only platform tags that say what the wheel needs: a plain "linux_x86_64" promises nothing
    about the system's libraries, and a macOS tag from version 11 on has the minor version 0. The usual
    causes are a Linux wheel that was not repaired, and MACOSX_DEPLOYMENT_TARGET with a minor version. Run
    auditwheel repair (cibuildwheel does) for Linux, set MACOSX_DEPLOYMENT_TARGET=11.0 for macOS, and keep
    other platforms elsewhere.
    """
    for platform in wheel.name.platforms:
        if not _TAKEN.fullmatch(platform):
            yield f"PyPI does not take the platform tag '{platform}'{_remedy(platform)}"


def _remedy(platform: str) -> str:
    if platform.startswith("linux_"):
        return ": run 'auditwheel repair' on the wheel"
    if platform.startswith("macosx_"):
        return ": from macOS 11 on only the versions X.0 that exist are taken"
    return ""


@check("name/tags-unsorted", Severity.NOTE)
def tags_unsorted(wheel: WheelContent) -> Iterator[str]:
    """A compressed tag set is not sorted.

    The specification wants the tags of a set in order, so that one set of tags gives one file name. Nothing
    breaks today; older versions of auditwheel write "manylinux_2_17_x86_64.manylinux2014_x86_64". There is
    nothing to do but to update the tool that names the wheel.
    """
    for tags in (wheel.name.pythons, wheel.name.abis, wheel.name.platforms):
        if list(tags) != sorted(tags):
            yield f"'{'.'.join(tags)}' is not in order"


@check("name/unknown-tag", Severity.NOTE)
def unknown_tag(wheel: WheelContent) -> Iterator[str]:
    """A tag of the file name is none that an installer is known to have.

    A wheel with a tag that nobody has is never installed; pip takes the sdist instead, without a word.
    Causes are a typing error in a tag set by hand, and a wheel for an implementation of Python that is very
    new. Compare with the output of "pip debug --verbose" on the system that the wheel is meant for.
    """
    kinds = (
        (_KNOWN_PYTHON, wheel.name.pythons),
        (_KNOWN_ABI, wheel.name.abis),
        (_KNOWN_PLATFORM, wheel.name.platforms),
    )
    for known, tags in kinds:
        for tag in tags:
            if not known.fullmatch(tag):
                yield f"no installer is known to have the tag '{tag}'"


CHECKS = (
    invalid,
    not_normalized,
    version_not_normalized,
    local_version,
    platform_refused,
    tags_unsorted,
    unknown_tag,
)
