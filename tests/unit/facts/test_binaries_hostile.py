"""Any bytes give facts or None, never an exception, in limited time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import machine_pace
from tests.support.zips import content
from tools.testing.binaries import elf, fat, macho, pe
from tools.testing.wheels import wheel_bytes, wheel_filename
from wheel_uploader import checks
from wheel_uploader.core import budget
from wheel_uploader.core.models import CheckProfile, Finding, WheelContent
from wheel_uploader.facts.binaries import collector, detect
from wheel_uploader.facts.binaries.collector import BinaryCollector

GOOD = (
    elf(versions={"libc.so.6": ("GLIBC_2.17",)}, undefined=("PyList_New",), isa=3, debug=True, soname="x"),
    elf("s390x", versions={"libc.so.6": ("GLIBC_2.17",)}, gnu_hash=True, sections=False, rpath="$ORIGIN"),
    elf("armv7l", interpreter="/lib/ld-linux.so.3", undefined=("PyList_New",), pie=True),
    macho(undefined=("PyList_New",), rpaths=("@loader_path",), name="x", debug=True),
    fat(("x86_64", macho("x86_64")), ("arm64", macho())),
    pe(delayed=("later.dll",), symbols={"python3.dll": ("PyList_New",)}, debug=True),
    pe("x86", symbols={"python3.dll": ("PyList_New",)}),
    elf(defined=("a", "PyInit_x", "PyModExport_y"), gnu_hash=True, stack=7),
    macho(defined=("a", "PyInit_x", "PyInit_y"), trie="command"),
    macho(defined=("PyInit_y", "PyModExport_y"), trie="info", signed=False),
    pe(exports=("PyInit_x", "PyInit_y", "z")),
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe"]),
)
def test_reads_random_bytes(data: bytes, magic: bytes) -> None:
    detect.read_binary("x.so", magic + data, symbols=True)
    detect.read_binary("x", magic + data, symbols=True)


@QUICK
@given(st.sampled_from(GOOD), st.data())
def test_reads_good_files_with_a_few_bytes_changed(good: bytes, draw: st.DataObject) -> None:
    data = bytearray(good)
    # Extreme numbers, mostly in the headers and tables.
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.one_of(st.integers(0, 300), st.integers(0, len(data) - 9)))
        value = draw.draw(
            st.sampled_from([0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63, 2**64 - 1])
        )
        width = draw.draw(st.sampled_from([1, 2, 4, 8]))
        data[at : at + width] = (value % 256**width).to_bytes(
            width, draw.draw(st.sampled_from(["little", "big"]))
        )
    facts = detect.read_binary("x.so", bytes(data), symbols=True)
    assert facts is not None
    assert facts.problem or facts.slices or facts.format is None or facts.format == "Mach-O"


@QUICK
@given(st.sampled_from(GOOD), st.data())
def test_reads_truncated_and_spliced_files(good: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(good)))
    other = draw.draw(st.sampled_from(GOOD))
    detect.read_binary("x.so", good[:at], symbols=True)
    detect.read_binary("x.so", good[:at] + other[draw.draw(st.integers(0, len(other))) :], symbols=True)


@QUICK
@given(
    st.sampled_from(GOOD),
    st.sampled_from(["manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64"]),
    st.data(),
)
def test_checks_any_mutated_file(good: bytes, platform: str, draw: st.DataObject) -> None:
    data = bytearray(good)
    for at in draw.draw(st.lists(st.integers(0, len(data) - 1), max_size=8)):
        data[at] = draw.draw(st.integers(0, 255))
    tag = f"cp39-abi3-{platform}"
    wheel = wheel_bytes(tag=tag, files={"dipy/x.so": bytes(data)})
    checks.check_contents([content(wheel, wheel_filename("dipy", "1.11.0", tag))], profile=CheckProfile.PYPI)


# --- expensive files -------------------------------------------------------------------------------


def long_names(count: int = 4000) -> bytes:
    """Return an ELF file that needs thousands of libraries, all with the same name."""
    return elf(needed=["x" * 60] * count)


def many_versions() -> bytes:
    """Return an ELF file with an endless chain of needed versions: an entry refers to itself."""
    data = bytearray(elf(versions={"libc.so.6": ["GLIBC_2.17"] * 400}))
    at = data.index(struct.pack("<2H", 1, 400))
    data[at + 12 : at + 16] = struct.pack("<I", 0)
    return bytes(data)


@pytest.mark.parametrize("data", [long_names(), many_versions(), macho(needed=["x" * 200] * 4000)])
def test_limits_tables_that_repeat_themselves(data: bytes) -> None:
    facts = detect.read_binary("x.so", data, symbols=True)
    assert facts is not None
    for part in facts.slices:
        assert len(part.needed_libraries) <= 256
        assert len(part.symbol_versions) <= 1024


def test_limits_the_cost_of_thousands_of_native_members(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(6000):
            # Each file has different names, so that nothing can be shared.
            names = [f"lib{number}-{index}-{'y' * 200}.so" for index in range(30)]
            archive.writestr(f"dipy/m{number}.so", elf(needed=names, runpath=":".join(names)))

    def run_checks() -> tuple[Finding, ...]:
        name = wheel_filename("dipy", "1.11.0", "cp39-abi3-manylinux_2_17_x86_64")
        wheel = content(stream.getvalue(), name)
        assert isinstance(wheel, WheelContent)
        return checks.check_contents([wheel], profile=CheckProfile.PYPI)

    started = time.process_time()
    with monkeypatch.context() as patched:
        # The finding must not depend on how busy the machine is.
        patched.setattr(budget, "BASE_CPU_SECONDS", 1000.0)
        findings = run_checks()
    assert (
        time.process_time() - started < 10 * machine_pace.slowness()
    )  # about 1.2, a few times slower with coverage
    # The wheel has no metadata, and the names exceed the memory limit of a file.
    assert [finding.check for finding in findings] == ["wheel/dist-info", "archive/over-budget"]
    assert "MiB of memory" in findings[1].message
    tracemalloc.start()
    run_checks()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20


# --- members in chunks from the archive ------------------------------------------------------------


def collect(member: str, data: bytes, chunk_size: int = 100_000, *, again: bool = False) -> BinaryCollector:
    binaries_collector = BinaryCollector(symbols=True)
    feed = binaries_collector.begin_member(member, len(data))
    for at in range(0, len(data), chunk_size):
        feed(data[at : at + chunk_size])
    if again and (feed_again := binaries_collector.find_missing_parts()):
        for at in range(0, len(data), chunk_size):
            feed_again(data[at : at + chunk_size])
    binaries_collector.end_member()
    return binaries_collector


@pytest.mark.parametrize("data", GOOD)
def test_reads_a_member_in_chunks_like_the_whole(data: bytes) -> None:
    assert collect("x.so", data, 1000).binaries == (detect.read_binary("x.so", data, symbols=True),)


def test_does_not_keep_members_that_are_not_code() -> None:
    assert collect("x.py", b"print()\n" * 1000).binaries == ()
    assert collect("x.py", b"").binaries == ()
    assert collect("x.so", b"").binaries[0].problem == "it is empty"


def test_discards_a_member_that_stops_halfway() -> None:
    binaries_collector = BinaryCollector()
    binaries_collector.begin_member("x.so", 10)(b"\x7fELF")
    feed = binaries_collector.begin_member("y.py", 3)
    feed(b"pass")
    binaries_collector.end_member()
    binaries_collector.end_member()
    assert binaries_collector.binaries == ()


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat members above 4 KiB as very large."""
    monkeypatch.setattr(collector, "MAX_WHOLE_SIZE", 4096)
    monkeypatch.setattr(collector, "END_SIZE", 4096)


