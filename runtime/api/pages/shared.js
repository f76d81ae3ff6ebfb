// The link's secret stands behind the #, so it never reaches a server's log. Values go in as text, never as HTML.
const part = (id) => document.getElementById(id);
const asked = { link: location.hash.slice(1) };

function valueAt(record, path) {
  const value = path.split(".").reduce((held, key) => held?.[key], record);
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function row(cells, tag) {
  const line = document.createElement("tr");
  for (const text of cells) line.append(Object.assign(document.createElement(tag), { textContent: text }));
  return line;
}

function show(answer) {
  const { fields, label } = answer.share;
  part("title").textContent = label;
  if (!Array.isArray(answer.data)) {
    part("table").replaceChildren(...fields.map((field) => row([field.label, valueAt(answer.data, field.path)], "td")));
    return;
  }
  if (!part("table").rows.length) part("table").append(row(fields.map((field) => field.label), "th"));
  part("table").append(...answer.data.map((record) => row(fields.map((field) => valueAt(record, field.path)), "td")));
  asked.cursor = answer.meta.next_cursor;
  part("more").hidden = !asked.cursor;
}

async function open() {
  const reply = await fetch("/api/shared/open", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(asked),
  });
  const answer = await reply.json();
  part("ask").hidden = reply.ok || answer.code !== "share.password";
  part("outcome").textContent = reply.ok ? "" : answer.detail;
  if (reply.ok) show(answer);
}

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  asked.password = new FormData(event.target).get("password");
  open();
});
part("more").addEventListener("click", open);
open();
