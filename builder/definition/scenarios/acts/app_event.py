"""``app_event``: something happens in another app."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from builder.definition.scenarios.base import Act, FieldKey, Name
from builder.fields.base import Key, Option, Refers


class AppEvent(Act):
    """An event of the app that an automation with an ``app_event`` trigger follows. A scenario has one app, so it says what the other would."""

    type: Literal["app_event"] = "app_event"
    automation: Annotated[Key, Refers("automations")]
    kind: Literal["created", "updated", "deleted"] = "created"
    values: dict[FieldKey, Any] = Option(default_factory=dict)
    """The record of the other app as it is then."""
    changes: dict[FieldKey, tuple[Any, Any]] = Option(default_factory=dict)
    """Field -> value before and after."""
    becomes: Literal["done", "passed", "failed"] = "done"
    name: Name | None = None
    """``@name`` means the record the automation ran for."""
