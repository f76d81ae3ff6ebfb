"""What the templates tell people leaves no hole where a field is blank: “最近一次沟通：。”"""

from __future__ import annotations

from typing import Any

import pytest

from builder.checks.blanks import blank_paths, known_paths
from builder.compiled.computing import draft_schema
from builder.definition.actions.notify import Notify
from builder.definition.kinds import Definition
from builder.definition.references import find_models
from builder.definition.templating import pieces
from builder.fields.rollup import RollupField
from builder.packages.templates import get_template
from formulas.checker import check
from formulas.tree import Path


def _ends_in_a_rollup(definition: Definition, entity: str, path: Path) -> bool:
    """Of rows that need not be there: the latest of none is none."""
    owner = definition.find_entity(entity)
    assert owner is not None
    field = next((each for each in owner.fields if each.key == path.steps[0]), None)
    return isinstance(field, RollupField) and field.function in ("average", "min", "max")


@pytest.mark.parametrize("app", ["lead", "store_sales", "receivables"])
def test_no_message_of_a_template_has_a_hole(app: str) -> None:
    definition = get_template(app).definition
    schema = draft_schema(definition)
    holes = []
    for place in find_models(definition, Notify):
        action: Any = place.model
        home: Any = place.within[0]
        known = known_paths(definition, schema, place)
        words = [word for word in (action.subject, action.text) if word is not None]
        texts = [text for word in words for text in ([word] if isinstance(word, str) else [word.zh, word.en])]
        for text in texts:
            told = [piece.formula for piece in pieces(text)]
            for formula in told:
                tree = check(formula, schema, home.entity).tree
                blank = blank_paths(definition, tree, home.entity) - known
                if isinstance(tree, Path) and _ends_in_a_rollup(definition, home.entity, tree):
                    blank |= {tree.steps}
                if blank and not any(f"ISBLANK({formula})" in other for other in told):
                    holes.append((place.document, text))
    assert holes == []
