"""Test the mutants of ``tests.soak mutants``: each is one small edit of a module."""

from __future__ import annotations

import pytest

from tests.soak.mutants import Coverage
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


def mutants_by_change() -> dict[str, Mutant]:
    return {mutant.change: mutant for mutant in mutants_of("thing.py", SOURCE)}


def test_creates_every_kind_of_mutant() -> None:
    assert set(mutants_by_change()) == {
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


@pytest.mark.parametrize("change", mutants_by_change())
def test_a_mutant_changes_one_line_and_compiles(change: str) -> None:
    mutant = mutants_by_change()[change]
    before, after = SOURCE.splitlines(), mutant.apply(SOURCE).splitlines()
    compile("\n".join(after), "mutant", "exec")
    different = [number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new]
    assert different == [mutant.line]


def test_selects_the_tests_that_cover_a_mutant() -> None:
    coverage = Coverage(
        {
            "thing.py": {
                2: frozenset({"imports"}),
                10: frozenset({"slow", "tests/test_things.py::a", "failed"}),
            }
        },
        {"slow": 2.0, "imports": 1.0, "tests/test_things.py::a": 3.0},
    )
    in_function = mutants_by_change()["number > LIMIT (> -> >=)"]
    assert coverage.tests_for(in_function) == ["tests/test_things.py::a", "slow"]
    at_import = mutants_by_change()["3 -> 4"]
    assert (at_import.at_import, in_function.at_import) == (True, False)
    assert coverage.tests_for(at_import) == ["tests/test_things.py::a", "imports", "slow"]
    assert coverage.tests_for(mutants_by_change()["number == 1 (== -> !=)"]) == []
