"""Trees in a query string: ``filter[level][_eq]=A`` is ``{"filter": {"level": {"_eq": "A"}}}``."""

from __future__ import annotations

from typing import Any

from builder.kernel.problems import Problem, escape_pointer
from builder.kernel.text import Text, say
from runtime.query.problems import invalid, shown

JSON = Any
_DEPTH = 32
_DIGITS = 6
_LISTS = ("_in", "_nin", "_between", "_nbetween", "_has_any", "_has_all", "_has_none")
_QUESTIONS = ("_null", "_nnull", "_empty", "_nempty")


def set_bracket(tree: dict[str, JSON], member: str, name: str, value: str) -> None:
    """Set one parameter such as ``filter[level][_eq]`` in the tree of its member; operators over lists take commas.

    Raises:
        Problem: ``query.invalid``.
    """
    parts = name.removeprefix(f"{member}[").removesuffix("]").split("][")
    if not name.endswith("]") or not all(parts) or len(parts) > _DEPTH:
        raise _refused(name, say(f"括号写法有误,应如 {member}[a][b]=c", f"Write it as {member}[a][b]=c"))
    node = tree
    for part in parts[:-1]:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            raise _refused(name, say("条件互相矛盾", "These conditions contradict each other"))
        node = inner
    last = parts[-1]
    if last in node:
        raise _refused(name, say("条件重复", "This condition is given twice"))
    if last in _LISTS:
        node[last] = value.split(",")
    else:
        node[last] = value == "true" if last in _QUESTIONS and value in ("true", "false") else value


def lists_of(node: JSON) -> JSON:
    """Turn objects whose names are 0, 1, 2 … into lists: ``filter[_or][0][level]=A``. No field is called by a number."""
    if not isinstance(node, dict):
        return node
    if all(name.isascii() and name.isdigit() and len(name) < _DIGITS for name in node):
        return [lists_of(node[name]) for name in sorted(node, key=int)]
    return {name: lists_of(inner) for name, inner in node.items()}


def _refused(name: str, message: Text) -> Problem:
    return invalid(escape_pointer(shown(name)), message)
