"""``call``: see ``builder/definition/scenarios/expectations/call.py``."""

from __future__ import annotations

from builder.definition.scenarios.expectations.call import Call
from builder.kernel.text import Text, counted, say
from runtime.records.values import same_json
from runtime.scenarios.post import Posted, mark_seen, unseen
from runtime.scenarios.world import World


class CallKind:
    """Looks what other systems were asked."""

    model = Call

    def words(self, world: World, expected: Call) -> Text:
        """Say what has to be so."""
        times = f" × {expected.count}" if expected.count != 1 else ""
        return say(
            f"已请求连接“{expected.connection}”{times}", f'The connection "{expected.connection}" was asked{times}'
        )

    async def check(self, world: World, expected: Call) -> Text | None:
        """Compare, and take note of what was named."""
        database = world.services.database
        calls = [call for call in unseen(database, "call") if call.body["connection"] == expected.connection]
        wanted = world.real(expected.body)
        fitting = [call for call in calls if _fits(call, wanted)]
        if len(fitting) == expected.count:
            mark_seen(database, fitting)
            return None
        listed = "; ".join(call_words(call) for call in calls[:5]) or "–"
        return say(f"实为 {len(fitting)} 次:{listed}", f"It was {counted(len(fitting), 'time')}: {listed}")


def _fits(call: Posted, wanted: dict[str, object]) -> bool:
    body = call.body["body"] if isinstance(call.body["body"], dict) else {}
    return all(name in body and same_json(value, body[name]) for name, value in wanted.items())


def call_words(call: Posted) -> str:
    """Say what was asked."""
    return f"{call.body['connection']} {call.body['method']} {call.body['path']} {call.body['body']}"
