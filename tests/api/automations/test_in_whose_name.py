"""In whose name an automation acts: with the rights that person has, at once and after the commit; nobody's name is the system's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import shop
from tests.support.desk import publish_definition
from tests.support.office import Office, on, sets
from tests.support.service import bearer

JSON = Any
pytestmark = pytest.mark.anyio
CREATED = {"type": "created"}
OWNER = {"run_as": "owner", "owner": "customer.owner"}
SELLER = {
    "key": "seller",
    "label": "销售",
    "grants": [
        {
            "entity": "order",
            "rows": "customer.owner = CURRENTUSER()",
            "words": {"zh": "自己客户的", "en": "those of their customers"},
            "may": ["read", "create", "update"],
            "fixed": ["serial"],
            "transitions": [],
        },
        {"entity": "customer", "may": ["read"]},
    ],
}
FLOW = {
    "key": "flow",
    "label": "流程",
    "entity": "order",
    "field": "state",
    "stages": [{"key": "draft"}, {"key": "open"}, {"key": "done", "kind": "won"}],
    "transitions": [{"key": "begin", "label": "开始", "leaves": ["draft"], "enters": "open"}],
}
AFTER = {"type": "set_fields", "run": "after", "set": [{"field": "branch", "value": "后"}]}
REGION = {"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]}


def automate(office: Office, *automations: JSON) -> None:
    """Publish the shop with a role, a pipeline and these automations."""
    document = shop.definition()
    document["automations"] = [{"key": f"a{n}", "label": f"规则{n}", **a} for n, a in enumerate(automations)]
    publish_definition(office.registry, {**document, "roles": [SELLER], "pipelines": [FLOW]})


@pytest.fixture
async def seller(office: Office) -> str:
    """Somebody who is to get the role; the desk is an admin's."""
    office.service.add_user("chief", "admin")
    office.client.headers.update(bearer(office.service.session_of("chief")))
    return str(office.service.add_user("seller").id)


async def order_of(office: Office, owner: str | None) -> dict[str, JSON]:
    customer = await office.create("customer", name="甲", owner=owner)
    return await office.create("order", title="订单", customer=customer["id"])


async def ends(office: Office, count: int) -> list[tuple[str, str]]:
    """How the last run of each automation ended."""
    runs = [(await office.runs(f"a{n}"))[0] for n in range(count)]
    return [(run["state"], run["reason"]) for run in runs]


async def give_role(office: Office, user_id: str) -> None:
    body = {"role": "seller", "kind": "user", "subject": user_id}
    assert (await office.send("POST", "grants", body)).status_code == 201


async def test_an_owner_has_the_rights_and_roles_they_have_themselves(office: Office, seller: str) -> None:
    says = {"type": "set_fields", "set": [{"field": "note", "formula": 'IF(HASROLE("seller"), "有", "无")'}]}
    automate(
        office,
        on(CREATED, says, **OWNER),
        on(CREATED, sets(serial=1), **OWNER),
        on(CREATED, REGION, **OWNER),
        on(CREATED, {"type": "move_stage", "transition": "begin"}, **OWNER),
        on(CREATED, AFTER, **OWNER),
        on(CREATED, REGION),
    )
    await give_role(office, seller)
    order = await order_of(office, seller)
    await office.tick()
    order = await office.get("order", order["id"])
    assert (order["note"], order["serial"], order["state"], order["branch"]) == ("有", None, "draft", "后")
    assert [region["name"] for region in await office.every("region")] == ["订单"]  # the one that acts for the app
    found = await ends(office, 6)
    assert [state for state, _ in found] == ["done", "failed", "failed", "failed", "done", "done"]
    assert "不能填写或修改" in found[1][1]
    assert "不能新建" in found[2][1]
    assert "不能执行“开始”" in found[3][1]
    changes = [e["actor"] for e in await office.timeline("order", order["id"]) if e["kind"] == "updated"]
    assert changes == [seller, seller]


async def test_without_a_role_or_gone_nothing_is_done_and_nobody_is_the_system(office: Office, seller: str) -> None:
    automate(office, on(CREATED, sets(serial=1), **OWNER))
    assert (await order_of(office, seller))["serial"] is None
    assert (await ends(office, 1))[0] == ("failed", "seller 在此应用中没有角色")
    await give_role(office, seller)
    office.service.identity.users.update_user(seller, {"active": False})
    assert (await order_of(office, seller))["serial"] is None
    assert (await ends(office, 1))[0] == ("failed", "以其名义执行的人已离职或停用")
    assert (await order_of(office, None))["serial"] == 1


async def test_who_pressed_it_goes_on_after_the_commit(office: Office, seller: str) -> None:
    """What runs later is no way to more rights than one has."""
    button = {"type": "button", "label": "按"}
    automate(office, on(button, AFTER, run_as="actor"), on(button, {**REGION, "run": "after"}, run_as="actor"))
    await give_role(office, seller)
    order = await order_of(office, seller)
    async with office.service.client_of("seller") as pressing:
        for key in ("a0", "a1"):
            path = f"/api/shop/records/order/{order['id']}/actions/{key}"
            reply = await pressing.post(path, json={}, headers={"origin": "http://dougong.test"})
            assert reply.status_code == 200, reply.text
    await office.tick()
    (changed,) = [e for e in await office.timeline("order", order["id"]) if e["kind"] == "updated"]
    assert (changed["actor"], list(changed["changes"])) == (seller, ["branch"])
    assert [state for state, _ in await ends(office, 2)] == ["done", "failed"]
    assert await office.every("region") == []
