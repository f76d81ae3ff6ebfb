"""``call_connector``: ask another system and keep what it answers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from builder.definition.actions.base import ActionModel, Members, Pointer
from builder.fields.base import Key, Model, Option, Refers, Template
from builder.kernel.limits import SETTINGS_PER_ACTION


class AnswerField(Model):
    """A field of the record that takes a part of the answer."""

    field: Annotated[Key, Refers("field", of="/entity")]
    at: Pointer
    """JSON pointer into the answer's body."""


class CallConnector(ActionModel):
    """Send an HTTP request through a connection, and write parts of the answer into the record."""

    effect: ClassVar[Literal["inside", "after"]] = "after"

    type: Literal["call_connector"] = "call_connector"
    connection: Key
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, StringConstraints(max_length=1_000), Template(of="/entity")] = ""
    """Behind the connection's address; formulas in double braces are percent-encoded."""
    query: Members = ()
    body: Members = ()
    answer: Annotated[tuple[AnswerField, ...], Option(max_length=SETTINGS_PER_ACTION)] = ()
    if_connected: bool = False
    """Passed over while there is no such connection (the run says so); it fails without this."""
