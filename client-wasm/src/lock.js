import { attempt } from "./transport.js";

// A Web Lock, asked for. Who does not wait any more releases it too.
export class Lock {
  constructor(name) {
    const abort = new AbortController();
    const held = new Promise(release => {
      // Free for the next, once the promise that is given at first is fulfilled.
      this.release = until => {
        this.release = () => {};
        release(until);
        Promise.resolve(until).then(() => abort.abort());
      };
    });
    this.granted = new Promise(grant => {
      const take = () => {
        grant(true);
        return held;
      };
      // Rejected when nobody waits any more, which is no error.
      attempt(() => navigator.locks.request(name, { signal: abort.signal }, take));
    });
  }
}
