// Signs in by any <form class="oauth">, and calls window.oauthResponseHandler with the token endpoint's answer, be it
// tokens or a refusal.
// A classic script: it hooks the forms at once, before anybody can submit one by GET, and loads the module after.
(() => {
  const script = document.currentScript;
  const beside = name => new URL(name, script.src).href;
  const clients = new Map();
  const busy = new Set();
  const once = (key, make) => clients.get(key) ?? (clients.set(key, make()), clients.get(key));

  const tell = (form, name, detail) =>
    form.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));

  // What the page's policy or the network holds back, by name.
  const blocked = () => {
    const message = "the client's files beside this script cannot be loaded; see that the page's policy lists their " +
      "origin in script-src and connect-src, and try again";
    throw Object.assign(new Error(message), { name: "OAuthError", code: "script-blocked" });
  };

  async function client(form) {
    const clientId = form.dataset.clientId ?? (await defaultClient());
    return once("client " + clientId, async () => {
      const { open } = await import(beside("oauth_client.js")).catch(blocked);
      return open({ clientId });
    });
  }

  function defaultClient() {
    return once("default", async () => {
      const answer = await fetch(beside("oauth_client.json")).catch(blocked);
      return (await answer.json()).countersign_form_client;
    });
  }

  async function signIn(form) {
    if (busy.has(form)) return;
    busy.add(form);
    const field = name => form.elements.namedItem(name)?.value ?? "";
    const username = field("username");
    const password = field("password");
    try {
      const auth = await client(form);
      const endpoint = form.getAttribute("action") ? form.action : undefined;
      const onResponse = answer => window.oauthResponseHandler?.(answer);
      await auth.login({ username, password, endpoint, onResponse });
      tell(form, "oauth:signed-in", { auth });
    } catch (error) {
      clients.clear();
      tell(form, "oauth:error", { error });
    } finally {
      busy.delete(form);
    }
  }

  document.addEventListener("submit", event => {
    const form = event.target;
    if (!form.matches?.("form.oauth")) return;
    event.preventDefault();
    signIn(form);
  }, true);
})();
