//! A client of one provider, on one page, for programs in Rust. `client.js` carries it out.

use std::fmt;

use countersign_protocol::Secret;
use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::Response;

use crate::{error::Error, storage::Storage, tab::Tab};

/// How the provider is known.
#[derive(Clone, Debug)]
pub enum Provider {
    /// By its issuer, whose metadata is asked for when it is first needed.
    Issuer(String),
    /// By the document that it serves beside the script, which names issuer and metadata.
    Document(String),
}

/// What a [`Client`] is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The client's identifier at the provider.
    pub client_id: String,
    /// Which provider.
    pub provider: Provider,
    /// The origins that may see the access token, e.g. `https://api.example`; empty: this page's own.
    pub api: Vec<String>,
    /// Where a sign-in by redirect comes back to; `None`: this page, without query and fragment. It must be registered
    /// at the provider letter by letter.
    pub redirect_uri: Option<String>,
    /// What to ask for, by spaces; `None`: what the provider gives by default.
    pub scope: Option<String>,
    /// Where the session is kept.
    pub storage: Storage,
    /// What [`callback`] gave, when it was called before.
    pub callback: Option<String>,
}

impl Options {
    /// Options with the defaults.
    pub fn new(client_id: impl Into<String>, provider: Provider) -> Self {
        Self {
            client_id: client_id.into(),
            provider,
            api: Vec::new(),
            redirect_uri: None,
            scope: None,
            storage: Storage::Local,
            callback: None,
        }
    }
}

/// Whether somebody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Signed in.
    In,
    /// Signed in, but the token cannot be renewed now. It comes back by itself.
    Offline,
    /// Signed out: call `login`.
    Out,
}

impl Status {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Offline => "offline",
            Self::Out => "out",
        }
    }

    fn of(word: &JsValue) -> Self {
        let word = word.as_string();
        [Self::In, Self::Offline]
            .into_iter()
            .find(|it| word.as_deref() == Some(it.as_str()))
            .unwrap_or(Self::Out)
    }
}

/// Takes the answer of a sign-in by redirect out of this page's address, so that nothing that the page loads from now
/// on can see it: no `Referer`, no history. `None`: the page is no callback.
///
/// [`Client::open`] does this too; a page that loads anything before calls it first, and hands on what it gave.
pub fn callback() -> Option<String> {
    shell::callback()
}

/// Keeps one user of this origin signed in. Clones are one client.
#[derive(Clone)]
pub struct Client(shell::Auth);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl Client {
    /// Restores the session that this origin keeps, or finishes the sign-in whose callback this page is.
    ///
    /// A callback that fails does not fail this: see [`callback_error`](Self::callback_error). Fails when an option
    /// makes no sense, the page is not secure, or the provider's document cannot be had or is not believed.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let (issuer, document) = match options.provider {
            Provider::Issuer(issuer) => (Some(issuer), None),
            Provider::Document(url) => (None, Some(url)),
        };
        let answer = options.callback.or_else(callback);
        let options = Open {
            client_id: options.client_id,
            issuer,
            api: options.api,
            redirect_uri: options.redirect_uri,
            scope: options.scope,
            storage: options.storage.as_str(),
        };
        let options = serde_wasm_bindgen::to_value(&options).map_err(JsValue::from)?;
        let tab = Tab::new(&shell::complete(&options)).map_err(JsValue::from)?;
        let prepared = shell::prepare(&options, document);
        Ok(Self(shell::open(tab, &prepared, answer).await?.unchecked_into()))
    }

    /// Whether somebody is signed in.
    pub fn status(&self) -> Status {
        Status::of(&self.0.status())
    }

    /// Why it is `out` (`new`, `left`, `left-elsewhere`, `replaced`, `refused`, `expired`, `storage-lost`) or `offline`.
    pub fn reason(&self) -> Option<String> {
        self.0.reason()
    }

    /// Why the callback that this page was opened with signed nobody in, if it did not. A session that was there
    /// before goes on.
    pub fn callback_error(&self) -> Option<Error> {
        let error = self.0.error();
        (!error.is_undefined()).then(|| error.into())
    }

    /// Where the page that began the sign-in wanted to come back to: a path of this origin.
    pub fn return_to(&self) -> Option<String> {
        self.0.return_to()
    }

    /// Where the session is kept: memory, whatever was asked for, when the browser lets nothing be kept.
    pub fn storage(&self) -> Storage {
        Storage::parse(&self.0.storage()).unwrap_or_default()
    }

    /// The scope that was granted, by spaces, where it is known.
    pub fn scope(&self) -> Option<String> {
        self.0.scope()
    }

    /// When the access token ends, by this machine's clock, in milliseconds since 1970; `None` when that is not known.
    pub fn expires(&self) -> Option<f64> {
        self.0.expires()
    }

    /// Calls `watcher` with the status now and at each change, until [`Watch::end`] is called.
    pub fn watch(&self, watcher: impl Fn(Status) + 'static) -> Watch {
        let heard = move |status: JsValue| watcher(Status::of(&status));
        let heard = Closure::<dyn Fn(JsValue)>::new(heard).into_js_value();
        Watch(self.0.watch(heard.unchecked_ref()))
    }

    /// Leaves this page for the provider's sign-in, and is never ready then, since the page is over. The page at the
    /// redirect URI finishes it when it is opened.
    pub async fn login(&self) -> Result<(), Error> {
        self.log_in(&Login::default()).await
    }

    /// The same, and [`return_to`](Self::return_to) tells that page this path of its origin.
    pub async fn login_and_return_to(&self, path: &str) -> Result<(), Error> {
        self.log_in(&Login { return_to: Some(path), ..Login::default() }).await
    }

    /// Signs in with username and password
    /// ([RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)). The client must be allowed to.
    pub async fn login_with_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        let password = Some(password.expose());
        self.log_in(&Login { username: Some(username), password, ..Login::default() }).await
    }

    async fn log_in(&self, options: &Login<'_>) -> Result<(), Error> {
        let options = serde_wasm_bindgen::to_value(options).map_err(JsValue::from)?;
        Ok(self.0.login(&options).await?)
    }

    /// Sends a request with the access token, renewed before if need be; once more with a new one when the API
    /// answers that the token is invalid.
    ///
    /// The token goes to the origins in `api` alone, and never along a redirect: an answer that redirects is an error.
    /// `input` and `init` are those of the browser's own `fetch`.
    pub async fn fetch(&self, input: &JsValue, init: &JsValue) -> Result<Response, Error> {
        Ok(self.0.fetch(input, init).await?.unchecked_into())
    }

    /// Signs out: here and in the other tabs at once, and at the provider, whose sign-in session ends too unless
    /// `local`. Where the provider cannot be reached the rest is done, and it is told later.
    pub async fn logout(&self, local: bool) -> Result<(), Error> {
        let options = serde_wasm_bindgen::to_value(&Logout { local }).map_err(JsValue::from)?;
        Ok(self.0.logout(&options).await?)
    }
}

