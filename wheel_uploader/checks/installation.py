"""Checks of the installed layout: each file has one place, and installers accept all of them."""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator

from wheel_uploader.checks import installed_layout
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import Severity, WheelContent, WheelMember
from wheel_uploader.facts.archive import installed_paths, record

#: Files of .dist-info that installers write, and what each of them would say about this installation.
_INSTALLER_FILES = {
    "INSTALLER": "which program installed the project",
    "REQUESTED": "that the user requested the project, and not another project",
    "direct_url.json": "the URL or directory that the project was installed from",
    "uv_cache.json": "which state of the source uv installed",
    "uv_build.json": "with which settings uv built the project",
}
#: Files that setuptools, hatchling, meson-python and scikit-build-core make for an editable installation.
_EDITABLE_FILE = re.compile(
    r"__editable__|_editable_impl_|(?:easy-install\.pth|.{1,200}\.egg-link)\Z"
    r"|.{1,200}(?:-editable\.pth|_editable_loader\.py|_editable\.(?:pth|py))\Z"
)
_ABSOLUTE_PATH = re.compile(r"/|[A-Za-z]:[/\\]|\\\\")
#: A line of a .pth file that leaves site-packages; Python does not expand the tilde.
_OUTSIDE_PATH = re.compile(rf"{_ABSOLUTE_PATH.pattern}|~|\.\.(?:[/\\]|\s*\Z)")
#: The beginning of a program that the system starts with an interpreter.
_SHEBANG = re.compile(rb"#!(?P<quoted>\"?)(?P<interpreter>[^\r\n\"]{1,100})")
_INTERPRETER_NAME = re.compile(r"(?:.*[/\\])?(?:python|pypy|graalpy)[0-9.]*t?w?(?:\.exe)?\Z", re.IGNORECASE)
#: Directories whose interpreters belong to the system of the user.
_SYSTEM_DIRECTORIES = ("/usr/bin/", "/bin/", "/usr/local/bin/", "/opt/local/bin/", "/opt/homebrew/bin/")
_SETUID_BITS = 0o6000
#: The modes of a ZIP written on Windows, and by ``writestr`` of zipfile.
_TOOL_DEFAULTS = frozenset({0, 0o600})


@check("wheel/unknown-scheme", Severity.ERROR)
def unknown_scheme(wheel: WheelContent) -> Iterator[Observation]:
    """Directory below .data is not a known installation scheme.

    Files in NAME-VERSION.data are installed by the name of their directory: purelib, platlib, headers,
    scripts or data. pip rejects a wheel that has a file in any other directory, or directly in .data. The
    usual cause is a wheel that was packed by hand. Move the file to one of these directories.
    """
    for member in wheel.members:
        if ".data" not in member.name or member.is_directory:
            continue
        if installed_paths.find_installed_path(member.name) is None:
            scheme, slash, _ = member.name.partition("/")[2].partition("/")
            problem = f"'{scheme}' is not a scheme" if slash else "it is not in the directory of a scheme"
            yield member.name, problem


@check("wheel/foreign-data", Severity.ERROR)
def foreign_data(wheel: WheelContent) -> Iterator[Observation]:
    """Data directory is not named like the wheel.

    The files of a wheel that belong outside of site-packages are in NAME-VERSION.data, spelled exactly as in
    the file name or as NAME-VERSION.dist-info. pip installs the files of any directory that ends in ".data",
    whereas uv and installer copy such a directory to site-packages as it is. The usual cause is a wheel that
    was renamed or edited by hand. Build again from a clean checkout.
    """
    tops = (member.name.partition("/")[0] for member in wheel.members if ".data/" in member.name)
    for top in dict.fromkeys(top for top in tops if top.endswith(".data")):
        if not _is_own_data(top, wheel):
            yield top, f"it is not {wheel.name.raw_project}-{wheel.name.raw_version}.data"


def _is_own_data(top: str, wheel: WheelContent) -> bool:
    by_filename = f"{wheel.name.raw_project}-{wheel.name.raw_version}"
    return top.removesuffix(".data") in (by_filename, record.find_dist_info(wheel).removesuffix(".dist-info"))


@check("wheel/path-collision", Severity.ERROR)
def path_collision(wheel: WheelContent) -> Iterator[Observation]:
    """Two different files are installed at the same path.

    Which of the two remains depends on the installer, and some installers fail. One of them is usually below
    NAME-VERSION.data/purelib or platlib, and the other at the top of the wheel; or a script is both a file in
    .data/scripts and an entry point, from which installers generate a script of the same name. The usual
    cause is a build that mixes the output of two tools. Include each file once.
    """
    for place, members in installed_layout.find_collisions(wheel):
        others = " and ".join(f"'{member.name}'" for member in members[1:3])
        yield members[0].name, f"it is installed at the same path as {others}: {place.path} in {place.scheme}"
    yield from _find_script_collisions(wheel)


def _find_script_collisions(wheel: WheelContent) -> Iterator[Observation]:
    scripts = installed_layout.list_scripts(wheel)
    if not scripts:
        return
    path = f"{record.find_dist_info(wheel)}/entry_points.txt"
    names = Counter(script.name for script in scripts)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield path, f"'{name}' is both a console script and a GUI script"
    for file in installed_layout.list_data_files(wheel):
        if file.scheme == installed_paths.SCRIPTS and file.path in names:
            yield file.member.name, f"entry_points.txt has a script '{file.path}' as well"