def very_large(order: str) -> bytes:
    """Return an ELF file of 100,000 bytes with its dynamic section at the start, middle or end."""
    data = bytearray(elf(sections=False, needed=("libm.so.6", "libc.so.6"), runpath="$ORIGIN"))
    dynamic = data.index(struct.pack("<QQ", 1, 1))
    size = len(data) - dynamic
    padding = {"begin": 0, "middle": 50_000, "end": 95_000}[order]
    moved = bytes(data) + b"\0" * padding + bytes(data[dynamic:]) + b"\0" * (100_000 - padding)
    out = bytearray(moved)
    at = len(data) + padding
    for index in range(struct.unpack_from("<H", out, 56)[0]):
        header = 64 + 56 * index
        if struct.unpack_from("<I", out, header)[0] == 2:
            struct.pack_into("<QQQQQ", out, header + 8, at, 0x1000 + at, 0x1000 + at, size, size)
        else:
            struct.pack_into("<QQ", out, header + 32, len(out), len(out))
    return bytes(out)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("order", ["begin", "middle", "end"])
def test_reads_the_ends_of_a_very_large_member_and_the_parts_in_its_headers(order: str) -> None:
    data = very_large(order)
    (facts,) = collect("x.so", data, 1000).binaries
    assert facts == detect.read_binary("x.so", data, symbols=True)
    assert facts.slices[0].needed_libraries == ("libm.so.6", "libc.so.6")


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("gap", [0, 60_000])
@pytest.mark.parametrize("kind", ["fat", "pe"])
def test_reads_very_large_members_of_other_formats(kind: str, gap: int) -> None:
    data = fat(("x86_64", macho("x86_64")), ("arm64", macho())) if kind == "fat" else pe()
    data += b"\0" * gap + b"\0" * 50_000
    (facts,) = collect("x.dll", data, 1000).binaries
    assert facts == detect.read_binary("x.dll", data, symbols=True)
    assert facts.slices


