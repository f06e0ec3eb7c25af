// Signs in by any <form class="oauth">, then calls window.oauthResponseHandler with the token endpoint's answer.
// A classic script: it hooks the forms at once, before anybody can submit one by GET, and loads the module after.
(() => {
  const script = document.currentScript;
  const beside = name => new URL(name, script.src).href;
  const clients = new Map();
  const once = (key, make) => clients.get(key) ?? (clients.set(key, make()), clients.get(key));

  const tell = (form, name, detail) =>
    form.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));

  async function client(form) {
    const clientId = form.dataset.clientId ?? (await defaultClient());
    return once("client " + clientId, async () => {
      const { open } = await import(beside("oauth_client.js"));
      return open({ clientId });
    });
  }

  function defaultClient() {
    return once("default", async () => {
      const answer = await fetch(beside("oauth_client.json"));
      return (await answer.json()).countersign_form_client;
    });
  }

  async function signIn(form) {
    const field = name => form.elements.namedItem(name)?.value ?? "";
    const username = field("username");
    const password = field("password");
    try {
      const auth = await client(form);
      const endpoint = form.getAttribute("action") ? form.action : undefined;
      let response;
      await auth.login({ username, password, endpoint, onResponse: answer => (response = answer) });
      window.oauthResponseHandler?.(response);
      tell(form, "oauth:signed-in", { auth });
    } catch (error) {
      clients.clear();
      tell(form, "oauth:error", { error });
    }
  }

  document.addEventListener("submit", event => {
    const form = event.target;
    if (!form.matches?.("form.oauth")) return;
    event.preventDefault();
    signIn(form);
  }, true);
})();
