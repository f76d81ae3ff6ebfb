"""``app.json``: the app itself."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import StringConstraints, field_validator

from builder.fields.base import BothLanguages, Key, Label, Model, Refers, wrong_option
from builder.kernel.limits import APP_KEY_LENGTH

AppKey = Annotated[str, StringConstraints(pattern=rf"^[a-z][a-z0-9_]{{0,{APP_KEY_LENGTH - 1}}}$")]


class App(Model):
    """An app: the name under which its entities, records and dashboards live."""

    key: AppKey
    label: Label
    help: Annotated[str, StringConstraints(max_length=4_000)] | BothLanguages | None = None
    """What the app is for, for the people who choose a template."""
    language: Literal["zh", "en"] = "zh"
    """The language of reminders and of callers who ask for none."""
    time_zone: str = "Asia/Shanghai"
    """IANA name; days, deadlines and numbers per month are counted in it."""
    calendar: Annotated[Key, Refers("calendars")] | None = None
    """The calendar in which working days and hours are counted; office hours with the country's holidays if left out."""

    test_before_publish: bool = False
    """Publish only what its own scenarios accept."""

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise wrong_option(
                f"没有时区“{name}”,请用 IANA 名称,如 Asia/Shanghai",
                f"unknown time zone {name!r}; use an IANA name such as Asia/Shanghai",
            ) from None
        return name
