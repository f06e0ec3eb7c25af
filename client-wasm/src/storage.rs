//! Where the session is kept: sealed by WebCrypto under a key that no script can read.
//!
//! The key and a copy of the ciphertext are in IndexedDB, the ciphertext is in localStorage or sessionStorage too.
//! Chromium writes localStorage to the disk seconds late, IndexedDB at once when asked to; so after a crash the copy
//! with the higher generation is the one to believe. Tabs of an older and a newer bundle share the place, so each value
//! begins with the number of its format.

use std::{cell::RefCell, time::Duration};

use countersign_protocol::{
    Secret, id,
    login::Pending,
    session::{Kept, Owner},
};
use gloo_storage::{LocalStorage, SessionStorage, Storage as _};
use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, IdbDatabase, IdbOpenDbRequest, IdbRequest};

use crate::web;

/// The value's format: `1.`, then base64url of 12 bytes of nonce and the ciphertext.
const FORMAT: &str = "1.";

const NONCE: usize = 12;

const DATABASE: &str = "countersign";
const KEYS: &str = "keys";
const SEALED: &str = "sealed";
const KEY: &str = "1";

/// A database that has not opened by then counts as refused.
const OPENING: Duration = Duration::from_secs(3);

/// Where a session is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In localStorage: every tab shares it, and it outlives the browser.
    #[default]
    Local,
    /// In sessionStorage: this tab alone, until it is closed.
    Session,
    /// Nowhere: a reload ends it.
    Memory,
}

/// The place cannot be read or written now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unavailable;

/// What a place holds.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Kept(Box<Kept>),
    /// Ciphertext whose key is gone: removed, since nobody will ever read it.
    KeyLost,
}

impl Found {
    pub(crate) fn kept(self) -> Option<Kept> {
        match self {
            Self::Kept(kept) => Some(*kept),
            Self::Nothing | Self::KeyLost => None,
        }
    }
}

/// One client's place in this origin's storage.
#[derive(Debug)]
pub(crate) struct Place {
    name: String,
    storage: Storage,
    database: Option<IdbDatabase>,
    /// The place itself, where there is no other.
    memory: RefCell<Option<Kept>>,
}

impl Place {
    /// Opens the place. Where the browser lets nothing be kept, it is memory.
    pub(crate) async fn open(owner: &Owner, storage: Storage) -> Self {
        let name = format!("countersign:{} {}", owner.client_id, owner.issuer);
        let database = match storage {
            Storage::Memory => None,
            Storage::Local | Storage::Session => database().await,
        };
        let mut place = Self { name, storage, database, memory: RefCell::new(None) };
        if storage != Storage::Memory && place.key(true).await.is_err() {
            place.database = None;
            place.storage = Storage::Memory;
        }
        place
    }

    /// Where the session is kept indeed.
    pub(crate) fn storage(&self) -> Storage {
        self.storage
    }

    /// The name that the place's lock and channel bear too.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The newest record that the place holds.
    pub(crate) async fn read(&self) -> Result<Found, Unavailable> {
        if self.storage == Storage::Memory {
            let kept = self.memory.borrow().clone();
            return Ok(kept.map_or(Found::Nothing, |kept| Found::Kept(kept.into())));
        }
        let near = self.area().and_then(|area| area.get_item(&self.name).ok()?);
        let copy = self.copy().await?;
        let mut found = Found::Nothing;
        for value in [copy, near].into_iter().flatten() {
            let Some(text) = self.unseal(&value).await? else {
                if matches!(found, Found::Nothing) {
                    found = Found::KeyLost;
                }
                continue;
            };
            // Another release's record is not read, and so never overwritten.
            let kept = Kept::from_text(text.expose()).ok_or(Unavailable)?;
            match &found {
                Found::Kept(best) if kept.generation().number <= best.generation().number => {}
                _ => found = Found::Kept(kept.into()),
            }
        }
        if matches!(found, Found::KeyLost) {
            self.forget().await;
        }
        Ok(found)
    }

    /// Keeps the record. It is on the disk when this returns.
    pub(crate) async fn write(&self, kept: &Kept) -> Result<(), Unavailable> {
        if self.storage == Storage::Memory {
            *self.memory.borrow_mut() = Some(kept.clone());
            return Ok(());
        }
        let value = self.seal(&kept.to_text()).await?;
        if self.storage == Storage::Local {
            self.put(SEALED, &self.name, &JsValue::from_str(&value), false).await?;
        }
        match self.area().map(|area| area.set_item(&self.name, &value)) {
            Some(Ok(())) => Ok(()),
            // Full or blocked: the copy alone holds it, and is read.
            _ if self.storage == Storage::Local => Ok(()),
            _ => Err(Unavailable),
        }
    }

