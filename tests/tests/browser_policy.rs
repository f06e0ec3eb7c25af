//! The browser client under a page's policy, from the page's own copy, and with a provider that is not who it says.

use countersign_tests::PASSWORD;
use serde_json::{Value, json};

use crate::{
    browser::{Site, on_both},
    chromium::Chromium,
};

/// What a page of its own does with the module at `$MODULE`.
const SCRIPT: &str = r#"
addEventListener("securitypolicyviolation", event => (window.violations ??= []).push(event.violatedDirective));
window.openIt = more => import("$MODULE").then(({ open }) =>
  open({ clientId: "spa", api: ["$ISSUER"], ...$OPTIONS, ...more })).then(auth => window.auth = auth);
window.ready = openIt();
window.ready.catch(error => window.failed = error);
"#;

impl Site {
    /// Serves a page that opens the module with these options, under this policy; gives its address.
    fn put_page(&self, policy: &str, module: &str, options: &Value) -> String {
        let script = SCRIPT
            .replace("$MODULE", module)
            .replace("$ISSUER", &self.issuer)
            .replace("$OPTIONS", &options.to_string());
        self.put("page.js", "text/javascript", script.as_bytes());
        let page = b"<!doctype html><meta charset=utf-8><title>Own</title><h1>Own</h1>\
            <script type=module src=/own/page.js></script>";
        self.put_under(policy, "page.html", "text/html", page)
    }

    fn module(&self) -> String {
        format!("{}/js/oauth_client.js", self.issuer)
    }

    /// B5's policy, where `script-src` lists these.
    fn policy(&self, scripts: &str, connections: &str) -> String {
        let [scripts, connections] =
            [scripts, connections].map(|list| list.replace("$ISSUER", &self.issuer));
        format!(
            "default-src 'none'; script-src 'self' {scripts}; connect-src {connections}; base-uri 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        )
    }
}

/// B5: a page that serves the npm package's files itself does not list the provider's origin in `script-src`, and
/// loads no script from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_serves_a_copy_of_its_own() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        site.put_bundle();
        let policy = site.policy("'wasm-unsafe-eval'", "'self' $ISSUER");
        let options = json!({ "issuer": site.issuer });
        browser.go(&site.put_page(&policy, "/own/oauth_client.js", &options)).await;
        assert_eq!(browser.status().await, "out", "{at:?}");
        browser.sign_in().await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.status().await, "in", "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        browser.ok("await auth.logout()").await;
        assert_eq!(browser.ok("return window.violations").await, Value::Null, "{at:?}");
        let seen = site.wire.seen.lock().unwrap();
        let scripts: Vec<_> = seen.iter().filter(|it| it.1.starts_with("/js/")).collect();
        assert!(scripts.is_empty(), "{scripts:?}");
    })
    .await;
}

/// B5: what the page's policy holds back is named, with what to add to the policy.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_stops_the_script_is_told_what_it_lacks() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        for (scripts, connections, advice) in [
            ("$ISSUER", "$ISSUER", "'wasm-unsafe-eval'"),
            ("$ISSUER 'wasm-unsafe-eval'", "'none'", "connect-src"),
        ] {
            let policy = site.policy(scripts, connections);
            browser.go(&site.put_page(&policy, &site.module(), &json!({}))).await;
            let refused = browser.run("await ready").await;
            // On the provider's own origin too, for the policy is the page's.
            assert_eq!(refused["code"], "script-blocked", "{at:?} {advice}: {refused}");
            assert!(refused["message"].as_str().unwrap().contains(advice), "{refused}");
        }
        let policy = site.policy("$ISSUER 'wasm-unsafe-eval'", "$ISSUER");
        browser.go(&site.put_page(&policy, &site.module(), &json!({}))).await;
        assert_eq!(browser.status().await, "out", "{at:?}");
    })
    .await;
}

