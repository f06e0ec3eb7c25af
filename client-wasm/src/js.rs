//! JavaScript's values, and the browser's clock.

use std::time::Duration;

use countersign_protocol::{Secret, Timestamp, id};
use js_sys::{Date, Reflect};
use wasm_bindgen::JsValue;

/// The browser's clock.
pub(crate) fn now() -> Timestamp {
    moment(Date::now())
}

/// A moment as JavaScript tells it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole milliseconds since 1970, which fit for 285,000 years"
)]
pub(crate) fn moment(millis: f64) -> Timestamp {
    Timestamp::from_millis(millis as u64)
}

/// A time as JavaScript tells it, in milliseconds: 49 days at most.
pub(crate) fn millis(time: Duration) -> JsValue {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).into()
}

/// An object's member; `undefined` where there is none.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// An object's member that is text.
pub(crate) fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name).as_string()
}

/// Text that must not be seen.
pub(crate) fn secret(value: &JsValue) -> Option<Secret> {
    value.as_string().map(Secret::new)
}

/// As many bytes as are asked for, of their base64url.
pub(crate) fn bytes<const N: usize>(value: &JsValue) -> Option<[u8; N]> {
    id::decode(&value.as_string()?)?.try_into().ok()
}
