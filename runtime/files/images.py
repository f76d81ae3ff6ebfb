"""Pictures: their size, read before anything is decoded, and thumbnails. A picture that would fill the memory is refused by its header."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from builder.kernel.limits import IMAGE_PIXELS
from builder.kernel.problems import Problem
from builder.kernel.text import say

if TYPE_CHECKING:
    from PIL import Image

#: Media types that Pillow reads here, with its names for them. No other decoder is ever tried.
FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
}
_QUALITY = 80
THUMBNAIL_TYPE = "image/webp"


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def measure(path: Path, media_type: str) -> Size | None:
    """Return the size of a picture from its header; None for what is no picture that can be read here.

    Raises:
        Problem: ``file.damaged``, ``file.image_too_large``.
    """
    if media_type not in FORMATS:
        return None
    from PIL import Image

    try:
        with open_picture(path, media_type) as image:
            size = Size(*image.size)
            _refuse_bombs(size)
            image.verify()
    except Problem:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:  # noqa: BLE001 - decoders fail in every way there is
        raise damaged() from None
    return size


def thumbnail(content: bytes, media_type: str, side: int) -> bytes:
    """Return a picture of at most ``side`` pixels each way, upright, without metadata, as WebP.

    Raises:
        Problem: ``file.damaged``, ``file.image_too_large``.
    """
    from PIL import Image, ImageOps

    try:
        with open_picture(io.BytesIO(content), media_type) as image:
            _refuse_bombs(Size(*image.size))
            image.draft("RGB", (side, side))  # JPEG: decode no more than is needed
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((side, side))
            shown = upright if upright.mode in ("RGB", "RGBA") else upright.convert("RGBA")
            written = io.BytesIO()
            shown.save(written, "WEBP", quality=_QUALITY)
    except Problem:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:  # noqa: BLE001 - decoders fail in every way there is
        raise damaged() from None
    return written.getvalue()


def open_picture(source: Path | io.BytesIO, media_type: str) -> Image.Image:
    """Open a picture as what it was found to be; no other decoder is tried."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound here is lower and comes next
        return Image.open(source, formats=(FORMATS[media_type],))


def _refuse_bombs(size: Size) -> None:
    if size.width * size.height > IMAGE_PIXELS:
        raise _too_large(size)


def _too_large(size: Size | None = None) -> Problem:
    shown = f" ({size.width}x{size.height})" if size else ""
    detail = say(
        f"图片像素过多{shown},最多 {IMAGE_PIXELS} 像素",
        f"The picture has too many pixels{shown}; at most {IMAGE_PIXELS} in all",
    )
    return Problem("file.image_too_large", detail, extra={"maximum_pixels": IMAGE_PIXELS})


def damaged() -> Problem:
    """The content is not a whole file of its kind."""
    return Problem("file.damaged", say("文件已损坏,无法读取", "The file is damaged and cannot be read"))
