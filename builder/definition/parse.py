"""JSON -> documents, strictly: the published JSON Schema first (all errors at once), then the models' own rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from builder.definition.keys import fill_keys
from builder.definition.kinds import APP, BY_NAME, Definition, Kind, assemble
from builder.fields.base import Model, OptionInvalid
from builder.kernel.limits import APP_KEY_LENGTH, KEY_LENGTH, VIOLATIONS_SHOWN
from builder.kernel.problems import Problem, Violation, escape_pointer, nearest_hint
from builder.kernel.text import errors_found, say

JSON = Any
_FEW = 16  # so many names are listed where none is near
M = TypeVar("M", bound=Model)


class DocumentInvalid(Exception):
    """A document that is not one; carries every reason."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)[:VIOLATIONS_SHOWN]
        super().__init__("; ".join(f"{v.pointer}: {v.message.en}" for v in self.violations[:3]))

    def problem(self, code: str = "definition.invalid") -> Problem:
        """Return this as a problem."""
        count = len(self.violations)
        return Problem(code, errors_found(count, "定义", "The definition has"), violations=self.violations)


def parse_document(kind: Kind[M], document: JSON) -> M:
    """Parse one document. Missing keys are made from labels (pinyin).

    Raises:
        DocumentInvalid: with every violation and its JSON pointer.
    """
    from builder.definition.violations import (
        schema_violations,  # a tenth of a start, which reads what was checked before
    )

    document = fill_keys(document, length=APP_KEY_LENGTH if kind is APP else KEY_LENGTH)
    found = list(schema_violations(kind, document))
    if found:
        raise DocumentInvalid(sorted(found, key=lambda violation: violation.pointer))
    return _read_document(kind, document)


def _read_document(kind: Kind[M], document: JSON) -> M:
    try:
        # types were checked by the schema; pydantic's own JSON reader would put numbers through a binary float
        return kind.model.model_validate(document, strict=False)
    except ValidationError as error:
        raise DocumentInvalid(
            [_from_pydantic(item, document) for item in causes(error.errors(include_url=False))]
        ) from None


def parse_definition(package: JSON) -> Definition:
    """Parse a whole app from its one-JSON form ``{"app": {…}, "entities": […]}``.

    Raises:
        DocumentInvalid: pointers start at the package.
    """
    if not isinstance(package, dict):
        raise DocumentInvalid([Violation("type", "", say("应用包应是 JSON 对象", "An app package is a JSON object"))])
    violations = [unknown_member(name, BY_NAME) for name in package if name not in BY_NAME]
    documents: list[Model] = []
    for kind in BY_NAME.values():
        for pointer, document in _documents_of(kind, package, violations):
            try:
                documents.append(parse_document(kind, document))
            except DocumentInvalid as invalid:
                violations += [Violation(v.code, pointer + v.pointer, v.message, v.params) for v in invalid.violations]
    if violations:
        raise DocumentInvalid(violations)
    return assemble(documents)


def read_definition(package: JSON) -> Definition:
    """Read a package that was parsed and written by us, as versions are: the schema has nothing to find there, and costs a second at a start.

    Raises:
        DocumentInvalid: the code's models have changed since; without places.
    """
    found = ((kind, package.get(name)) for name, kind in BY_NAME.items())
    return assemble(
        _read_document(kind, document)
        for kind, documents in found
        if documents is not None
        for document in ([documents] if kind.single else documents)
    )


def _documents_of(kind: Kind[Any], package: dict[str, JSON], violations: list[Violation]) -> Iterator[tuple[str, JSON]]:
    if kind.single:
        if kind.name in package:
            yield f"/{kind.name}", package[kind.name]
        else:
            violations.append(
                Violation("required", f"/{kind.name}", say(f"缺少 {kind.name}", f"{kind.name} is missing"))
            )
        return
    listed = package.get(kind.name, [])
    if not isinstance(listed, list):
        violations.append(Violation("type", f"/{kind.name}", say("应是列表", "Expected a list")))
        return
    yield from ((f"/{kind.name}/{index}", document) for index, document in enumerate(listed))


def unknown_member(name: str, known: Any, pointer: str = "") -> Violation:
    """Say that a member is not one of those there are."""
    hint = nearest_hint(name, known)
    if not hint.zh and 0 < len(known) <= _FEW:
        hint = say(f";可用:{'、'.join(known)}", f"; there are {', '.join(known)}")
    message = say(f"没有名为“{name}”的成员{hint.zh}", f'There is no member "{name}"{hint.en}')
    return Violation("unknown", f"{pointer}/{escape_pointer(name)}", message, {"name": name})


def causes(found: Sequence[Any]) -> list[Any]:
    """Return Pydantic's errors without those that only follow from one inside (a list without its wrong item is too short)."""

    def follows(item: Any) -> bool:
        place = item["loc"]
        return item["type"] == "too_short" and any(
            len(o["loc"]) > len(place) and o["loc"][: len(place)] == place for o in found
        )

    return [item for item in found if not follows(item)]


def _from_pydantic(item: Any, document: JSON) -> Violation:
    pointer = "".join(f"/{escape_pointer(part)}" for part in _without_tags(item["loc"], document))
    error = item.get("ctx", {}).get("error")
    if isinstance(error, OptionInvalid):
        return Violation("options", pointer, error.message)
    return Violation(str(item["type"]), pointer, say("取值不符合规则", f"Breaks a rule: {item['msg']}"))


def _without_tags(location: Sequence[Any], document: JSON) -> Iterator[Any]:
    """Yield the steps of a location. A union's tag stands in it, right behind what is tagged, but not in the document."""
    here, tag = document, None
    for step in location:
        if tag is not None and step == tag:
            tag = None
            continue
        yield step
        here = _inside(here, step)
        tag = here.get("type") if isinstance(here, dict) else None


def _inside(part: JSON, step: Any) -> JSON:
    if isinstance(part, dict):
        return part.get(step)
    return part[step] if isinstance(part, list) and isinstance(step, int) and step < len(part) else None
