"""The classes of core/lazy_dataclass.py behave like those of dataclasses, also before they have methods."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import field
from typing import Any, Generic, TypeVar

import pytest

from wheel_uploader.core import lazy_dataclass

T = TypeVar("T")


def make_classes(decorate: Any) -> tuple[type[Any], type[Any], type[Any]]:
    """Return a class with each kind of field, one whose fields have positions, and one with parameters."""

    @decorate(frozen=True, slots=True, kw_only=True)
    class Point:
        """A point."""

        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list)
        note: str = field(default="", compare=False, repr=False)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("x is negative")

        @property
        def total(self) -> int:
            return self.x + self.y

    @decorate(frozen=True, slots=True)
    class Pair(Generic[T]):
        left: T
        right: T

        def __repr__(self) -> str:
            return f"<{self.left}, {self.right}>"

    @decorate(frozen=True, slots=True, kw_only=True)
    class Point3(Point):
        z: int = 3

    return Point, Pair, Point3


BEHAVIOUR: dict[str, Callable[[type[Any], type[Any], type[Any]], object]] = {
    "an instance has its values": lambda point, pair, _: (
        point(x=1, note="n").note,
        point(x=1).tags,
        pair(1, right=2).right,
    ),
    "a value is missing": lambda point, *_: point(),
    "a value is unknown": lambda point, *_: point(x=1, q=2),
    "a field that needs its name": lambda point, *_: point(1),
    "too many values": lambda _, pair, __: pair(1, 2, 3),
    "its own check of the values": lambda point, *_: point(x=-1),
    "defaults are not shared": lambda point, *_: point(x=1).tags is point(x=1).tags,
    "equal values": lambda point, *_: (point(x=1) == point(x=1, note="other"), point(x=1) != point(x=2)),
    "another class": lambda point, pair, _: (point(x=1) == 1, pair(1, 2) == (1, 2), point(x=1) == pair(1, 2)),
    "the same values of a class that inherits": lambda point, _, more: point(x=1) == more(x=1),
    "a hash": lambda _, pair, __: (hash(pair(1, 2)) == hash(pair(1, 2)), len({pair(1, 2), pair(1, 2)})),
    "values without a hash": lambda point, *_: hash(point(x=1)),
    "text": lambda point, pair, more: tuple(
        repr(each).rpartition(".")[2] for each in (point(x=1), pair(1, 2), more(x=1))
    ),
    "assignment": lambda point, *_: setattr(point(x=1), "x", 2),
    "assignment in a class that inherits": lambda _, __, more: setattr(more(x=1), "x", 2),
    "deletion": lambda point, *_: delattr(point(x=1), "x"),
    "a replaced value": lambda point, *_: dataclasses.replace(point(x=1), y=5).total,
    "fields": lambda point, pair, more: [
        [each.name for each in dataclasses.fields(cls)] for cls in (point, pair, more)
    ],
    "a dictionary": lambda point, _, more: (dataclasses.asdict(point(x=1)), dataclasses.asdict(more(x=1))),
    "copies": lambda point, pair, more: [
        copier(each) == each for copier in (copy.copy, copy.deepcopy) for each in (point(x=1), more(x=1))
    ],
    "slots": lambda point, *_: (hasattr(point(x=1), "__dict__"), sorted(point.__slots__)),
    "documentation": lambda point, *_: (point.__doc__, point.__name__, point.__module__),
    "names of a pattern": lambda point, pair, _: (point.__match_args__, pair.__match_args__),
}


def outcome(behaviour: Callable[..., object], decorate: Any) -> object:
    """Return the result, or the kind of error with the names in its message."""
    try:
        return behaviour(*make_classes(decorate))
    except Exception as error:  # noqa: BLE001 - the kind of error is compared
        return type(error), str(error).rpartition(".")[2]


@pytest.mark.parametrize("behaviour", BEHAVIOUR.values(), ids=BEHAVIOUR)
def test_behaves_like_the_standard_decorator(behaviour: Callable[..., object]) -> None:
    assert outcome(behaviour, lazy_dataclass.dataclass) == outcome(behaviour, dataclasses.dataclass)


@lazy_dataclass.dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """At the top of a module, for pickle."""

    version: str
    files: tuple[str, ...] = ()


def test_can_be_passed_to_a_process_that_has_no_instance_yet() -> None:
    release = Release(version="1.0", files=("a", "b"))
    data = pickle.dumps(release)
    assert pickle.loads(data) == release
    program = (
        "import pickle, sys; release = pickle.loads(bytes.fromhex(sys.argv[1]));"
        "print(release.files, release == release, type(release)(version='2').version)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}", data.hex()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.strip() == "('a', 'b') True 2"


def test_threads_may_make_the_first_instances() -> None:
    for _ in range(50):
        point, pair, _ = make_classes(lazy_dataclass.dataclass)
        start = threading.Barrier(4)
        made: list[object] = []

        def make(point: Any = point, pair: Any = pair, start: Any = start, made: list[object] = made) -> None:
            start.wait()
            made.append((point(x=1), pair(1, 2), hash(pair(1, 2)), repr(point(x=1)).rpartition(".")[2]))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 4
        assert all(each == made[0] for each in made)


def test_compiles_nothing_before_the_first_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []

    def count(code: object, *names: Any) -> None:
        compiled.append(code)
        run(code, *names)

    run: Any = exec
    monkeypatch.setattr("builtins.exec", count)
    cls = make_classes(lazy_dataclass.dataclass)[1]
    before = len(compiled)
    cls(1, 2)
    after = len(compiled)
    cls(1, 2)
    assert before < after == len(compiled)
