"""Steps of assignment rules as sentences, both ways: with the words of a draft, and of the people and departments there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from builder.compiled.computing import draft_schema
from builder.definition.assignment import Hours, LeastLoad, RoundRobin, Step
from builder.definition.entity import Entity
from builder.definition.kinds import ROLES, Definition
from builder.definition.sentence_words import WEEKDAYS, FieldWord, Unclear, Vocabulary
from builder.definition.sentences import parse_sentence
from builder.fields.base import label_text
from builder.fields.parts.choices import ChoiceField
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, say
from builder.registry.apps import export_app
from builder.registry.registry import Registry
from builder.store import tables
from formulas.checker import check_condition
from formulas.errors import FormulaErrors
from formulas.filters import parse_filter
from formulas.schema import Schema
from formulas.tree import Call, Literal, Path, Tree
from formulas.writer import write

JSON = Any
_SIGNS: Mapping[str, str] = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}


def parse_text(registry: Registry, app: str, entity: str, text: str) -> Step:
    """Turn a sentence into a step.

    Raises:
        Problem: ``assignment.text`` with the words that are not understood and where they begin, ``entity.not_found``.
    """
    definition = export_app(registry, app, None)
    owner = _entity(definition, entity)
    try:
        step = parse_sentence(text, vocabulary_of(registry, definition, owner))
        return normal(step, draft_schema(definition), entity)
    except Unclear as unclear:
        params = {"words": unclear.words, "at": unclear.at}
        violation = Violation("unclear", "/text", unclear.message, params)
        raise Problem("assignment.text", unclear.message, violations=[violation]) from None
    except FormulaErrors as errors:
        first = errors.errors[0].message
        raise Problem("assignment.text", say(first.zh, first.en)) from None


def render_step(registry: Registry, app: str, entity: str, step: Step) -> str:
    """Turn a step into the sentence that means it.

    Raises:
        Problem: ``assignment.text`` if no sentence says it.
    """
    definition = export_app(registry, app, None)
    owner = _entity(definition, entity)
    schema = draft_schema(definition)
    vocabulary = vocabulary_of(registry, definition, owner)
    try:
        return render(step, vocabulary, schema, entity)
    except FormulaErrors as errors:
        first = errors.errors[0].message
        raise Problem("assignment.text", say(first.zh, first.en)) from None


def render(step: Step, vocabulary: Vocabulary, schema: Schema, entity: str) -> str:
    """Write the sentence of a step; whatever it says is read back and compared, so a sentence never says something else.

    Raises:
        Problem: ``assignment.text`` if no sentence says it.
    """
    if step.picker not in (LeastLoad(), RoundRobin()) or step.in_hours_of is not None:
        raise _no_sentence(say("这种选人方式没有对应的句子", "No sentence says this way of choosing"))
    parts: list[str] = []
    if step.when not in (None, {}):
        words = _Words(vocabulary)
        parts.append(f"{words.say_all(_tree(step.when, schema, entity))}的{vocabulary.entity},")
    if step.hours is not None:
        parts.append(f"{_hours_text(step.hours)},")
    verb = "轮流分给" if isinstance(step.picker, RoundRobin) else "优先分给"
    parts.append(verb + "或".join(_person_text(who.model_dump(exclude_none=True), vocabulary) for who in step.people))
    if step.at_most is not None:
        parts.append(f",每人最多{step.at_most}条")
    if not step.skip_away:
        parts.append(",请假出差也分")
    sentence = "".join(parts)
    wanted = normal(step.model_copy(update={"label": None}), schema, entity)
    try:
        if normal(parse_sentence(sentence, vocabulary), schema, entity) == wanted:
            return sentence
    except Unclear:
        pass
    raise _no_sentence(say("这一步没有含义相同的句子", "No sentence means the same as this step"))


def normal(step: Step, schema: Schema, entity: str) -> Step:
    """Return the step with its condition in the one spelling that equal conditions share."""
    if step.when in (None, {}):
        return step.model_copy(update={"when": None})
    return step.model_copy(update={"when": write(_tree(step.when, schema, entity), schema, entity)})


def _tree(when: Any, schema: Schema, entity: str) -> Tree:
    return check_condition(when, schema, entity) if isinstance(when, str) else parse_filter(when, schema, entity)


def vocabulary_of(registry: Registry, definition: Definition, entity: Entity) -> Vocabulary:
    """Return the words of an entity, of the app's roles and of the people there are; what two fields are called means neither."""
    u, d = tables.user, tables.department
    with registry.database.snapshot() as connection:
        users = connection.execute(sa.select(u.c.name, u.c.username).where(u.c.active).order_by(u.c.username)).all()
        departments = connection.execute(sa.select(d.c.name, d.c.key).order_by(d.c.key)).all()
    known = words_of(entity, [(row[0], row[1]) for row in users], [(row[0], row[1]) for row in departments])
    return replace(known, roles=tuple((label_text(role.label).zh, role.key) for role in definition.of(ROLES)))


def words_of(
    entity: Entity, users: Sequence[tuple[str, str]], departments: Sequence[tuple[str, str]] = ()
) -> Vocabulary:
    """Return the words of an entity with people and departments by name."""
    labels = Counter(label_text(field.label).zh for field in entity.fields)
    words = [_field_word(field) for field in entity.fields if labels[label_text(field.label).zh] == 1]
    return Vocabulary(label_text(entity.label).zh, tuple(words), tuple(users), tuple(departments))


