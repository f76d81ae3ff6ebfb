"""``upload``: see ``builder/definition/scenarios/acts/upload.py``."""

from __future__ import annotations

import io

from builder.definition.scenarios.acts.upload import Upload
from builder.kernel.text import Text, say
from runtime.scenarios.base import judge_answer, refusal_words
from runtime.scenarios.world import World

_NAMES = {
    "image": ("png", say("一张照片", "a photo")),
    "audio": ("wav", say("一段录音", "a recording")),
    "pdf": ("pdf", say("一份 PDF", "a PDF")),
    "text": ("txt", say("一份文本", "a text")),
}


class UploadKind:
    """Uploads a file that is made up."""

    model = Upload

    def words(self, world: World, act: Upload) -> Text:
        """Say what happens."""
        what, who, end = _NAMES[act.content][1], world.person(act.by), refusal_words(act)
        return say(f"{who} 上传{what.zh} {act.name}{end.zh}", f"{who} uploads {what.en} {act.name}{end.en}")

    async def run(self, world: World, act: Upload) -> Text | None:
        """Do it."""
        name = f"{act.name}.{_NAMES[act.content][0]}"
        headers = (
            (b"content-type", b"application/octet-stream"),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        )
        content = make_content(act.content, len(world.ids))
        answer = await world.ask(act.by, "POST", world.path("files"), content=content, headers=headers)
        if answer.status < 400:
            world.name(act.name, str(answer.body["data"]["id"]))
        return judge_answer(act, answer)


def make_content(kind: str, number: int) -> bytes:
    """Return a small file of a kind; other numbers give other contents."""
    if kind == "image":
        from PIL import Image

        drawn = io.BytesIO()
        Image.new("RGB", (64, 64), (number % 256, number // 256 % 256, 128)).save(drawn, "PNG")
        return drawn.getvalue()
    if kind == "audio":
        sound = bytes(number % 256 for _ in range(800))
        size = len(sound).to_bytes(4, "little")
        head = b"fmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
        return b"RIFF" + (36 + len(sound)).to_bytes(4, "little") + b"WAVE" + head + b"data" + size + sound
    if kind == "pdf":
        return (
            b"%PDF-1.4\n% "
            + str(number).encode()
            + b"\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
        )
    return f"No. {number}\n".encode()
