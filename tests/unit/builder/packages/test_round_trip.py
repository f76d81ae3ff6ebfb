"""The law of packages: reading what was written gives the same value, in every form, for every field type."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builder.definition.kinds import BY_NAME, assemble
from builder.definition.parse import parse_document
from builder.fields import ALL, BY_TYPE
from builder.fields.base import Field
from builder.fields.decimal import DecimalField
from builder.kernel.problems import Problem
from builder.packages import (
    Package,
    read_folder,
    read_json,
    read_package,
    read_zip,
    write_folder,
    write_json,
    write_zip,
)

KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
CHARACTERS = st.characters(exclude_categories=["Cs"])
WORDS = st.text(CHARACTERS, min_size=1, max_size=20)
LABELS = WORDS | st.fixed_dictionaries({"zh": WORDS, "en": WORDS})
TEXTS = st.text(CHARACTERS, max_size=200)

OPTIONS: dict[type[Field], dict[str, Any]] = {
    BY_TYPE["children"]: {"entity": "other", "via": "owner"},
    BY_TYPE["formula"]: {"formula": "1 + 1"},
    BY_TYPE["lookup"]: {"path": "owner.name"},
    BY_TYPE["rollup"]: {"relation": "lines", "function": "sum", "value": "amount", "condition": "amount > 0"},
}
"""Options of types that have no samples of their own values."""


def optional(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


@st.composite
def fields(draw: st.DrawFn, key: str) -> dict[str, Any]:
    kind: type[Field] = draw(st.sampled_from(ALL))
    sample = draw(st.sampled_from(kind.samples)) if kind.samples else None
    options: dict[str, Any] = dict(sample.options if sample else OPTIONS[kind])
    if sample and sample.accepted and draw(st.booleans()):
        options["default"] = draw(st.sampled_from(sample.accepted))[0]
    if kind is DecimalField:
        bounds = {"minimum": st.decimals(-(10**14), 0, places=8), "maximum": st.decimals(0, 10**14, places=8)}
        options |= draw(optional(**bounds, default=st.decimals(0, 10**6, places=4)))
    more = draw(
        optional(help=LABELS, required=st.booleans(), unique=st.booleans(), indexed=st.booleans(), renamed_from=KEYS)
    )
    return {**options, **more, "key": key, "type": kind.model_fields["type"].default, "label": draw(LABELS)}


@st.composite
def entities(draw: st.DrawFn, key: str) -> dict[str, Any]:
    keys = draw(st.lists(KEYS, unique=True, max_size=5))
    sets = st.lists(st.lists(KEYS, min_size=1, max_size=3), max_size=2)
    more = draw(optional(help=LABELS, title_field=KEYS, unique=sets, indexes=sets, renamed_from=KEYS))
    return {"key": key, "label": draw(LABELS), "fields": [draw(fields(key)) for key in keys], **more}


@st.composite
def packages(draw: st.DrawFn) -> Package:
    zones = st.sampled_from(["Asia/Shanghai", "UTC", "Asia/Urumqi"])
    app = draw(optional(help=LABELS, language=st.sampled_from(["zh", "en"]), time_zone=zones))
    documents = [parse_document(BY_NAME["app"], {**app, "key": draw(KEYS)[:20], "label": draw(LABELS)})]
    keys = draw(st.lists(KEYS, unique=True, max_size=3))
    documents += [parse_document(BY_NAME["entities"], draw(entities(key))) for key in keys]
    names = st.sampled_from([*keys, "_users", "_departments"])
    return Package(assemble(documents), draw(st.dictionaries(names, TEXTS, max_size=3)))


@settings(max_examples=60)
@given(packages())
def test_reading_what_was_written_gives_the_same_package(package):
    with tempfile.TemporaryDirectory() as folder:
        write_folder(package, Path(folder))
        from_folder = read_folder(Path(folder))
    forms = (from_folder, read_json(write_json(package)), read_zip(write_zip(package)))
    assert all(form == package for form in forms)
    assert {write_json(form) for form in forms} == {write_json(package)}
    assert {write_zip(form) for form in forms} == {write_zip(package)}
    assert {form.definition.hash() for form in forms} == {package.definition.hash()}


def test_numbers_stay_exact_and_equal_numbers_are_written_alike():
    def package(minimum: object, default: object) -> Package:
        field = {
            "key": "a",
            "type": "decimal",
            "label": "A",
            "digits": 18,
            "scale": 4,
            "minimum": minimum,
            "default": default,
        }
        app = parse_document(BY_NAME["app"], {"key": "x", "label": "x"})
        return Package(
            assemble([app, parse_document(BY_NAME["entities"], {"key": "e", "label": "e", "fields": [field]})])
        )

    exact = package(Decimal("12345678901234.5678"), Decimal("0.1"))
    again = read_json(write_json(exact)).definition.entities[0].fields[0]
    assert (again.default, again.model_dump()["minimum"]) == (Decimal("0.1"), Decimal("12345678901234.5678"))
    assert again.coerce(Decimal("12345678901234.5679")) == Decimal("12345678901234.5679")
    assert write_json(package(5, Decimal("0.50"))) == write_json(package(Decimal("5.00"), Decimal("0.5")))
    assert package("5E+3", 1).definition.hash() == package(5000, Decimal("1.0")).definition.hash()


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_no_change_of_bytes_makes_a_zip_fail_otherwise_than_as_a_problem(changes):
    app = parse_document(BY_NAME["app"], {"key": "x", "label": "x"})
    body = bytearray(write_zip(Package(assemble([app]), {"_users": "username,name\nzhangwei,张伟\n"})))
    for place, value in changes:
        body[place % len(body)] = value
    outcome = _outcome(bytes(body))
    assert outcome == "read" or outcome in ("package.invalid", "package.too_large")


def _outcome(body: bytes) -> str:
    try:
        read_package(body, "application/zip")
    except Problem as problem:
        return problem.code
    return "read"
