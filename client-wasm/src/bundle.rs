//! What the JavaScript bundle exports. Its types for people are in `www/oauth_client.d.ts`.

use countersign_protocol::{Secret, token::TokenResponse};
use js_sys::{Function, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::Response;

use crate::{
    client::{Client, Options, Provider, Status},
    error::Error,
    storage::Storage,
    web::get,
};

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown: Self = js_sys::Error::new(&error.to_string()).into();
        for (name, value) in [("name", "OAuthError"), ("code", error.code())] {
            let _ = Reflect::set(&thrown, &name.into(), &value.into());
        }
        thrown
    }
}

/// Opens a client. `document` is the address of the provider's document beside the script, `callback` the query that
/// was taken out of the page's address.
#[wasm_bindgen]
pub async fn open(
    options: JsValue,
    document: String,
    callback: Option<String>,
) -> Result<Auth, Error> {
    let text = |name| get(&options, name).as_string();
    let storage = match text("storage").as_deref() {
        None | Some("local") => Storage::Local,
        Some("session") => Storage::Session,
        Some("memory") => Storage::Memory,
        Some(_) => return Err(Error::Option("storage is local, session or memory")),
    };
    let api = get(&options, "api");
    let api = if api.is_undefined() {
        Vec::new()
    } else {
        let api = js_sys::Array::from(&api);
        api.iter().filter_map(|origin| origin.as_string()).collect()
    };
    let provider = text("issuer").map_or(Provider::Document(document), Provider::Issuer);
    let options = Options {
        client_id: text("clientId").unwrap_or_default(),
        provider,
        api,
        redirect_uri: text("redirectUri"),
        scope: text("scope"),
        storage,
        callback,
    };
    Client::open(options).await.map(Auth)
}

/// A page's hold on its user's session.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Auth(Client);

#[wasm_bindgen]
impl Auth {
    /// `in`, `out` or `offline`.
    #[wasm_bindgen(getter)]
    pub fn status(&self) -> String {
        self.0.status().as_str().into()
    }

    /// Why it is `out` or `offline`.
    #[wasm_bindgen(getter)]
    pub fn reason(&self) -> Option<String> {
        match self.0.status() {
            Status::In => None,
            Status::Offline(why) => Some(why.to_string()),
            Status::Out(why) => Some(why.as_str().into()),
        }
    }

    /// Why the callback signed nobody in.
    #[wasm_bindgen(getter)]
    pub fn error(&self) -> Option<js_sys::Error> {
        Some(JsValue::from(self.0.callback_error()?).unchecked_into())
    }

    /// Where the session is kept indeed.
    #[wasm_bindgen(getter)]
    pub fn storage(&self) -> String {
        match self.0.storage() {
            Storage::Local => "local",
            Storage::Session => "session",
            Storage::Memory => "memory",
        }
        .into()
    }

    /// The scope that was granted.
    #[wasm_bindgen(getter)]
    pub fn scope(&self) -> Option<String> {
        self.0.scope().map(|scope| scope.as_str().to_owned())
    }

    /// When the access token ends, in milliseconds since 1970.
    #[wasm_bindgen(getter)]
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    pub fn expires(&self) -> Option<f64> {
        self.0.expires().map(|millis| millis as f64)
    }

    /// By redirect, or with `username` and `password`.
    pub async fn login(&self, options: JsValue) -> Result<(), Error> {
        let text = |name| get(&options, name).as_string();
        let Some(username) = text("username") else {
            return self.0.login().await;
        };
        let password = Secret::new(text("password").unwrap_or_default());
        let heard = get(&options, "onResponse");
        let on_answer = |answer: &_| {
            if let Some(heard) = heard.dyn_ref::<Function>() {
                let _ = heard.call1(&JsValue::UNDEFINED, &as_json(answer));
            }
        };
        let endpoint = text("endpoint");
        self.0.0.password(&username, &password, endpoint, &on_answer).await
    }

    /// The browser's `fetch` with the access token.
    pub async fn fetch(&self, input: JsValue, init: JsValue) -> Result<Response, Error> {
        self.0.fetch(&input, &init).await
    }

    /// Calls back with the status now and at each change; gives the function that ends it.
    pub fn watch(&self, callback: Function) -> JsValue {
        let number = self.0.watch(move |status| {
            let _ = callback.call1(&JsValue::UNDEFINED, &status.as_str().into());
        });
        let client = self.0.clone();
        Closure::<dyn Fn()>::new(move || client.unwatch(number)).into_js_value()
    }

    /// Signs out.
    pub async fn logout(&self, options: JsValue) {
        self.0.logout(get(&options, "local").is_truthy()).await;
    }
}

/// The answer as the token endpoint wrote it.
fn as_json(answer: &TokenResponse) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    Serialize::serialize(answer, &serializer).unwrap_or_default()
}
