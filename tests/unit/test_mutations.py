"""The faults that ``tests.soak mutants`` puts into modules: each is one small edit at its place."""

from __future__ import annotations

import pytest

from tests.soak.mutants import Covering
from tests.soak.mutations import Mutant, mutants_of

SOURCE = '''"""é: columns of ast count bytes."""
LIMIT = 3


class Thing:
    kind = "é-thing"

    def judge(self, number: int) -> bool:
        """Return nothing special."""
        if number > LIMIT and not self.kind:
            raise ValueError("a sentence for people")
        return number == 1 or "é" in self.kind
'''


def changes() -> dict[str, Mutant]:
    return {each.change: each for each in mutants_of("thing.py", SOURCE)}


def test_every_kind_of_fault() -> None:
    assert set(changes()) == {
        "3 -> 4",
        "\"é-thing\" -> 'XXé-thingXX'",
        "if number > LIMIT and not self.kind -> if not",
        "number > LIMIT and not self.kind (and -> or)",
        "number > LIMIT (> -> >=)",
        "not self.kind -> (self.kind)",
        'raise ValueError("a sentence for people") -> pass',
        'number == 1 or "é" in self.kind -> None',
        'number == 1 or "é" in self.kind (or -> and)',
        "number == 1 (== -> !=)",
        "1 -> 2",
        '"é" in self.kind (in -> not in)',
        "\"é\" -> 'XXéXX'",
    }


@pytest.mark.parametrize("change", changes())
def test_a_fault_changes_one_line_and_compiles(change: str) -> None:
    mutant = changes()[change]
    before, after = SOURCE.splitlines(), mutant.apply(SOURCE).splitlines()
    compile("\n".join(after), "mutant", "exec")
    different = [number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new]
    assert different == [mutant.line]


def test_which_tests_judge_a_fault() -> None:
    covering = Covering(
        {
            "thing.py": {
                2: frozenset({"imports"}),
                10: frozenset({"slow", "tests/test_things.py::a", "failed"}),
            }
        },
        {"slow": 2.0, "imports": 1.0, "tests/test_things.py::a": 3.0},
    )
    in_function = changes()["number > LIMIT (> -> >=)"]
    assert covering.of(in_function) == ["tests/test_things.py::a", "slow"]
    at_import = changes()["3 -> 4"]
    assert (at_import.at_import, in_function.at_import) == (True, False)
    assert covering.of(at_import) == ["tests/test_things.py::a", "imports", "slow"]
    assert covering.of(changes()["number == 1 (== -> !=)"]) == []
