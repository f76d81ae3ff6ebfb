"""Contents of files for tests, small and made here."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
WAV = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(20) + b"data" + bytes(4)


def png(width: int = 40, height: int = 30) -> bytes:
    """A whole PNG of one colour."""
    rows = b"".join(b"\x00" + b"\x20\x80\xc0" * width for _ in range(height))
    return _png(width, height, zlib.compress(rows))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises any size."""
    return _png(width, height, zlib.compress(bytes(100)))


def _png(width: int, height: int, content: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg(width: int, height: int) -> bytes:
    """A whole JPEG."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(written, "JPEG")
    return written.getvalue()


def stored_files(folder: Path) -> list[str]:
    """Names of everything in a files folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
