"""A member that was unpacked once is not unpacked again, and nothing else is taken for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.binaries import extension
from tests.support.wheels import wheel_bytes, wheel_filename
from tests.support.zips import RawMember, content, deflate, raw_members, raw_zip
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


def read(data: bytes, tag: str, known: MemberCache | None = None) -> WheelContent:
    found = content(data, wheel_filename("dipy", "1.11.0", tag), known)
    assert isinstance(found, WheelContent)
    return found


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the members that were unpacked, in order."""
    real, told = decompress.decompress_member, []

    def unpack(stream: object, entry: object, **options: object) -> object:
        told.append(entry.name)  # type: ignore[attr-defined]
        return real(stream, entry, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(decompress, "decompress_member", unpack)
    return told


def test_what_two_wheels_have_alike_is_unpacked_once(unpacked: list[str]) -> None:
    known = MemberCache()
    first, second = (wheel(tag, own=tag.encode()) for tag in TAGS)
    assert read(first, TAGS[0], known) == read(first, TAGS[0])
    unpacked.clear()
    found = read(second, TAGS[1], known)
    assert [name for name in unpacked if ".dist-info/" not in name] == ["dipy/own.py"]
    assert found == read(second, TAGS[1])
    assert [facts.member for facts in found.binaries] == ["dipy.libs/libgomp.so.1"]


def with_library(**changes: object) -> bytes:
    """A wheel with one member that the good one has, too, but for ``changes``."""
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
def test_another_member_is_not_taken_for_it(changes: dict[str, object]) -> None:
    known = MemberCache()
    good = content(with_library(), member_cache=known)
    data = with_library(**changes)
    found = content(data, member_cache=known)
    assert found == content(data)
    assert found != good
    assert content(with_library(), member_cache=known) == good


def test_what_is_wrong_with_a_member_is_told_of_each_wheel() -> None:
    known = MemberCache()
    data = with_library(both={"crc": 1})
    for _ in range(2):
        assert {fact.kind for fact in content(data, member_cache=known).anomalies} == {"bad-crc"}


def test_python_symbols_are_read_where_the_stable_abi_is_promised() -> None:
    known = MemberCache()
    extended = {"dipy/core.abi3.so": LIBRARY}
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64"):
        data = wheel_bytes(tag=tag, files=extended)
        assert read(data, tag, known) == read(data, tag)


# --- by several threads ----------------------------------------------------------------------------


def key_of(member: str, data: bytes, tag: str, monkeypatch: pytest.MonkeyPatch) -> MemberKey:
    """What stands for ``member`` in a Repeats."""
    real, keys = member_cache.compute_member_key, {}

    def key(stream: object, entry: object, *, symbols: bool) -> MemberKey:
        made = real(stream, entry, symbols=symbols)  # type: ignore[arg-type]
        keys[entry.name] = made  # type: ignore[attr-defined]
        return made

    with monkeypatch.context() as patched:
        patched.setattr(member_cache, "compute_member_key", key)
        read(data, tag, MemberCache())
    return keys[member]


def in_a_thread(work: Callable[[], WheelContent]) -> Callable[[], WheelContent]:
    pool = ThreadPoolExecutor(1)
    return pool.submit(work).result


@pytest.mark.parametrize("comes_to_something", [True, False])
def test_what_another_thread_is_unpacking_is_waited_for_last(
    monkeypatch: pytest.MonkeyPatch, unpacked: list[str], comes_to_something: bool
) -> None:
    data = wheel(TAGS[0])
    whole = read(data, TAGS[0])
    key = key_of("dipy/__init__.py", data, TAGS[0], monkeypatch)
    known, waits = MemberCache(), threading.Event()
    real = known.get_or_claim

    def claim(key: MemberKey, *, wait: bool) -> CachedMember | None:
        if wait:
            waits.set()
        return real(key, wait=wait)

    monkeypatch.setattr(known, "get_or_claim", claim)
    assert known.get_or_claim(key, wait=False) is None
    with pytest.raises(InProgress):
        known.get_or_claim(key, wait=False)
    unpacked.clear()
    result = in_a_thread(lambda: read(data, TAGS[0], known))
    assert waits.wait(20)
    assert {"dipy/own.py", "dipy.libs/libgomp.so.1"} <= set(unpacked)
    assert "dipy/__init__.py" not in unpacked
    mine = next(member for member in whole.members if member.name == "dipy/__init__.py")
    known.release(key, CachedMember(mine, None) if comes_to_something else None)
    assert result() == whole
    assert ("dipy/__init__.py" in unpacked) is not comes_to_something


def test_what_is_told_does_not_depend_on_which_thread_was_first(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"both": {"crc": 1}}
    members = [RawMember(f"dipy/m{at}.so".encode(), LIBRARY + bytes([at]), **bad) for at in range(4)]  # type: ignore[arg-type]
    data = raw_zip([*raw_members(), *members])
    whole = read(data, TAGS[0])
    key = key_of("dipy/m1.so", data, TAGS[0], monkeypatch)
    known = MemberCache()
    known.get_or_claim(key, wait=False)
    result = in_a_thread(lambda: read(data, TAGS[0], known))
    threading.Timer(0.1, known.release, (key, None)).start()
    assert result() == whole
    assert [fact.member for fact in whole.anomalies] == [f"dipy/m{at}.so" for at in range(4)]


def test_a_crash_leaves_no_claim_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    data, known = wheel(TAGS[0]), MemberCache()
    with monkeypatch.context() as patched:
        patched.setattr(decompress, "decompress_member", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read(data, TAGS[0], known)
    assert read(data, TAGS[0], known) == read(data, TAGS[0])


def test_many_threads_on_wheels_that_are_alike(unpacked: list[str]) -> None:
    data = [wheel(tag, own=bytes([number])) for number in range(8) for tag in TAGS]
    known = MemberCache()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: read(each, TAGS[0], known), data))
    assert unpacked.count("dipy.libs/libgomp.so.1") == 1
    assert found == [read(each, TAGS[0]) for each in data]


