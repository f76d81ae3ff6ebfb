"""``answer``: somebody answers an approval."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from builder.definition.scenarios.base import Name, PersonalAct
from builder.fields.base import ShortText, wrong_option

HandsOn = frozenset({"delegate", "add_signer"})


class Answer(PersonalAct):
    """Answer the approval that runs for a record, or hand it on."""

    type: Literal["answer"] = "answer"
    record: Name
    answer: Literal["approve", "reject", "return", "delegate", "add_signer", "withdraw", "comment"]
    to: Name | None = None
    """With ``delegate`` and ``add_signer``: a user of the scenario."""
    comment: ShortText | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if (self.answer in HandsOn) != (self.to is not None):
            raise wrong_option(
                "delegate、add_signer 要给出 to,其他不要", "Give to with delegate and add_signer, and only then"
            )
        return self
