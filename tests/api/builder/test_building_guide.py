"""The guide for those who build apps through the API holds: every command in it is run, and answers look as it shows, in both languages."""

from __future__ import annotations

import httpx
import pytest

from builder.kernel.canonical import parse_json
from tests.api.test_guide import Shell, blocks, differences
from tests.support.service import Service
from tests.support.tree import ROOT

pytestmark = pytest.mark.anyio

EN, ZH = (
    blocks((ROOT / "docs" / "guide" / f"building.{language}.md").read_text(encoding="utf-8"))
    for language in ("en", "zh")
)


class BuildersShell(Shell):
    """Also remembers the plan that was read."""

    def _remember(self, reply: httpx.Response) -> None:
        super()._remember(reply)
        shown = reply.json().get("data")
        if isinstance(shown, dict) and "hash" in shown:
            self.values |= {"HASH": shown["hash"], "VERSION": str(shown["base_version"])}


def test_both_languages_show_the_same():
    assert EN == ZH
    assert len([block for block in EN if block.kind == "sh"]) == 13


async def test_every_command_of_the_guide_is_answered_as_it_says(service: Service):
    token = service.token_of("admin", "builder", "records:read", "records:write")
    async with service.client() as client:
        shell = BuildersShell(client, token)
        shell.values["BUILD"] = f"{shell.values['HOST']}/builder/v1/apps/service"
        commands = [block for block in EN if block.kind in ("sh", "json")]
        for command, shown in zip(commands[::2], commands[1::2], strict=True):
            reply = await shell.run(command.text)
            assert reply.status_code == int(shown.note), (command.text, reply.text)
            found = list(differences(parse_json(shown.text), parse_json(reply.content)))
            assert found == [], (command.text, reply.text)
