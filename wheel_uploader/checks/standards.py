"""Checks of newer standards: SBOMs (PEP 770), import names (PEP 794), signatures of RECORD (PEP 815)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.checks import content, core_metadata, inventory
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core import bounds
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import Severity, WheelContent, WheelMember
from wheel_uploader.facts.archive import record

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@check("wheel/bad-sbom", Severity.WARNING)
def bad_sbom(wheel: WheelContent) -> Iterator[Observation]:
    """File in .dist-info/sboms is not an SBOM that tools can read.

    Scanners look there for software bills of materials in JSON (PEP 770), in one of the two common formats:
    CycloneDX ("bomFormat": "CycloneDX") or SPDX ("spdxVersion", or the "@context" of SPDX 3). They ignore
    anything else, and do not know what the wheel bundles. Common causes are an empty file of a generator that
    failed, and an SBOM in XML. Generate it in JSON. Of a file above 64 KiB only the beginning is checked.
    """
    folder = f"{record.find_dist_info(wheel)}/sboms/"
    for member in wheel.members:
        is_sbom = member.name.startswith(folder) and not member.is_directory
        if is_sbom and (problem := _describe_sbom_problem(wheel, member)):
            yield member.name, problem


def _describe_sbom_problem(wheel: WheelContent, member: WheelMember) -> str:
    data = wheel.retained_members.get(member.name)
    if data is None:
        is_object = member.first_bytes.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"{")
        return "" if is_object or not member.sha256 else "it is not JSON"
    if not data.strip():
        return "it is empty"
    try:
        value = bounds.load_json(data.removeprefix(_BYTE_ORDER_MARK))
    except ValueError:
        return "it is not JSON"
    return "" if _is_sbom(value) else "it is neither CycloneDX nor SPDX"


def _is_sbom(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return (
        value.get("bomFormat") == "CycloneDX"
        or "spdxVersion" in value
        or "spdx" in str(value.get("@context", ""))
    )


@check("wheel/import-name", Severity.WARNING)
def import_name(wheel: WheelContent) -> Iterator[Observation]:
    """Import-Name and Import-Namespace contradict the wheel, or each other.

    These fields (PEP 794) say which names can be imported once a project is installed; tools find the project
    for a name with them. A name is in one of the two fields, the package that contains it is stated as well,
    and an empty Import-Name says that nothing can be imported. The usual causes are a package that was
    renamed, and one that the build left out. Correct "import-names" in pyproject.toml, or the list of
    packages. Names that the wheel does not install because the operating system provides them belong in no
    Import-Name.
    """
    metadata = core_metadata.read_core_metadata(wheel)
    if metadata is None:
        return
    path = core_metadata.get_metadata_path(wheel)
    names = {
        header: dict.fromkeys(
            name for value in metadata.get_values(field) if (name := value.partition(";")[0].strip())
        )
        for header, field in (("Import-Name", "import_names"), ("Import-Namespace", "import_namespaces"))
    }
    stated = {name for group in names.values() for name in group}
    if not stated:
        if metadata.fields.get("import_names") is not None and (modules := _list_top_modules(wheel)):
            yield path, f"Import-Name is empty, but the wheel has {join_some(modules)}"
        return
    yield from (
        (path, f"{name} is both an Import-Name and an Import-Namespace")
        for name in names["Import-Name"]
        if name in names["Import-Namespace"]
    )
    importable = _list_importable(wheel)
    for header, group in names.items():
        for name in group:
            if name not in importable:
                yield path, f"{header} is {name}, which the wheel does not have"
                continue
            parent = name.rpartition(".")[0]
            if parent and parent not in stated:
                yield path, f"{header} is {name}, but no field states {parent}"


def _list_top_modules(wheel: WheelContent) -> list[str]:
    """Return the modules and packages at the top of the wheel."""
    tops = content.list_top_level_names(wheel)
    names = (top if is_folder else _strip_suffix(top) for top, is_folder in tops.items())
    return sorted({name for name in names if name.isidentifier()})


def _list_importable(wheel: WheelContent) -> set[str]:
    """Return the dotted names of all modules and of all folders in site-packages."""
    names: set[str] = set()
    for member in wheel.members:
        path = inventory.get_installed_path(member.name)
        module = inventory.match_extension(path) or _strip_suffix(path)
        if module:
            wheel.budget.count_work()
            names.add(module.replace("/", "."))
        folder = path.rpartition("/")[0]
        while folder and (dotted := folder.replace("/", ".")) not in names:
            names.add(dotted)
            folder = folder.rpartition("/")[0]
    return names


def _strip_suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and suffix in {"py", "pyc"} else ""


@check("record/signature-file", Severity.WARNING)
def signature_file(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel contains a signature of RECORD.

    RECORD.jws and RECORD.p7s are deprecated (PEP 815): no installer verifies them, so they only seem to
    protect anybody, and tools must no longer add them. Remove the file, and publish attestations (PEP 740)
    beside the wheel instead.
    """
    folder = record.find_dist_info(wheel)
    for member in wheel.members:
        if record.is_record_signature(member.name) and member.name.startswith(f"{folder}/"):
            yield member.name, "it is a signature that no installer verifies"


CHECKS = (bad_sbom, import_name, signature_file)
