"""Why somebody may or may not, in words; the matrix of a role; looking through another's eyes."""

from __future__ import annotations

import pytest

from runtime.identity.audit import Search
from tests.support.service import problem
from tests.support.trading import Trading

pytestmark = pytest.mark.anyio


async def test_an_admin_learns_which_role_and_rule_let_or_hinder(trading: Trading) -> None:
    root = trading["root"]

    async def explained(record: str, person: str, entity: str = "customer") -> dict[str, object]:
        path = f"records/{entity}/{trading.ids[record]}/explain"
        reply = await root.send("GET", path, params={"actor": trading.users[person]})
        assert reply.status_code == 200, reply.text
        return dict(reply.json()["data"])

    own = await explained("alpha", "wang")
    assert own["roles"] == [{"key": "seller", "label": {"zh": "销售", "en": "Seller"}}]
    assert own["deeds"]["update"]["allowed"] is True  # type: ignore[index]
    assert own["deeds"]["read"]["because"][0] == {  # type: ignore[index]
        "zh": "角色“销售”可以查看“客户”:自己负责的客户",
        "en": 'The role "Seller" lets read Customer: their own customers',
    }
    assert own["fields"]["secret"]["read"] == "hidden"  # type: ignore[index]
    part = await explained("beta", "wang")
    assert part["deeds"]["update"]["allowed"] is False  # type: ignore[index]
    assert part["fields"]["phone"] == {"read": "part", "by": ["seller"], "write": []}  # type: ignore[index]
    none = await explained("gamma", "wang")
    assert none["deeds"]["read"]["allowed"] is False  # type: ignore[index]
    assert "不符合" in none["deeds"]["read"]["because"][0]["zh"]  # type: ignore[index]
    rule = await explained("alpha won", "wang", "order")
    assert "customer.owner 等于" not in str(rule)
    assert "本人" in rule["deeds"]["read"]["because"][0]["zh"]  # type: ignore[index]


async def test_the_matrix_says_what_a_role_may_do(trading: Trading) -> None:
    roles = {role["key"]: role for role in (await trading["root"].send("GET", "roles")).json()["data"]}
    grant = roles["seller"]["grants"][0]
    assert grant["may"] == ["read", "create", "update"]
    assert grant["rows"] == "自己负责的客户"
    assert "secret" in grant["hidden"]
    assert "limit" not in grant["writable"]
    assert roles["seller"]["grants"][1]["masked"] == ["phone"]


async def test_view_as_shows_what_they_see_and_is_kept(trading: Trading) -> None:
    root, audit = trading["root"], trading.service.identity.audit
    eyes = {"dougong-view-as": trading.users["wang"]}
    seen = await root.send("GET", "records/customer", headers=eyes)
    assert seen.json() == (await trading["wang"].send("GET", "records/customer")).json()
    written = await root.send("PATCH", f"records/customer/{trading.ids['alpha']}", {"name": "x"}, headers=eyes)
    problem(written, "access.denied")
    asked = await root.send("POST", "records/customer/query", {"limit": 1}, headers=eyes)
    assert asked.status_code == 200
    events = audit.list_events(Search(kind="view_as"))
    assert [event.subject for event in events] == [trading.users["wang"]] * 2
    assert audit.verify().broken_at is None
