//! What a place says, and the storage that lies near: read at once, written late.
//!
//! `storage.js` seals what is kept by WebCrypto under a key that no script can read. The key and a copy of the
//! ciphertext are in IndexedDB, the ciphertext is in localStorage or sessionStorage too. Chromium writes localStorage
//! to the disk seconds late, IndexedDB at once when asked to; so after a crash the copy with the higher generation is
//! the one to believe. Tabs of an older and a newer bundle share the place, so each value begins with the number of its
//! format.

use countersign_protocol::session::Kept;
use gloo_storage::{LocalStorage, SessionStorage, Storage as _};
use js_sys::Array;
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};

use crate::tab::Tab;

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

impl Storage {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Session => "session",
            Self::Memory => "memory",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Local, Self::Session, Self::Memory].into_iter().find(|it| it.as_str() == word)
    }
}

/// What a place holds.
pub(crate) enum Found {
    Nothing,
    Kept(Box<Kept>),
    /// Ciphertext whose key is gone: to be removed, since nobody will ever read it.
    KeyLost,
}

/// The newest of a place's values, each its text, `undefined` where there is none, `false` where it can never be read,
/// `null` where it cannot be read now: then this is `None`.
pub(crate) fn found(values: &JsValue) -> Option<Found> {
    let mut newest = Found::Nothing;
    for value in values.unchecked_ref::<Array>().iter() {
        if let Some(text) = value.as_string() {
            // Another release's record is not read, and so never overwritten.
            let kept = Kept::from_text(&text)?;
            match &newest {
                Found::Kept(best) if kept.generation().number <= best.generation().number => {}
                _ => newest = Found::Kept(kept.into()),
            }
        } else if value.is_null() {
            return None;
        } else if value == JsValue::FALSE && matches!(newest, Found::Nothing) {
            newest = Found::KeyLost;
        }
    }
    Some(newest)
}

/// The record that can be read, where there is one.
pub(crate) fn kept(values: &JsValue) -> Option<Kept> {
    match found(values) {
        Some(Found::Kept(kept)) => Some(*kept),
        _ => None,
    }
}

#[wasm_bindgen(js_class = CountersignTab)]
impl Tab {
    /// Where the session is to be kept.
    pub fn storage(&self) -> JsValue {
        self.storage.as_str().into()
    }

    /// The name of the place, which its lock and channel bear too.
    pub fn name(&self) -> JsValue {
        let mut name = String::from("countersign:");
        for part in [self.owner.client_id.as_str(), " ", &self.owner.issuer] {
            name.push_str(part);
        }
        name.into()
    }

    /// The storage that lies near, read at once and written late; `undefined` where the browser refuses it.
    #[expect(clippy::unused_self, reason = "the shell reaches this module by the tab alone")]
    pub fn area(&self, in_session: bool) -> JsValue {
        area(in_session).map_or(JsValue::UNDEFINED, JsValue::from)
    }
}

/// `raw` panics where the browser refuses, so it is asked first.
fn area(in_session: bool) -> Option<web_sys::Storage> {
    let window = web_sys::window()?;
    if in_session {
        window.session_storage().ok()??;
        Some(SessionStorage::raw())
    } else {
        window.local_storage().ok()??;
        Some(LocalStorage::raw())
    }
}
