"""Finds the regular expressions of the package, and derives texts that make a backtracking matcher slow.

The texts are ``prefix + pump * n + suffix``. A match is slow if the pump matches in several ways
(``(a|aa)*``), in several neighbours (``a*a*``), or again from every start of a search (``<[^>]*>``); the
suffix makes the match fail.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import random
import re
import resource
import signal
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from tools.testing import tested_package

ROOT = tested_package.ROOT
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
#: Methods that look for a match at one position only.
ANCHORED = {"match", "fullmatch"}
#: The methods used on expressions that are passed on under another name.
METHODS = {
    "checks.name._KNOWN_PYTHON": {"fullmatch"},
    "checks.name._KNOWN_ABI": {"fullmatch"},
    "checks.name._KNOWN_PLATFORM": {"fullmatch"},
}

#: The characters for examples of a class, with a representative of every kind that patterns distinguish.
_POOL = (
    string.ascii_letters
    + string.digits
    + string.punctuation
    + " \t\n\r\x00\x1b\x7f"
    + "\xa0\xe9\u0660\u2028\u3164\ud800\U000e0100"
)
_SUFFIXES = ("", "\0", "!", "\n", "~@")


@dataclass(frozen=True)
class Expression:
    """A regular expression, its location, and the method that is used on it."""

    where: str
    pattern: re.Pattern[Any]
    #: ``match``, ``fullmatch``, or ``finditer`` for every method that searches.
    method: str

    #: The maximum length of its texts, in characters.
    largest: int = 1 << 20

    def apply(self, text: str) -> None:
        """Use the expression on a text as the package does."""
        subject = text.encode("utf-8", "replace") if isinstance(self.pattern.pattern, bytes) else text
        if self.method == "deaf":
            # Never ends and never checks for signals: for the test of this module.
            sum(range(10**15))
        elif self.method == "finditer":
            for _ in self.pattern.finditer(subject):
                pass
        else:
            getattr(self.pattern, self.method)(subject)


def package_expressions() -> tuple[list[Expression], list[str]]:
    """Return every expression of the package, and the locations of those that are built at run time."""
    import wheel_uploader

    package = Path(wheel_uploader.__file__).parent
    expressions: dict[tuple[str, str, str], Expression] = {}

    def add(where: str, pattern: re.Pattern[Any], methods: Iterable[str]) -> None:
        for method in {each if each in ANCHORED else "finditer" for each in methods}:
            key = where.partition(".")[0], f"{pattern.pattern!r} {pattern.flags}", method
            expressions.setdefault(key, Expression(where, pattern, method))

    dynamic: list[str] = []
    modules = {
        path: ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if path.name != "__main__.py"
    }
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules}
    uses = {path: _uses(tree) for path, tree in trees.items()}
    for path, dotted in modules.items():
        module = importlib.import_module(dotted)
        short = dotted.removeprefix("wheel_uploader.")
        calls = list(_calls(trees[path]))
        for name, pattern in _held(vars(module)):
            others = [uses[path]] if name.startswith("_") else list(uses.values())
            called = set().union(*(each.get(name, ()) for each in others))
            add(f"{short}.{name}", pattern, METHODS.get(f"{short}.{name}") or called or {"search"})
        for call, function in calls:
            method = call.func.attr  # type: ignore[attr-defined]
            try:
                pattern = _pattern_of(call, vars(module))
            except NameError:
                # An expression made in a comprehension is found by its name in the module.
                if function:
                    dynamic.append(f"{short}.{function}")
                continue
            if method != "compile":
                add(f"{short}.{function}", pattern, {method})
    return list(expressions.values()), dynamic


def _calls(tree: ast.AST, function: str = "") -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of a function of ``re``, with the name of the function around it."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in CALLS
        ):
            yield node, inside
        yield from _calls(node, inside)


def _pattern_of(call: ast.Call, names: dict[str, Any]) -> re.Pattern[Any]:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    # The flags of re.compile and re.match are their second and third argument, those of re.sub the fifth.
    place = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(call.func.attr, 2)  # type: ignore[attr-defined]
    none = ast.parse("0", mode="eval").body
    flags = named.get("flags") or (call.args[place] if len(call.args) > place else none)
    text, number = (eval(compile(ast.Expression(each), "", "eval"), names) for each in (call.args[0], flags))
    return re.compile(text, number)


def _held(names: dict[str, Any]) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the names and patterns of a module, including patterns in its collections."""
    for name, value in list(names.items()):
        if not name.startswith("__"):
            for pattern in _within(value, 3):
                yield name, pattern