/// The old form under a policy that stops its script says by name what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_whose_script_is_stopped_says_so_by_name() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        let heard = b"addEventListener('oauth:error', event => window.wrong = event.detail.error)";
        site.put("heard.js", "text/javascript", heard);
        // One is stopped at the `.wasm`, the other at the name of the default client.
        for client in ["data-client-id=spa", ""] {
            let page = format!(
                "<!doctype html><title>Old</title><script src=/own/heard.js></script>
                 <script src=\"{0}/js/oauth_form.js\"></script>
                 <form class=oauth action=\"{0}/oauth/token\" {client}>
                 <input name=username><input name=password type=password><button>Sign in</button></form>",
                site.issuer
            );
            let policy = site.policy("$ISSUER 'wasm-unsafe-eval'", "'none'");
            browser.go(&site.put_under(&policy, "form.html", "text/html", page.as_bytes())).await;
            browser.fill("username", "alice").await;
            browser.fill("password", "x").await;
            browser.click("button").await;
            browser.eventually("window.wrong?.code ?? null", &json!("script-blocked")).await;
            let message = browser.ok("return wrong.message").await;
            assert!(message.as_str().unwrap().contains("connect-src"), "{at:?} {message}");
            let address = browser.client.current_url().await.unwrap();
            assert_eq!(address.query(), None, "{at:?}: no password in the address");
        }
    })
    .await;
}

/// A `.wasm` that is missing or of another release is named, and asked for again at the next `open`.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_foreign_wasm_is_named_and_can_be_mended() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        let wasm = site.put_bundle();
        let options = json!({ "issuer": site.issuer });
        let page = site.put_page("", "/own/oauth_client.js", &options);

        site.remove(&wasm);
        browser.go(&page).await;
        let refused = browser.run("await ready").await;
        assert_eq!(refused["code"], "script-blocked", "{at:?} {refused}");
        assert!(refused["message"].as_str().unwrap().contains("cannot be loaded"), "{refused}");

        site.put(&wasm, "application/wasm", b"\0asm\x01\0\0\0");
        let refused = browser.run("await openIt()").await;
        assert_eq!(refused["code"], "script-blocked", "{at:?} {refused}");
        assert!(refused["message"].as_str().unwrap().contains("the one that belongs"), "{refused}");

        site.put_bundle();
        assert_eq!(browser.ok("return (await openIt()).status").await, "out", "{at:?}");
    })
    .await;
}

/// B1: a document that names another issuer than the page asked for is not believed, and nothing is sent there.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_under_another_name_is_not_believed() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        let other = site.issuer.replace("127.0.0.1", "localhost");
        let page = site.put_page("", &site.module(), &json!({ "issuer": other }));
        browser.go(&page).await;
        for login in [
            format!("await auth.login({{ username: 'alice', password: '{PASSWORD}' }})"),
            "await auth.login()".to_owned(),
        ] {
            let refused = browser.run(&format!("await ready; {login}")).await;
            assert_eq!(refused["code"], "issuer-mismatch", "{at:?} {refused}");
            assert!(refused["message"].as_str().unwrap().contains("issuer"), "{refused}");
        }
        assert_eq!(browser.ok("return location.pathname").await, "/own/page.html");
        assert_eq!(site.wire.count("/oauth/token", ""), 0, "{at:?}");
    })
    .await;
}

/// B1: the answer to this very sign-in in the name of another provider, or of none: no token request.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_from_another_issuer_is_refused_by_name() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        for issuer in ["&iss=https%3A%2F%2Fevil.test", "&iss=", ""] {
            browser.go(&site.page()).await;
            let state = browser.begins_a_sign_in().await;
            browser.go(&format!("{}?code=x&state={state}{issuer}", site.page())).await;
            let error = browser.ok("await ready; return auth.error.code").await;
            assert_eq!(error, "callback-issuer", "{at:?} {issuer}");
            assert_eq!(browser.status().await, "out", "{at:?}");
        }
        assert_eq!(site.wire.count("/oauth/token", ""), 0, "{at:?}");

        // Under its own name it is believed, though not the code.
        browser.go(&site.page()).await;
        let state = browser.begins_a_sign_in().await;
        let issuer = site.issuer.replace(':', "%3A").replace('/', "%2F");
        browser.go(&format!("{}?code=x&state={state}&iss={issuer}", site.page())).await;
        let error = browser.ok("await ready; return auth.error.code").await;
        assert_eq!(error, "invalid_grant", "{at:?}");
        assert_eq!(site.wire.count("/oauth/token", ""), 1, "{at:?}");
    })
    .await;
}

impl Chromium {
    /// Leaves for the provider's page; gives the state that was sent along.
    async fn begins_a_sign_in(&self) -> String {
        self.run("await ready; auth.login()").await;
        self.shows("Sign in").await;
        let address = self.client.current_url().await.unwrap();
        let state = address.query_pairs().find(|pair| pair.0 == "state").unwrap();
        state.1.into_owned()
    }
}
