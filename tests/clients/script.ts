// Uses the written client and the types of openapi-typescript against a running server; run by tests/process/test_clients.py.
import assert from "node:assert/strict";
import { Client, ProblemError, type Customer, type DealFilter } from "./client.js";
import type { components, paths } from "./openapi.js";

const [origin = "", token = ""] = process.argv.slice(2);
const crm = new Client({ origin, token, language: "en" });

const made: Customer = await crm.customer.create({ name: "Acme", level: "A", phone: null });
assert.equal(made.revision, 1);
const level: "A" | "B" | null = made.level;
assert.equal(level, "A");
for (const amount of [10.5, 20, 30]) await crm.deal.create({ title: `Deal ${amount}`, customer: made.id, amount });

const filter: DealFilter = { "customer.level": "A", amount: { _gte: 20 }, _not: { stage: { _in: ["won"] } }, _formula: "ROUND(amount * 1.13, 1) > 5" };
const page = await crm.deal.list({ filter, sort: ["-amount"], limit: 1, count: "exact" });
assert.equal(page.meta.count, 2);
assert.equal(page.data[0]?.amount, 30);
const titles: string[] = [];
for await (const deal of crm.deal.all({ filter, sort: ["-amount"], limit: 1 })) titles.push(deal.title ?? "");
assert.deepEqual(titles, ["Deal 30", "Deal 20"]);

const board = await crm.deal.aggregate({ group_by: ["stage"], measures: { n: { count: "*" } }, labels: true });
assert.deepEqual(board.data, [{ stage: "new", n: 3 }]);
assert.equal(board.meta.labels?.["stage"]?.["new"], "New");

const changed = await crm.customer.update(made.id, { level: "B" }, made.revision);
assert.equal(changed.revision, 2);
await assert.rejects(crm.customer.update(made.id, { level: "A" }, 1), (error: unknown) => {
  assert.ok(error instanceof ProblemError);
  assert.equal(error.problem.code, "record.changed");
  return true;
});
const events = await crm.events(null, 5);
assert.ok(events.data.some((event) => event.kind === "updated" && event.record_id === made.id));
await crm.customer.delete((await crm.customer.create({ name: "Gone" })).id);

// the same by the types that openapi-typescript makes of the document
type Deal = components["schemas"]["Deal"];
type NewDeal = components["schemas"]["DealCreate"];
type List = paths["/api/crm/records/deal"]["get"]["responses"]["200"]["content"]["application/json"];
type Refused = paths["/api/crm/records/deal"]["post"]["responses"]["422"]["content"]["application/problem+json"];
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const body: NewDeal = { title: "Typed", stage: "offer", due_on: "2026-12-01" };
const address = `${origin}/api/crm/records/deal`;
const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
const deal = ((await answer.json()) as { data: Deal }).data;
assert.equal(deal.stage, "offer");
const list = (await (await fetch(`${address}?filter=${encodeURIComponent('stage = "offer"')}`, { headers })).json()) as List;
assert.deepEqual(list.data.map((each) => each.id), [deal.id]);
const refused = (await (await fetch(address, { method: "POST", headers, body: "{}" })).json()) as Refused;
assert.equal(refused.code, "record.invalid" satisfies Refused["code"]);
assert.equal(refused.errors?.[0]?.pointer, "/title");

// what the types must not let pass; never called
export async function wrong(): Promise<void> {
  // @ts-expect-error no such option
  await crm.customer.create({ name: "x", level: "Z" });
  // @ts-expect-error a name is required
  await crm.customer.create({ level: "A" });
  // @ts-expect-error no such field
  await crm.deal.list({ filter: { titel: "x" } });
  // @ts-expect-error a number
  await crm.deal.list({ filter: { amount: { _gte: true } } });
  // @ts-expect-error a formula is a text
  await crm.deal.list({ filter: { _formula: 5 } });
  // @ts-expect-error no such entity
  crm.customers;
}

console.log("all is well");
