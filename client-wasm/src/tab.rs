//! What one tab knows, and decides: all that `client.js` and its neighbours ask while they do what takes the browser
//! several steps. Nothing here waits.
//!
//! Values pass as JavaScript's own: `undefined` where there is nothing, text, numbers of milliseconds.

use countersign_protocol::{
    ClientId, Scope,
    discovery::{Checked, Issuer, PlainHttp},
    endpoint::Origin,
    session::{
        self, Kept, Out, Owner, Status,
        refresh::{ATTEMPT, Exchange, PATIENCE},
        request::AllowList,
    },
};
use js_sys::Array;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    error::{Failure, Result, Thrown},
    js::{get, millis},
    storage::Storage,
};

/// One client's session in this tab.
///
/// Its name in JavaScript is long, since every program that links this crate exports it.
#[wasm_bindgen(js_name = CountersignTab, skip_typescript)]
pub struct Tab {
    pub(crate) owner: Owner,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) metadata: Option<Checked>,
    api: AllowList,
    pub(crate) redirect_uri: String,
    pub(crate) scope: Option<Scope>,
    pub(crate) storage: Storage,
    pub(crate) return_to: Option<String>,
    pub(crate) session: Option<session::Session>,
    /// Whether the browser has lost what an earlier session was sealed with.
    pub(crate) lost: bool,
    pub(crate) exchange: Option<Box<Exchange>>,
    /// What came of the exchange.
    pub(crate) renewed: Option<Kept>,
    /// The session that is being left, as it was before.
    pub(crate) before: Option<session::Session>,
}

impl std::fmt::Debug for Tab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tab(..)")
    }
}

#[wasm_bindgen(js_class = CountersignTab)]
impl Tab {
    /// With the options of `open`, where `api` and `redirectUri` are always given.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<Self> {
        let client_id = option(options, "clientId")?.and_then(ClientId::new);
        let storage = option(options, "storage")?;
        let scope = option(options, "scope")?.map(|scope| scope.parse());
        let issuer = option(options, "issuer")?;
        let issuer = issuer.map(|issuer| Issuer::parse(&issuer, PlainHttp::Loopback));
        let storage = storage.as_deref().map_or(Some(Storage::Local), Storage::parse);
        let (Some(client_id), Some(storage)) = (client_id, storage) else {
            let why = "clientId is missing, or storage is none of local, session, memory";
            return Err(Failure::Option(why).into());
        };
        let Ok(scope) = scope.transpose() else {
            return Err(Failure::Option("scope has characters that are not allowed").into());
        };
        let issuer = issuer.transpose()?;
        let mut owner = Owner { issuer: String::new(), client_id };
        if let Some(issuer) = &issuer {
            issuer.as_str().clone_into(&mut owner.issuer);
        }
        Ok(Self {
            owner,
            issuer,
            metadata: None,
            api: allowed(&get(options, "api"))?,
            redirect_uri: option(options, "redirectUri")?.unwrap_or_default(),
            scope,
            storage,
            return_to: None,
            session: None,
            lost: false,
            exchange: None,
            renewed: None,
            before: None,
        })
    }

    /// How long one attempt may take, and how long a caller waits.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn limits(&self) -> Array {
        Array::of2(&millis(ATTEMPT), &millis(PATIENCE))
    }

    /// An error of the shell's own, by its code.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn error(&self, code: &JsValue) -> JsValue {
        Thrown::from(Failure::own(&code.as_string().unwrap_or_default())).into()
    }

    /// What a page is told: the status (`in`, `out` or `offline`), why it is `out` or `offline`, the scope that was
    /// granted, and when the access token ends, in milliseconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    pub fn view(&self) -> Array {
        let session = self.session.as_ref();
        let (status, reason) = match session.map(session::Session::status) {
            Some(Status::In) => ("in", JsValue::UNDEFINED),
            Some(Status::Offline(why)) => ("offline", JsValue::from_str(&why.text())),
            Some(Status::Out(why)) => ("out", word(why).into()),
            None if self.lost => ("out", "storage-lost".into()),
            None => ("out", "new".into()),
        };
        let scope = session.and_then(session::Session::scope).map(Scope::as_str);
        let expires = session.and_then(session::Session::expires);
        let expires = expires.map(|moment| moment.as_millis() as f64);
        Array::of4(&status.into(), &reason, &scope.into(), &expires.into())
    }

    /// Only listed origins see the token.
    pub fn permits(&self, origin: &JsValue) -> bool {
        origin.as_string().is_some_and(|origin| self.api.permits(&origin))
    }
}

/// An option that is text, where it is given.
pub(crate) fn option(options: &JsValue, name: &str) -> Result<Option<String>> {
    let value = get(options, name);
    let text = value.as_string();
    if text.is_none() && !value.is_undefined() && !value.is_null() {
        return Err(Failure::Option("an option that must be text is none").into());
    }
    Ok(text)
}

/// The origins that may see the token.
fn allowed(api: &JsValue) -> Result<AllowList> {
    let mut list = AllowList::default();
    for origin in Array::from(api).iter() {
        let origin = origin.as_string().and_then(|origin| Origin::parse(&origin));
        list.add(origin.ok_or(Failure::Option("api must list origins: scheme, host and port"))?);
    }
    Ok(list)
}

/// The word for why nobody is signed in any more.
fn word(why: Out) -> &'static str {
    match why {
        Out::Left => "left",
        Out::LeftElsewhere => "left-elsewhere",
        Out::Replaced => "replaced",
        Out::Refused => "refused",
        Out::Expired => "expired",
    }
}