@check("wheel/site-packages-in-data", Severity.WARNING)
def site_packages_in_data(wheel: WheelContent) -> Iterator[Observation]:
    """Code is below .data/data/lib/pythonX.Y/site-packages.

    The data scheme is installed relative to the root of the environment, so the code is found only by the
    Python version in the path, and on systems whose site-packages is at exactly this place. The usual cause
    is "data_files" with the output of another build. Put the package at the top of the wheel.
    """
    seen: set[str] = set()
    for file in installed_layout.list_data_files(wheel):
        directory = file.member.name.partition(".data/data/")[2].removesuffix(file.path)
        if file.scheme == installed_paths.SITE and directory and directory not in seen:
            seen.add(directory)
            yield file.member.name, f"it is installed in {directory} of the environment's root"


@check("wheel/installer-file", Severity.WARNING)
def installer_file(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel contains a file that only an installer may write.

    INSTALLER, REQUESTED, direct_url.json and others in .dist-info describe an installation. With them,
    "pip freeze" prints the directory of the machine that built it, and other tools are misled in similar
    ways. The usual cause is a wheel that was packed from an installed project. Build it from source.
    """
    folder = record.find_dist_info(wheel)
    for member in wheel.members:
        directory, _, basename = member.name.rpartition("/")
        if folder and directory == folder and basename in _INSTALLER_FILES:
            yield member.name, f"it would say {_INSTALLER_FILES[basename]}"


@check("wheel/editable", Severity.ERROR)
def editable(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel is an editable installation of the machine that built it.

    Its .pth file adds a directory to the import path that exists only there, or loads the modules from it.
    Such wheels are made by "pip install --editable" for one machine. Build the wheel with "python -m build".
    """
    for file in installed_layout.list_top_files(wheel):
        if _EDITABLE_FILE.match(file.path):
            yield file.member.name, "it belongs to an editable installation"
        elif file.path.endswith(".pth") and (line := _find_outside_line(wheel, file.member)):
            yield file.member.name, f"line {line} is a path outside of site-packages"


def _find_outside_line(wheel: WheelContent, member: WheelMember) -> int:
    """Return the number of the first line that is a path outside of site-packages; 0 if there is none."""
    text = wheel.retained_members.get(member.name, b"").decode("utf-8-sig", "replace")
    # A relative path may lead to files that the wheel installs elsewhere.
    has_data = any(".data/data/" in each.name for each in wheel.members)
    expression = _ABSOLUTE_PATH if has_data else _OUTSIDE_PATH
    return next(
        (number for number, line in enumerate(text.splitlines(), start=1) if expression.match(line)), 0
    )


@check("wheel/builder-shebang", Severity.ERROR)
def builder_shebang(wheel: WheelContent) -> Iterator[Observation]:
    """Script is started with the Python of the machine that built it.

    Installers replace the first line of a script only if it begins with "#!python". A path such as
    "#!/home/me/venv/bin/python" is kept, and exists on no other machine. The usual cause is a script that was
    installed before it was packed. Start the script with "#!python", or better, use an entry point.
    """
    for file in installed_layout.list_data_files(wheel):
        if file.scheme == installed_paths.SCRIPTS and (interpreter := _read_python_path(file.member)):
            yield file.member.name, f"it begins with #!{interpreter}"


def _read_python_path(member: WheelMember) -> str:
    """Return the absolute path of the Python that a script is started with, unless it is the system's."""
    match = _SHEBANG.match(member.first_bytes)
    if not match:
        return ""
    text = match["interpreter"].decode("utf-8", "replace").strip()
    # An unquoted path ends at the first blank; a path that does not fit into the first bytes is cut.
    interpreter = text if match["quoted"] else text.partition(" ")[0]
    is_cut = match.end() == len(member.first_bytes) < member.size
    is_absolute = _ABSOLUTE_PATH.match(interpreter) is not None
    if not is_absolute or interpreter.startswith(_SYSTEM_DIRECTORIES):
        return ""
    return interpreter if is_cut or _INTERPRETER_NAME.match(interpreter) else ""


@check("wheel/file-mode", Severity.WARNING)
def file_mode(wheel: WheelContent) -> Iterator[Observation]:
    """File is unreadable for other users, or runs with the rights of its owner.

    pip sets its own permissions, but other installers and the packagers of distributions keep those of the
    archive, so a project that the administrator installed works for nobody else. The usual causes are a build
    with "umask 077", and a build script that adds files with zipfile's "writestr". Set the permissions to 644
    or, for programs, 755.
    """
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    files = [member for member in wheel.members if not member.is_directory]
    # The default of a tool says nothing about a file: a ZIP written on Windows has no modes.
    default = _find_default_mode(files)
    for member in files:
        if member.mode != default and (problem := _describe_mode(member)):
            first.setdefault(problem, member.name)
            counts[problem] += 1
    for problem, count in counts.items():
        yield (
            first[problem],
            problem + (f" (and those of {format_count(count - 1, 'other file')})" if count > 1 else ""),
        )


def _find_default_mode(files: Iterable[WheelMember]) -> int | None:
    """Return the mode of all files if a tool gives it to each file, and None otherwise."""
    modes = {member.mode for member in files}
    return modes.pop() if len(modes) == 1 and modes <= _TOOL_DEFAULTS else None


def _describe_mode(member: WheelMember) -> str:
    # Several build tools give 600 to the files of .dist-info.
    if ".dist-info/" in member.name or stat.S_IFMT(member.mode) not in {0, stat.S_IFREG}:
        return ""
    permissions = stat.S_IMODE(member.mode)
    if permissions & _SETUID_BITS:
        return f"its permissions are {permissions:04o}, so it runs with the rights of its owner"
    if permissions & 0o004 or (not member.mode and ".data/scripts/" not in member.name):
        return ""
    return f"its permissions are {permissions:03o}"


CHECKS = (
    unknown_scheme,
    foreign_data,
    path_collision,
    site_packages_in_data,
    installer_file,
    editable,
    builder_shebang,
    file_mode,
)
