"""Fields that hold files: what file, image, audio and signature share. Values are ids; the files are ``runtime/files``' business."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import StringConstraints

from builder.fields.base import JSON, FieldSample, Invalid, Option, wrong_type
from builder.fields.parts.ids import coerce_ids
from builder.fields.parts.sets import SetField
from builder.kernel.limits import FILE_BYTES
from builder.kernel.text import say
from formulas.types import FILE, Type, set_of

MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/(\*|[a-z0-9.+-]{1,80})$")]


class StoredFile(NamedTuple):
    """What a field asks of a file that is there."""

    media_type: str
    bytes: int


class FileSetField(SetField):
    """Ids of files, each once, in the order given; the write path sees to it that they exist and fit. ``expand`` shows them as objects."""

    lists: ClassVar[str | None] = "file"

    max_bytes: Annotated[int, Option(ge=1, le=FILE_BYTES)] = FILE_BYTES
    """The largest file."""
    accept: Annotated[tuple[MediaType, ...], Option(max_length=40)] = ()
    """Media types that are taken, such as ``application/pdf`` or ``image/*``; empty: every type the field takes at all."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Media types the field takes at all; empty: any."""

    def refuses(self, file: StoredFile) -> Invalid | None:
        """Return why the field does not take a file, or None."""
        for accepted in (self.takes, self.accept):
            if accepted and not any(_fits(file.media_type, wanted) for wanted in accepted):
                listed = ", ".join(accepted)
                message = say(
                    f"不接受 {file.media_type} 类型的文件,应是 {listed}",
                    f"Files of the type {file.media_type} are not taken here; expected {listed}",
                )
                return Invalid("media_type", message, media_type=file.media_type)
        if file.bytes > self.max_bytes:
            message = say(f"文件最大 {self.max_bytes} 字节", f"A file has at most {self.max_bytes} bytes")
            return Invalid("bytes", message, maximum=self.max_bytes)
        return None

    def coerce(self, value: JSON) -> tuple[str, ...] | None:
        """Take a list of ids, or of objects with an ``id``."""
        if not isinstance(value, list | tuple):
            raise wrong_type(say("文件编号的列表", "a list of file ids"))
        return self.check_count(coerce_ids(value))

    def formula_type(self) -> Type:
        """A set of files."""
        return set_of(FILE)

    def value_schema(self) -> dict[str, Any]:
        """A list of UUIDs."""
        return self.array_schema({"type": "string", "format": "uuid"})

    def from_text(self, text: str) -> JSON:
        """Read ids between ``;`` or ``,``."""
        return [part.strip() for part in re.split("[;；,，]", text)]

    def to_text(self, value: Any) -> str:
        """Ids with ``;`` between them."""
        return ";".join(value)


def _fits(media_type: str, wanted: str) -> bool:
    return media_type == wanted or (wanted.endswith("/*") and media_type.startswith(wanted[:-1]))


_ONE = "0193f7a0-1b2c-7d3e-8f40-112233445566"
_TWO = "0193f7a0-1b2c-7d3e-8f40-112233445577"


def file_samples(most: int, options: dict[str, JSON]) -> tuple[FieldSample, ...]:
    """Return the samples of a field type that holds at most so many files without options."""
    many = [f"0193f7a0-1b2c-7d3e-8f40-{number:012d}" for number in range(most + 1)]
    taken: tuple[tuple[JSON, JSON], ...] = (([_ONE.upper(), {"id": _ONE}], [_ONE]), ([], []))
    refused: tuple[tuple[JSON, str], ...] = (
        (many, "max_count"),
        (_ONE, "type"),
        (["photo.jpg"], "type"),
        (["../../etc/passwd"], "type"),
        ([None], "type"),
        ([{"name": "x"}], "type"),
        ({"id": _ONE}, "type"),
        (True, "type"),
    )
    return FieldSample({}, taken, refused), FieldSample({**options, "max_count": 2}, (([_TWO, _ONE], [_TWO, _ONE]),))