    /// Keeps what a sign-in by redirect needs when it comes back to this tab.
    pub(crate) async fn begin(&self, sent: &Pending) -> Result<(), Unavailable> {
        let value = match self.storage {
            Storage::Memory => sent.to_text().expose().to_owned(),
            Storage::Local | Storage::Session => self.seal(&sent.to_text()).await?,
        };
        let area = session_area().ok_or(Unavailable)?;
        area.set_item(&self.pending(), &value).map_err(|_| Unavailable)
    }

    /// What [`begin`](Self::begin) kept, still kept.
    pub(crate) async fn begun(&self) -> Option<Pending> {
        let value = session_area()?.get_item(&self.pending()).ok()??;
        match self.storage {
            Storage::Memory => Pending::from_text(&value),
            Storage::Local | Storage::Session => {
                Pending::from_text(self.unseal(&value).await.ok()??.expose())
            }
        }
    }

    /// Forgets what [`begin`](Self::begin) kept: it serves once.
    pub(crate) fn end(&self) {
        if let Some(area) = session_area() {
            let _ = area.remove_item(&self.pending());
        }
    }

    fn pending(&self) -> String {
        format!("{} login", self.name)
    }

    /// `None`: it cannot be opened, be it that the key is gone or that it is no value of ours. [`Unavailable`]: it is
    /// another release's, or the key cannot be had now.
    async fn unseal(&self, value: &str) -> Result<Option<Secret>, Unavailable> {
        let sealed = value.strip_prefix(FORMAT).ok_or(Unavailable)?;
        let Some(key) = self.key(false).await? else {
            return Ok(None);
        };
        let bytes = id::decode(sealed).filter(|bytes| bytes.len() > NONCE);
        let Some((nonce, ciphertext)) = bytes.as_deref().map(|bytes| bytes.split_at(NONCE)) else {
            return Ok(None);
        };
        let subtle = subtle().ok_or(Unavailable)?;
        let opening = subtle.decrypt_with_object_and_u8_array(
            self.algorithm(nonce).unchecked_ref(),
            &key,
            ciphertext,
        );
        let Ok(plain) = JsFuture::from(opening.map_err(|_| Unavailable)?).await else {
            return Ok(None);
        };
        let plain = Uint8Array::new(&plain).to_vec();
        let text = String::from_utf8(plain).map_err(|_| Unavailable)?;
        Ok(Some(Secret::new(text)))
    }

    async fn seal(&self, text: &Secret) -> Result<String, Unavailable> {
        let key = self.key(true).await?.ok_or(Unavailable)?;
        let nonce = web::random::<NONCE>().ok_or(Unavailable)?;
        let subtle = subtle().ok_or(Unavailable)?;
        let sealing = subtle.encrypt_with_object_and_u8_array(
            self.algorithm(&nonce).unchecked_ref(),
            &key,
            text.expose().as_bytes(),
        );
        let ciphertext =
            JsFuture::from(sealing.map_err(|_| Unavailable)?).await.map_err(|_| Unavailable)?;
        let mut bytes = nonce.to_vec();
        bytes.extend(Uint8Array::new(&ciphertext).to_vec());
        Ok(format!("{FORMAT}{}", id::encode(&bytes)))
    }

    fn algorithm(&self, nonce: &[u8]) -> JsValue {
        web::object(&[
            ("name", "AES-GCM".into()),
            ("iv", Uint8Array::from(nonce).into()),
            ("additionalData", Uint8Array::from(self.name.as_bytes()).into()),
        ])
    }

    /// This origin's key. Asked for each time, since another tab may have made it, or the user removed it. `add` lets
    /// exactly one of several tabs make it.
    async fn key(&self, make: bool) -> Result<Option<CryptoKey>, Unavailable> {
        let found = self.get(KEYS, KEY).await?;
        if found.is_object() {
            return Ok(Some(found.unchecked_into()));
        }
        if !make {
            return Ok(None);
        }
        let fresh = generate().await.ok_or(Unavailable)?;
        let _ = self.put(KEYS, KEY, &fresh, true).await;
        let found = self.get(KEYS, KEY).await?;
        Ok(found.is_object().then(|| found.unchecked_into()))
    }

