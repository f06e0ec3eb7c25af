//! The browser's own functions that `web-sys` keeps behind an unstable switch or does not bind with the options that
//! are needed here, and the ambient values: clock, randomness, this page's address.

use std::time::Duration;

use countersign_protocol::Timestamp;
use js_sys::{Date, Function, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, IdbDatabase, IdbTransaction, Window};

#[wasm_bindgen]
extern "C" {
    /// `setTimeout`, by its global name.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: u32) -> JsValue;

    /// The [Web Locks](https://w3c.github.io/web-locks/) of this origin.
    #[derive(Debug)]
    pub(crate) type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &JsValue,
        callback: &Function,
    ) -> Result<Promise, JsValue>;

    /// A database, for the option that makes a write durable.
    #[wasm_bindgen(extends = IdbDatabase)]
    type Database;

    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &Database,
        stores: &str,
        mode: &str,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;
}

/// This page's window; `None` in a worker or outside a browser.
pub(crate) fn window() -> Option<Window> {
    web_sys::window()
}

/// The browser's clock.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole milliseconds since 1970, which fit for 285,000 years"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(Date::now() as u64)
}

/// Fresh random bytes; `None` where there is no source of them.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let crypto = window()?.crypto().ok()?;
    crypto.get_random_values_with_u8_array(&mut bytes).ok()?;
    Some(bytes)
}

/// A promise, with the function that fulfils it.
pub(crate) fn promise() -> (Promise, Function) {
    let mut fulfil = JsValue::UNDEFINED;
    let promise = Promise::new(&mut |resolve, _| fulfil = resolve.into());
    (promise, fulfil.unchecked_into())
}

/// The function with its argument given.
pub(crate) fn with(function: &Function, argument: &JsValue) -> Function {
    let function: &Function = function.unchecked_ref();
    function.bind1(&JsValue::UNDEFINED, argument).unchecked_into()
}

/// A promise that is fulfilled after a while.
pub(crate) fn timer(after: Duration) -> Promise {
    let (promise, fulfil) = promise();
    set_timeout(&fulfil, u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
    promise
}

/// Waits.
pub(crate) async fn sleep(time: Duration) {
    let _ = JsFuture::from(timer(time)).await;
}

/// What the promise gives, or `None` when it takes longer.
pub(crate) async fn within(promise: &Promise, time: Duration) -> Option<Result<JsValue, JsValue>> {
    let late = JsValue::symbol(None);
    let (timeout, fulfil) = self::promise();
    let fulfil = with(&fulfil, &late);
    set_timeout(&fulfil, u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
    let both = js_sys::Array::of2(promise, &timeout);
    match JsFuture::from(Promise::race(&both)).await {
        Ok(value) if value == late => None,
        other => Some(other),
    }
}

/// An object with these members.
pub(crate) fn object(members: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (name, value) in members {
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}

/// An object's member; `undefined` where there is none.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// The origin's locks; `None` where the page is not secure.
pub(crate) fn locks() -> Option<LockManager> {
    let locks = get(window()?.navigator().as_ref(), "locks");
    locks.is_object().then(|| locks.unchecked_into())
}

/// Asks for a lock; the callback's promise holds it. The promise given is rejected when `signal` is aborted first.
pub(crate) fn request_lock(
    name: &str,
    signal: &AbortSignal,
    callback: &Function,
) -> Option<Promise> {
    let options = object(&[("signal", signal.into())]);
    locks()?.request(name, &options, callback).ok()
}

/// Begins a transaction that is on the disk when it is complete, where the browser can promise that.
pub(crate) fn strict(
    database: &IdbDatabase,
    store: &str,
    mode: &str,
) -> Result<IdbTransaction, JsValue> {
    let options = object(&[("durability", "strict".into())]);
    database.unchecked_ref::<Database>().transaction(store, mode, &options)
}
