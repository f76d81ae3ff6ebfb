"""``approvals/*.json``: who has to agree to what, in which order. See docs/decisions/0019."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.definition.actions import Actions
from builder.definition.actions.base import Who
from builder.definition.guards.base import Condition
from builder.fields.base import BothLanguages, Key, Label, Model, Option, Refers, wrong_option
from builder.kernel.limits import APPROVAL_STEPS, APPROVERS_PER_STEP

OwnField = Annotated[Key, Refers("field", of="/entity")]
StepMode = Literal["any", "all", "in_order", "vote"]


Approvers = Annotated[tuple[Who, ...], Option(max_length=APPROVERS_PER_STEP)]


class ApprovalStep(Model):
    """One step: who is asked, and how many of them have to agree."""

    key: Key
    label: Label
    when: Condition | None = None
    """The step is left out for records that do not meet this when the approval begins: tiers of amounts."""
    mode: StepMode = "all"
    """``any``: the first answer decides; ``all``: everybody agrees; ``in_order``: everybody, one after the other; ``vote``: a share of them."""
    share_percent: Annotated[int, Option(ge=1, le=100)] = 51
    """With ``vote``: how many in a hundred have to agree."""
    approvers: Annotated[Approvers, Option(min_length=1)]
    limit_hours: Annotated[int, Option(ge=1, le=8_760)] | None = None
    """How long an answer may take."""
    escalate_to: Approvers = ()
    """Who is asked besides when time is up; the managers of those who have not answered if left out."""


class Approval(Model):
    """An approval of an entity's records."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    entity: Annotated[Key, Refers("entity")]
    roles: Annotated[tuple[Key, ...], Option(max_length=50)] = ()
    """Who may ask for it; everybody who may change the record if left out."""
    when: Condition | None = None
    """Only records that meet this can be submitted."""
    steps: Annotated[tuple[ApprovalStep, ...], Option(min_length=1, max_length=APPROVAL_STEPS)]
    """In order; each begins when the one before it was passed."""
    covers: Annotated[tuple[OwnField, ...], Option(max_length=100)] = ()
    """What is approved: fields that are locked while it runs, and whose later change makes the approval void. Left out: all fields are
    locked while it runs, and nothing makes it void afterwards."""
    allow_self: bool = False
    """Who asks may also approve."""
    allow_delegate: bool = True
    allow_add_signer: bool = True
    allow_withdraw: bool = True
    on_approved: Actions = ()
    """What follows, in the transaction of the last answer: as a rule ``move_stage``."""
    on_rejected: Actions = ()
    on_returned: Actions = ()
    on_withdrawn: Actions = ()

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        _refuse_twice(step.key for step in self.steps)
        return self


def _refuse_twice(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise wrong_option(f"步骤“{key}”重复", f'The step "{key}" occurs twice')
        seen.add(key)
