"""Names of files as people gave them: shown, sent back, never part of a path."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from builder.kernel.limits import FILE_NAME_LENGTH

_EXTENDED = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
_QUOTED = re.compile(r'filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TOKEN = re.compile(r"filename\s*=\s*([^;\s\"]+)", re.IGNORECASE)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
FALLBACK = "file"


def clean_name(given: str) -> str:
    """Return a name fit to be shown: the last part of a path, without characters that are not seen, not too long, never empty."""
    last = re.split(r"[/\\]", given)[-1]
    seen = "".join(sign for sign in unicodedata.normalize("NFC", last) if unicodedata.category(sign) not in _UNSEEN)
    name = seen.strip(" .") and seen.strip()
    if len(name) > FILE_NAME_LENGTH:
        stem, dot, ending = name.rpartition(".")
        keep = f"{dot}{ending}" if dot and len(ending) < 12 else ""
        name = (stem if keep else name)[: FILE_NAME_LENGTH - len(keep)] + keep
    return name or FALLBACK


def name_of_disposition(header: str | None) -> str:
    """Return the name in a ``Content-Disposition`` header (RFC 6266), cleaned; browsers send raw UTF-8 in quotes too."""
    if not header:
        return FALLBACK
    found = _EXTENDED.search(header)
    if found:
        return clean_name(unquote_to_bytes(found[1]).decode("utf-8", "replace"))
    quoted = _QUOTED.search(header)
    token = quoted or _TOKEN.search(header)
    if token is None:
        return FALLBACK
    raw = re.sub(r"\\(.)", r"\1", token[1]) if quoted else token[1]
    try:
        return clean_name(raw.encode("latin-1").decode("utf-8"))  # headers arrive as latin-1
    except UnicodeError:
        return clean_name(raw)


def disposition(name: str) -> bytes:
    """Return the ``Content-Disposition`` of an attachment with this name."""
    plain = re.sub(r'[^ -~]|["\\%;]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode("ascii")
