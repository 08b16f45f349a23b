"""Makes mutants of a module's source: each is one edit of one node, at its exact position."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault: the characters from ``start`` to ``end`` of a module are replaced."""

    #: The path below the package, with slashes.
    path: str
    line: int
    start: int
    end: int
    new: str
    #: The old and the new text, in one line.
    change: str
    #: The lines of the statement around it; only a test that runs one of them can notice the fault.
    lines: tuple[int, ...]
    #: True if the code runs when the module is imported, not in a function.
    at_import: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"

    def apply(self, source: str) -> str:
        """Return the source with the fault."""
        return source[: self.start] + self.new + source[self.end :]


_COMPARE = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_BINARY = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a module that compiles."""
    return [each for each in _Maker(path, source).mutants() if _compiles(each.apply(source))]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Maker:
    def __init__(self, path: str, source: str) -> None:
        self.path, self.source = path, source
        #: The number of functions around the current statement.
        self.depth = 0
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.text = source.splitlines(keepends=True)

    def mutants(self) -> Iterator[Mutant]:
        yield from self._of_body(ast.parse(self.source).body)

    # --- positions

    def _at(self, line: int, column: int) -> int:
        """Return the index of a position; the columns of ast are in bytes."""
        text = self.text[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode())
        return self.starts[line - 1] + column

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _mutant(
        self, statement: ast.stmt, node: ast.expr | ast.stmt, start: int, end: int, new: str, why: str = ""
    ) -> Mutant:
        old = " ".join(self.source[start:end].split())
        last = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.Match):
            last = max(node.end_lineno or node.lineno, statement.lineno)
        return Mutant(
            path=self.path,
            line=node.lineno,
            start=start,
            end=end,
            new=new,
            change=why or f"{old[:60]} -> {new[:60]}",
            lines=tuple(range(statement.lineno, last + 1)),
            at_import=not self.depth,
        )

    # --- statements

    def _of_body(self, body: list[ast.stmt]) -> Iterator[Mutant]:
        for statement in body:
            yield from self._of_statement(statement)

    def _of_statement(self, statement: ast.stmt) -> Iterator[Mutant]:
        match statement:
            case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Global() | ast.Nonlocal():
                return
            case ast.FunctionDef():
                self.depth += 1
                yield from self._of_body(statement.body)
                self.depth -= 1
                return
            case ast.ClassDef():
                yield from self._of_body(statement.body)
                return
            case ast.Expr(value=ast.Constant()):  # A docstring, or "...".
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                return
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return
            case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
                yield self._mutant(statement, statement, self._start(statement), self._end(statement), "pass")
            case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
                yield self._mutant(
                    statement, statement, self._start(statement), self._end(statement), "yield from ()"
                )
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                yield self._mutant(statement, statement, self._start(value), self._end(value), "None")
            case ast.If(test=test) | ast.While(test=test):
                yield self._negated(statement, test)
            case _:
                pass
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from self._of_statement(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                yield from self._of_body(child.body)
            elif isinstance(child, ast.withitem):
                yield from self._of_expression(statement, child.context_expr)
            elif isinstance(child, ast.expr) and child is not getattr(statement, "annotation", None):
                yield from self._of_expression(statement, child)

    def _negated(self, statement: ast.stmt, test: ast.expr) -> Mutant:
        start, end = self._start(test), self._end(test)
        old = self.source[start:end]
        return self._mutant(
            statement, test, start, end, f"(not ({old}))", f"if {' '.join(old.split())[:60]} -> if not"
        )

    # --- expressions

    def _of_expression(self, statement: ast.stmt, node: ast.expr) -> Iterator[Mutant]:
        yield from self._here(statement, node)
        if isinstance(node, ast.JoinedStr):
            return  # The parts of an f-string do not have exact positions in every Python.
        for child in ast.walk(node):
            if child is node or not isinstance(child, ast.expr):
                continue
            if not any(
                child in ast.walk(inner) for inner in ast.walk(node) if isinstance(inner, ast.JoinedStr)
            ):
                yield from self._here(statement, child)

    def _here(self, statement: ast.stmt, node: ast.expr) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                for before, operator, after in zip([left, *others], ops, others, strict=False):
                    yield from self._token(statement, before, after, *_COMPARE[type(operator)])
            case ast.BoolOp(op=operator, values=values):
                old, new = ("and", "or") if isinstance(operator, ast.And) else ("or", "and")
                for before, after in pairwise(values):
                    yield from self._token(statement, before, after, old, new)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                yield from self._token(statement, left, right, *_BINARY[type(operator)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.source[self._start(operand) : self._end(operand)]
                yield self._mutant(statement, node, self._start(node), self._end(node), f"({inner})")
            case ast.IfExp(test=test):
                yield self._negated(statement, test)
            case ast.Constant(value=bool(value)):
                yield self._mutant(statement, node, self._start(node), self._end(node), str(not value))
            case ast.Constant(value=int(number)):
                yield self._mutant(statement, node, self._start(node), self._end(node), str(number + 1))
            case ast.Constant(value=float(seconds)):
                yield self._mutant(statement, node, self._start(node), self._end(node), str(seconds + 1))
            case ast.Constant(value=str(text)) if text and " " not in text and text.isprintable():
                # Skip messages, which decide nothing.
                yield self._mutant(statement, node, self._start(node), self._end(node), repr(f"XX{text}XX"))
            case _:
                pass

    def _token(
        self, statement: ast.stmt, before: ast.expr, after: ast.expr, old: str, new: str
    ) -> Iterator[Mutant]:
        """Replace the operator between two operands."""
        start, end = self._end(before), self._start(after)
        between = self.source[start:end]
        at = between.find(old)
        if at >= 0 and "#" not in between:
            node = ast.Constant(value=None)
            node.lineno = node.end_lineno = self.source.count("\n", 0, start + at) + 1
            operands = " ".join(self.source[self._start(before) : self._end(after)].split())
            yield self._mutant(
                statement,
                node,
                start + at,
                start + at + len(old),
                new,
                f"{operands[:70]} ({old} -> {new})",
            )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
