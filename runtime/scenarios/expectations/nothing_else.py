"""``nothing_else``: see ``builder/definition/scenarios/expectations/nothing_else.py``."""

from __future__ import annotations

import sqlalchemy as sa

from builder.definition.scenarios.expectations.nothing_else import NothingElse
from builder.kernel.canonical import parse_json
from builder.kernel.text import Text, say
from builder.store import tables
from runtime.scenarios.expectations.call import call_words
from runtime.scenarios.expectations.notice import notice_words
from runtime.scenarios.post import mark_seen, unseen
from runtime.scenarios.wording import reminder_words
from runtime.scenarios.world import World

_SHOWN = 10


class NothingElseKind:
    """Looks whether anything was left out."""

    model = NothingElse

    def words(self, world: World, expected: NothingElse) -> Text:
        """Say what has to be so."""
        return say("除此之外没有发生任何事", "Nothing else has happened")

    async def check(self, world: World, expected: NothingElse) -> Text | None:
        """Look for what no expectation has named."""
        posted = unseen(world.services.database)
        left = [notice_words(world, one) if one.kind == "letter" else call_words(one) for one in posted]
        mark_seen(world.services.database, posted)  # told once, not again wherever nothing else was to happen
        failed = _failed(world)
        zh, en = [*left, *(text.zh for text in failed)], [*left, *(text.en for text in failed)]
        if not zh:
            return None
        more = len(zh) - _SHOWN
        end = f" … +{more}" if more > 0 else ""
        return say(f"还发生了:{'; '.join(zh[:_SHOWN])}{end}", f"There was also: {'; '.join(en[:_SHOWN])}{end}")


def _failed(world: World) -> list[Text]:
    firing = tables.timer_firing
    with world.services.database.snapshot() as connection:
        rows = connection.execute(
            sa.select(firing).where(firing.c.outcome == "failed").order_by(firing.c.fired_at)
        ).all()
    found = []
    for row in rows:
        detail = parse_json(row.detail) if row.detail else {"zh": "", "en": ""}
        who = world.titled(row.record_id)
        label = reminder_words(world, row.rule)
        zh, en = f"提醒{label.zh}对 {who} 执行失败", f"The reminder {label.en} failed on {who}"
        found.append(say(f"{zh}:{detail['zh']}", f"{en}: {detail['en']}"))
    return found
