"""Every regular expression of the package, and texts that make a backtracking matcher slow, derived from it.

The texts are ``prefix + pump * n + suffix``. A match is slow when the pump can be read in several ways
(``(a|aa)*``), by several neighbours (``a*a*``), or again from every place where a search may begin
(``<[^>]*>``); the suffix keeps the match from ending well.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import random
import re
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

PACKAGE = Path(__file__).parent.parent / "wheel_uploader"
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
#: A call of these looks for a match from one place only.
ANCHORED = {"match", "fullmatch"}
#: How those are asked that are handed on under another name.
HOW = {
    "checks.name._KNOWN_PYTHON": {"fullmatch"},
    "checks.name._KNOWN_ABI": {"fullmatch"},
    "checks.name._KNOWN_PLATFORM": {"fullmatch"},
}

#: What a character class may be made of, one representative for each kind of character that patterns know.
_POOL = (
    string.ascii_letters
    + string.digits
    + string.punctuation
    + " \t\n\r\x00\x1b\x7f"
    + "\xa0\xe9\u0660\u2028\u3164\ud800\U000e0100"
)
_SUFFIXES = ("", "\0", "!", "\n", "~@")


@dataclass(frozen=True)
class Found:
    """A regular expression, where it is, and how it is asked."""

    where: str
    pattern: re.Pattern[Any]
    #: ``match``, ``fullmatch``, or ``finditer`` for all that look from every place.
    method: str

    def ask(self, text: str) -> None:
        """Use the expression on a text as the package does."""
        subject = text.encode("utf-8", "replace") if isinstance(self.pattern.pattern, bytes) else text
        if self.method == "finditer":
            for _ in self.pattern.finditer(subject):
                pass
        else:
            getattr(self.pattern, self.method)(subject)


def found_in_package() -> tuple[list[Found], list[str]]:
    """Return every expression of the package, and the places of those that are put together at run time."""
    found: dict[tuple[str, str, str], Found] = {}

    def add(where: str, pattern: re.Pattern[Any], methods: Iterable[str]) -> None:
        for method in {each if each in ANCHORED else "finditer" for each in methods}:
            known = where.partition(".")[0], f"{pattern.pattern!r} {pattern.flags}", method
            found.setdefault(known, Found(where, pattern, method))

    dynamic: list[str] = []
    modules = {path: _dotted(path) for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__main__.py"}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules}
    for path, dotted in modules.items():
        module = importlib.import_module(dotted)
        short = dotted.removeprefix("wheel_uploader.")
        calls = list(_calls(trees[path]))
        for name, pattern in _held(vars(module)):
            others = [trees[path]] if name.startswith("_") else list(trees.values())
            asked = {call for tree in others for call in _methods(tree, name)}
            add(f"{short}.{name}", pattern, HOW.get(f"{short}.{name}") or asked or {"search"})
        for call, function in calls:
            method = call.func.attr  # type: ignore[attr-defined]
            try:
                pattern = _pattern_of(call, vars(module))
            except NameError:
                # One that is made in a comprehension is held by a name of the module.
                if function:
                    dynamic.append(f"{short}.{function}")
                continue
            if method != "compile":
                add(f"{short}.{function}", pattern, {method})
    return list(found.values()), dynamic


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _calls(tree: ast.AST, function: str = "") -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of the module ``re``, with the function that it is in."""
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
    """Yield the patterns that a module holds, also those within its tables."""
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


