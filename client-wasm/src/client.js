// A client of one provider, on one page.
import { Session } from "./session.js";
import { Place, openDatabase, random } from "./storage.js";
import { describe, within } from "./transport.js";

// The answer of a sign-in by redirect, taken out of this page's address so that nothing that the page loads from now on
// can see it: no `Referer`, no history. `undefined`: the page is no callback.
export const callback = () => {
  const query = new URLSearchParams(location.search);
  if (!query.has("state") || !(query.has("code") || query.has("error"))) return;
  const answer = location.search.slice(1);
  history.replaceState(history.state, "", location.origin + location.pathname);
  return answer;
};

// The options of `open` with what this page gives by default.
export const complete = options => {
  const api = Array.from(options?.api ?? []);
  const here = location.origin + location.pathname;
  return { ...options, api: api.length ? api : [location.origin], redirectUri: options?.redirectUri ?? here };
};

// What takes time and needs no decision: begun before the rest is loaded. `url` is that of the provider's document, for
// options that name no issuer.
export const prepare = (options, url) => ({
  database: options?.storage === "memory" ? undefined : openDatabase(),
  document: options?.issuer == null ? describe(url) : undefined,
});

// Restores the session that this origin keeps, or finishes the sign-in whose callback this page is.
export const open = async (tab, prepared, answer) => {
  if (!navigator.locks) throw tab.error("insecure-page");
  if (prepared.document) tab.believe(await prepared.document);
  const place = new Place(tab, await prepared.database);
  await place.claim();
  const session = new Session(tab, place);
  const values = await session.restore();
  const error = answer && (await finish(tab, place, session, answer));
  session.ready(values);
  return new Auth(tab, place, session, error);
};

// Finishes the sign-in by redirect that this query answers; gives why it failed.
const finish = async (tab, place, session, query) => {
  try {
    const form = tab.returned(await place.begun(), query);
    place.end();
    await session.provider();
    await session.signIn(tab.endpoint(), form);
  } catch (error) {
    // A forged answer does not spoil the true one.
    if (error.code !== "callback-unknown") place.end();
    return error;
  }
};

class Auth {
  #tab;
  #place;
  #session;
  #error;

  constructor(tab, place, session, error) {
    this.#tab = tab;
    this.#place = place;
    this.#session = session;
    this.#error = error;
  }

  get status() {
    return this.#tab.view()[0];
  }

  get reason() {
    return this.#tab.view()[1];
  }

  get error() {
    return this.#error;
  }

  get storage() {
    return this.#place.storage;
  }

  get scope() {
    return this.#tab.view()[2];
  }

  get expires() {
    return this.#tab.view()[3];
  }

  get returnTo() {
    return this.#tab.destination();
  }

  watch(callback) {
    return this.#session.watch(callback);
  }

  // By redirect, or with `username` and `password`.
  async login(options) {
    if (options?.username == null) return this.#redirect(options);
    let { endpoint } = options;
    if (endpoint == null) {
      await this.#session.provider();
      endpoint = this.#tab.endpoint();
    }
    await this.#session.signIn(endpoint, this.#tab.password(options), options.onResponse);
  }

  async #redirect(options) {
    await this.#session.provider();
    const [url, pending] = this.#tab.start(random(32), random(32), options);
    if (!(await this.#place.begin(pending))) throw this.#tab.error("storage-blocked");
    location.assign(url);
    // This page is left: what it does next must not happen.
    return new Promise(() => {});
  }

  // The browser's `fetch` with the access token, renewed before if need be; once more with a new one when the API
  // answers that the token is invalid. The token never goes along a redirect: an answer that redirects is an error.
  async fetch(input, init) {
    const request = this.#request(input, init);
    const token = await this.#token();
    const again = request.clone();
    const response = await this.#send(request, token);
    if (!this.#blames(response)) return response;
    if (!this.#tab.retries(token)) {
      // It may have ended the session.
      this.#session.tell();
      return response;
    }
    const fresh = await this.#token(token).catch(() => {});
    if (fresh === undefined) return response;
    const second = await this.#send(again, fresh);
    if (this.#blames(second)) this.#tab.spurn();
    return second;
  }

  #request(input, init) {
    let request;
    try {
      request = new Request(input, { ...init, redirect: "error" });
    } catch {}
    if (!request || request.mode === "no-cors") throw this.#tab.error("bad-option");
    // As the browser itself reads the address.
    if (!this.#tab.permits(new URL(request.url).origin)) throw this.#tab.error("origin-not-listed");
    return request;
  }

  async #token(rejected) {
    const token = this.#tab.token(rejected, false);
    if (token !== undefined) return token;
    await within(this.#session.refresh(rejected), this.#session.patience);
    return this.#tab.token(rejected, true);
  }

  async #send(request, token) {
    request.headers.set("authorization", "Bearer " + token);
    try {
      return await fetch(request);
    } catch (error) {
      if (request.signal.aborted) throw error;
      throw this.#tab.error("api-unreachable");
    }
  }

  #blames(response) {
    const challenge = response.headers.get("www-authenticate");
    return response.status === 401 && this.#tab.blames(challenge, response.type === "cors");
  }

  // Signs out: here and in the other tabs at once, and at the provider, whose sign-in session ends too unless `local`.
  // Where the provider cannot be reached the rest is done, and it is told later.
  async logout(options) {
    await this.#session.leave(!options?.local);
  }
}
