"""What a file is, by its content. What a client declares is never believed; a name that promises something else is refused.

Own table of signatures (decision 0006): the answer has to be certain, and the same everywhere, for a closed list of types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

HEAD = 64 * 1024
UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX, PPTX = (
    _OFFICE + "wordprocessingml.document",
    _OFFICE + "spreadsheetml.sheet",
    _OFFICE + "presentationml.presentation",
)
OLE = "application/x-ole-storage"


class Sample(NamedTuple):
    """The beginning and the end of a file."""

    head: bytes
    tail: bytes


def _riff(sample: Sample) -> str:
    return {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}.get(sample.head[8:12], UNKNOWN)


def _iso_media(sample: Sample) -> str:
    brands = sample.head[8:64]
    if any(brand in brands[:24] for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")):
        return "image/avif" if b"avif" in brands[:24] else "image/heic"
    if b"avif" in brands[:24]:
        return "image/avif"
    if brands[:4] in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if brands[:4] == b"qt  ":
        return "video/quicktime"
    either = sample.head + sample.tail
    return "audio/mp4" if b"soun" in either and b"vide" not in either else "video/mp4"


def _matroska(sample: Sample) -> str:
    kind = "audio" if b"A_" in sample.head and b"V_" not in sample.head else "video"
    return f"{kind}/webm" if b"webm" in sample.head[:64] else f"{kind}/x-matroska"


def _ogg(sample: Sample) -> str:
    return "video/ogg" if b"\x80theora" in sample.head[:256] else "audio/ogg"


def _zip(sample: Sample) -> str:
    either = sample.head + sample.tail
    if b"[Content_Types].xml" in either:
        for folder, kind in ((b"word/", DOCX), (b"xl/", XLSX), (b"ppt/", PPTX)):
            if folder in either:
                return kind
    if sample.head[30:38] == b"mimetype":
        found = re.match(rb"application/(?:vnd\.oasis\.opendocument\.[a-z]+|epub\+zip)", sample.head[38:100])
        if found:
            return found[0].decode("ascii")
    return "application/zip"


_Kind = str | Callable[[Sample], str]
_SIGNATURES: tuple[tuple[int, bytes, _Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"RIFF", _riff),
    (4, b"ftyp", _iso_media),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", _zip),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", _ogg),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"\x1aE\xdf\xa3", _matroska),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
)
_MP3_FRAMES = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")
_MARKUP = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script|iframe|svg|\?xml|[a-z!/])", re.I | re.S
)
_TEXT_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

#: What a name with one of these endings may hold.
_BY_ENDING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("jpg", "jpeg", "jfif"), ("image/jpeg",)),
    **{name: (f"image/{name}",) for name in ("png", "gif", "webp", "bmp", "heic", "avif")},
    "heif": ("image/heic",),
    **dict.fromkeys(("tif", "tiff"), ("image/tiff",)),
    "svg": ("image/svg+xml",),
    "pdf": ("application/pdf",),
    "docx": (DOCX,),
    "xlsx": (XLSX,),
    "pptx": (PPTX,),
    **dict.fromkeys(("doc", "xls", "ppt"), (OLE,)),
    "mp3": ("audio/mpeg",),
    "wav": ("audio/wav",),
    "flac": ("audio/flac",),
    "amr": ("audio/amr",),
    "aac": ("audio/aac", "audio/mp4"),
    "m4a": ("audio/mp4", "video/mp4"),
    **dict.fromkeys(("ogg", "oga", "opus"), ("audio/ogg",)),
    "mp4": ("video/mp4", "audio/mp4"),
    "mov": ("video/quicktime", "video/mp4"),
    "webm": ("video/webm", "audio/webm"),
    "zip": ("application/zip",),
    **dict.fromkeys(("txt", "csv", "md", "log"), (TEXT, "text/csv", "application/json")),
}
_TEXT_ENDINGS = {"csv": "text/csv", "json": "application/json", "md": "text/markdown"}
_OLE_ENDINGS = {"doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint"}


def sniff(sample: Sample, name: str) -> str:
    """Return the media type of a content; the name only tells kinds apart that have the same signature (csv and txt, doc and xls)."""
    kind = _by_signature(sample)
    ending = ending_of(name)
    if kind == TEXT:
        return _TEXT_ENDINGS.get(ending, TEXT)
    return _OLE_ENDINGS.get(ending, OLE) if kind == OLE else kind


def _by_signature(sample: Sample) -> str:
    for place, signature, kind in _SIGNATURES:
        if sample.head[place : place + len(signature)] == signature:
            return kind if isinstance(kind, str) else kind(sample)
    if sample.head[:2] in _MP3_FRAMES:
        return "audio/mpeg"
    return _markup_or_text(sample.head)


def _markup_or_text(head: bytes) -> str:
    body = head.removeprefix(b"\xef\xbb\xbf")
    if _TEXT_CONTROLS.search(body) or not body:
        return UNKNOWN
    found = _MARKUP.match(body)
    if found is None:
        return TEXT
    lowered = body.lower()
    if b"<svg" in lowered:
        return "image/svg+xml"
    if found[1].lower() == b"?xml" and b"<html" not in lowered:
        return "application/xml"
    return "text/html"


def is_disguised(name: str, kind: str) -> bool:
    """Tell whether a name promises another kind of file than its content is."""
    ending = ending_of(name)
    allowed = _BY_ENDING.get(ending)
    return allowed is not None and kind not in allowed and kind != _OLE_ENDINGS.get(ending)


def ending_of(name: str) -> str:
    """Return what stands behind the last dot of a name, in lower case."""
    return name.rpartition(".")[2].lower() if "." in name else ""
