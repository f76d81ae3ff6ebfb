"""``image``: pictures. Source: DESIGN 5; the files themselves: runtime/files."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.files import FileSetField, file_samples
from builder.kernel.text import say


class ImageField(FileSetField):
    """Ids of pictures; thumbnails of them can be asked for."""

    title = say("图片", "Image")
    # never SVG, which is a program
    takes: ClassVar[tuple[str, ...]] = tuple(
        f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "heic", "avif", "bmp")
    )
    samples: ClassVar[tuple[FieldSample, ...]] = file_samples(20, {"max_bytes": 1_000_000})

    type: Literal["image"] = "image"
