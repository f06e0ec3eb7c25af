const $ = id => document.getElementById(id);

function complain(error) {
  const wrong = error.code === "invalid_grant";
  $("error").textContent = wrong ? "That is not the user’s password." : error.message;
  $("error").hidden = false;
}

// Carries out what a button stands for, and tells what went wrong.
const does = action => async event => {
  event?.preventDefault();
  $("error").hidden = true;
  try { await action(); } catch (error) { complain(error); }
};

async function main() {
  const { open } = await import(document.body.dataset.module);
  const auth = await open({ clientId: "demo" });
  let ends, life, renewed = 0;

  const call = does(async () => {
    const me = await auth.fetch("/api/me");
    $("me").textContent = JSON.stringify(await me.json(), null, 2);
  });

  function show(status) {
    $("status").textContent = { in: "signed in", out: "signed out", offline: "offline" }[status];
    $("status").dataset.status = status;
    $("why").textContent = status === "offline" ? auth.reason : "";
    $("in").hidden = status === "out";
    $("out").hidden = status !== "out";
    if (status === "out") { ends = undefined; renewed = 0; }
    if (status === "in") call();
    tick();
  }

  function tick() {
    if (auth.status === "out" || !auth.expires) return;
    if (auth.expires !== ends) {
      renewed += ends ? 1 : 0;
      ends = auth.expires;
      life = ends - Date.now();
    }
    const left = Math.max(0, ends - Date.now());
    const seconds = Math.ceil(left / 1000);
    $("left").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
    $("life").value = left / life;
    $("renewed").textContent = renewed;
    if (left < 60_000 && seconds % 5 === 0) call();
  }

  $("out").onsubmit = does(() => auth.login({ username: $("username").value, password: $("password").value }));
  $("redirect").onclick = does(() => auth.login());
  $("call").onclick = call;
  $("logout").onclick = does(() => auth.logout());
  auth.watch(show);
  setInterval(tick, 1000);
  if (auth.error) complain(auth.error);
}

main().catch(complain);
