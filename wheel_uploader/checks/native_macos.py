"""The macOS that native code asks for, against the one in the tag."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.native_code import few, gathered, loaded
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import NativeFormat, Severity, WheelContent
from wheel_uploader.platforms import tags
from wheel_uploader.platforms.tags import Platform, System, Version

#: Apple's own processors came with macOS 11.
_FIRST_ARM64: Version = (11, 0)


@check("native/macos-too-new", Severity.ERROR)
def macos_too_new(wheel: WheelContent) -> Iterator[Yielded]:
    """The code asks for a newer macOS than the tag promises.

    A Mach-O file says which macOS it was built for (minos). On an older one, where pip installs the wheel,
    symbols may be missing when it is loaded. The usual causes are MACOSX_DEPLOYMENT_TARGET that was not
    set, or not for all parts, and libraries of Homebrew, which are built for the macOS of the build machine.
    Set MACOSX_DEPLOYMENT_TARGET for the whole build and build such libraries yourself, or raise the tag.
    """
    yield from gathered(wheel, _macos_too_new(wheel))


def _macos_too_new(wheel: WheelContent) -> Iterator[tuple[str, str]]:
    platforms = sorted(_macos(wheel), key=lambda platform: platform.version)
    for facts in dict.fromkeys(code.facts for code in loaded(wheel)):
        needs: dict[tuple[Version, str], list[str]] = {}
        for part in facts.slices:
            own = next((platform for platform in platforms if part.arch in platform.arches), None)
            if own and part.minos:
                version = tags.macos_version(part.minos)
                if _as_in_tags(version) > _at_least(own.version, part.arch):
                    needs.setdefault((version, own.tag), []).append(part.arch)
        for (version, tag), arches in needs.items():
            code = " and ".join(arches)
            yield facts.member, f"its {code} code asks for macOS {_dotted(version)}, and the tag is {tag}"


@check("native/tag-stricter-than-code", Severity.NOTE)
def tag_stricter_than_code(wheel: WheelContent) -> Iterator[Yielded]:
    """The tag asks for a newer macOS than the code does.

    People with an older macOS do not get this wheel, although it would run; they get an older release or
    have to compile. The usual cause is a build with a Python that was itself built for a newer macOS. Set
    MACOSX_DEPLOYMENT_TARGET, and let delocate-wheel set the tag (--require-target-macos-version).
    """
    needs = [
        _at_least(tags.macos_version(code.slice.minos), code.slice.arch)
        for code in loaded(wheel)
        if code.facts.format is NativeFormat.MACHO and code.slice.minos
    ]
    platforms = _macos(wheel)
    if needs and platforms and (newest := max(needs)) < min(platform.version for platform in platforms):
        yield f"all code in it runs on macOS {_dotted(newest)}, and its tag is {few(wheel.name.platforms)}"


def _macos(wheel: WheelContent) -> list[Platform]:
    found = tags.parse_all(wheel.name.platforms)
    return [platform for platform in found if platform.system is System.MACOS]


def _as_in_tags(version: Version) -> Version:
    """From macOS 11 on tags have the first number only: what needs 12.3 cannot say more than 12_0."""
    return (version[0], 0) if version >= (11, 0) else version


def _at_least(version: Version, arch: str) -> Version:
    return max(version, _FIRST_ARM64) if arch == "arm64" else version


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


CHECKS = (macos_too_new, tag_stricter_than_code)
