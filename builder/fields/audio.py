"""``audio``: sound recordings. Source: DESIGN 5; the files themselves: runtime/files."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.files import FileSetField, file_samples
from builder.kernel.text import say


class AudioField(FileSetField):
    """Ids of sound recordings."""

    title = say("录音", "Audio")
    takes: ClassVar[tuple[str, ...]] = ("audio/*",)
    samples: ClassVar[tuple[FieldSample, ...]] = file_samples(20, {"accept": ["audio/mp4"]})

    type: Literal["audio"] = "audio"
