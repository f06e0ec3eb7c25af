// Countersign's OAuth 2 client for browsers. Built by `cargo bundle`; types are in oauth_client.d.ts.

/* {{glue}} */
// First of all the answer of a sign-in leaves the address, before anything else is loaded that could see it.
let answer = callback();

async function load() {
const response = await fetch(new URL("{{wasm}}", import.meta.url), { integrity: "{{integrity}}", credentials: "omit" })
.catch(() => { throw failure("script-blocked", "{{wasm}} cannot be loaded beside the script, or is not the one that belongs to it; see that the page's policy lists its origin in connect-src, and try again"); });
if (!response.ok) throw failure("script-blocked", `{{wasm}} beside the script answers ${response.status}; serve both files from one release`);
const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), __wbg_get_imports())
.catch(() => { throw failure("script-blocked", "the page's policy forbids WebAssembly; add 'wasm-unsafe-eval' to script-src"); });
wasm = instance.exports;
wasm.__wbindgen_start();
}

let loading;
async function start(options) {
const prepared = prepare(options, new URL("oauth_client.json", import.meta.url).href);
loading ??= load();
try { await loading; } catch (error) { loading = undefined; throw error; }
const own = answer;
answer = undefined;
try { return await open(new CountersignTab(complete(options)), prepared, own); } catch (error) { answer ??= own; throw error; }
}
export { start as open };
