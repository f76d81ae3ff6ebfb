"""The back end for one record: a typed tree to a restricted Python expression, run by asteval or compiled."""

from __future__ import annotations

import ast
import decimal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol
from typing import Literal as Choice

from formulas.errors import CellError
from formulas.functions import CATCHERS, find_function
from formulas.functions.operators import FOR_TEXTS
from formulas.functions.related import run_rollup
from formulas.numbers import EXACT
from formulas.sandbox import Sandbox, compiled, current, verify
from formulas.schema import Context
from formulas.tree import Call, Literal, Param, Path, Rollup, Tree, desugared
from formulas.values import NUM, TOO_MUCH

Backend = Choice["asteval", "compiled"]
#: Related rows that one evaluation may look at, all rollups together.
ROW_BUDGET = 100_000


class Row(Protocol):
    """One record as the evaluator reads it. Values are canonical (`formulas.literals`), None for blank."""

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value at the end of a path over to-one relations; None where a step is blank."""

    def rows(self, relation: tuple[str, ...]) -> Iterable[Row]:
        """The related rows at the end of a path whose last step is a to-many relation."""


@dataclass(frozen=True, slots=True)
class DictRow:
    """A row of nested dicts: a to-one relation is a dict (with its `id`), a to-many relation a list of dicts."""

    fields: Mapping[str, Any]

    def value(self, steps: tuple[str, ...]) -> Any:
        """Walk the dicts."""
        found: Any = self.fields
        for step in steps:
            if not isinstance(found, Mapping):
                return None
            found = found.get(step)
        return found.get("id") if isinstance(found, Mapping) else found

    def rows(self, relation: tuple[str, ...]) -> list[DictRow]:
        """The dicts of the list."""
        return [DictRow(fields) for fields in self.value(relation) or () if isinstance(fields, Mapping)]


@dataclass(slots=True)
class _Run:
    """What one evaluation carries along: the rows from outermost to innermost, and what is left of its budget."""

    scopes: tuple[Row, ...]
    context: Context
    backend: Backend
    budget: list[int]
    sandbox: Sandbox | None

    def inside(self, row: Row) -> _Run:
        return _Run((*self.scopes, row), self.context, self.backend, self.budget, self.sandbox)


@dataclass(slots=True)
class Program:
    """A tree made ready to run. It is immutable in use and may be shared by threads."""

    tree: Tree
    expression: ast.Expression
    names: dict[str, Any]
    slots: tuple[tuple[str, Callable[[_Run], Any]], ...]
    function: Callable[..., Any] = field(init=False)
    readers: tuple[Callable[[_Run], Any], ...] = field(init=False)
    #: The paths of the slots, None for the note of errors, where a formula reads nothing else.
    plain: tuple[tuple[str, ...] | None, ...] | None = field(init=False)
    #: The keys of those paths where each is one field of the record; else None.
    keys: tuple[str | None, ...] | None = field(init=False)
    #: The place of the note of errors among the slots, or -1.
    notes_errors: int = field(init=False)

    def __post_init__(self) -> None:
        self.readers = tuple(read for _, read in self.slots)
        self.notes_errors = self.readers.index(_no_errors) if _no_errors in self.readers else -1
        paths = [getattr(read, "steps", None) for read in self.readers]
        only_fields = all(
            steps is not None or read is _no_errors for steps, read in zip(paths, self.readers, strict=True)
        )
        self.plain = tuple(paths) if only_fields else None
        own = only_fields and all(steps is None or len(steps) == 1 for steps in paths)
        self.keys = tuple(None if steps is None else steps[0] for steps in paths) if own else None
        known = {**self.names, **{name: None for name, _ in self.slots}}
        verify(self.expression, known)
        self.function = compiled(self.expression, self.names, tuple(name for name, _ in self.slots))

    def run(self, row: Row, context: Context, backend: Backend = "compiled", sandbox: Sandbox | None = None) -> Any:
        """The value on a record, or a `CellError`; never an exception for any input that the types allow."""
        with exact_numbers():
            return self.run_within(row, context, backend, sandbox)

    def run_within(
        self, row: Row, context: Context, backend: Backend = "compiled", sandbox: Sandbox | None = None
    ) -> Any:
        """The same inside of `exact_numbers`, for several formulas one after the other."""
        if backend == "compiled" and self.plain is not None:
            return self._direct(row.value, self.plain)
        return self.evaluate(_Run((row,), context, backend, [ROW_BUDGET], sandbox))

    def run_many(self, rows: Iterable[Row], context: Context, backend: Backend = "compiled") -> Iterator[Any]:
        """The values on many records, for bulk work. Consume it before computing anything else in this thread."""
        with exact_numbers():
            if backend == "compiled" and self.plain is not None:
                for row in rows:
                    yield self._direct(row.value, self.plain)
                return
            for row in rows:
                yield self.evaluate(_Run((row,), context, backend, [ROW_BUDGET], None))

    def run_on(self, values: Mapping[str, Any]) -> Any:
        """The compiled value of a formula with ``keys``, of a record's own values; inside of `exact_numbers`."""
        assert self.keys is not None
        return self._direct(values.get, self.keys)

    def _direct(self, value: Callable[[Any], Any], places: tuple[Any, ...]) -> Any:
        """The compiled value of a formula that reads nothing but fields of the record; ``value`` is asked for each place."""
        errors: list[CellError] = []
        try:
            found = self.function(*[errors if place is None else value(place) for place in places])
        except decimal.DecimalException:
            return NUM
        except (RecursionError, MemoryError):
            return TOO_MUCH
        return errors[0] if errors else found

    def evaluate(self, run: _Run) -> Any:
        """The value in a running evaluation."""
        errors: list[CellError] = []
        try:
            values = [read(run) for read in self.readers]
            if self.notes_errors >= 0:
                values[self.notes_errors] = errors
            if run.backend == "compiled":
                found = self.function(*values)
            else:
                found = self._interpret(run, values)
        except decimal.DecimalException:
            return NUM
        except (_BudgetError, RecursionError, MemoryError):
            return TOO_MUCH
        return errors[0] if errors else found

    def _interpret(self, run: _Run, values: list[Any]) -> Any:
        names = dict(self.names)
        names.update(zip((name for name, _ in self.slots), values, strict=True))
        verify(self.expression, names)
        return (run.sandbox or current()).run(self.expression, names)


