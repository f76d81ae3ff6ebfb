"""Conditions that ask the directory or are about whoever looks: text, tree and JSON become one another and mean the same."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from formulas.batch_fields import read_fields
from formulas.checker import check_condition
from formulas.directory import read_directory
from formulas.errors import FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.filter_writer import write_filter
from formulas.filters import parse_filter
from formulas.moments import bind_context
from formulas.schema import Context
from formulas.tree import Tree, walk
from formulas.writer import write

_DIRECTORY = {
    "people": {"u1": {"department": "d3", "manager": "u2"}, "u2": {"department": "d1"}, "u3": {"department": "d2"}},
    "departments": {
        "d1": {"name": "总部"},
        "d2": {"name": "销售", "parent": "d1"},
        "d3": {"name": "华东", "parent": "d2"},
    },
}
_CONTEXT = Context(
    datetime(2026, 11, 29, tzinfo=UTC),
    user="u3",
    department="d2",
    manager="u2",
    roles=("seller",),
    departments=("d2", "d3"),
    team=("u1", "u3"),
    reports=("u1",),
    areas=("east",),
    directory=read_directory(_DIRECTORY),
)
_NAMES = ("owner", "boss", "dept", "home", "area")
_ROWS = [
    dict(zip(_NAMES, ({"person": owner}, {"person": boss}, {"department": dept}, {"department": home}, area), strict=True))
    for owner, boss, dept, home, area in (
        ("u1", "u2", "d3", "d1", "east"),
        ("u2", "u1", "d1", "d3", "west"),
        ("u3", "u3", "d2", "d2", "seller"),
        ("nobody", None, "nowhere", None, None),
        (None, "u1", None, "d3", "east"),
    )
]  # fmt: skip
_SCHEMA, _ = read_fields(_ROWS[0])
_FOUND = [DictRow(read_fields(row)[1]) for row in _ROWS]

_PEOPLE = st.sampled_from(
    ("owner", "boss", "CURRENTUSER()", "MANAGER(owner)", "CURRENTMANAGER()", "COALESCE(boss, owner)")
)
_DEPARTMENTS = st.sampled_from(("dept", "home", "USERDEPT(owner)", "CURRENTDEPARTMENT()", "USERDEPT(MANAGER(boss))"))
_FIELDS = st.sampled_from(("owner", "boss"))
_ATOMS = st.one_of(
    st.builds("INTEAM({})".format, _PEOPLE),
    st.builds("MANAGES({})".format, _PEOPLE),
    st.builds("INDEPT({})".format, _PEOPLE | _DEPARTMENTS),
    st.builds("INDEPT({}, {})".format, _PEOPLE | _DEPARTMENTS, _DEPARTMENTS | st.just('"d1"')),
    st.builds("WITHINDEPT({}, {})".format, _DEPARTMENTS, _DEPARTMENTS),
    st.builds("HASROLE({})".format, st.sampled_from(('"seller"', '"boss"', "area"))),
    st.builds("INAREAS({})".format, st.sampled_from(('"east"', "area"))),
    st.builds("{} {} {}".format, _PEOPLE, st.sampled_from(("=", "<>")), _PEOPLE),
    st.builds("{} {} {}".format, _DEPARTMENTS, st.sampled_from(("=", "<>")), _DEPARTMENTS),
    st.builds("ISBLANK({})".format, _PEOPLE | _DEPARTMENTS),
    st.builds('CONTAINS(DEPTPATH({}), "销售")'.format, _DEPARTMENTS),
    st.builds("{} = CURRENTUSER()".format, _FIELDS),
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT({})".format, inner),
        st.builds("IF({}, {}, {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


def holds(tree: Tree) -> list[bool]:
    return [program(tree).run(row, _CONTEXT) is True for row in _FOUND]


def checked(text: str) -> Tree:
    return check_condition(text, _SCHEMA, _SCHEMA.root)


def from_json(tree: Tree, context: Context | None) -> Tree:
    """The tree over its JSON form."""
    return parse_filter(write_filter(tree, _SCHEMA, _SCHEMA.root), _SCHEMA, _SCHEMA.root, context)


def has_text(tree: Tree) -> bool:
    """Whether text says the tree: that a bare id is a department's it does not."""
    try:
        checked(write(tree))
    except FormulaErrors:
        return False
    return True


@given(_CONDITIONS)
@example("INTEAM(owner)")
@example("NOT(INDEPT(dept))")
@example("owner = CURRENTUSER() AND dept <> CURRENTDEPARTMENT()")
def test_text_tree_and_json_become_one_another(text: str) -> None:
    tree = checked(text)
    again = checked(write(tree))
    assert again == tree
    bound = bind_context(tree, _CONTEXT)
    assert holds(bound) == holds(tree)
    # what is about whoever looks is gone: the rest is what any statement can say
    names = {getattr(node, "function", "") for node in walk(bound)}
    assert names.isdisjoint({"INTEAM", "INDEPT", "MANAGES", "HASROLE", "INAREAS", "CURRENTUSER", "CURRENTMANAGER"})
    assert holds(from_json(tree, None)) == holds(from_json(tree, _CONTEXT)) == holds(tree)
    if has_text(bound):
        assert holds(from_json(bound, _CONTEXT)) == holds(bound)


def test_what_belongs_to_a_person_has_a_json_form_once_it_is_known_who_looks() -> None:
    for text, written in (
        ("INTEAM(owner)", {"owner": {"_in": ["u1", "u3"]}}),
        ("NOT(INDEPT(dept))", {"dept": {"_nin": ["d2", "d3"]}}),
        ("MANAGES(boss) OR dept = CURRENTDEPARTMENT()", {"_or": [{"boss": {"_in": ["u1"]}}, {"dept": {"_eq": "d2"}}]}),
    ):
        assert write_filter(bind_context(checked(text), _CONTEXT), _SCHEMA, _SCHEMA.root) == written