def _within(value: object, depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        yield from itertools.chain.from_iterable(_within(each, depth - 1) for each in value.values())
    elif depth and isinstance(value, tuple | list | set | frozenset):
        yield from itertools.chain.from_iterable(_within(each, depth - 1) for each in value)


def _uses(tree: ast.AST) -> dict[str, set[str]]:
    """Return the methods called on each name; "" means unknown, because the name is passed on."""
    uses: dict[str, set[str]] = {}
    direct = set()
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in CALLS and (name := _name_of(node.value)):
            direct.add(id(node.value))
            uses.setdefault(name, set()).add(node.attr)
    for node in nodes:
        if id(node) not in direct and (name := _name_of(node)) and isinstance(node.ctx, ast.Load):
            uses.setdefault(name, set()).add("")
    return uses


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


# --- texts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """``prefix + pump * n + suffix``."""

    prefix: str
    pump: str
    suffix: str

    def text(self, length: int) -> str:
        return self.prefix + (self.pump * (length // len(self.pump) + 1))[:length] + self.suffix


def attacks(pattern: re.Pattern[Any], *, limit: int = 120) -> list[Attack]:
    """Return texts that are hard for ``pattern``; the result is deterministic."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = _parser.parse(text, pattern.flags & ~(re.UNICODE if isinstance(pattern.pattern, bytes) else 0))
    rng = random.Random(text)
    prefixes, pumps = {""}, set()
    for before, node in _repeats(list(tree)):
        for _ in range(3):
            prefix, pump = _example(before, rng), _example([node], rng, least=1)
            prefixes.add(prefix)
            pumps |= {pump, prefix + pump, prefix, prefix[-1:] + pump}
            # The maximum that a bounded repetition matches, repeated.
            pumps.add(prefix + _example([node], rng, least=60))
            pumps.add(prefix + pump[-1:] * 1000)
    for _ in range(3):
        pumps.add(_example(list(tree), rng))
    letters = _kinds(list(tree), rng)
    pumps |= set(letters) | {a + b for a, b in itertools.permutations(letters, 2)}
    pumps.discard("")
    bare = [Attack("", pump, suffix) for pump in sorted(pumps) for suffix in _SUFFIXES]
    # Texts that a search tries from every position come first.
    bare = [each for each in bare if each.suffix in _SUFFIXES[:2]] + [
        each for each in bare if each.suffix not in _SUFFIXES[:2]
    ]
    with_prefix = {
        Attack(rng.choice(sorted(prefixes)), rng.choice(sorted(pumps)), rng.choice(_SUFFIXES))
        for _ in range(limit)
    }
    rest = sorted({*bare[limit // 2 :], *with_prefix}, key=repr)
    return [*_sampled(bare, limit // 2, rng), *_sampled(rest, limit // 2, rng)]


def _sampled(attacks: list[Attack], limit: int, rng: random.Random) -> list[Attack]:
    return rng.sample(attacks, min(limit, len(attacks)))


_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)


def _children(op: Any, value: Any) -> list[list[Any]]:
    if op in _REPEATS:
        return [list(value[2])]
    if op is ops.BRANCH:
        return [list(each) for each in value[1]]
    if op is ops.SUBPATTERN:
        return [list(value[3])]
    if op is ops.ATOMIC_GROUP:
        return [list(value)]
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        return [list(value[1])]
    return []


def _repeats(nodes: list[Any], before: Sequence[Any] = ()) -> Iterator[tuple[list[Any], Any]]:
    """Yield each repetition, with the nodes that must match before it."""
    for place, (op, value) in enumerate(nodes):
        preceding = [*before, *nodes[:place]]
        if op in _REPEATS and value[1] > 1:
            yield preceding, (op, value)
        for child in _children(op, value):
            yield from _repeats(child, preceding)


def _example(nodes: Iterable[Any], rng: random.Random, least: int = 0) -> str:
    return "".join(_one(op, value, rng, least) for op, value in nodes)


def _one(op: Any, value: Any, rng: random.Random, least: int) -> str:
    if op is ops.LITERAL:
        return chr(value)
    if op in (ops.NOT_LITERAL, ops.ANY, ops.IN):
        return rng.choice(_members(op, value) or ["\0"])
    if op in _REPEATS:
        low, high, _ = value
        count = min(max(low, least), high) if low < 100 else 100
        return "".join(_example(value[2], rng) for _ in range(count))
    if op is ops.BRANCH:
        return _example(rng.choice(value[1]), rng)
    if op in (ops.SUBPATTERN, ops.ATOMIC_GROUP):
        return _example(_children(op, value)[0], rng)
    return ""


#: A cache of the characters of each class: there are few classes, and each is needed thousands of times.
_members_cache: dict[str, list[str]] = {}


def _members(op: Any, value: Any) -> list[str]:
    """Return the characters of the pool that a class or a literal matches."""
    key = f"{op} {value}"
    if key not in _members_cache:
        _members_cache[key] = [each for each in _POOL if _fits(op, value, each)]
    return _members_cache[key]


def _fits(op: Any, value: Any, character: str) -> bool:
    if op is ops.NOT_LITERAL:
        return bool(ord(character) != value)
    if op is ops.ANY:
        return character != "\n"
    negated = value[0][0] is ops.NEGATE
    members = value[1:] if negated else value
    return bool(negated != any(_in_class(inner, each, character) for inner, each in members))


_CATEGORIES: dict[Any, str] = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_NOT_WORD: r"\W",
}


def _in_class(op: Any, value: Any, character: str) -> bool:
    if op is ops.LITERAL:
        return bool(ord(character) == value)
    if op is ops.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    return bool(re.match(_CATEGORIES[value], character))


def _kinds(nodes: list[Any], rng: random.Random) -> list[str]:
    """Return one character for each combination of classes and literals that match it."""
    classes = [frozenset(_members(op, value)) for op, value in _classes(nodes)]
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for character in _POOL:
        kinds.setdefault(tuple(character in each for each in classes), []).append(character)
    by_size = sorted(kinds.items(), key=lambda kind: -sum(kind[0]))
    return [rng.choice(characters) for _, characters in by_size][:14]


def _classes(nodes: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for op, value in nodes:
        if op in (ops.IN, ops.NOT_LITERAL, ops.ANY):
            yield op, value
        if op is ops.LITERAL:
            yield ops.IN, [(ops.LITERAL, value)]
        for child in _children(op, value):
            yield from _classes(child)


# --- time ------------------------------------------------------------------------------------------

#: The length up to which matching must be linear.
LARGE = 1 << 20
#: Seconds of CPU for a text of that length; a linear expression takes 0.2.
_ENOUGH = 2.0
#: Lengths that show exponential time, in small steps, because twice the length might never end.
_SHORT = (8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 128)
#: Seconds that no linear expression takes for these.
_NOTHING = 0.02
#: The length for ranking texts, and two lengths that show quadratic time.
_LONGER, _QUARTER, _LONG = 1024, 4096, 16_384


class _TooLong(Exception):
    pass


def seconds(call: Callable[[str], object], text: str, limit: float = 0.5) -> float:
    """Return the CPU time that ``call`` takes; infinite if it is interrupted after ``limit`` seconds."""

    def end(_number: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, end)
    started = time.process_time()
    try:
        # The engine of ``re`` checks for signals while it searches.
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
        call(text)
        return time.process_time() - started
    except _TooLong:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow(call: Callable[[str], object], texts: Iterable[Attack], *, largest: int = LARGE) -> str:
    """Return the text that makes ``call`` slow, and its time; empty if ``call`` is linear with all of them.

    All are tried with a few characters, which shows exponential time. The slowest are tried at two greater
    lengths, which shows quadratic time, and the worst of them with ``largest`` characters.
    """
    ranked: list[tuple[float, Attack]] = []
    for attack in texts:
        took = 0.0
        for length in (*_SHORT, _LONGER):
            if length > largest:
                break
            took = _fastest(call, attack.text(length), _NOTHING)
            if took > _NOTHING:
                return _too_slow(length, took, attack)
        ranked.append((took, attack))
    ranked.sort(key=lambda each: -each[0])
    worst = [attack for _, attack in ranked[:6]]
    if largest < _LONG:
        return _slow_at_most(call, worst, largest, _NOTHING)
    for attack in worst:
        took = _fastest(call, attack.text(_LONG), _NOTHING)
        if took > _NOTHING and took > 8 * _fastest(call, attack.text(_QUARTER), 0):
            return _too_slow(_LONG, took, attack)
    worst.sort(key=lambda attack: -seconds(call, attack.text(_LONG)))
    return _slow_at_most(call, worst[:1], largest, max(_NOTHING, _ENOUGH * largest / LARGE))


def _slow_at_most(call: Callable[[str], object], texts: list[Attack], length: int, limit: float) -> str:
    for attack in texts:
        if (took := _fastest(call, attack.text(length), limit)) > limit:
            return _too_slow(length, took, attack)
    return ""


def _fastest(call: Callable[[str], object], text: str, enough: float) -> float:
    """Return the CPU time of ``call``, the fastest of up to three runs, because of the machine's load."""
    limit = max(0.5, 1.5 * enough)
    took = seconds(call, text, limit)
    for _ in range(2):
        # A time far above the limit is not noise.
        if enough < took < min(limit, 20 * enough or limit):
            took = min(took, seconds(call, text, limit))
    return took


def _too_slow(length: int, took: float, attack: Attack) -> str:
    return f"{length} characters take {took:.3f} s: {attack}"


# --- in a child process ----------------------------------------------------------------------------


def slow_expressions(expressions: Sequence[Expression], *, cpu: int = 60) -> dict[str, str]:
    """Return the slow expressions, each with its text; they are tried in a process with a CPU limit."""
    slow: dict[str, str] = {}
    remaining = list(expressions)
    while remaining:
        done, results = _batch(remaining, cpu)
        slow |= results
        if done < len(remaining):
            slow[_title(remaining[done])] = f"it was killed after {cpu} s of CPU"
        remaining = remaining[done + 1 :]
    return slow


def _title(each: Expression) -> str:
    return f"{each.where} ({each.method}) {each.pattern.pattern!r}"


def _batch(expressions: Sequence[Expression], cpu: int) -> tuple[int, dict[str, str]]:
    """Return the number of expressions tried before the process ended, and the slow ones with their texts."""
    request = []
    for each in expressions:
        text = each.pattern.pattern
        binary = isinstance(text, bytes)
        request.append(
            (
                text.decode("latin-1") if binary else text,
                binary,
                each.pattern.flags,
                each.method,
                each.largest,
            )
        )
    ended = subprocess.run(
        tested_package.run_module("tests.support.regex_attacks", str(cpu)),
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode in {0, -signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM}, ended.stderr
    results = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode or len(results) == len(expressions)
    pairs = zip(expressions, results, strict=False)
    return len(results), {_title(each): result for each, result in pairs if result}


def main() -> None:
    """Read expressions from standard input, and print for each the text that makes it slow."""
    cpu = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    # A limit of real time as well, because waiting takes no CPU time.
    signal.alarm(600)
    for text, binary, flags, method, largest in json.load(sys.stdin):
        each = Expression("", re.compile(text.encode("latin-1") if binary else text, flags), method, largest)
        sys.stdout.write(json.dumps(slow(each.apply, attacks(each.pattern), largest=largest)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