def _methods(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield what is called on a pattern; "" where it is handed on, so that nobody knows."""
    direct = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_named(node.value, name) and node.attr in CALLS:
            direct.add(id(node.value))
            yield node.attr
    for node in ast.walk(tree):
        if _is_named(node, name) and id(node) not in direct and isinstance(node.ctx, ast.Load):  # type: ignore[attr-defined]
            yield ""


def _is_named(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (
        isinstance(node, ast.Attribute) and node.attr == name
    )


# --- texts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """``prefix + pump * n + suffix``."""

    prefix: str
    pump: str
    suffix: str

    def text(self, length: int) -> str:
        return self.prefix + (self.pump * (length // len(self.pump) + 1))[:length] + self.suffix


def attacks(pattern: re.Pattern[Any], *, most: int = 120) -> list[Attack]:
    """Return texts that are hard for ``pattern``; the same ones every time."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = _parser.parse(text, pattern.flags & ~(re.UNICODE if isinstance(pattern.pattern, bytes) else 0))
    rng = random.Random(text)
    prefixes, pumps = {""}, set()
    for before, node in _repeats(list(tree)):
        for _ in range(3):
            prefix, pump = _example(before, rng), _example([node], rng, least=1)
            prefixes.add(prefix)
            pumps |= {pump, prefix + pump, prefix, prefix[-1:] + pump}
            # All that a bounded repetition may take, again and again.
            pumps.add(prefix + _example([node], rng, least=60))
            pumps.add(prefix + pump[-1:] * 1000)
    for _ in range(3):
        pumps.add(_example(list(tree), rng))
    letters = _kinds(list(tree), rng)
    pumps |= set(letters) | {a + b for a, b in itertools.permutations(letters, 2)}
    pumps.discard("")
    chosen = [
        Attack(prefix, pump, suffix)
        for prefix in sorted(prefixes)
        for pump in sorted(pumps)
        for suffix in _SUFFIXES
    ]
    rng.shuffle(chosen)
    # Those without a prefix first: they are hard for a search from every place.
    chosen.sort(key=lambda attack: bool(attack.prefix) + (attack.suffix not in ("", "\0")))
    first, rest = chosen[: most // 2], chosen[most // 2 :]
    return first + rng.sample(rest, min(most // 2, len(rest)))


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
    """Yield each repetition, with what has to be matched before it."""
    for place, (op, value) in enumerate(nodes):
        so_far = [*before, *nodes[:place]]
        if op in _REPEATS and value[1] > 1:
            yield so_far, (op, value)
        for child in _children(op, value):
            yield from _repeats(child, so_far)


def _example(nodes: Iterable[Any], rng: random.Random, least: int = 0) -> str:
    return "".join(_one(op, value, rng, least) for op, value in nodes)


def _one(op: Any, value: Any, rng: random.Random, least: int) -> str:
    if op is ops.LITERAL:
        return chr(value)
    if op in (ops.NOT_LITERAL, ops.ANY, ops.IN):
        return rng.choice([each for each in _POOL if _fits(op, value, each)] or ["\0"])
    if op in _REPEATS:
        low, high, _ = value
        count = min(max(low, least), high) if low < 100 else 100
        return "".join(_example(value[2], rng) for _ in range(count))
    if op is ops.BRANCH:
        return _example(rng.choice(value[1]), rng)
    if op in (ops.SUBPATTERN, ops.ATOMIC_GROUP):
        return _example(_children(op, value)[0], rng)
    return ""


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
    """Return one character for each set of classes and literals that it fits: pumps of several neighbours."""
    classes = list(_classes(nodes))
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for character in _POOL:
        kinds.setdefault(tuple(_fits(op, value, character) for op, value in classes), []).append(character)
    most = sorted(kinds.items(), key=lambda kind: -sum(kind[0]))
    return [rng.choice(characters) for _, characters in most][:14]


def _classes(nodes: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for op, value in nodes:
        if op in (ops.IN, ops.NOT_LITERAL, ops.ANY):
            yield op, value
        if op is ops.LITERAL:
            yield ops.IN, [(ops.LITERAL, value)]
        for child in _children(op, value):
            yield from _classes(child)


# --- time ------------------------------------------------------------------------------------------

#: Bytes up to which everything has to be linear.
LARGE = 1 << 20
#: Seconds of CPU for so many characters, where a linear expression takes 0.05.
_ENOUGH = 2.0
#: Lengths that show exponential time: by steps, for the next one may take for ever.
_SHORT = range(8, 66, 2)
_LONGER, _LONG = 2048, 16_384


def seconds(call: Callable[[str], object], text: str) -> float:
    """Return the CPU time that ``call`` takes of this thread, whatever else the machine does."""
    began = time.thread_time()
    call(text)
    return time.thread_time() - began


def slow(call: Callable[[str], object], texts: Iterable[Attack], *, largest: int = LARGE) -> str:
    """Return the text that ``call`` is slow with, and how slow; empty when it is linear with all of them.

    All are tried with a few characters, which shows exponential time, and with some more; the worst of them
    with four times as many again and again, up to ``largest``.
    """
    ranked: list[tuple[float, Attack]] = []
    for attack in texts:
        for length in _SHORT:
            if why := _why_slow(call, attack, length, 0.02):
                return why
        ranked.append((seconds(call, attack.text(min(_LONGER, largest))), attack))
    ranked.sort(key=lambda each: -each[0])
    worst = max(
        (each for _, each in ranked[:8]), key=lambda each: seconds(call, each.text(min(_LONG, largest)))
    )
    length = min(_LONG, largest)
    while length <= largest:
        if why := _why_slow(call, worst, length, max(_ENOUGH * length / LARGE, 0.05)):
            return why
        length *= 4
    return ""


def _why_slow(call: Callable[[str], object], attack: Attack, length: int, limit: float) -> str:
    text = attack.text(length)
    took = seconds(call, text)
    # Another process may have had the cache, and the collector of garbage its turn.
    if took <= limit or (took := min(seconds(call, text) for _ in range(2))) <= limit:
        return ""
    quarter = seconds(call, attack.text(length // 4))
    return f"{length} characters take {took:.3f} s, a quarter of them {quarter:.3f} s: {attack}"
