// A page that uses all that the types tell of. It is checked, not run.
import { open, type Auth, type OAuthError, type Status } from "../src/oauth_client.js";

const auth: Auth = await open({ clientId: "shop", api: ["https://api.example"], storage: "session" });
if (auth.status === "out") await auth.login({ returnTo: "/orders" });
if (auth.returnTo !== undefined) location.replace(auth.returnTo);
await auth.login({ username: "alice", password: "…", onResponse: answer => console.log("error" in answer ? answer.error : answer.token_type) });
const me: unknown = await (await auth.fetch(new URL("https://api.example/me"), { method: "PUT" })).json();
const end: () => void = auth.watch((status: Status) => console.log(status, me));
end();
const error: OAuthError | undefined = auth.error;
console.log(error?.code, auth.expires?.toFixed(), auth.scope, auth.reason);
await auth.logout({ local: true });
// @ts-expect-error the client's identifier is needed
await open({});
// @ts-expect-error nobody may set the status
auth.status = "in";