/// A watcher at work.
#[derive(Debug)]
pub struct Watch(Function);

impl Watch {
    /// Calls back no more.
    pub fn end(self) {
        let _ = self.0.call0(&JsValue::UNDEFINED);
    }
}

/// The options of `open`, as JavaScript has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    client_id: String,
    issuer: Option<String>,
    api: Vec<String>,
    redirect_uri: Option<String>,
    scope: Option<String>,
    storage: &'static str,
}

/// The options of `login`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Login<'a> {
    username: Option<&'a str>,
    password: Option<&'a str>,
    return_to: Option<&'a str>,
}

/// The options of `logout`.
#[derive(Serialize)]
struct Logout {
    local: bool,
}

/// What carries it out.
mod shell {
    use js_sys::Function;
    use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

    use crate::tab::Tab;

    #[wasm_bindgen(module = "/src/client.js")]
    extern "C" {
        pub(super) fn callback() -> Option<String>;
        pub(super) fn complete(options: &JsValue) -> JsValue;
        pub(super) fn prepare(options: &JsValue, url: Option<String>) -> JsValue;
        #[wasm_bindgen(catch)]
        pub(super) async fn open(
            tab: Tab,
            prepared: &JsValue,
            answer: Option<String>,
        ) -> Result<JsValue, JsValue>;

        #[derive(Clone)]
        pub(super) type Auth;
        #[wasm_bindgen(method, getter)]
        pub(super) fn status(this: &Auth) -> JsValue;
        #[wasm_bindgen(method, getter)]
        pub(super) fn reason(this: &Auth) -> Option<String>;
        #[wasm_bindgen(method, getter)]
        pub(super) fn error(this: &Auth) -> JsValue;
        #[wasm_bindgen(method, getter, js_name = returnTo)]
        pub(super) fn return_to(this: &Auth) -> Option<String>;
        #[wasm_bindgen(method, getter)]
        pub(super) fn storage(this: &Auth) -> String;
        #[wasm_bindgen(method, getter)]
        pub(super) fn scope(this: &Auth) -> Option<String>;
        #[wasm_bindgen(method, getter)]
        pub(super) fn expires(this: &Auth) -> Option<f64>;
        #[wasm_bindgen(method)]
        pub(super) fn watch(this: &Auth, callback: &Function) -> Function;
        #[wasm_bindgen(method, catch)]
        pub(super) async fn login(this: &Auth, options: &JsValue) -> Result<(), JsValue>;
        #[wasm_bindgen(method, catch)]
        pub(super) async fn fetch(
            this: &Auth,
            input: &JsValue,
            init: &JsValue,
        ) -> Result<JsValue, JsValue>;
        #[wasm_bindgen(method, catch)]
        pub(super) async fn logout(this: &Auth, options: &JsValue) -> Result<(), JsValue>;
    }

    // What `client.js` imports goes along with it because something of each is named here.

    #[wasm_bindgen(module = "/src/lock.js")]
    extern "C" {
        type Lock;
    }

    #[wasm_bindgen(module = "/src/session.js")]
    extern "C" {
        type Session;
    }

    #[wasm_bindgen(module = "/src/storage.js")]
    extern "C" {
        type Place;
    }

    #[wasm_bindgen(module = "/src/transport.js")]
    extern "C" {
        fn sleep(millis: u32) -> JsValue;
    }
}
