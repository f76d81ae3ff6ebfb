"""``notice``: see ``builder/definition/scenarios/expectations/notice.py``."""

from __future__ import annotations

from builder.definition.scenarios.expectations.notice import Notice
from builder.kernel.text import Text, say
from runtime.scenarios.post import Posted, mark_seen, unseen
from runtime.scenarios.world import World


class NoticeKind:
    """Looks what people were told."""

    model = Notice

    def words(self, world: World, expected: Notice) -> Text:
        """Say what has to be so."""
        who = "、".join(world.person(name) for name in expected.to)
        people = ", ".join(world.person(name) for name in expected.to)
        were = "was" if len(expected.to) == 1 else "were"
        zh, en = (f"(通过 {expected.channel})", f" through {expected.channel}") if expected.channel else ("", "")
        if not expected.count:
            return say(f"{who} 没有收到“{expected.says}”", f'{people} {were} not told "{expected.says}"')
        times = f" × {expected.count}" if expected.count > 1 else ""
        return say(f"{who} 收到“{expected.says}”{zh}{times}", f'{people} {were} told "{expected.says}"{en}{times}')

    async def check(self, world: World, expected: Notice) -> Text | None:
        """Compare, and take note of what was named."""
        database = world.services.database
        letters = unseen(database, "letter")
        people = {world.id_of(name) for name in expected.to}
        saying = [letter for letter in letters if _says(letter, expected)]
        fitting = [letter for letter in saying if set(letter.body["user_ids"]) == people]
        if len(fitting) == expected.count:
            mark_seen(database, fitting)
            return None
        if not letters:
            return say("没有新的消息", "Nobody was told anything new")
        listed = "; ".join(notice_words(world, letter) for letter in (saying or letters)[:5])
        return say(f"实为:{listed}", f"There is: {listed}")


def _says(letter: Posted, expected: Notice) -> bool:
    texts = [text for name in ("subject", "text") for text in letter.body[name]]
    return expected.channel == letter.body["channel"] and any(expected.says in text for text in texts)


def notice_words(world: World, letter: Posted) -> str:
    """Say who was told what."""
    who = "、".join(world.titled(user) for user in letter.body["user_ids"])
    return f"{who} ← “{letter.body['subject'][0]}”"
