"""The API guide holds: every command in it is run against the app it defines, and answers look as it shows; both languages show the same."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from builder.kernel.canonical import parse_json
from tests.support.desk import Desk, publish_definition
from tests.support.service import ORIGIN, Service, bearer
from tests.support.tree import ROOT

pytestmark = pytest.mark.anyio

JSON = Any
GUIDES = [ROOT / "docs" / f"api.{language}.md" for language in ("en", "zh")]
_BLOCK = re.compile(r"^```(\w+) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    kind: str
    note: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*match) for match in _BLOCK.findall(text)]


EN, ZH = (blocks(path.read_text(encoding="utf-8")) if path.exists() else [] for path in GUIDES)


def test_both_languages_show_the_same():
    assert [block for block in EN if block.kind in ("sh", "json")] == [b for b in ZH if b.kind in ("sh", "json")]
    headings = [re.findall(r"^#+ ", path.read_text(encoding="utf-8"), re.MULTILINE) for path in GUIDES]
    assert headings[0] == headings[1]


class Shell:
    """Enough of a shell and of curl to run the guide."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client = client
        self.values = {
            "HOST": ORIGIN,
            "API": f"{ORIGIN}/api/crm",
            "AUTH": f"Authorization: {bearer(token)['authorization']}",
        }

    async def run(self, command: str) -> httpx.Response:
        words = shlex.split(self._filled(command.replace("\\\n", " ")))
        assert words.pop(0) == "curl"
        method, url, body, in_address = "", "", None, False
        headers: dict[str, str] = {}
        pairs: list[tuple[str, str | int | float | bool | None]] = []
        while words:
            match words.pop(0):
                case "-X":
                    method = words.pop(0)
                case "-G":
                    in_address = True
                case "-H":
                    name, _, value = words.pop(0).partition(":")
                    headers[name] = value.strip()
                case "-d" | "--data-urlencode":
                    name, _, value = words.pop(0).partition("=")
                    pairs.append((name, value))
                case "--data-binary":
                    body = words.pop(0)
                case "--json":
                    body = words.pop(0)
                    headers["content-type"] = "application/json"
                case word:
                    assert not word.startswith("-"), word
                    url = word
        method = method or ("GET" if body is None else "POST")
        assert in_address or not pairs
        reply = await self.client.request(method, url, params=pairs or None, headers=headers, content=body)
        self._remember(reply)
        return reply

    def _filled(self, command: str) -> str:
        """Put values in as the shell does: not inside single quotes."""
        parts = re.split(r"('[^']*')", command)
        return "".join(part if part.startswith("'") else self._expanded(part) for part in parts)

    def _expanded(self, text: str) -> str:
        return re.sub(r"\$([A-Z]+)", lambda match: self.values[match[1]].replace('"', '\\"'), text)

    def _remember(self, reply: httpx.Response) -> None:
        """What a reader would copy from an answer."""
        answer = reply.json()
        shown = answer.get("data")
        first = shown[0] if isinstance(shown, list) and shown else shown
        if isinstance(first, dict) and "id" in first:
            self.values["ID"] = first["id"]
        if isinstance(first, dict) and "record_id" in first:
            self.values["RECORD"] = first["record_id"]
        if "etag" in reply.headers:
            self.values["ETAG"] = reply.headers["etag"]
        for name, key in (("CURSOR", "next_cursor"), ("AFTER", "after")):
            if answer.get("meta", {}).get(key):
                self.values[name] = answer["meta"][key]


def differences(shown: JSON, got: JSON, place: str = "") -> Iterator[str]:
    """Where an answer is not as the guide shows: members may be left out of the guide, values that vary only share a type."""
    if isinstance(shown, dict):
        if not isinstance(got, dict):
            yield f"{place}: {got!r} is no object"
            return
        for key, value in shown.items():
            if key in got:
                yield from differences(value, got[key], f"{place}/{key}")
            else:
                yield f"{place}/{key}: missing"
    elif isinstance(shown, list):
        if not isinstance(got, list) or len(got) < len(shown):
            yield f"{place}: {got!r} has less than {len(shown)} items"
            return
        for number, value in enumerate(shown):
            yield from differences(value, got[number], f"{place}/{number}")
    elif _varies(shown):
        if type(got) is not type(shown):
            yield f"{place}: {got!r} instead of something like {shown!r}"
    elif shown != got:
        yield f"{place}: {got!r} instead of {shown!r}"


def _varies(value: JSON) -> bool:
    """Ids, instants, positions and what is shortened."""
    if not isinstance(value, str):
        return False
    return "…" in value or re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z|\d+-\d+", value) is not None


async def test_every_example_works_as_it_stands(service: Service):
    app = next(block for block in EN if block.note == "app")
    publish_definition(service.app.services.registry, json.loads(app.text))
    service.add_user("guide")
    async with service.client() as client:
        shell = Shell(client, service.token_of("guide", "records:read", "records:write"))
        shown = [block for block in EN if block.kind == "sh" or (block.kind == "json" and block.note.isdigit())]
        assert len(shown) >= 88
        for command, answer in zip(shown[::2], shown[1::2], strict=True):
            assert (command.kind, answer.kind) == ("sh", "json"), command.text
            if "/events" in command.text:
                await Desk(service, client, "crm").settle()
            reply = await shell.run(command.text)
            assert reply.status_code == int(answer.note), (command.text, reply.text)
            assert list(differences(parse_json(answer.text), parse_json(reply.content))) == [], (
                command.text,
                reply.text,
            )