def _field_word(field: Any) -> FieldWord:
    options: Sequence[tuple[str, str]] = ()
    if isinstance(field, ChoiceField):
        options = [(label_text(option.label).zh, option.key) for option in field.options if not option.hidden]
    kind = field.formula_type().kind
    return FieldWord(field.key, label_text(field.label).zh, kind, tuple(options) if kind == "option" else ())


class _Words:
    """Says trees of conditions."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._fields = {field.key: field for field in vocabulary.fields}

    def say_all(self, tree: Tree) -> str:
        """A whole condition."""
        return self._say(tree, inside="")

    def _say(self, tree: Tree, inside: str) -> str:
        if not isinstance(tree, Call):
            raise _unsaid()
        if tree.function in ("and", "or"):
            text = ("且" if tree.function == "and" else "或").join(self._say(arg, tree.function) for arg in tree.args)
            return f"({text})" if inside == "and" and tree.function == "or" else text
        if tree.function == "not":
            return self._negated(tree.args[0])
        if tree.function in ("in", "IN"):
            return self._among(tree, "是")
        owner = self._owner(tree.args[0])
        if tree.function == "ISBLANK":
            return f"{owner.label}为空"
        value = tree.args[1] if len(tree.args) == 2 else None
        if not isinstance(value, Literal):
            raise _unsaid()
        if tree.function == "CONTAINS":
            return f"{owner.label}包含“{value.value}”"
        if tree.function not in _SIGNS or (owner.options and tree.function not in ("eq", "ne")):
            raise _unsaid()
        if owner.options:
            return owner.label + ("是" if tree.function == "eq" else "不是") + self._label(owner, value.value)
        shown = f"“{value.value}”" if isinstance(value.value, str) else number_text(value.value)
        return f"{owner.label}{_SIGNS[tree.function]}{shown}"

    def _negated(self, tree: Tree) -> str:
        if isinstance(tree, Call) and tree.function == "ISBLANK":
            return f"{self._owner(tree.args[0]).label}不为空"
        if isinstance(tree, Call) and tree.function in ("in", "IN"):
            return self._among(tree, "不是")
        raise _unsaid()

    def _among(self, call: Call, verb: str) -> str:
        owner = self._owner(call.args[0])
        values: list[Any] = []
        for arg in call.args[1:]:
            if not isinstance(arg, Literal):
                raise _unsaid()
            values += arg.value if isinstance(arg.value, tuple) else [arg.value]
        return owner.label + verb + "或".join(self._label(owner, value) for value in values)

    def _owner(self, tree: Tree) -> FieldWord:
        found = self._fields.get(tree.steps[0]) if isinstance(tree, Path) and len(tree.steps) == 1 else None
        if found is None:
            raise _unsaid()
        return found

    def _label(self, owner: FieldWord, key: Any) -> str:
        found = next((label for label, known in owner.options if known == key), None)
        if found is None:
            raise _unsaid()
        return found


def number_text(number: Any) -> str:
    """Write a number as people do: 20万, 1.5亿 stays 15000万."""
    if not isinstance(number, int | Decimal) or isinstance(number, bool):
        raise _unsaid()
    value = Decimal(number)
    for unit, name in ((Decimal(100_000_000), "亿"), (Decimal(10_000), "万")):
        if value and value % unit == 0:
            return f"{(value / unit):f}{name}"
    return f"{value:f}"


def _hours_text(hours: Hours) -> str:
    days = ""
    if hours.weekdays == (1, 2, 3, 4, 5):
        days = "工作日"
    elif hours.weekdays == (6, 7):
        days = "周末"
    elif hours.weekdays:
        days = "、".join(f"周{WEEKDAYS[day - 1]}" for day in hours.weekdays)
    if hours.begins is None and hours.ends is None:
        return days
    if hours.begins is None or hours.ends is None:
        raise _no_sentence(say("时间段须有起止", "Hours need a beginning and an end"))
    return f"{days}{hours.begins}到{hours.ends}"


def _person_text(who: dict[str, Any], vocabulary: Vocabulary) -> str:
    labels = {field.key: field.label for field in vocabulary.fields}
    match who:
        case {"user": username}:
            name = next((name for name, known in vocabulary.users if known == username), None)
            is_clear = name is not None and len(vocabulary.usernames(name)) == 1
            return name if name is not None and is_clear else f"@{username}"
        case {"department": key}:
            return next((name for name, known in vocabulary.departments if known == key), key)
        case {"role": role}:
            label = next((label for label, key in vocabulary.roles if key == role), role)
            return f"角色“{label if vocabulary.role_called(label) == role else role}”"
        case {"manager_of": path, "levels": 1} if path in labels:
            return f"{labels[path]}的上级"
        case {"field": path} if path in labels:
            return f"{labels[path]}对应的人"
        case {"area": path} if path in labels:
            return f"{labels[path]}区域的人"
    raise _no_sentence(say("没有句子能说出这些人", "No sentence says these people"))


def _entity(definition: Definition, key: str) -> Entity:
    found = definition.find_entity(key)
    if found is None:
        hint = nearest_hint(key[:100], [entity.key for entity in definition.entities])
        zh, en = f"没有实体“{key[:100]}”{hint.zh}", f'There is no entity "{key[:100]}"{hint.en}'
        raise Problem("entity.not_found", say(zh, en))
    return found


def _unsaid() -> Problem:
    return _no_sentence(say("这个条件没有对应的句子,请用公式", "No sentence says this condition; use the formula"))


def _no_sentence(message: Text) -> Problem:
    return Problem("assignment.text", message)