_LOCAL = threading.local()


def _exact_context() -> decimal.Context:
    """This thread's context for exact arithmetic: contexts are not to be shared by threads."""
    found: decimal.Context | None = getattr(_LOCAL, "exact", None)
    if found is None:
        found = _LOCAL.exact = EXACT.copy()
    return found


class exact_numbers:
    """Arithmetic inside is that of formulas. Named like `decimal.localcontext`, which copies its context each time."""

    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        self._outer = decimal.getcontext()
        decimal.setcontext(_exact_context())

    def __exit__(self, *_: object) -> None:
        decimal.setcontext(self._outer)


class _BudgetError(Exception):
    """More related rows than one evaluation may look at."""


def _no_errors(_run: _Run) -> None:
    """The place of the note of errors found in conditions, which each evaluation fills with its own."""


def evaluate(tree: Tree, row: Row, context: Context, backend: Backend = "compiled") -> Any:
    """The value of a tree on a record. Hold the `Program` of `program` instead where a tree runs often."""
    return program(tree).run(row, context, backend)


@lru_cache(maxsize=2048)
def program(tree: Tree) -> Program:
    """Make a tree ready to run."""
    generator = _Generator()
    body = generator.node(tree, caught=False)
    expression = ast.fix_missing_locations(ast.Expression(body))
    return Program(tree, expression, generator.names, tuple(generator.slots.values()))


