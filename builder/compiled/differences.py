"""Sums and counts over children that follow from the one child that changed, without reading the others. See docs/decisions/0026."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from builder.compiled.computing import Computed
from builder.compiled.rounds import Round
from builder.fields.parts.many import ManyField
from formulas.evaluate import Program, program
from formulas.functions import find_function
from formulas.tree import Call, Path, Rollup, Tree, walk

if TYPE_CHECKING:
    from builder.compiled.app import CompiledApp


class Share(NamedTuple):
    """What a child adds to one field of its parent."""

    computed: Computed
    value: str | None
    """The child's field that is summed; None: the child is counted."""
    condition: Program | None
    """Whether the child counts; it reads nothing but the child."""


class Differences(NamedTuple):
    """A round of fields of which each is a sum or a count over the same children."""

    child: str
    by: str
    """The child's reference to its parent."""
    shares: tuple[Share, ...]
    reads: frozenset[str]
    """The child's fields that matter."""


def differences_of(app: CompiledApp, each: Round) -> Differences | None:
    """Return how the fields of a round follow from a change of one child; None where the children have to be read."""
    trees = [computed.tree for computed in each.fields]
    relations = {tree.relation if isinstance(tree, Rollup) and tree.up == 0 else () for tree in trees}
    relation = relations.pop() if len(relations) == 1 else ()
    many = app.entities[each.entity].fields[relation[0]] if len(relation) == 1 else None
    if not isinstance(many, ManyField):
        return None
    plain = frozenset(field.key for field in app.entities[many.rows].plain)
    shares = [_share(computed, plain) for computed in each.fields]
    if many.by not in plain or any(share is None for share in shares):
        return None
    reads = {node.steps[0] for tree in trees for node in walk(tree) if isinstance(node, Path)}
    return Differences(many.rows, many.by, tuple(share for share in shares if share), frozenset(reads | {many.by}))


def _share(computed: Computed, plain: frozenset[str]) -> Share | None:
    tree = computed.tree
    assert isinstance(tree, Rollup)
    if tree.condition is not None and not _reads_only(tree.condition, plain):
        return None
    condition = None if tree.condition is None else program(tree.condition)
    if tree.function == "COUNT" and tree.value is None:
        return Share(computed, None, condition)
    value = tree.value
    if isinstance(value, Call) and value.function == "zero":
        value = value.args[0]
    if tree.function != "SUM" or not isinstance(value, Path) or not _reads_only(value, plain):
        return None
    return Share(computed, value.steps[0], condition)


def _reads_only(tree: Tree, plain: frozenset[str]) -> bool:
    """Whether a tree reads plain fields of the child and nothing else, no directory and no clock either."""
    for node in walk(tree):
        if isinstance(node, Rollup):
            return False
        if isinstance(node, Path) and (node.up or len(node.steps) != 1 or node.steps[0] not in plain):
            return False
        if isinstance(node, Call) and not _is_fixed(node.function):
            return False
    return True


def _is_fixed(name: str) -> bool:
    declared = find_function(name)
    return declared.portable and declared.volatility == "stable" and not (declared.asks or declared.needs_context)
