"""``required``: see ``builder/definition/guards/required.py``."""

from __future__ import annotations

from builder.definition.guards.required import RequiredGuard
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.pipelines.guards.base import Found, Plain, Standing, words
from runtime.pipelines.todo import Todo, of_field


class RequiredKind(Plain):
    """Looks at the record itself."""

    model = RequiredGuard

    def unmet(self, guard: RequiredGuard, s: Standing, found: Found) -> Unit[list[Todo]]:
        """One line for each blank field."""
        yield from ()
        return [
            of_field(s.entity, key, "required", words(guard, _message(s, key)), s.shown.get(key))
            for key in guard.fields
            if s.shown.get(key) in (None, [], "")
        ]


def _message(s: Standing, key: str) -> Text:
    label = label_text(s.entity.fields[key].label)
    return say(f"请填写“{label.zh}”", f"Fill in {label.en}")
