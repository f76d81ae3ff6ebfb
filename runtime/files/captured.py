"""What a picture says of itself: when and where it was taken (EXIF 2.32). Said by the phone, so it can be left out; it is hard to get wrong by accident."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runtime.files.images import FORMATS, open_picture

_MOMENT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)


class Captured(NamedTuple):
    """When (ISO 8601, with an offset if the picture has one) and where (degrees of WGS-84) a picture was taken."""

    at: str | None = None
    lat: str | None = None
    lng: str | None = None


def captured(path: Path, media_type: str) -> Captured:
    """Read what a picture says; nothing if it says nothing, or nothing that can be read."""
    if media_type not in FORMATS:
        return Captured()
    from PIL.ExifTags import IFD

    try:
        with open_picture(path, media_type) as image:
            exif = image.getexif()
            taken = exif.get_ifd(IFD.Exif)
            position = exif.get_ifd(IFD.GPSInfo)
        return Captured(_moment(taken), *_position(position))
    except Exception:  # noqa: BLE001 - the picture itself is fine, it was measured; readers of EXIF fail in every way there is
        return Captured()


def _moment(taken: Mapping[int, Any]) -> str | None:
    from PIL.ExifTags import Base

    found = _MOMENT.fullmatch(str(taken.get(Base.DateTimeOriginal, "")).strip("\x00 "))
    if found is None:
        return None
    offset = str(taken.get(Base.OffsetTimeOriginal, "")).strip("\x00 ")
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}{offset if _OFFSET.fullmatch(offset) else ''}"


def _position(position: Mapping[int, Any]) -> tuple[str | None, str | None]:
    from PIL.ExifTags import GPS

    lat = _degrees(position.get(GPS.GPSLatitude), position.get(GPS.GPSLatitudeRef), 90)
    lng = _degrees(position.get(GPS.GPSLongitude), position.get(GPS.GPSLongitudeRef), 180)
    return (lat, lng) if lat is not None and lng is not None else (None, None)


def _degrees(parts: Any, side: Any, most: int) -> str | None:
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    return f"{-value if side in ('S', 'W') else value:.6f}"
