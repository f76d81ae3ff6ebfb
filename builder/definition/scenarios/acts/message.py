"""``message``: another system sends a message to a webhook."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from builder.definition.scenarios.base import Act, Name, Problem
from builder.fields.base import Key, Refers

RunState = Literal["done", "passed", "failed", "repeated"]


class Message(Act):
    """Send a message to an automation with a ``webhook`` trigger, signed with its secret."""

    type: Literal["message"] = "message"
    automation: Annotated[Key, Refers("automations")]
    body: Any
    """The message; a text ``@name`` means an id of the story."""
    id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """The message's own id; each is another if left out."""
    becomes: RunState = "done"
    """What comes of it: a run that is done, a message that is passed over, a failure, or nothing as it came before."""
    refused: Problem | None = None
    """The code with which it has to be refused."""
    name: Name | None = None
    """``@name`` means the record the automation ran for."""