def with_tables_in_the_middle(size: int = 100_000) -> bytes:
    """Return an ELF file whose tables are in its middle, to which no header points."""
    data = elf(
        sections=False,
        needed=("libm.so.6", "libc.so.6"),
        versions={"libc.so.6": ("GLIBC_2.17",)},
        defined=("PyInit_x",),
        undefined=("PyList_New",),
    )
    start, at = 0x400, size // 2
    body = bytearray(data.ljust(at, b"\0") + data[start:] + b"\0" * (size // 2))
    dynamic = body.index(struct.pack("<QQ", 1, 1))
    while (tag := struct.unpack_from("<Q", body, dynamic)[0]) != 0:
        if tag in {4, 5, 6, 0x6FFFFFFE}:
            (address,) = struct.unpack_from("<Q", body, dynamic + 8)
            struct.pack_into("<Q", body, dynamic + 8, address + at - start)
            # The first copy of the table is not to be found.
            body[address - 0x1000 : address - 0x1000 + 8] = b"\xff" * 8
        dynamic += 16
    for index in range(struct.unpack_from("<H", body, 56)[0]):
        header = 64 + 56 * index
        if struct.unpack_from("<I", body, header)[0] == 1:
            struct.pack_into("<QQ", body, header + 32, len(body), len(body))
    return bytes(body)


@pytest.mark.usefixtures("small_limits")
def test_reads_a_very_large_member_again_for_its_tables() -> None:
    data = with_tables_in_the_middle()
    (facts,) = collect("x.so", data, 1000, again=True).binaries
    assert facts == detect.read_binary("x.so", data, symbols=True)
    (part,) = facts.slices
    assert part.needed_libraries == ("libm.so.6", "libc.so.6")
    assert part.symbol_versions == (("libc.so.6", "GLIBC_2.17"),)
    assert part.module_functions == ("PyInit_x",)
    assert part.python_imports == ("PyList_New",)
    (unread,) = collect("x.so", data, 1000).binaries
    assert "are not where they usually are" in unread.unread_reason
    assert not unread.problem


@pytest.mark.usefixtures("small_limits")
def test_finds_section_headers_in_the_middle_of_a_very_large_member() -> None:
    data = elf(undefined=("PyList_New",), needed=("libm.so.6",))
    at, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    body = bytearray(data.ljust(50_000, b"\0") + data[at : at + 64 * count] + b"\0" * 50_000)
    struct.pack_into("<Q", body, 40, 50_000)
    body[at : at + 64 * count] = b"\xff" * 64 * count
    (facts,) = collect("x.so", bytes(body), 1000, again=True).binaries
    assert facts == detect.read_binary("x.so", bytes(body), symbols=True)
    assert facts.slices[0].python_imports == ("PyList_New",)


@pytest.mark.usefixtures("small_limits")
def test_reads_other_very_large_members_again_for_their_symbols() -> None:
    filler = b"\0" * 50_000
    for data in (
        fat(
            ("x86_64", macho("x86_64", defined=("PyInit_x",)) + filler),
            ("arm64", macho(defined=("PyInit_x",), trie="info", undefined=("PyList_New",)) + filler),
        ),
        pe(needed=[f"{'y' * 200}{number}.dll" for number in range(60)], exports=("PyInit_x",)) + filler,
    ):
        (facts,) = collect("x.so" if data[0] == 0xCA else "x.pyd", data, 1000, again=True).binaries
        assert facts == detect.read_binary(facts.member, data, symbols=True)
        assert {part.module_functions for part in facts.slices} == {("PyInit_x",)}


@pytest.mark.parametrize("size", [100_000, 30 << 20])
def test_the_tables_of_the_largest_members_are_judged(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """W4: no library in a wheel is left out because of where its tables are."""
    if size == 100_000:
        monkeypatch.setattr(collector, "MAX_WHOLE_SIZE", 4096)
        monkeypatch.setattr(collector, "END_SIZE", 4096)
    tag = "cp312-cp312-manylinux_2_12_x86_64"
    data = wheel_bytes(tag=tag, files={"dipy/x.so": with_tables_in_the_middle(size)})
    wheel = content(data, wheel_filename("dipy", "1.11.0", tag))
    assert [
        (finding.check, finding.message.partition(",")[0])
        for finding in checks.check_contents([wheel], profile=CheckProfile.PYPI)
        if finding.check.startswith("native/")
    ] == [("native/glibc-too-new", "it requires GLIBC_2.17 of libc.so.6")]


@pytest.mark.usefixtures("small_limits")
def test_tables_beyond_all_limits_are_reported_as_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MAX_REREAD_PARTS_SIZE", 10)
    (facts,) = collect("x.so", with_tables_in_the_middle(), 1000, again=True).binaries
    assert "are not where they usually are" in facts.unread_reason
    monkeypatch.setattr(collector, "MAX_REREAD_SIZE", 1000)
    binaries_collector = BinaryCollector()
    data = with_tables_in_the_middle()
    binaries_collector.begin_member("x.so", len(data))(data)
    assert binaries_collector.find_missing_parts() is None


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("head", [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\0asm", b"text"])
def test_reports_very_large_invalid_members(head: bytes) -> None:
    (facts,) = collect("x.so", head + b"\xff" * 100_000, 1000).binaries
    assert facts.problem or facts.format == "WebAssembly"
