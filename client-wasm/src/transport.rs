//! Talking to the provider: never with cookies, never along a redirect, never longer than an attempt may take.

use countersign_protocol::{
    discovery::{Checked, Issuer, Metadata},
    form,
    session::refresh::{ATTEMPT, Answer},
    token::{ErrorResponse, TokenResponse, TokenType},
};
use js_sys::JSON;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Response};

use crate::{error::Error, web};

/// An answer, whole.
struct Whole {
    status: u16,
    is_json: bool,
    retry_after: Option<String>,
    body: String,
}

/// Sends a form to the token endpoint and judges the answer.
pub(crate) async fn exchange(url: &str, parameters: &[(&str, &str)]) -> Answer {
    let body = form::encode(parameters.iter().copied());
    match ask(url, Some(&body)).await {
        Some(answer) => Answer::of(
            answer.status,
            answer.is_json,
            answer.retry_after.as_deref(),
            || tokens(&parse(&answer.body)?),
            || refusal(&parse(&answer.body)?),
        ),
        None if web::window().is_some_and(|window| !window.navigator().on_line()) => {
            Answer::NotSent
        }
        None => Answer::Lost,
    }
}

/// Sends a form whose answer's status is all that matters. `None`: no answer.
pub(crate) async fn tell(url: &str, parameters: &[(&str, &str)]) -> Option<u16> {
    let body = form::encode(parameters.iter().copied());
    ask(url, Some(&body)).await.map(|answer| answer.status)
}

/// Asks for metadata and believes what passes its checks.
pub(crate) async fn discover(issuer: &Issuer) -> Result<Checked, Error> {
    match document(&issuer.metadata_url()).await {
        Ok(metadata) => Ok(issuer.check(metadata)?),
        Err(Error::Unreachable) => Err(Error::Unreachable),
        // Where a provider of OpenID Connect alone has it.
        Err(_) => Ok(issuer.check(document(&issuer.openid_metadata_url()).await?)?),
    }
}

/// Reads a metadata document, which is not believed yet.
pub(crate) async fn document(url: &str) -> Result<Metadata, Error> {
    let answer = ask(url, None).await.ok_or(Error::Unreachable)?;
    if answer.status != 200 {
        return Err(Error::Status(answer.status));
    }
    let document = parse(&answer.body).ok_or(Error::Unreadable)?;
    Ok(metadata(&document))
}

/// Whether the provider answers at all, and refuses this page's origin alone.
pub(crate) async fn refuses_origin(issuer: &Issuer) -> bool {
    document(&issuer.metadata_url()).await.is_ok()
}

async fn ask(url: &str, form: Option<&str>) -> Option<Whole> {
    let abort = AbortController::new().ok()?;
    let mut init = vec![
        ("credentials", JsValue::from("omit")),
        ("redirect", "error".into()),
        ("referrerPolicy", "no-referrer".into()),
        ("signal", abort.signal().into()),
    ];
    if let Some(form) = form {
        let headers = web::object(&[
            ("Content-Type", "application/x-www-form-urlencoded".into()),
            ("Accept", "application/json".into()),
        ]);
        init.extend([
            ("method", "POST".into()),
            ("headers", headers),
            ("body", form.into()),
            ("cache", "no-store".into()),
            // A page that is closing still tells the provider that its user signed out.
            ("keepalive", true.into()),
        ]);
    }
    let init = web::object(&init);
    let asking = web::window()?.fetch_with_str_and_init(url, init.unchecked_ref());
    let whole = wasm_bindgen_futures::future_to_promise(async move {
        let response: Response = JsFuture::from(asking).await?.unchecked_into();
        let body = JsFuture::from(response.text()?).await?;
        Ok(js_sys::Array::of2(&response, &body).into())
    });
    let Some(answer) = web::within(&whole, ATTEMPT).await else {
        abort.abort();
        return None;
    };
    let answer: js_sys::Array = answer.ok()?.unchecked_into();
    let response: Response = answer.get(0).unchecked_into();
    let header = |name| response.headers().get(name).ok().flatten();
    Some(Whole {
        status: response.status(),
        is_json: header("content-type").is_some_and(|value| value.starts_with("application/json")),
        retry_after: header("retry-after"),
        body: answer.get(1).as_string()?,
    })
}

fn parse(json: &str) -> Option<JsValue> {
    JSON::parse(json).ok().filter(JsValue::is_object)
}

/// `None`: it is not what the specification asks for.
fn tokens(answer: &JsValue) -> Option<TokenResponse> {
    let text = |name| web::get(answer, name).as_string();
    Some(TokenResponse {
        access_token: text("access_token")?.into(),
        token_type: TokenType::parse(&text("token_type")?)?,
        expires_in: seconds(&web::get(answer, "expires_in")),
        refresh_token: text("refresh_token").map(Into::into),
        scope: text("scope").and_then(|scope| scope.parse().ok()),
    })
}

/// A number, or one that a provider wrote as text.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion from a float saturates"
)]
fn seconds(value: &JsValue) -> Option<u64> {
    let text = || value.as_string()?.parse().ok();
    value.as_f64().map(|seconds| seconds as u64).or_else(text)
}

fn refusal(answer: &JsValue) -> Option<ErrorResponse> {
    let text = |name| web::get(answer, name).as_string();
    Some(ErrorResponse {
        error: text("error")?.into(),
        error_description: text("error_description").map(Into::into),
    })
}

/// The members that this client uses.
fn metadata(document: &JsValue) -> Metadata {
    let text = |name| web::get(document, name).as_string();
    let methods = web::get(document, "code_challenge_methods_supported");
    let methods = methods.dyn_ref::<js_sys::Array>().map(js_sys::Array::to_vec);
    let methods = methods.unwrap_or_default();
    Metadata {
        issuer: text("issuer").unwrap_or_default(),
        authorization_endpoint: text("authorization_endpoint"),
        token_endpoint: text("token_endpoint"),
        revocation_endpoint: text("revocation_endpoint"),
        end_session_endpoint: text("end_session_endpoint"),
        code_challenge_methods_supported: methods.iter().filter_map(JsValue::as_string).collect(),
        authorization_response_iss_parameter_supported: web::get(
            document,
            "authorization_response_iss_parameter_supported",
        )
        .is_truthy(),
        ..Metadata::default()
    }
}
