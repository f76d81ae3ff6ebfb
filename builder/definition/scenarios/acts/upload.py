"""``upload``: somebody takes a photo or a recording."""

from __future__ import annotations

from typing import Literal

from builder.definition.scenarios.base import Name, PersonalAct


class Upload(PersonalAct):
    """Upload a file; what is in it is made up, no two are alike."""

    type: Literal["upload"] = "upload"
    name: Name
    """``@name`` means its id from here on."""
    content: Literal["image", "audio", "pdf", "text"] = "image"
