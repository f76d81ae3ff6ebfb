"""Static checking: a syntax tree and a schema to a typed tree, its type and what it depends on.

There is no implicit conversion except integer to decimal, date to instant, a text constant to the option, date or
reference that it is compared with, and anything inside `&` by its default text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from formulas.arithmetic_types import arithmetic, combine, negative, percent
from formulas.coercion import as_instant, compare, literal_for, without_empty_texts
from formulas.dependencies import Dependency, dependencies
from formulas.errors import FormulaError, FormulaErrors, Kind, Message, did_you_mean, nearest
from formulas.functions import find_function, function_names, known_function
from formulas.functions.declare import LETTER_NAMES, SET_LETTERS, Function, Parameter, unify
from formulas.names import Relation, Scope, find_field, find_relation, is_braced, resolve
from formulas.nodes import DEPTH_LIMIT, chain, constant, names_in, number_literal, tree_depth, written_size
from formulas.parser import parse
from formulas.recordcalls import record_function
from formulas.rollups import ROLLUPS, build_rollup
from formulas.schema import Schema
from formulas.syntax import Node
from formulas.tree import Call, Literal, Path, Tree, join, negate, walk
from formulas.types import BLANK, BOOLEAN, DATE, DEPARTMENT, TEXT, Type, decimal, integer, set_of

TREE_LIMIT = 1_000
#: True and false in Chinese, where no field is called so.
_TRUTHS = {("真",): True, ("假",): False}
_LOGIC = {"AND": "and", "OR": "or"}
_COMPARE = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A formula that is right: its tree, its type, the fields it reads, and whether time or the viewer changes it."""

    tree: Tree
    type: Type
    dependencies: tuple[Dependency, ...]
    volatile: bool


def check(
    text: str, schema: Schema, entity: str, *, expected: Type | None = None, blank_as_zero: bool = True
) -> Checked:
    """Parse and check a formula for rows of `entity`.

    `blank_as_zero` reads blank number fields as 0 in `+ - *`. Raises `FormulaErrors` with every error found.
    """
    return checked_tree(_typed(text, _Checker(schema, blank_as_zero), Scope((entity,)), expected), schema, entity)


def checked_tree(tree: Tree, schema: Schema, entity: str) -> Checked:
    """What there is to know of a tree that is right."""
    return Checked(tree, tree.type, dependencies(tree, schema, entity), is_volatile(tree))


def check_condition(text: str, schema: Schema, entity: str, *, outer: tuple[str, ...] = ()) -> Tree:
    """The tree of a filter, guard or row rule. Raises `FormulaErrors`.

    `outer` are the entities of the rows that the record is related to, the outermost first; `this.` means the last.
    """
    return _typed(text, _Checker(schema, True), Scope((*outer, entity)), BOOLEAN)


def _typed(text: str, checker: _Checker, scope: Scope, expected: Type | None) -> Tree:
    try:
        syntax = parse(text)
    except FormulaError as error:
        raise FormulaErrors([error]) from None
    tree = checker.guarded(syntax, scope)
    if not checker.errors and expected is not None and not fits(tree.type, expected):
        checker.fail("TYPE", syntax, f"结果应为{expected.name.zh}", f"the result must be {expected.name.en}")
    if not checker.errors:
        checker.bound(tree, syntax)
    if checker.errors:
        raise FormulaErrors(checker.errors)
    return tree


def fits(type_: Type, expected: Type) -> bool:
    """Whether a result may be kept where this type is expected."""
    if type_ == BLANK or type_.kind == expected.kind:
        return True
    if type_.is_number and expected.is_number:
        return expected.kind == "decimal" or type_.scale == 0
    return (type_.kind, expected.kind) in (("option", "text"), ("date", "datetime"))


def is_volatile(tree: Tree) -> bool:
    """Whether the value changes with time or with who looks, so that it must never be stored."""
    calls = (node.function for node in walk(tree) if isinstance(node, Call))
    return any(find_function(name).volatility == "volatile" for name in calls)


class _Stop(Exception):
    """This part cannot be typed; its error is noted already."""