    async fn copy(&self) -> Result<Option<String>, Unavailable> {
        if self.storage != Storage::Local {
            return Ok(None);
        }
        Ok(self.get(SEALED, &self.name).await?.as_string())
    }

    async fn forget(&self) {
        if let Some(area) = self.area() {
            let _ = area.remove_item(&self.name);
        }
        let deleting = self.database.as_ref().and_then(|database| {
            let transaction = web::strict(database, SEALED, "readwrite").ok()?;
            let store = transaction.object_store(SEALED).ok()?;
            store.delete(&JsValue::from_str(&self.name)).ok()
        });
        if let Some(deleting) = deleting {
            let _ = done(&deleting).await;
        }
    }

    /// The storage that lies near: read at once, written late.
    fn area(&self) -> Option<web_sys::Storage> {
        match self.storage {
            Storage::Local => {
                // `raw` panics where the browser refuses.
                web::window()?.local_storage().ok()??;
                Some(LocalStorage::raw())
            }
            Storage::Session => session_area(),
            Storage::Memory => None,
        }
    }

    async fn get(&self, store: &str, name: &str) -> Result<JsValue, Unavailable> {
        let database = self.database.as_ref().ok_or(Unavailable)?;
        let transaction = database.transaction_with_str(store).map_err(|_| Unavailable)?;
        let store = transaction.object_store(store).map_err(|_| Unavailable)?;
        let request = store.get(&JsValue::from_str(name)).map_err(|_| Unavailable)?;
        done(&request).await
    }

    async fn put(
        &self,
        store: &str,
        name: &str,
        value: &JsValue,
        only_if_absent: bool,
    ) -> Result<(), Unavailable> {
        let database = self.database.as_ref().ok_or(Unavailable)?;
        let transaction = web::strict(database, store, "readwrite").map_err(|_| Unavailable)?;
        let store = transaction.object_store(store).map_err(|_| Unavailable)?;
        let name = JsValue::from_str(name);
        let (complete, fulfil) = web::promise();
        let fail = web::with(&fulfil, &JsValue::FALSE);
        transaction.set_oncomplete(Some(&fulfil));
        transaction.set_onabort(Some(&fail));
        let request = if only_if_absent {
            store.add_with_key(value, &name)
        } else {
            store.put_with_key(value, &name)
        };
        request.map_err(|_| Unavailable)?;
        let outcome = JsFuture::from(complete).await;
        match outcome {
            Ok(event) if event != JsValue::FALSE => Ok(()),
            _ => Err(Unavailable),
        }
    }
}

fn session_area() -> Option<web_sys::Storage> {
    web::window()?.session_storage().ok()??;
    Some(SessionStorage::raw())
}

fn subtle() -> Option<web_sys::SubtleCrypto> {
    let crypto = web::window()?.crypto().ok()?;
    let subtle = web::get(&crypto, "subtle");
    subtle.is_object().then(|| subtle.unchecked_into())
}

async fn generate() -> Option<JsValue> {
    let algorithm = web::object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    let making = subtle()?.generate_key_with_object(algorithm.unchecked_ref(), false, &usages);
    JsFuture::from(making.ok()?).await.ok()
}

async fn database() -> Option<IdbDatabase> {
    let opening = web::window()?.indexed_db().ok()??.open_with_u32(DATABASE, 1).ok()?;
    let upgrade = {
        let opening: IdbOpenDbRequest = opening.clone();
        Closure::<dyn FnMut()>::new(move || {
            if let Ok(database) = opening.result() {
                let database: IdbDatabase = database.unchecked_into();
                let _ = database.create_object_store(KEYS);
                let _ = database.create_object_store(SEALED);
            }
        })
    };
    opening.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    let opened = promise_of(&opening);
    web::within(&opened, OPENING).await?.ok()?;
    let database: IdbDatabase = opening.result().ok()?.unchecked_into();
    database.is_instance_of::<IdbDatabase>().then_some(database)
}

/// A promise for a request's success; it is fulfilled with `false` when the request fails.
fn promise_of(request: &IdbRequest) -> Promise {
    let (promise, fulfil): (Promise, Function) = web::promise();
    request.set_onsuccess(Some(&fulfil));
    request.set_onerror(Some(&fulfil));
    promise
}

async fn done(request: &IdbRequest) -> Result<JsValue, Unavailable> {
    let _ = JsFuture::from(promise_of(request)).await;
    // `result` throws while there is none, and `error` tells what went wrong.
    match request.error() {
        Ok(None) => request.result().map_err(|_| Unavailable),
        _ => Err(Unavailable),
    }
}
