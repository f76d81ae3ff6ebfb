"""``signature``: a signature drawn by hand. Source: DESIGN 5; the files themselves: runtime/files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from builder.fields.base import FieldSample, Option
from builder.fields.parts.files import FileSetField, file_samples
from builder.kernel.text import say


class SignatureField(FileSetField):
    """The id of a picture of a signature."""

    title = say("签名", "Signature")
    takes: ClassVar[tuple[str, ...]] = ("image/png",)
    samples: ClassVar[tuple[FieldSample, ...]] = file_samples(1, {})

    type: Literal["signature"] = "signature"
    max_count: Annotated[int, Option(ge=1, le=5)] = 1
    """The greatest number of signatures."""