@dataclass(slots=True)
class _Checker:
    schema: Schema
    blank_as_zero: bool
    errors: list[FormulaError] = field(default_factory=list)

    def fail(self, kind: Kind, node: Node, zh: str, en: str) -> None:
        self.errors.append(FormulaError(kind, Message(zh, en), node.at))

    def stop(self, kind: Kind, node: Node, zh: str, en: str) -> _Stop:
        self.fail(kind, node, zh, en)
        return _Stop()

    def guarded(self, node: Node, scope: Scope) -> Tree:
        """A typed tree, or a blank after noting what is wrong, so that the rest is checked too."""
        try:
            return self.check(node, scope)
        except _Stop:
            return Literal(None, BLANK)
        except FormulaError as error:
            self.errors.append(FormulaError(error.kind, error.message, error.at or node.at))
            return Literal(None, BLANK)

    def bound(self, tree: Tree, syntax: Node) -> None:
        """Bound the tree and what IFS and SWITCH become."""
        if tree_depth(tree) > DEPTH_LIMIT or written_size(tree) > TREE_LIMIT:
            self.fail("LIMIT", syntax, "公式过于复杂", "the formula is too complex")

    def check(self, node: Node, scope: Scope) -> Tree:
        if node.kind == "number":
            return number_literal(node.value)
        if node.kind == "text":
            return Literal(node.value, TEXT)
        if node.kind == "name":
            return self.name(node, scope)
        if node.kind == "call":
            return self.call(node, scope)
        if node.kind == "list":
            return self.constants(node, scope)
        return self.operator(node, scope)

    def name(self, node: Node, scope: Scope) -> Tree:
        word = node.value[0].upper()
        if len(node.value) == 1 and word in ("TRUE", "FALSE") and not is_braced(node, 0):
            return Literal(word == "TRUE", BOOLEAN)
        if node.value in _TRUTHS and find_field(self.schema, scope.entity, node.value[0]) is None:
            return Literal(_TRUTHS[node.value], BOOLEAN)
        found = resolve(self.schema, scope, node)
        if found.relation is not None:
            name = ".".join(node.value)
            raise self.stop(
                "TYPE",
                node,
                f"“{name}”有多条记录，请用 SUM、COUNT 等汇总",
                f'"{name}" has several records; sum, count or otherwise aggregate them',
            )
        assert found.tree is not None
        return found.tree

    def constants(self, node: Node, scope: Scope) -> Tree:
        """`["a", "b"]`: constants of one type; `DATE(2024, 1, 1)` is one too."""
        items = [constant(self.guarded(part, scope)) for part in node.args]
        element = unify([item.type for item in items])
        values = [item.value for item in items if isinstance(item, Literal)]
        if element is None or len(values) < len(items):
            raise self.stop("TYPE", node, "集合里应为同一类型的常量", "a set holds constants of one type")
        return Literal(tuple(values), set_of(element))

    # --- operators ----------------------------------------------------------------------------------------------------

    def operator(self, node: Node, scope: Scope) -> Tree:
        if node.kind == "percent":
            return percent(self.number(node.args[0], scope))
        if node.kind == "unary":
            inner = self.guarded(node.args[0], scope)
            if inner.type.kind != "duration":
                self.expect(inner, node.args[0], "n")
            return negative(self.zeroed(inner)) if node.value == "-" else inner
        if node.value in _LOGIC:
            parts = [self.condition(part, scope) for part in chain(node, node.value)]
            return join(_LOGIC[node.value], parts)
        if node.value == "&":
            return self.apply(find_function("CONCAT"), chain(node, "&"), node, scope)
        if node.value in ("+", "*"):
            return self.long_chain(node, scope)
        return self.binary(node, *self.operands(node.args, scope))

    def operands(self, nodes: Sequence[Node], scope: Scope) -> list[Tree]:
        """All of them typed; where one could not be, nothing is said of the whole."""
        known = len(self.errors)
        trees = [self.guarded(part, scope) for part in nodes]
        if len(self.errors) > known:
            raise _Stop
        return trees

    def long_chain(self, node: Node, scope: Scope) -> Tree:
        """Sums and products are exact, so a long chain may be grouped evenly: depth stays small."""
        parts = chain(node, node.value)
        trees = self.operands(parts, scope)
        if len(trees) <= 16 or not all(tree.type.is_number or tree.type == BLANK for tree in trees):
            tree = trees[0]
            for part in trees[1:]:
                tree = self.binary(node, tree, part)
            return tree
        while len(trees) > 1:
            pairs = [trees[place : place + 2] for place in range(0, len(trees), 2)]
            trees = [self.binary(node, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return trees[0]

    def binary(self, node: Node, left: Tree, right: Tree) -> Tree:
        if node.value in _COMPARE:
            return compare(_COMPARE[node.value], left, right, node)
        if node.value in ("+", "-", "*"):
            left, right = self.zeroed(left, right), self.zeroed(right, left)
        return arithmetic(node, left, right)

    def zeroed(self, tree: Tree, other: Tree | None = None) -> Tree:
        """A blank number field counts as zero in sums and products, as spreadsheets have it."""
        numeric = other is None or other.type.is_number or other.type == BLANK
        if not self.blank_as_zero or not numeric:
            return tree
        if tree.type == BLANK:
            error = isinstance(tree, Call) and tree.function == "NA"
            return tree if error else Literal(0, integer(1))
        if isinstance(tree, Path) and tree.type.is_number:
            return Call("zero", (tree,), tree.type)
        return tree

    def number(self, node: Node, scope: Scope) -> Tree:
        return self.expect(self.guarded(node, scope), node, "n")

    def condition(self, node: Node, scope: Scope) -> Tree:
        return self.expect(self.guarded(node, scope), node, "b")

    def expect(self, tree: Tree, node: Node, letter: str) -> Tree:
        if not Parameter(letter).accepts(tree.type):
            wanted = BOOLEAN.name if letter == "b" else decimal(0).name
            raise self.stop("TYPE", node, *_expected(wanted, tree.type))
        return tree

    # --- functions ----------------------------------------------------------------------------------------------------

    def call(self, node: Node, scope: Scope) -> Tree:
        function = known_function(node.value)
        if function is None:
            zh, en = did_you_mean(self.meant_label(node, scope) or nearest(node.value, function_names()))
            shown = node.value[:60]
            raise self.stop("NAME", node, f"没有函数“{shown}”{zh}", f'no function "{shown}"{en}')
        if function.rollup and node.args:
            relation = self.relation_of(function, node, scope)
            if relation is not None:
                return self.rollup(function, node, scope, relation)
            self.stop_lost(node, ROLLUPS[function.name].value_place, scope)
        return self.plain(function, node, scope)

    def meant_label(self, node: Node, scope: Scope) -> str | None:
        """A label with brackets, written without braces, looks like a function."""
        labels = (label for _, label in self.schema.fields(scope.entity))
        found = next((label for label in labels if label.upper().startswith(node.value + "（")), None)
        return None if found is None else f"{{{found}}}"

    def plain(self, function: Function, node: Node, scope: Scope) -> Tree:
        if function.name in ("AND", "OR"):
            return join(function.name.lower(), [self.condition(part, scope) for part in self.counted(function, node)])
        if function.name == "NOT":
            return negate(self.condition(self.counted(function, node)[0], scope))
        if function.family == "record":
            return record_function(self, function, node, scope)
        if function.name == "AGE":  # as a span up to today, so that databases compute it
            birth = self.apply(function, node.args, node, scope).args[0]  # type: ignore[union-attr]
            unit = Literal("Y", TEXT, fixed=True)
            return combine(find_function("DATEDIF"), [birth, Call("TODAY", (), DATE), unit], node)
        if function.name == "INDEPT":
            return self.in_department(function, node, scope)
        if function.name in ("EXISTS", "ALL"):
            raise self.stop("TYPE", node, "第一个参数应为一对多关联", "the first argument must be a to-many relation")
        return self.apply(function, node.args, node, scope)

    def in_department(self, function: Function, node: Node, scope: Scope) -> Tree:
        """Of a person the department counts, which the directory knows; of the user's own departments, their people."""
        who, *other = self.apply(function, node.args, node, scope).args  # type: ignore[union-attr]
        person = who.type.kind == "person"
        if not other:
            return Call("INTEAM" if person else "INDEPT", (who,), BOOLEAN)
        return Call("WITHINDEPT", (Call("USERDEPT", (who,), DEPARTMENT) if person else who, *other), BOOLEAN)

    def counted(self, function: Function, node: Node) -> tuple[Node, ...]:
        self.count(function, len(node.args), node)
        return node.args

    def count(self, function: Function, given: int, node: Node) -> None:
        least = sum(not (parameter.optional or parameter.repeated) for parameter in function.parameters)
        most = 255 if any(parameter.repeated for parameter in function.parameters) else len(function.parameters)
        if function.name == "IFS" and given % 2:
            least = given + 1
        if not least <= given <= most:
            zh, en = function.usage("zh"), function.usage("en")
            name = function.name
            raise self.stop("TYPE", node, f"{name} 的参数个数不对，用法：{zh}", f"wrong number of arguments; use {en}")

    def apply(self, function: Function, nodes: Sequence[Node], node: Node, scope: Scope) -> Tree:
        self.count(function, len(nodes), node)
        args = self.operands(nodes, scope)
        args = [self.argument(function, place, arg, nodes[place]) for place, arg in enumerate(args)]
        return combine(function, self.agreed(function, args, nodes), node)

    def argument(self, function: Function, place: int, arg: Tree, node: Node) -> Tree:
        parameter = parameter_at(function, place)
        if parameter.letter == "q" and place:  # the department to be in may be a certain one
            arg = literal_for(arg, DEPARTMENT, node)
        if not parameter.accepts(arg.type):
            raise self.stop("TYPE", node, *_wanted(function, place, parameter, arg.type))
        if parameter.letter in SET_LETTERS and arg.type == BLANK:
            arg = replace(arg, type=set_of(BLANK))
        if parameter.constant:
            if not isinstance(arg, Literal):
                raise self.stop("TYPE", node, "这里应为常量", "a constant is needed here")
            return Literal(arg.value, arg.type, fixed=True)
        return arg

    def agreed(self, function: Function, args: list[Tree], nodes: Sequence[Node]) -> list[Tree]:
        """Arguments of one letter T agree in type; text constants become what the others are."""
        letters = [parameter_at(function, place).letter for place in range(len(args))]
        if function.name == "HAS" and (held := args[0].type.element) is not None and held.kind == "option":
            args[1] = literal_for(args[1], held, nodes[1])
        if function.name == "HAS" and not _may_hold(*(arg.type for arg in args)):
            raise self.stop("TYPE", nodes[1], "集合中不会有这种类型的值", "the set holds no values of this type")
        for group in _groups(function, letters):
            if letters[group[0]] in "TU":
                for place, tree in zip(group, without_empty_texts([args[place] for place in group]), strict=True):
                    args[place] = tree
            typed = [args[place].type for place in group if not isinstance(args[place], Literal)]
            common = unify(typed) if typed else None
            for place in group:
                if common is not None and isinstance(args[place], Literal):
                    args[place] = literal_for(args[place], common, nodes[place])
            if "datetime" in (kinds := {args[place].type.kind for place in group}) and "date" in kinds:
                args = [as_instant(arg) if place in group else arg for place, arg in enumerate(args)]
            self.alike([(args[place].type, nodes[place]) for place in group])
        return args

    def alike(self, given: Sequence[tuple[Type, Node]]) -> None:
        """Say of the first value that does not go with those before it what both are."""
        before: Type = BLANK
        for type_, node in given:
            common = unify((before, type_))
            if common is None:
                zh = f"这些值的类型不一致：前面是{before.name.zh}，这里是{type_.name.zh}"
                en = f"these values differ in type: {before.name.en} before, {type_.name.en} here"
                raise self.stop("TYPE", node, zh, en)
            before = common

    # --- rollups ------------------------------------------------------------------------------------------------------

    def relation_of(self, function: Function, node: Node, scope: Scope) -> Relation | None:
        """The to-many relation that the value argument of an aggregate crosses."""
        place = ROLLUPS[function.name].value_place
        if place >= len(node.args):
            return None
        found: Relation | None = None
        for name in names_in(node.args[place]):
            relation = find_relation(self.schema, scope, name)
            if found is not None and relation is not None and relation != found:
                raise self.stop("TYPE", name, "一个汇总只能用一个一对多关联", "an aggregate is over one relation only")
            found = found or relation
        return found

    def stop_lost(self, node: Node, place: int, scope: Scope) -> None:
        """Where a condition follows a name that nobody knows, that was to be a relation: its rows cannot be asked about."""
        if any(part.kind == "binary" and part.value in (*_COMPARE, *_LOGIC) for part in node.args[place + 1 :]):
            known = len(self.errors)
            self.guarded(node.args[place], scope)
            if any(error.kind == "NAME" for error in self.errors[known:]):
                raise _Stop
            del self.errors[known:]

    def rollup(self, function: Function, node: Node, scope: Scope, relation: Relation) -> Tree:
        known = len(self.errors)
        inner = scope.inside(relation)
        place = ROLLUPS[function.name].value_place
        parts: list[Tree | None] = []
        for index, part in enumerate(node.args):
            parts.append(self.row_value(part, inner) if index == place else self.guarded(part, inner))
        if len(self.errors) > known:
            raise _Stop
        return build_rollup(function, relation, parts, node)

    def row_value(self, node: Node, inner: Scope) -> Tree | None:
        """The value of a related row; the relation alone means the row itself."""
        if node.kind == "name" and inner.relation is not None:
            outer = Scope(inner.entities[:-1])
            found = resolve(self.schema, outer, node)
            if found.relation is not None:
                return found.tree
        return self.guarded(node, inner)


def parameter_at(function: Function, place: int) -> Parameter:
    """The parameter of an argument; the last one may repeat, and of IFS and SWITCH the last two."""
    parameters = function.parameters
    if place < len(parameters) - (1 if function.name in ("IFS", "SWITCH") else 0):
        return parameters[place]
    if function.name == "IFS":
        return parameters[place % 2]
    return Parameter("A") if function.name == "SWITCH" else parameters[-1]


def _groups(function: Function, letters: list[str]) -> list[list[int]]:
    """Places that must agree in type."""
    if function.name == "SWITCH":
        count = len(letters)
        results = [*range(2, count, 2), *([count - 1] if count % 2 == 0 else [])]
        return [[0, *range(1, count - (count % 2 == 0), 2)], results]
    if function.name == "IFS":
        return [list(range(1, len(letters), 2))]
    groups = [[place for place, letter in enumerate(letters) if letter == name] for name in "TO"]
    if function.name in ("HASANY", "HASALL", "HASNONE", "INTERSECT", "UNION", "EXCEPT", "OVERLAP", "JACCARD"):
        groups.append([0, 1])
    return [group for group in groups if len(group) > 1]


def _may_hold(holder: Type, member: Type) -> bool:
    """Whether a set may have a value: what JSON tells apart is told apart here too."""
    inside = holder.element or BLANK
    plain = {type_.kind for type_ in (inside, member)} - {"blank"}
    return len(plain) < 2 or not plain & {"integer", "decimal", "boolean"} or plain == {"integer", "decimal"}


def _wanted(function: Function, place: int, parameter: Parameter, given: Type) -> tuple[str, str]:
    wanted = LETTER_NAMES[parameter.letter]
    zh, en = _expected(wanted, given)
    return f"{function.name} 的第 {place + 1} 个参数{zh}", f"argument {place + 1} of {function.name}: {en}"


def _expected(wanted: Message, given: Type) -> tuple[str, str]:
    return f"应为{wanted.zh}，但这里是{given.name.zh}", f"expected {wanted.en}, found {given.name.en}"
