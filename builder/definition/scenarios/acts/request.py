"""``request``: somebody does whatever has a route."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from builder.definition.scenarios.base import Name, PersonalAct


class Request(PersonalAct):
    """Send a request below ``/api/{app}``. Its ``label`` is what the report says of it, behind the name of who does it."""

    type: Literal["request"] = "request"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_@./?&=%-]{1,500}$")]
    """``records/lead/@lead1/transitions/visit``; a leading slash means from the root: ``/api/inbox``."""
    body: Any = None
    name: Name | None = None
    """``@name`` means the id in the answer from here on."""
    status: int | None = None
    """The status of the answer; any that means success if left out."""
