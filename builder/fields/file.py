"""``file``: any files. Source: DESIGN 5; the files themselves: runtime/files."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.files import FileSetField, file_samples
from builder.kernel.text import say


class FileField(FileSetField):
    """Ids of files of any kind."""

    title = say("文件", "File")
    samples: ClassVar[tuple[FieldSample, ...]] = file_samples(
        20, {"accept": ["application/pdf", "image/*"], "max_bytes": 1_000_000}
    )

    type: Literal["file"] = "file"
