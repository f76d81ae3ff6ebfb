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
#: Everything a generated expression consists of.
ALLOWED: tuple[type[ast.AST], ...] = (ast.Expression, ast.Name, ast.Load, ast.Call, ast.IfExp)
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
    for count, node in enumerate(ast.walk(tree)):
        if count > NODE_LIMIT or type(node) not in ALLOWED:
            raise EscapeError(type(node).__name__)
        if isinstance(node, ast.Name) and (not NAME.match(node.id) or node.id not in names):
            raise EscapeError(node.id[:40])
        if isinstance(node, ast.Call) and not _is_plain_call(node):
            raise EscapeError("call")


def _is_plain_call(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id[0] == "f" and not node.keywords


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
