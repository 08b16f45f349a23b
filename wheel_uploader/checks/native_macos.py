"""Checks of the macOS version that compiled code requires against the version in the tag."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.native_code import group_by_message, iter_loadable_code
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import BinaryFormat, Severity, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms.platforms import OperatingSystem, ParsedPlatform, PlatformVersion

#: Apple silicon requires macOS 11 or later.
_FIRST_ARM64: PlatformVersion = (11, 0)


@check("native/macos-too-new", Severity.ERROR)
def macos_too_new(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code requires a newer macOS than the tag states.

    A Mach-O file states the macOS version that it was built for (minos). pip also installs the wheel on the
    older versions that the tag allows, where loading the file may fail because of missing symbols. Common
    causes are MACOSX_DEPLOYMENT_TARGET not being set, or not for every component, and Homebrew libraries,
    which are built for the macOS of the build machine. Set MACOSX_DEPLOYMENT_TARGET for the whole build and
    build such libraries yourself, or raise the version in the tag.
    """
    yield from group_by_message(wheel, _find_too_new(wheel))


def _find_too_new(wheel: WheelContent) -> Iterator[tuple[str, str]]:
    platforms = sorted(_select_macos_platforms(wheel), key=lambda platform: platform.version)
    for facts in dict.fromkeys(code.binary for code in iter_loadable_code(wheel)):
        arches_by_requirement: dict[tuple[PlatformVersion, str], list[str]] = {}
        for code_slice in facts.slices:
            arch = code_slice.arch
            target = next((platform for platform in platforms if arch in platform.arches), None)
            if target and code_slice.min_macos:
                version = platforms_platforms.normalize_macos_version(code_slice.min_macos)
                if _round_to_tag_version(version) > _raise_to_first_arm64(target.version, arch):
                    arches_by_requirement.setdefault((version, target.tag), []).append(arch)
        for (version, tag), arches in arches_by_requirement.items():
            names = " and ".join(arches)
            yield (
                facts.member,
                f"its {names} code requires macOS {_format_version(version)}, but the tag is {tag}",
            )


@check("native/tag-stricter-than-code", Severity.NOTE)
def tag_stricter_than_code(wheel: WheelContent) -> Iterator[Observation]:
    """Tag requires a newer macOS than the compiled code does.

    Users of an older macOS do not get this wheel although it would run; they get an older release or must
    compile the project. The usual cause is a build with a Python that was itself built for a newer macOS. Set
    MACOSX_DEPLOYMENT_TARGET, and let delocate-wheel set the tag (--require-target-macos-version).
    """
    required = [
        _raise_to_first_arm64(
            platforms_platforms.normalize_macos_version(code.slice.min_macos), code.slice.arch
        )
        for code in iter_loadable_code(wheel)
        if code.binary.format is BinaryFormat.MACHO and code.slice.min_macos
    ]
    target_versions = [platform.version for platform in _select_macos_platforms(wheel)]
    if required and target_versions and (newest := max(required)) < min(target_versions):
        tag = join_some(wheel.name.platforms)
        yield f"all its code runs on macOS {_format_version(newest)}, but the tag is {tag}"


def _select_macos_platforms(wheel: WheelContent) -> list[ParsedPlatform]:
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    return [platform for platform in platforms if platform.system is OperatingSystem.MACOS]


def _round_to_tag_version(version: PlatformVersion) -> PlatformVersion:
    """Round down to the form used in tags, which have minor version 0 from macOS 11 on: 12.3 becomes 12.0."""
    return (version[0], 0) if version >= (11, 0) else version


def _raise_to_first_arm64(version: PlatformVersion, arch: str) -> PlatformVersion:
    return max(version, _FIRST_ARM64) if arch == "arm64" else version


def _format_version(version: PlatformVersion) -> str:
    return f"{version[0]}.{version[1]}"


CHECKS = (macos_too_new, tag_stricter_than_code)
