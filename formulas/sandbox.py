"""The two ways to run a generated expression: a hardened asteval interpreter, or Python's own compiled form.

Neither ever sees text of a user: the expression is built by `evaluate`, and checked here again, node by node, right
before it runs. Two fences stand apart: the generator and this check let nothing but calls of declared functions
through, and the interpreter could do nothing else even if they did.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import asteval

from formulas.errors import CellError
from formulas.values import TOO_MUCH

NODE_LIMIT = 4_000
#: Functions, constants, values, the context and the note of errors.
NAME = re.compile(r"[fkvce]\d{1,4}\Z", re.ASCII)
_HANDLERS = ("name", "call", "ifexp")
_SWITCHES = (
    *("import", "importfrom", "assert", "augassign", "delete", "if", "ifexp", "for", "formattedvalue", "functiondef"),
    *("print", "raise", "listcomp", "dictcomp", "setcomp", "try", "while", "with", "nested_symtable"),
)


class EscapeError(Exception):
    """A generated expression holds what it must not. Never caused by a formula; it means a fence was attacked."""


def verify(tree: ast.AST, names: Mapping[str, Any]) -> None:
    """Refuse anything but calls and choices over the given names. Raises `EscapeError`."""
    if not isinstance(tree, ast.Expression):
        raise EscapeError(type(tree).__name__)
    pending: list[ast.AST] = [tree.body]
    count = 0
    while pending:
        node = pending.pop()
        count += 1
        kind = type(node)
        if kind is ast.Name:
            _verify_name(node, names)
        elif kind is ast.Call and _is_plain_call(node):
            pending += node.args  # type: ignore[attr-defined]
            pending.append(node.func)  # type: ignore[attr-defined]
        elif kind is ast.IfExp:
            pending += (node.test, node.body, node.orelse)  # type: ignore[attr-defined]
        else:
            raise EscapeError(kind.__name__)
        if count > NODE_LIMIT:
            raise EscapeError("size")


def _verify_name(node: Any, names: Mapping[str, Any]) -> None:
    if type(node.ctx) is not ast.Load or type(node.id) is not str or node.id not in names or not NAME.match(node.id):
        raise EscapeError("name")


def _is_plain_call(node: Any) -> bool:
    return type(node.func) is ast.Name and node.func.id[0] == "f" and not node.keywords


class Sandbox:
    """One hardened asteval interpreter; not to be shared by threads (`current` gives each thread its own)."""

    def __init__(self) -> None:
        switches = dict.fromkeys(_SWITCHES, False) | {"ifexp": True}
        self.interpreter = asteval.Interpreter(symtable={}, minimal=True, use_numpy=False, config=switches)
        handlers = self.interpreter.node_handlers
        self.interpreter.node_handlers = {name: handlers[name] for name in _HANDLERS}
        self.interpreter.symtable = {}

    def run(self, tree: ast.Expression, names: Mapping[str, Any]) -> Any:
        """The value of a verified expression over these names."""
        interpreter = self.interpreter
        interpreter.symtable = dict(names)
        interpreter.expr = "formula"
        interpreter.error, interpreter.error_msg = [], None
        interpreter.retval = interpreter._interrupt = None
        interpreter.code_text.clear()
        try:
            value = interpreter.run(tree.body)
        except Exception:  # noqa: BLE001 - asteval raises whatever type it recorded
            value = TOO_MUCH
        finally:
            failed = bool(interpreter.error)
            interpreter.error, interpreter._interrupt, interpreter.symtable = [], None, {}
            interpreter.code_text.clear()
        return TOO_MUCH if failed and not isinstance(value, CellError) else value


_LOCAL = threading.local()


def current() -> Sandbox:
    """The interpreter of this thread."""
    sandbox: Sandbox | None = getattr(_LOCAL, "sandbox", None)
    if sandbox is None:
        sandbox = _LOCAL.sandbox = Sandbox()
    return sandbox


def compiled(tree: ast.Expression, names: Mapping[str, Any], slots: tuple[str, ...]) -> Callable[..., Any]:
    """The verified expression as a Python function of its slots: for bulk work, with the same meaning."""
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in slots], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.Expression(ast.Lambda(arguments, tree.body))
    ast.fix_missing_locations(function)
    space = {"__builtins__": {}, **names}
    made: Callable[..., Any] = eval(compile(function, "<formula>", "eval"), space)  # noqa: S307 - verified, generated
    return made
