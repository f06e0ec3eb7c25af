//! What the provider says. `transport.js` does the asking.

use countersign_protocol::{
    discovery::{Issuer, Metadata, PlainHttp},
    form,
    session::{Owner, refresh::Answer},
    token::{ErrorResponse, TokenResponse, TokenType},
};
use js_sys::Array;
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};

use crate::{
    error::{Failure, Result},
    js::{get, text},
    tab::Tab,
};

#[wasm_bindgen(js_class = CountersignTab)]
impl Tab {
    /// Whether the provider's metadata is known and believed.
    pub fn knows(&self) -> bool {
        self.metadata.is_some()
    }

    /// Where the provider's metadata is, where its issuer is known: one address, and one to try after it, for a provider
    /// of OpenID Connect alone.
    pub fn addresses(&self) -> Array {
        let issuer = self.issuer.as_ref();
        issuer.map_or_else(Array::new, |issuer| {
            Array::of2(&issuer.metadata_url().into(), &issuer.openid_metadata_url().into())
        })
    }

    /// Believes the document that was answered if it passes the checks. Where no issuer was given, it is the one that
    /// the document names.
    pub fn believe(&mut self, answer: &JsValue) -> Result<()> {
        let (status, body) = (status(answer), get(answer, "body"));
        match status {
            0 => return Err(Failure::Own("unreachable").into()),
            200 if body.is_object() => {}
            200 => return Err(Failure::Own("bad-answer").into()),
            other => return Err(Failure::Status(other).into()),
        }
        let metadata = metadata(&body);
        if self.issuer.is_none() {
            let issuer = Issuer::parse(&metadata.issuer, PlainHttp::Loopback)?;
            issuer.as_str().clone_into(&mut self.owner.issuer);
            self.issuer = Some(issuer);
        }
        let issuer = self.issuer.as_ref();
        self.metadata = issuer.map(|issuer| issuer.check(metadata)).transpose()?;
        Ok(())
    }

    /// The token endpoint.
    pub fn endpoint(&self) -> Result<JsValue> {
        let provider = self.metadata.as_ref().ok_or(Failure::Own("unreachable"))?;
        Ok(provider.token_endpoint()?.into())
    }
}

/// A body for the provider, with the client's name in it.
pub(crate) fn client_form<'a>(owner: &'a Owner, mut form: Vec<(&'static str, &'a str)>) -> JsValue {
    form.push(("client_id", owner.client_id.as_str()));
    form::encode(form).into()
}

/// Judges what `ask` gave: `null` where no answer came, `false` where nothing was sent.
pub(crate) fn answer(value: &JsValue) -> Answer {
    if !value.is_object() {
        return if value.is_null() { Answer::Lost } else { Answer::NotSent };
    }
    let body = get(value, "body");
    Answer::of(
        status(value),
        get(value, "json").is_truthy(),
        text(value, "retryAfter").as_deref(),
        || tokens(&body),
        || refusal(&body),
    )
}

/// The answer's status; 0 when there is no answer.
fn status(answer: &JsValue) -> u16 {
    seconds(&get(answer, "status")).and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
}

/// `None`: it is not what the specification asks for.
fn tokens(answer: &JsValue) -> Option<TokenResponse> {
    let token_type = TokenType::parse(&text(answer, "token_type")?)?;
    Some(TokenResponse {
        access_token: text(answer, "access_token")?.into(),
        token_type,
        expires_in: seconds(&get(answer, "expires_in")),
        refresh_token: text(answer, "refresh_token").map(Into::into),
        scope: text(answer, "scope").and_then(|scope| scope.parse().ok()),
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
    Some(ErrorResponse {
        error: text(answer, "error")?.into(),
        error_description: text(answer, "error_description").map(Into::into),
    })
}

/// The members that this client uses.
fn metadata(document: &JsValue) -> Metadata {
    let methods = get(document, "code_challenge_methods_supported");
    let methods = methods.dyn_ref::<Array>().map(Array::iter).into_iter().flatten();
    let names_issuer = get(document, "authorization_response_iss_parameter_supported");
    Metadata {
        issuer: text(document, "issuer").unwrap_or_default(),
        authorization_endpoint: text(document, "authorization_endpoint"),
        token_endpoint: text(document, "token_endpoint"),
        revocation_endpoint: text(document, "revocation_endpoint"),
        end_session_endpoint: text(document, "end_session_endpoint"),
        code_challenge_methods_supported: methods.filter_map(|it| it.as_string()).collect(),
        authorization_response_iss_parameter_supported: names_issuer.is_truthy(),
        ..Metadata::default()
    }
}
