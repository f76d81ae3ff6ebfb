// The link's secret stands behind the #, so it never reaches a server's log.
const form = document.getElementById("form");
const outcome = document.getElementById("outcome");

fetch("/api/auth/ways").then(async (reply) => {
  const { least_length: least, kinds } = (await reply.json()).data.password;
  const more = kinds > 1 ? `,${kinds} 类字符 · ${kinds} kinds of characters` : "";
  document.getElementById("rules").textContent = `(≥ ${least} 个字符 · characters${more})`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(form);
  const body = { link: location.hash.slice(1), password: values.get("password") };
  if (values.get("username")) body.username = values.get("username");
  const reply = await fetch("/api/auth/setup", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await reply.json();
  if (reply.ok) {
    outcome.textContent = `已登录:${answer.data.user.username}。 You are logged in.`;
    form.querySelector("button").disabled = true;
    history.replaceState(null, "", location.pathname);
    return;
  }
  outcome.textContent = [answer.detail, ...(answer.errors ?? []).map((error) => error.detail)].join("\n");
});
