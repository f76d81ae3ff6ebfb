"""``move``: see ``builder/definition/scenarios/acts/move.py``."""

from __future__ import annotations

from builder.definition.scenarios.acts.move import Move
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from runtime.scenarios.asking import Answer
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World


class MoveKind:
    """Carries a transition out as a person would."""

    model = Move

    def words(self, world: World, act: Move) -> Text:
        """Say what happens."""
        entity = world.entity_of(act.record)
        pipelines = world.app.pipelines.get(entity.key, ())
        found = next((p.transitions[act.transition] for p in pipelines if act.transition in p.transitions), None)
        label = say(act.transition, act.transition) if found is None else label_text(found.label)
        who, end = world.person(act.by), refusal_words(act)
        values = world.values_words(entity, act.values)
        zh, en = (f":{values.zh}", f": {values.en}") if act.values else ("", "")
        fields = [entity.find_field(key) for key in act.missing]
        labels = [label_text(field.label) for field in fields if field is not None]
        if labels:
            lacking = say(f",缺 {'、'.join(x.zh for x in labels)}", f", lacking {', '.join(x.en for x in labels)}")
            end = say(f"{end.zh}{lacking.zh}", f"{end.en}{lacking.en}")
        return say(
            f"{who} 对 {act.record} 执行“{label.zh}”{zh}{end.zh}",
            f'{who} does "{label.en}" on {act.record}{en}{end.en}',
        )

    async def run(self, world: World, act: Move) -> Text | None:
        """Do it."""
        body = {"fields": world.real(act.values)} if act.values else {}
        body |= {"reason": act.reason} if act.reason is not None else {}
        path = f"{world.place_of(act.record)}/transitions/{act.transition}"
        answer = await world.ask(act.by, "POST", path, body=body)
        return judge_answer(act, answer) or _not_missing(act, answer)


def _not_missing(act: Move, answer: Answer) -> Text | None:
    """Compare the to-do list with the fields it has to name."""
    todo = answer.body.get("todo") or [] if isinstance(answer.body, dict) else []
    named = {str(item.get("field") or "") for item in todo if isinstance(item, dict)}
    absent = [key for key in act.missing if key not in named]
    if not absent:
        return None
    listed = ", ".join(sorted(named - {""})) or "–"
    wanted = ", ".join(absent)
    return say(f"待办清单没有 {wanted},只有 {listed}", f"The to-do list does not name {wanted}, but {listed}")
