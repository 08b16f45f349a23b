"""The member cache: equal members are decompressed once, and other members never match."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.zips import RawMember, content, deflate, raw_members, raw_zip
from tools.testing.binaries import extension
from tools.testing.wheels import wheel_bytes, wheel_filename
from wheel_uploader.core.models import WheelContent
from wheel_uploader.core.string_cache import cached_for_short_strings
from wheel_uploader.facts import member_cache
from wheel_uploader.facts.archive import decompress
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.member_cache import CachedMember, InProgress, MemberCache, MemberKey

TAGS = ("cp310-cp310-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_x86_64")
LIBRARY = extension("manylinux_2_17_x86_64")[1]


def wheel(tag: str, own: bytes = b"") -> bytes:
    files = {"dipy/__init__.py": b"x = 1\n" * 99, "dipy.libs/libgomp.so.1": LIBRARY, "dipy/own.py": own}
    return wheel_bytes(tag=tag, files=files)


def read(data: bytes, tag: str, cache: MemberCache | None = None) -> WheelContent:
    contents = content(data, wheel_filename("dipy", "1.11.0", tag), cache)
    assert isinstance(contents, WheelContent)
    return contents


@pytest.fixture
def decompressed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects the names of decompressed members, in order."""
    real, names = decompress.decompress_member, []

    def record_name(stream: object, entry: object, **options: object) -> object:
        names.append(entry.name)  # type: ignore[attr-defined]
        return real(stream, entry, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(decompress, "decompress_member", record_name)
    return names


def test_decompresses_equal_members_of_two_wheels_once(decompressed: list[str]) -> None:
    cache = MemberCache()
    first, second = (wheel(tag, own=tag.encode()) for tag in TAGS)
    assert read(first, TAGS[0], cache) == read(first, TAGS[0])
    decompressed.clear()
    contents = read(second, TAGS[1], cache)
    assert [name for name in decompressed if ".dist-info/" not in name] == ["dipy/own.py"]
    assert contents == read(second, TAGS[1])
    assert [facts.member for facts in contents.binaries] == ["dipy.libs/libgomp.so.1"]


def with_library(**changes: object) -> bytes:
    """Return a wheel with the same library as the good one, except for ``changes``."""
    return raw_zip([*raw_members(), RawMember(**{"name": b"dipy/lib.so", "data": LIBRARY} | changes)])  # type: ignore[arg-type]


PACKED = deflate(LIBRARY)


@pytest.mark.parametrize(
    "changes",
    [
        {"packed": PACKED[:-9] + bytes(9)},
        {"packed": PACKED[:-1], "both": {"packed_size": len(PACKED) - 1}},
        {"packed": PACKED + b"more"},
        {"both": {"crc": 1}},
        {"both": {"size": len(LIBRARY) - 1}},
        {"both": {"method": 0}},
        {"data": LIBRARY[:-1] + b"!"},
        {"name": b"dipy/other.so"},
        {"mode": 0o120777},
    ],
)
@pytest.mark.parametrize("integrity_only", [False, True])
def test_does_not_reuse_a_different_member(changes: dict[str, object], integrity_only: bool) -> None:
    cache = MemberCache()
    good = content(with_library(), member_cache=cache, integrity_only=integrity_only)
    data = with_library(**changes)
    contents = content(data, member_cache=cache, integrity_only=integrity_only)
    assert contents == content(data, integrity_only=integrity_only)
    assert contents != good
    assert content(with_library(), member_cache=cache, integrity_only=integrity_only) == good


def test_decompresses_equal_members_once_to_verify_them(decompressed: list[str]) -> None:
    cache = MemberCache()
    for tag in TAGS:
        decompressed.clear()
        data, filename = wheel(tag, own=tag.encode()), wheel_filename("dipy", "1.11.0", tag)
        assert archive_reader.describe_damage(content(data, filename, cache, integrity_only=True)) == ()
    assert [name for name in decompressed if ".dist-info/" not in name] == ["dipy/own.py"]


def test_a_member_that_was_only_verified_is_read_again_for_the_checks() -> None:
    cache = MemberCache()
    data, filename = wheel(TAGS[0]), wheel_filename("dipy", "1.11.0", TAGS[0])
    verified = content(data, filename, cache, integrity_only=True)
    assert isinstance(verified, WheelContent)
    assert verified.binaries == ()
    contents = read(data, TAGS[0], cache)
    assert contents == read(data, TAGS[0])
    assert [facts.member for facts in contents.binaries] == ["dipy.libs/libgomp.so.1"]
    # Everything else is the same.
    assert {member.name: member.sha256 for member in verified.members} == {
        member.name: member.sha256 for member in contents.members
    }


def test_reports_the_fault_of_a_member_for_each_wheel() -> None:
    cache = MemberCache()
    data = with_library(both={"crc": 1})
    for _ in range(2):
        assert {fact.kind for fact in content(data, member_cache=cache).anomalies} == {"bad-crc"}


def test_reads_python_symbols_of_a_cached_member_for_the_stable_abi() -> None:
    cache = MemberCache()
    extended = {"dipy/core.abi3.so": LIBRARY}
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64"):
        data = wheel_bytes(tag=tag, files=extended)
        assert read(data, tag, cache) == read(data, tag)


# --- several threads -------------------------------------------------------------------------------


def find_member_key(member: str, data: bytes, tag: str, monkeypatch: pytest.MonkeyPatch) -> MemberKey:
    """Return the key of ``member`` in a MemberCache."""
    real, keys = member_cache.compute_member_key, {}

    def record_key(stream: object, entry: object, *, symbols: bool | None) -> MemberKey:
        computed = real(stream, entry, symbols=symbols)  # type: ignore[arg-type]
        keys[entry.name] = computed  # type: ignore[attr-defined]
        return computed

    with monkeypatch.context() as patched:
        patched.setattr(member_cache, "compute_member_key", record_key)
        read(data, tag, MemberCache())
    return keys[member]


def run_in_thread(work: Callable[[], WheelContent]) -> Callable[[], WheelContent]:
    pool = ThreadPoolExecutor(1)
    return pool.submit(work).result


@pytest.mark.parametrize("succeeds", [True, False])
def test_waits_last_for_a_member_that_another_thread_decompresses(
    monkeypatch: pytest.MonkeyPatch, decompressed: list[str], succeeds: bool
) -> None:
    data = wheel(TAGS[0])
    whole = read(data, TAGS[0])
    key = find_member_key("dipy/__init__.py", data, TAGS[0], monkeypatch)
    cache, waits = MemberCache(), threading.Event()
    real = cache.get_or_claim

    def claim(key: MemberKey, *, wait: bool) -> CachedMember | None:
        if wait:
            waits.set()
        return real(key, wait=wait)

    monkeypatch.setattr(cache, "get_or_claim", claim)
    assert cache.get_or_claim(key, wait=False) is None
    with pytest.raises(InProgress):
        cache.get_or_claim(key, wait=False)
    decompressed.clear()
    result = run_in_thread(lambda: read(data, TAGS[0], cache))
    assert waits.wait(20)
    assert {"dipy/own.py", "dipy.libs/libgomp.so.1"} <= set(decompressed)
    assert "dipy/__init__.py" not in decompressed
    mine = next(member for member in whole.members if member.name == "dipy/__init__.py")
    cache.release(key, CachedMember(mine, None) if succeeds else None)
    assert result() == whole
    assert ("dipy/__init__.py" in decompressed) is not succeeds


def test_results_do_not_depend_on_the_order_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"both": {"crc": 1}}
    members = [RawMember(f"dipy/m{at}.so".encode(), LIBRARY + bytes([at]), **bad) for at in range(4)]  # type: ignore[arg-type]
    data = raw_zip([*raw_members(), *members])
    whole = read(data, TAGS[0])
    key = find_member_key("dipy/m1.so", data, TAGS[0], monkeypatch)
    cache = MemberCache()
    cache.get_or_claim(key, wait=False)
    result = run_in_thread(lambda: read(data, TAGS[0], cache))
    threading.Timer(0.1, cache.release, (key, None)).start()
    assert result() == whole
    assert [fact.member for fact in whole.anomalies] == [f"dipy/m{at}.so" for at in range(4)]


