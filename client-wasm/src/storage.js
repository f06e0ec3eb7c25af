// Where the session is kept, sealed: how and why stands in storage.rs.
import { Lock } from "./lock.js";
import { attempt, within } from "./transport.js";

const DATABASE = "countersign";
const KEYS = "keys";
const SEALED = "sealed";
const KEY = "1";

// A value's format: this, then base64url of 12 bytes of nonce and the ciphertext.
const FORMAT = "1.";
const NONCE = 12;

// A tab whose name is still taken by then has been duplicated. In milliseconds.
const CLAIMING = 1000;

// A database that has not opened by then counts as refused. In milliseconds.
const OPENING = 3000;

// The names that this page holds: every client of it shares them.
const claims = new Map();

export class Place {
  // Where the session is kept indeed, and the lock that who changes it takes.
  storage;
  lockName;

  #tab;
  #name;
  #database;
  #memory;

  // Where the browser lets nothing be kept, there is no database, and the place is memory.
  constructor(tab, database) {
    this.#tab = tab;
    this.#name = tab.name();
    this.#database = database;
    this.storage = database ? tab.storage() : "memory";
    // Memory is shared with nobody.
    this.lockName = database ? this.#name : this.#name + crypto.randomUUID();
  }

  // Whether the tab is still the one that it was.
  //
  // A tab that is duplicated brings a copy of the other's sessionStorage. Were both to refresh with one token, it would
  // look like theft: so each tab has a name of its own, and holds a lock on it while its page is there. Whose name is
  // taken forgets the copy.
  async claim() {
    if (!this.#inSession) return true;
    const before = this.lockName;
    const own = this.#name + " tab";
    if (!claims.has(own)) claims.set(own, this.#take(own));
    this.lockName = await claims.get(own);
    return this.lockName === before;
  }

  async #take(own) {
    let name = this.#near(own, true);
    let lock = name && new Lock(name + " tab");
    if (!lock || !(await within(lock.granted, CLAIMING))) {
      lock?.release();
      name = this.#name + " " + crypto.randomUUID();
      this.#put(this.#name, undefined, true);
      this.#put(own, name, true);
      lock = new Lock(name + " tab");
    }
    // The next page in this tab has the same name; a page that holds a lock stays out of the back/forward cache.
    const leave = () => {
      lock.release();
      claims.delete(own);
    };
    addEventListener("pagehide", leave, { once: true });
    return name;
  }

  get isShared() {
    return this.storage === "local";
  }

  get #inSession() {
    return this.storage === "session";
  }

  // What it holds: values for the decisions in storage.rs.
  async read() {
    if (!this.#database) return [this.#memory];
    const near = this.#near(this.#name, this.#inSession);
    const copy = this.isShared ? await get(this.#database, SEALED, this.#name) : undefined;
    const values = copy === near ? [copy] : [copy, near];
    return Promise.all(values.map(value => this.#unseal(value)));
  }

  // Keeps the record; whether it could be kept. It is on the disk then.
  async write(text) {
    if (!this.#database) {
      this.#memory = text;
      return true;
    }
    const value = await this.#seal(text);
    if (!value) return false;
    if (this.isShared && !(await change(this.#database, SEALED, "put", value, this.#name))) return false;
    // Full or blocked: the copy alone holds it, and is read.
    return this.#put(this.#name, value, this.#inSession) || this.isShared;
  }

  // Removes what nobody will ever read.
  forget() {
    this.#put(this.#name, undefined, this.#inSession);
    return change(this.#database, SEALED, "delete", this.#name);
  }

  // Keeps what a sign-in by redirect needs when it comes back to this tab; whether it could be kept.
  async begin(text) {
    const value = this.#database ? await this.#seal(text) : text;
    return Boolean(value) && this.#put(this.#pending, value, true);
  }

  // What `begin` kept, still kept.
  async begun() {
    const value = this.#near(this.#pending, true);
    return this.#database ? this.#unseal(value) : value;
  }

  // Forgets what `begin` kept: it serves once.
  end() {
    this.#put(this.#pending, undefined, true);
  }

  get #pending() {
    return this.#name + " login";
  }

  // The value of this name that lies near: read at once, written late.
  #near(name, inSession) {
    try {
      return this.#tab.area(inSession).getItem(name) ?? undefined;
    } catch {}
  }

  // Keeps a value near, or removes it; whether the browser has let it.
  #put(name, value, inSession) {
    try {
      const area = this.#tab.area(inSession);
      if (value === undefined) area.removeItem(name);
      else area.setItem(name, value);
      return true;
    } catch {
      return false;
    }
  }

  #algorithm(iv) {
    return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(this.#name) };
  }

  // `null`: it could not be sealed.
  #seal(text) {
    return attempt(async () => {
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
      const own = await key(this.#database, true);
      const sealed = await crypto.subtle.encrypt(this.#algorithm(nonce), own, new TextEncoder().encode(text));
      return FORMAT + encode([...nonce, ...new Uint8Array(sealed)]);
    });
  }

  // `undefined`: there is nothing. `false`: it cannot be opened any more, be it that the key is gone or that it is no
  // value of ours. `null`: it is another release's, or the key cannot be had now.
  async #unseal(value) {
    if (typeof value !== "string") return value === null ? null : undefined;
    if (!value.startsWith(FORMAT)) return null;
    const own = await key(this.#database);
    if (!own) return own === null ? null : false;
    return (await attempt(async () => {
      const text = atob(value.slice(FORMAT.length).replaceAll("-", "+").replaceAll("_", "/"));
      const bytes = Uint8Array.from(text, it => it.charCodeAt(0));
      const iv = bytes.slice(0, NONCE);
      return new TextDecoder().decode(await crypto.subtle.decrypt(this.#algorithm(iv), own, bytes.slice(NONCE)));
    })) ?? false;
  }
}

// Bytes as base64url.
const encode = bytes =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// So many random bytes, as base64url.
export const random = length => encode(crypto.getRandomValues(new Uint8Array(length)));

// What the request gives: `undefined` where there is nothing, `null` where it fails.
const done = request => new Promise(tell => {
  request.onsuccess = () => tell(request.result);
  request.onerror = () => tell(null);
});

const get = (database, store, name) =>
  attempt(() => done(database.transaction(store).objectStore(store).get(name)));

// Whether it was carried out and is on the disk, where the browser can promise that.
const change = (database, store, how, ...what) => attempt(() => new Promise(tell => {
  const transaction = database.transaction(store, "readwrite", { durability: "strict" });
  transaction.oncomplete = () => tell(true);
  transaction.onabort = () => tell(false);
  transaction.objectStore(store)[how](...what);
}));

// This origin's key. Asked for each time, since another tab may have made it, or the user removed it. `add` lets
// exactly one of several tabs make it.
const key = async (database, make) => {
  const found = await get(database, KEYS, KEY);
  if (found !== undefined || !make) return found;
  const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  await change(database, KEYS, "add", fresh, KEY);
  return get(database, KEYS, KEY);
};

// The database, with a key in it; nothing where the browser lets none be kept.
export const openDatabase = () => attempt(async () => {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => {
    for (const store of [KEYS, SEALED]) opening.result.createObjectStore(store);
  };
  const database = await within(done(opening), OPENING);
  return (await key(database, true)) && database;
});