@dataclass(slots=True)
class _Generator:
    """Builds the expression. Every name in it is ours: f0 … functions, k0 … constants, v0 … values, c0, e0."""

    names: dict[str, Any] = field(default_factory=dict)
    slots: dict[Any, tuple[str, Callable[[_Run], Any]]] = field(default_factory=dict)
    functions: dict[Any, str] = field(default_factory=dict)
    constants: int = 0

    def node(self, tree: Tree, caught: bool) -> ast.expr:
        """`caught` tells that some function around reads errors, so that branches must give theirs as values."""
        if isinstance(tree, Literal):
            return self.constant(tree.value)
        if isinstance(tree, Path):
            return self.slot(tree, _path_reader(tree))
        if isinstance(tree, Rollup):
            return self.slot(tree, _rollup_reader(tree))
        if isinstance(tree, Param):
            raise TypeError("bind the values of a shape before it runs")
        return self.call(desugared(tree), caught)

    def call(self, call: Call, caught: bool) -> ast.expr:
        if call.function == "IF" and not caught:
            return self.choice(call)
        function = find_function(call.function)
        run = function.run
        if call.function in FOR_TEXTS and all(arg.type.is_textual or arg.type.kind == "blank" for arg in call.args):
            run = FOR_TEXTS[call.function]
        inner = caught or call.function in CATCHERS
        args = [self.node(arg, inner) for arg in call.args]
        if function.needs_context:
            args.insert(0, self.slot("context", _context_reader, "c0"))
        return ast.Call(_name(self.function(call.function, run)), args, [])

    def choice(self, call: Call) -> ast.expr:
        """Only the taken branch runs. An error in the condition is noted, and becomes the value of the whole."""
        test, then, *rest = call.args
        noted = self.function("if", _holds)
        errors = self.slot("errors", _no_errors, "e0")
        condition = ast.Call(_name(noted), [errors, self.node(test, False)], [])
        otherwise = self.node(rest[0], False) if rest else self.constant(None)
        return ast.IfExp(condition, self.node(then, False), otherwise)

    def function(self, name: str, run: Callable[..., Any]) -> str:
        key = (name, run)
        if key not in self.functions:
            self.functions[key] = f"f{len(self.functions)}"
            self.names[self.functions[key]] = run
        return self.functions[key]

    def constant(self, value: Any) -> ast.expr:
        name = f"k{self.constants}"
        self.constants += 1
        self.names[name] = value
        return _name(name)

    def slot(self, key: Any, read: Callable[[_Run], Any], name: str = "") -> ast.expr:
        if key not in self.slots:
            self.slots[key] = (name or f"v{len(self.slots)}", read)
        return _name(self.slots[key][0])


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _holds(errors: list[CellError], condition: Any) -> bool:
    if condition.__class__ is CellError:
        errors.append(condition)
    return condition is True


def _context_reader(run: _Run) -> Context:
    return run.context


def _path_reader(path: Path) -> Callable[[_Run], Any]:
    steps, place = path.steps, -1 - path.up

    def read(run: _Run) -> Any:
        return run.scopes[place].value(steps)

    if not path.up:
        read.steps = steps  # type: ignore[attr-defined]
    return read


def _rollup_reader(tree: Rollup) -> Callable[[_Run], Any]:
    """A reader that evaluates value, condition and options on every related row."""
    condition = None if tree.condition is None else program(tree.condition)
    parts = [program(part) for part in (tree.value, *tree.options) if part is not None]

    def read(run: _Run) -> Any:
        found: list[tuple[Any, ...]] = []
        for row in run.scopes[-1 - tree.up].rows(tree.relation):
            run.budget[0] -= 1
            if run.budget[0] < 0:
                raise _BudgetError
            inner = run.inside(row)
            holds = True if condition is None else condition.evaluate(inner)
            if isinstance(holds, CellError):
                return holds
            if holds:
                found.append(tuple(part.evaluate(inner) for part in parts))
        return run_rollup(tree, found)

    return read