def test_a_crash_releases_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    data, cache = wheel(TAGS[0]), MemberCache()
    with monkeypatch.context() as patched:
        patched.setattr(decompress, "decompress_member", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read(data, TAGS[0], cache)
    assert read(data, TAGS[0], cache) == read(data, TAGS[0])


def test_decompresses_a_shared_member_once_in_many_threads(decompressed: list[str]) -> None:
    data = [wheel(tag, own=bytes([number])) for number in range(8) for tag in TAGS]
    cache = MemberCache()
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(lambda item: read(item, TAGS[0], cache), data))
    assert decompressed.count("dipy.libs/libgomp.so.1") == 1
    assert contents == [read(item, TAGS[0]) for item in data]


# --- limits ----------------------------------------------------------------------------------------


def test_limits_the_size_of_the_cache(monkeypatch: pytest.MonkeyPatch, decompressed: list[str]) -> None:
    monkeypatch.setattr(member_cache, "_MAX_MEMORY", 3 * member_cache._MEMORY_PER_MEMBER)
    cache, data = MemberCache(), wheel(TAGS[0])
    whole = read(data, TAGS[0])
    assert read(data, TAGS[0], cache) == whole
    decompressed.clear()
    assert read(data, TAGS[0], cache) == whole
    again = [name for name in decompressed if ".dist-info/" not in name]
    assert 0 < len(again) < len([member for member in whole.members if ".dist-info/" not in member.name])


def test_caches_results_for_short_strings_only() -> None:
    calls: list[str] = []

    @cached_for_short_strings
    def length(text: str) -> int:
        """Return its length."""
        calls.append(text)
        return len(text)

    long = "x" * 5000
    assert [length("ab"), length("ab"), length(long), length(long)] == [2, 2, 5000, 5000]
    assert calls == ["ab", long, long]
    assert length.__doc__ == "Return its length."


def test_a_cached_good_member_does_not_hide_damage() -> None:
    cache = MemberCache()
    good = wheel(TAGS[0])
    spoiled = bytearray(good)
    at = good.index(b"dipy/__init__.py") + len(b"dipy/__init__.py") + 3
    spoiled[at] ^= 0xFF
    assert not archive_reader.describe_damage(read(good, TAGS[0], cache))
    assert archive_reader.describe_damage(read(bytes(spoiled), TAGS[0], cache))
    assert read(good, TAGS[0], cache) == read(good, TAGS[0])
