"""How a person wants to be told: by which connections, now or in a digest, and when not. Pure.

The inbox in the app has every message at once; wishes are about what goes out to a person. A message to a group (a robot) is the
group's, and nobody's wishes change it. What is urgent goes out where the app says, at any hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from builder.fields.base import Key
from builder.kernel.canonical import dump_json, parse_json

NoticeKind = Literal["approval", "reminder", "stage", "automation", "system"]
_KINDS: dict[str, NoticeKind] = {"approval": "approval", "reminder": "reminder", "move": "stage", "run": "automation"}


def kind_of(key: str) -> NoticeKind:
    """Return what a message is about, from the key of what occasioned it."""
    return _KINDS.get(key.partition(":")[0], "system")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError("write it as Asia/Shanghai") from error
    return name


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, ``08:30``."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class QuietHours(_Part):
    """When nothing goes out that is not urgent; over midnight if it ends before it begins. Then all of it comes as one message."""

    begins: Clock = "22:00"
    ends: Clock = "07:00"


class Rule(_Part):
    """How messages of some kinds come; the first rule that names the kind counts."""

    kinds: Annotated[tuple[NoticeKind, ...], Field(min_length=1, max_length=5)]
    connections: Annotated[tuple[Key, ...], Field(max_length=5)] | None = None
    """By which connections, besides the inbox; none: the inbox alone. Left out: as the app says."""
    digest: bool = False
    """Collected, and sent as one message at ``digest_at``."""


class Wishes(_Part):
    """A person's wishes."""

    zone: Annotated[str, Field(max_length=60), AfterValidator(_known_zone)] = "Asia/Shanghai"
    quiet: QuietHours | None = None
    rules: Annotated[tuple[Rule, ...], Field(max_length=10)] = ()
    digest_at: Annotated[tuple[Clock, ...], Field(min_length=1, max_length=6)] = ("09:00",)
    """When digests go out, in the person's zone."""


class Way(NamedTuple):
    """How one message goes to one person."""

    connections: tuple[str, ...]
    at: datetime
    digest: str
    """What is due of one digest goes out together; empty: by itself."""


def way_for(wishes: Wishes, user_id: str, kind: NoticeKind, said: Sequence[str], now: datetime, *, urgent: bool) -> Way:
    """Return how a message goes to a person.

    Args:
        said: the connections the app says.
    """
    rule = next((rule for rule in wishes.rules if kind in rule.kinds), None)
    wanted = tuple(said) if rule is None or rule.connections is None else rule.connections
    if urgent:
        return Way(tuple(dict.fromkeys((*said, *wanted))), now, "")
    zone = ZoneInfo(wishes.zone)
    at = now
    if rule is not None and rule.digest:
        at = min(_next(now, _time(text), zone) for text in wishes.digest_at)
    held = at if wishes.quiet is None else _after_quiet(at, wishes.quiet, zone)
    return Way(wanted, held, f"{user_id}:{held.isoformat()}" if held > now else "")


def _after_quiet(at: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    begins, ends, here = _time(quiet.begins), _time(quiet.ends), at.astimezone(zone).time()
    if begins == ends:
        return at
    inside = begins <= here < ends if begins < ends else here >= begins or here < ends
    return _next(at, ends, zone) if inside else at


def _next(after: datetime, wanted: time, zone: ZoneInfo) -> datetime:
    """Return the first moment after another at which clocks of a zone show a time."""
    day = after.astimezone(zone).date()
    for days in range(3):
        moment = datetime.combine(day + timedelta(days=days), wanted, zone).astimezone(after.tzinfo)
        if moment > after:
            return moment
    return after


def _time(text: str) -> time:
    return time.fromisoformat(text)


def dump_wishes(wishes: Wishes) -> str:
    """Write wishes as they are kept."""
    return dump_json(wishes.model_dump(mode="json", exclude_none=True)).decode()


def read_wishes(text: str) -> Wishes:
    """Read what ``dump_wishes`` wrote."""
    return Wishes.model_validate(parse_json(text))