# --- what it takes ---------------------------------------------------------------------------------


def test_there_is_an_end_to_what_is_remembered(monkeypatch: pytest.MonkeyPatch, unpacked: list[str]) -> None:
    monkeypatch.setattr(member_cache, "_MAX_MEMORY", 3 * member_cache._MEMORY_PER_MEMBER)
    known, data = MemberCache(), wheel(TAGS[0])
    whole = read(data, TAGS[0])
    assert read(data, TAGS[0], known) == whole
    unpacked.clear()
    assert read(data, TAGS[0], known) == whole
    again = [name for name in unpacked if ".dist-info/" not in name]
    assert 0 < len(again) < len([member for member in whole.members if ".dist-info/" not in member.name])


def test_answers_about_short_texts_are_remembered_and_long_ones_are_not() -> None:
    asked: list[str] = []

    @cached_for_short_strings
    def length(text: str) -> int:
        """How long it is."""
        asked.append(text)
        return len(text)

    long = "x" * 5000
    assert [length("ab"), length("ab"), length(long), length(long)] == [2, 2, 5000, 5000]
    assert asked == ["ab", long, long]
    assert length.__doc__ == "How long it is."


def test_damage_of_one_wheel_is_not_hidden_by_a_sound_one() -> None:
    known = MemberCache()
    good = wheel(TAGS[0])
    spoiled = bytearray(good)
    at = good.index(b"dipy/__init__.py") + len(b"dipy/__init__.py") + 3
    spoiled[at] ^= 0xFF
    assert not archive_reader.describe_damage(read(good, TAGS[0], known))
    assert archive_reader.describe_damage(read(bytes(spoiled), TAGS[0], known))
    assert read(good, TAGS[0], known) == read(good, TAGS[0])
