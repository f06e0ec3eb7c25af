/** Keeps people signed in: the browser client of the Countersign OAuth 2 provider. */

/** Whether somebody is signed in. `offline`: yes, but the token cannot be renewed now; it comes back by itself. */
export type Status = "in" | "out" | "offline";

export interface Options {
  /** The client's identifier at the provider. */
  clientId: string;
  /** The origins that may see the access token, e.g. `https://api.example`. Default: this page's own. */
  api?: string[];
  /** The provider. Default: who serves this script. */
  issuer?: string;
  /** Where a sign-in by redirect comes back to, as registered. Default: this page, without query and fragment. */
  redirectUri?: string;
  /** What to ask for, by spaces. Default: what the provider gives. */
  scope?: string;
  /** Where the session is kept, sealed. Default: `local`, which all tabs share. `session`: this tab alone. */
  storage?: "local" | "session" | "memory";
}

export interface Redirect {
  /** Where your page goes on afterwards: a path of its own origin, which `returnTo` of the page that comes back tells. */
  returnTo?: string;
}

export interface Password {
  username: string;
  password: string;
  /** The token endpoint, if not the one that the provider announces. */
  endpoint?: string;
  /** Gets the token endpoint's answer. For pages that handle tokens themselves; others have no need of it. */
  onResponse?: (answer: TokenResponse | ErrorResponse) => void;
}

export interface TokenResponse {
  access_token: string;
  token_type: string;
  expires_in?: number;
  refresh_token?: string;
  scope?: string;
}

export interface ErrorResponse {
  error: string;
  error_description?: string;
}

/** What this client throws. `message` tells what to do next and never holds a token. */
export interface OAuthError extends Error {
  name: "OAuthError";
  /**
   * The provider's own word, such as `access_denied` or `invalid_grant`, or one of this client's: `script-blocked`,
   * `insecure-page`, `bad-option`, `issuer-mismatch`, `provider-untrusted`, `unreachable`, `origin-refused`,
   * `bad-answer`, `callback-unknown`, `callback-issuer`, `signed-out`, `offline`, `origin-not-listed`,
   * `api-unreachable`, `storage-blocked`.
   */
  code: string;
}

export interface Auth {
  readonly status: Status;
  /** Why it is `out` (`new`, `left`, `left-elsewhere`, `replaced`, `refused`, `expired`, `storage-lost`) or `offline`. */
  readonly reason: string | undefined;
  /** Why the sign-in whose callback this page is has failed, if it has. A session that was there before goes on. */
  readonly error: OAuthError | undefined;
  /** Where the session is kept: `memory`, whatever was asked for, when the browser lets nothing be kept. */
  readonly storage: "local" | "session" | "memory";
  /** The scope that was granted, where it is known. */
  readonly scope: string | undefined;
  /** When the access token ends, in milliseconds since 1970 by this machine's clock. */
  readonly expires: number | undefined;
  /** On the page that a sign-in by redirect has come back to: the path that `login` was given. */
  readonly returnTo: string | undefined;
  /**
   * Leaves this page for the provider's sign-in, and is never fulfilled then, since the page is over; or signs in with
   * username and password.
   */
  login(options?: Redirect | Password): Promise<void>;
  /** The browser's `fetch` with the access token, which goes to the origins in `api` alone. Redirects are errors. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Calls back with the status now and at each change, until the function that it gives is called. */
  watch(callback: (status: Status) => void): () => void;
  /** Signs out here, in the other tabs and at the provider; with `local` the user stays signed in there. */
  logout(options?: { local?: boolean }): Promise<void>;
}

/** Restores the session that this origin keeps, or finishes the sign-in whose callback this page is. */
export function open(options: Options): Promise<Auth>;
