"""The one-JSON form of a package: ``{"app": {…}, "entities": [{…}], "sample": {"customer": "csv text"}}``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from builder.definition.kinds import BY_NAME, Definition, dump_definition
from builder.definition.parse import DocumentInvalid, parse_definition
from builder.kernel.canonical import dump_pretty, parse_json
from builder.kernel.limits import PACKAGE_BYTES
from builder.kernel.problems import Problem, Violation, escape_pointer, nearest_hint
from builder.kernel.text import say
from builder.packages.package import SAMPLE_FOLDER, Package, invalid_package, refuse_package, unknown_sample
from builder.packages.tree import too_large

JSON = Any


def read_json(body: bytes) -> Package:
    """Read a package from its one-JSON form; ``sample`` may be left out.

    Raises:
        Problem: ``package.invalid`` with pointers from the root of the package, or ``package.too_large``.
    """
    if len(body) > PACKAGE_BYTES:
        limit = PACKAGE_BYTES // 1024**2
        raise too_large(f"超过 {limit} MB", f"more than {limit} MB")
    try:
        value = parse_json(body.removeprefix(b"\xef\xbb\xbf"))
    except Problem as problem:
        raise invalid_package([Violation("json", "", problem.detail)]) from None
    return parse_package(value)


def parse_package(value: JSON) -> Package:
    """Read a package from the value of its one-JSON form.

    Raises:
        Problem: ``package.invalid`` with pointers from the root of the package.
    """
    if not isinstance(value, dict):
        raise refuse_package("type", "应用包应是 JSON 对象", "An app package is a JSON object")
    violations = [_unknown_member(name) for name in value if name not in BY_NAME and name != SAMPLE_FOLDER]
    definition: Definition | None = None
    try:
        definition = parse_definition({name: member for name, member in value.items() if name in BY_NAME})
        violations += _repeated(definition)
    except DocumentInvalid as invalid:
        violations += invalid.violations
    sample = value.get(SAMPLE_FOLDER, {})
    violations += _sample_violations(sample, definition)
    if violations or definition is None:
        raise invalid_package(violations)
    return Package(definition, sample)


def _unknown_member(name: str) -> Violation:
    hint = nearest_hint(name, (*BY_NAME, SAMPLE_FOLDER))
    message = say(f"没有成员“{name}”{hint.zh}", f'There is no member "{name}"{hint.en}')
    return Violation("unknown", f"/{escape_pointer(name)}", message)


def _repeated(definition: Definition) -> list[Violation]:
    counts = Counter(identity for identity, _ in definition.documents())
    return [
        Violation("duplicate", f"/{kind}", say(f"键“{key}”出现 {count} 次", f'The key "{key}" occurs {count} times'))
        for (kind, key), count in counts.items()
        if count > 1
    ]


def _sample_violations(sample: JSON, definition: Definition | None) -> list[Violation]:
    pointer = f"/{SAMPLE_FOLDER}"
    if not isinstance(sample, dict):
        return [Violation("type", pointer, say("应是“名称: CSV 文本”的对象", "Expected an object of name: CSV text"))]
    found: list[Violation | None] = []
    for name, text in sample.items():
        at = f"{pointer}/{escape_pointer(name)}"
        if not isinstance(text, str):
            found.append(Violation("type", at, say("应是 CSV 文本", "Expected CSV text")))
        elif definition is not None:
            entities = [entity.key for entity in definition.entities]
            found.append(unknown_sample(name, entities, f"{SAMPLE_FOLDER}/{name}.csv", at))
    return [violation for violation in found if violation is not None]


def dump_package(package: Package) -> dict[str, JSON]:
    """Write a package as the value of its one-JSON form; without sample records there is no ``sample``."""
    value = dump_definition(package.definition)
    return {**value, SAMPLE_FOLDER: dict(package.sample)} if package.sample else value


def write_json(package: Package) -> bytes:
    """Write a package as one JSON text; equal packages give equal bytes."""
    return dump_pretty(dump_package(package)).encode()
