"""The facts that pyelftools, macholib and pefile read in a file, in our format, to compare with ours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pefile
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from macholib import MachO, mach_o

from wheel_uploader.core.models import BinaryFacts, BinaryFormat, BinarySlice

_PYTHON_DLL = re.compile(r"python3\d*t?(_d)?\.dll\Z", re.IGNORECASE)


def our_facts(facts: BinaryFacts) -> list[dict[str, Any]]:
    """Return those of our facts that the reference parsers also have."""
    return [_ours(facts.format, part) for part in facts.slices]


def _ours(form: BinaryFormat | None, part: BinarySlice) -> dict[str, Any]:
    facts: dict[str, Any] = {"needed": list(part.needed_libraries), "python": set(part.python_imports)}
    if form is BinaryFormat.ELF:
        facts |= {
            "name": part.library_name,
            "rpaths": list(part.rpaths),
            "runpath": part.has_runpath,
            "versions": set(part.symbol_versions),
        }
        facts |= {"interpreter": part.interpreter, "debug": part.has_debug_info}
    elif form is BinaryFormat.MACHO:
        facts |= {"name": part.library_name, "rpaths": list(part.rpaths), "minos": part.min_macos}
    return facts


def reference_facts(facts: BinaryFacts, data: bytes) -> list[dict[str, Any]]:
    """Return the same facts, read by the reference parser of the format."""
    match facts.format:
        case BinaryFormat.ELF:
            return [_elf(data)]
        case BinaryFormat.MACHO:
            return list(_macho(data))
        case _:
            return [_pe(data)]


def _elf(data: bytes) -> dict[str, Any]:
    elf = ELFFile(io.BytesIO(data))
    facts: dict[str, Any] = {"needed": [], "name": "", "versions": set(), "interpreter": "", "python": set()}
    facts["runpath"] = False
    paths: dict[str, list[str]] = {"DT_RPATH": [], "DT_RUNPATH": []}
    segment: Any
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_INTERP":
            facts["interpreter"] = segment.get_interp_name()
        if isinstance(segment, DynamicSegment):
            tag: Any
            for tag in segment.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    facts["needed"].append(tag.needed)
                elif tag.entry.d_tag == "DT_SONAME":
                    facts["name"] = tag.soname
                elif tag.entry.d_tag in paths:
                    text = tag.rpath if tag.entry.d_tag == "DT_RPATH" else tag.runpath
                    facts["runpath"] |= tag.entry.d_tag == "DT_RUNPATH"
                    paths[tag.entry.d_tag] += [part for part in text.split(":") if part]
    facts["rpaths"] = paths["DT_RUNPATH"] or paths["DT_RPATH"]
    section: Any
    for section in elf.iter_sections():
        if section.name == ".gnu.version_r":
            facts["versions"] = {
                (need.name, one.name) for need, ones in section.iter_versions() for one in ones
            }
        if section.name == ".dynsym" and isinstance(section, SymbolTableSection):
            facts["python"] = {
                symbol.name
                for symbol in section.iter_symbols()
                if symbol["st_shndx"] == "SHN_UNDEF"
                and symbol["st_info"]["bind"] != "STB_WEAK"
                and symbol.name.startswith(("Py", "_Py"))
            }
    facts["debug"] = any(section.name.startswith((".debug_", ".zdebug_")) for section in elf.iter_sections())
    return facts


class _FromMemory(MachO.MachO):  # type: ignore[misc]
    """A MachO that reads bytes; macholib itself reads only files."""

    def __init__(self, data: bytes) -> None:
        self.graphident = self.filename = self.loader_path = ""
        self.fat = None
        self.headers: list[Any] = []
        self.allow_unknown_load_commands = True
        self.load(io.BytesIO(data))


def _macho(data: bytes) -> Iterator[dict[str, Any]]:
    for header in _FromMemory(data).headers:
        facts: dict[str, Any] = {"needed": [], "name": "", "rpaths": [], "minos": None}
        for load, command, rest in header.commands:
            kind = load.cmd
            if kind in {mach_o.LC_LOAD_DYLIB, mach_o.LC_REEXPORT_DYLIB, mach_o.LC_LOAD_UPWARD_DYLIB}:
                facts["needed"].append(_text(rest))
            elif kind == mach_o.LC_ID_DYLIB:
                facts["name"] = _text(rest)
            elif kind == mach_o.LC_RPATH:
                facts["rpaths"].append(_text(rest))
            elif kind == mach_o.LC_BUILD_VERSION:
                facts["minos"] = (int(command.minos) >> 16, int(command.minos) >> 8 & 0xFF)
            elif kind == mach_o.LC_VERSION_MIN_MACOSX:
                facts["minos"] = (int(command.version) >> 16, int(command.version) >> 8 & 0xFF)
        facts["python"] = None
        yield facts


def _text(rest: bytes) -> str:
    return rest.partition(b"\0")[0].decode()


def _pe(data: bytes) -> dict[str, Any]:
    pe = pefile.PE(data=data, fast_load=True)
    pe.parse_data_directories([1, 13])
    needed: dict[str, None] = {}
    python = set()
    for entry in getattr(pe, "DIRECTORY_ENTRY_IMPORT", []):
        library = entry.dll.decode()
        needed[library] = None
        if _PYTHON_DLL.match(library):
            python |= {taken.name.decode() for taken in entry.imports if taken.name}
    for entry in getattr(pe, "DIRECTORY_ENTRY_DELAY_IMPORT", []):
        needed[entry.dll.decode()] = None
    return {"needed": list(needed), "python": python}


def assert_same_facts(facts: BinaryFacts, data: bytes) -> None:
    """Fail if our facts differ from those of the reference parser."""
    for ours, reference in zip(our_facts(facts), reference_facts(facts, data), strict=True):
        if reference["python"] is None:  # macholib returns no symbols
            del ours["python"], reference["python"]
        assert ours == reference, facts.member
