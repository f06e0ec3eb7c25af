// A session in this tab, in step with the other tabs. What to do is decided by `tab` (session.rs); here it is carried
// out, under a Web Lock that all tabs share. Tabs tell each other by a channel that something changed, and read the
// place themselves.
import { Lock } from "./lock.js";
import { random } from "./storage.js";
import { ask, attempt, run, sleep, within } from "./transport.js";

// How often who waits for the lock looks whether the waiting has become needless. This and the next in milliseconds.
const LOOK = 250;

// How often what could not be kept is tried again.
const AGAIN = 1000;

// The pauses between tries to come back from *offline*: the first, and the longest.
const RETRY = [2000, 60000];

export class Session {
  // How long one attempt may take, and how long a caller waits: in milliseconds.
  attempt;
  patience;

  #tab;
  #place;
  #refreshing;
  #retrying;
  #channel;
  #told;
  #watchers = new Set();

  constructor(tab, place) {
    this.#tab = tab;
    this.#place = place;
    [this.attempt, this.patience] = tab.limits();
  }

  ask(url, form) {
    return ask(url, form, this.attempt);
  }

  // The provider's metadata, asked for once.
  async provider() {
    if (this.#tab.knows()) return;
    const [first, second] = this.#tab.addresses();
    let answer = await this.ask(first);
    if (answer && !(answer.status === 200 && answer.body)) answer = await this.ask(second);
    this.#tab.believe(answer);
  }

  // Takes what the place holds, and follows what happens to it from now on.
  async restore() {
    this.#listen();
    const values = await this.#place.read();
    if (this.#tab.restore(values)) await this.#place.forget();
    return values;
  }

  // Tells what there is to tell from now on, and does what was left undone.
  ready(values) {
    this.tell();
    if (this.#tab.owes(values)) this.#sayLate();
  }

  // Renews the tokens, once for all callers, whether they wait for it or not.
  refresh(rejected) {
    return this.#refreshing ??= this.#renew(rejected).finally(() => {
      this.#refreshing = undefined;
      this.tell();
      this.#comeBack();
    });
  }

  async #renew(rejected) {
    for (;;) {
      const lock = await this.#turn(rejected);
      if (!lock) return;
      const pause = await this.#under(lock, async () => {
        const plan = this.#tab.plan(await this.#place.read(), rejected);
        return typeof plan === "string" ? this.#exchange(plan, lock) : plan;
      });
      if (pause === undefined) return;
      await sleep(pause);
    }
  }

  async #under(lock, work) {
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  // Waits for the lock; nothing when another tab has brought what was needed.
  async #turn(rejected) {
    const lock = new Lock(this.#place.lockName);
    const began = Date.now();
    try {
      while (!(await within(lock.granted, LOOK))) {
        if (this.#tab.catches(await this.#place.read(), rejected)) return lock.release();
        if (Date.now() - began >= this.patience) {
          this.#tab.fail("waiting");
          this.tell();
        }
      }
    } catch (error) {
      lock.release();
      throw error;
    }
    return lock;
  }

  async #exchange(mark, lock) {
    const endpoint = await attempt(async () => {
      await this.provider();
      return this.#tab.endpoint();
    });
    if (!endpoint) return this.#tab.fail("unreachable");
    if (!(await this.#place.write(mark))) return this.#tab.fail("storage");
    for (;;) {
      const sent = Date.now();
      const pause = this.#tab.answered(await this.ask(endpoint, this.#tab.form()), sent);
      if (pause === true) return this.#settle(lock);
      if (pause === undefined) return;
      await sleep(pause);
    }
  }

  // Keeps the record, then uses it. Where it cannot be kept it is used all the same, and the lock is held on to: an
  // older token that another tab exchanged meanwhile would look like a thief's.
  async #settle(lock) {
    const kept = this.#tab.settle(await this.#place.read());
    if (kept === undefined) return;
    const stored = await this.#place.write(kept);
    this.#tab.keep(kept, stored);
    this.#announce();
    if (!stored) lock.release(this.#keepTrying());
  }

  // Writes what could not be written, as soon as it can be.
  async #keepTrying() {
    for (;;) {
      await sleep(AGAIN);
      const kept = this.#tab.unkept(await this.#place.read());
      if (kept === undefined) return;
      if (await this.#place.write(kept)) {
        this.#tab.keep(kept, true);
        this.#announce();
      }
    }
  }

  // Signs in at the token endpoint, or another address that the page names for it. `heard` gets the answer as it came.
  async signIn(endpoint, form, heard) {
    const sent = Date.now();
    const answer = await this.ask(endpoint, form);
    const tell = () => run(() => answer?.body && heard?.(answer.body));
    let received;
    try {
      received = this.#tab.received(answer, sent, random(16));
    } catch (error) {
      tell();
      throw error;
    }
    if (!received) throw await this.#silence();
    await this.#begin(received);
    tell();
  }

  // Why no answer came: whether it is this page's origin alone that the provider refuses.
  async #silence() {
    const document = await this.ask(this.#tab.addresses()[0]);
    return this.#tab.error(document?.status === 200 ? "origin-refused" : "unreachable");
  }

  // Begins the session that was received, and keeps it before it is used.
  async #begin(received) {
    const lock = new Lock(this.#place.lockName);
    const held = await within(lock.granted, this.patience);
    await this.#under(lock, async () => {
      const kept = this.#tab.begin(await this.#place.read(), received);
      const stored = Boolean(held && (await this.#place.write(kept)));
      this.#tab.begun(kept, stored);
      if (!stored) lock.release(this.#keepTrying());
    });
    this.#announce();
    this.tell();
  }

  // Signs out in memory at once, then in the other tabs and at the provider.
  async leave(endsSignIn) {
    this.#tab.leave(endsSignIn);
    this.tell();
    const lock = new Lock(this.#place.lockName);
    // A record without tokens is written even when another tab does not let go: it is the newer one.
    await within(lock.granted, this.patience);
    await this.#under(lock, async () => {
      const [record, writes] = this.#tab.left(await this.#place.read(), endsSignIn);
      if (writes) {
        await this.#place.write(record);
        this.#announce();
      }
      if (record) await this.#bidFarewell(record);
    });
  }

  // Tells the provider of sessions that were left, and notes those that it has heard of.
  async #bidFarewell(record) {
    const heard = await attempt(async () => {
      await this.provider();
      return Promise.all(this.#tab.farewells(record).map(([form, ...urls]) => this.#says(form, urls)));
    });
    const kept = heard && this.#tab.told(await this.#place.read(), record, heard);
    if (kept) await this.#place.write(kept);
  }

  async #says(form, urls) {
    for (const url of urls) {
      const answer = url && (await this.ask(url, form));
      if (answer?.status >= 200 && answer.status < 300) return true;
    }
  }

  // Tells the provider what it could not be told when its user signed out.
  async #sayLate() {
    const lock = new Lock(this.#place.lockName);
    const held = await within(lock.granted, this.patience);
    await this.#under(lock, async () => {
      const record = held && this.#tab.owes(await this.#place.read());
      if (record) await this.#bidFarewell(record);
    });
  }

  // Tries to come back from *offline*, less and less often.
  async #comeBack() {
    if (!this.#isOffline || this.#retrying) return;
    this.#retrying = true;
    for (let pause = RETRY[0]; this.#isOffline; pause = Math.min(2 * pause, RETRY[1])) {
      await sleep(pause);
      if (this.#isOffline) await attempt(() => this.refresh());
    }
    this.#retrying = false;
  }

  get #isOffline() {
    return this.#status === "offline";
  }

  // Follows the other tabs, this page's return from the back/forward cache, and the connection.
  #listen() {
    this.#tuneIn();
    // An open channel keeps a page out of the back/forward cache.
    addEventListener("pagehide", () => {
      this.#channel?.close();
      this.#channel = undefined;
    });
    addEventListener("pageshow", event => event.persisted && this.#comeOut());
    addEventListener("online", () => this.#wake());
  }

  // Out of the back/forward cache; another tab may have the session meanwhile.
  async #comeOut() {
    if (await this.#place.claim()) return this.#wake();
    this.#tab.forget();
    this.tell();
  }

  #tuneIn() {
    if (!this.#place.isShared || this.#channel) return;
    this.#channel = new BroadcastChannel(this.#tab.name());
    this.#channel.onmessage = () => this.#follow();
  }

  #wake() {
    this.#tuneIn();
    if (this.#isOffline) this.refresh();
    this.#follow();
  }

  // Looks what another tab has done, and follows.
  async #follow() {
    const values = await this.#place.read();
    this.#tab.adopt(values);
    this.tell();
    if (this.#tab.owes(values)) this.#sayLate();
  }

  // Lets the other tabs know that the place has changed.
  #announce() {
    this.#channel?.postMessage(true);
  }

  // Calls back with the status now and at each change; gives the function that ends it.
  watch(callback) {
    const watcher = status => run(() => callback(status));
    this.#watchers.add(watcher);
    watcher(this.#status);
    return () => this.#watchers.delete(watcher);
  }

  // Tells the watchers when the status has changed. One may change it again.
  tell() {
    const [status, reason] = this.#tab.view();
    if (status + reason === this.#told) return;
    this.#told = status + reason;
    for (const watcher of [...this.#watchers]) watcher(this.#status);
  }

  get #status() {
    return this.#tab.view()[0];
  }
}
