// Talking to the provider: never with cookies, never along a redirect, never longer than an attempt may take.

// How long the provider's document may take, in milliseconds.
const DOCUMENT = 8000;

// What the task gives; `null` where it fails.
export const attempt = async task => {
  try {
    return await task();
  } catch {
    return null;
  }
};

// Calls what a page has given: should it throw, that is the page's affair, and is told where it looks for its errors.
export const run = callback => {
  try {
    callback();
  } catch (error) {
    reportError(error);
  }
};

export const sleep = millis => new Promise(done => setTimeout(done, millis));

// What the promise gives, or `undefined` after so long.
export const within = (promise, millis) => Promise.race([promise, sleep(millis)]);

// The answer, whole; `null`: none came; `false`: nothing was sent.
export const ask = async (url, form, millis) => (await attempt(async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), millis);
  /** @type {RequestInit} */
  const init = {
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: abort.signal,
  };
  if (form !== undefined) {
    Object.assign(init, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
      body: form,
      cache: "no-store",
      // A page that is closing still tells the provider that its user signed out.
      keepalive: true,
    });
  }
  const response = await fetch(url, init);
  const { status, headers } = response;
  const text = await response.text();
  return {
    status,
    json: headers.get("content-type")?.startsWith("application/json"),
    retryAfter: headers.get("retry-after"),
    body: await attempt(() => JSON.parse(text)),
  };
})) ?? (navigator.onLine && null);

// The provider's document, for options that name no issuer. Who asks at once loads the rest meanwhile.
export const describe = url => ask(url, undefined, DOCUMENT);
