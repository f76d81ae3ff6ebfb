"""``evidence``: files of a kind, enough of them, taken where and when it counts."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.guards.base import GuardModel, OwnField, OwnPath
from builder.fields.base import Option

EvidenceKind = Literal["image", "audio", "video", "pdf", "any"]


class EvidenceGuard(GuardModel):
    """A file field holds enough files of a kind. Several kinds are several guards."""

    type: Literal["evidence"] = "evidence"
    field: OwnField
    kind: EvidenceKind = "any"
    minimum: Annotated[int, Option(ge=1, le=100)] = 1
    captured_within_hours: Annotated[int, Option(ge=1, le=8_760)] | None = None
    """Only pictures that say themselves when they were taken count, and only if that is no longer ago."""
    near: OwnPath | None = None
    """A position: only pictures that say themselves where they were taken count, and only if that is near it."""
    metres: Annotated[int, Option(ge=1, le=100_000)] = 200
    """How near."""
