//! Why something was refused, and what the wire says of it ([RFC 6749 §4.1.2.1], [§5.2]).
//!
//! A decision returns a [`Denied`]: the broken rule. Its [`ErrorCode`] follows from the rule, and the HTTP status
//! from the code, each in exactly one place. The log gets the rule, the client the code.
//!
//! # Adding a reason
//! Add the variant to [`Denied`]; the compiler then asks for its code and its description.
//!
//! [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
//! [§5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2

use std::{fmt, time::Duration};

/// An error code as it stands in the registry of OAuth parameters, and so on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed: a parameter is missing, doubled or not understood.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code, refresh token or resource owner's credentials are not (or no longer) valid.
    InvalidGrant,
    /// This client may not use this grant type.
    UnauthorizedClient,
    /// The provider does not offer this grant type.
    UnsupportedGrantType,
    /// The provider does not offer this response type.
    UnsupportedResponseType,
    /// The scope is unknown, malformed, or wider than what was granted.
    InvalidScope,
    /// The resource is unknown or malformed ([RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    InvalidTarget,
    /// The user or the provider refused.
    AccessDenied,
    /// `prompt=none` was asked for and nobody is signed in (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// `prompt=none` was asked for and consent is missing (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// `request` is not supported (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// `request_uri` is not supported (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// The access token is missing its mark: expired, revoked, malformed
    /// ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    InvalidToken,
    /// The access token's scope does not reach ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    InsufficientScope,
    /// The kind of token cannot be revoked here
    /// ([RFC 7009 §2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)).
    UnsupportedTokenType,
    /// The provider cannot answer now; ask again a little later.
    TemporarilyUnavailable,
    /// Too many attempts; on the wire the same word as [`Self::TemporarilyUnavailable`], with status 429.
    TooManyRequests,
    /// The request's method is not the endpoint's; on the wire `invalid_request`, with status 405.
    MethodNotAllowed,
    /// The request's body is too large; on the wire `invalid_request`, with status 413.
    ContentTooLarge,
    /// The request's body is of another media type; on the wire `invalid_request`, with status 415.
    UnsupportedMediaType,
    /// The request comes from another site or without its form's mark; on the wire `access_denied`, status 403.
    Forbidden,
    /// A fault of the provider itself.
    ServerError,
}

impl ErrorCode {
    /// The registered word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::MethodNotAllowed
            | Self::ContentTooLarge
            | Self::UnsupportedMediaType => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied | Self::Forbidden => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable | Self::TooManyRequests => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The HTTP status that goes with the code ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2),
    /// [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope | Self::Forbidden => 403,
            Self::MethodNotAllowed => 405,
            Self::ContentTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::TooManyRequests => 429,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::AccessDenied
            | Self::LoginRequired
            | Self::ConsentRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::UnsupportedTokenType => 400,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $variant:ident $(($type:ty))? => $code:ident, $text:literal;)*) => {
        /// The rule that a request broke.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Denied { $($(#[doc = $doc])* $variant $(($type))?,)* }

        impl Denied {
            /// The code that the wire gets.
            pub const fn code(&self) -> ErrorCode {
                match self { $(reasons!(@pattern $variant $($type)?) => ErrorCode::$code,)* }
            }

            /// `error_description`: what went wrong and what the caller can do, without any value of the request.
            pub const fn description(&self) -> &'static str {
                match self { $(reasons!(@pattern $variant $($type)?) => $text,)* }
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $type:ty) => { Self::$variant(_) };
}

reasons! {
    /// A parameter occurs twice (RFC 6749 §3.1, §3.2).
    ParameterTwice(&'static str) => InvalidRequest, "a parameter is given more than once";
    /// A parameter that the request needs is missing or empty.
    ParameterMissing(&'static str) => InvalidRequest, "a required parameter is missing";
    /// A parameter's value is not what its specification allows.
    ParameterMalformed(&'static str) => InvalidRequest, "a parameter is malformed";
    /// The query or body is not `application/x-www-form-urlencoded` in UTF-8.
    FormMalformed => InvalidRequest, "the parameters are not form-urlencoded UTF-8";
    /// More parameters than any request needs.
    TooManyParameters => InvalidRequest, "too many parameters";
    /// A credential stands in the query, where logs and histories keep it (RFC 6749 §2.3.1, RFC 9700 §4.3.2).
    SecretInQuery => InvalidRequest, "credentials belong in the body or a header, never in the query";
    /// The method is not the endpoint's.
    MethodNotAllowed => MethodNotAllowed, "this endpoint does not answer that method";
    /// The body's media type is not `application/x-www-form-urlencoded`.
    NotAForm => UnsupportedMediaType, "the body must be application/x-www-form-urlencoded";
    /// The body is larger than the endpoint reads.
    BodyTooLarge => ContentTooLarge, "the request is too large";
    /// The body did not arrive in time or whole.
    BodyIncomplete => InvalidRequest, "the request did not arrive whole";

    /// No client authentication where it is needed (RFC 6749 §3.2.1).
    ClientAuthenticationMissing => InvalidClient, "client authentication is required";
    /// The `Authorization` header is not a well-formed `Basic` credential (RFC 6749 §2.3.1).
    BasicMalformed => InvalidClient, "the Authorization header is not well-formed Basic credentials";
    /// Two authentication methods in one request (RFC 6749 §2.3).
    TwoAuthenticationMethods => InvalidRequest, "use one client authentication method only";
    /// `client_id` in the body names another client than the `Authorization` header.
    ClientIdMismatch => InvalidClient, "client_id differs from the authenticated client";
    /// The client is unknown, its secret wrong, its method not the registered one, or it is disabled.
    ClientRejected => InvalidClient, "client authentication failed";
    /// Only a confidential client may call this endpoint.
    ClientNotConfidential => InvalidClient, "this endpoint needs a client with credentials";

    /// The client is not registered for the grant or response type.
    GrantNotAllowed => UnauthorizedClient, "the client is not registered for this grant type";
    /// Client credentials need a confidential client (RFC 6749 §4.4).
    PublicClientCredentials => UnauthorizedClient, "a public client cannot use client_credentials";
    /// The provider does not offer the grant type.
    GrantUnsupported => UnsupportedGrantType, "the provider does not offer this grant type";
    /// The provider does not offer the response type (RFC 9700 §2.1.2).
    ResponseTypeUnsupported => UnsupportedResponseType, "only response_type=code is offered";
    /// The response mode is not offered.
    ResponseModeUnsupported => InvalidRequest, "this response_mode is not offered";
    /// Request objects are not offered (RFC 9101).
    RequestObjectUnsupported => RequestNotSupported, "request objects are not offered";
    /// Request objects by reference are not offered (RFC 9101).
    RequestUriUnsupported => RequestUriNotSupported, "request_uri is not offered";

    /// The client of an authorization request is unknown or disabled.
    ClientUnknown => InvalidRequest, "the application is not known here";
    /// The redirect URI is not registered, letter by letter (RFC 9700 §2.1, §4.1.3).
    RedirectUriMismatch => InvalidRequest, "the address to return to is not registered for this application";
    /// Several redirect URIs are registered and the request names none.
    RedirectUriMissing => InvalidRequest, "the request does not say which address to return to";

    /// PKCE is required (RFC 9700 §2.1.1).
    ChallengeMissing => InvalidRequest, "code_challenge is required";
    /// Only `S256` is offered (RFC 7636 §4.2).
    ChallengeMethodUnsupported => InvalidRequest, "code_challenge_method must be S256";
    /// The challenge is not 43 characters of base64url (RFC 7636 §4.2).
    ChallengeMalformed => InvalidRequest, "code_challenge must be 43 characters of base64url";
    /// The verifier is missing although the code was bound to a challenge.
    VerifierMissing => InvalidGrant, "code_verifier is required";
    /// The verifier does not match the challenge (RFC 7636 §4.6).
    VerifierMismatch => InvalidGrant, "code_verifier does not match";
    /// A verifier although the code was bound to no challenge (RFC 9700 §2.1.1).
    VerifierUnexpected => InvalidGrant, "the code was issued without code_challenge";

    /// The scope is not well-formed (RFC 6749 §3.3).
    ScopeMalformed => InvalidScope, "scope is malformed";
    /// The scope is not the client's.
    ScopeNotAllowed => InvalidScope, "the scope is not allowed for this client";
    /// The scope is wider than the grant (RFC 6749 §6).
    ScopeBroader => InvalidScope, "the scope is broader than what was granted";
    /// A repeat of the previous refresh token asks for another scope.
    ScopeOfRepeat => InvalidScope, "a repeated refresh must ask for the same scope";

    /// The user said no.
    UserDenied => AccessDenied, "the request was denied";
    /// `prompt=none`, and nobody is signed in.
    NobodySignedIn => LoginRequired, "nobody is signed in";
    /// `prompt=none`, and consent was not given yet.
    ConsentMissing => ConsentRequired, "consent has not been given";

    /// The code, token or handle is not one of ours.
    TokenUnknown => InvalidGrant, "the token is not valid";
    /// The code is used up in time.
    CodeExpired => InvalidGrant, "the code has expired";
    /// The code was redeemed before: the grant is revoked (RFC 6749 §4.1.2).
    CodeReplayed => InvalidGrant, "the code was used before; what it gave is revoked";
    /// The code or token belongs to another client.
    OfAnotherClient => InvalidGrant, "it was issued to another client";
    /// `redirect_uri` differs from that of the authorization request (RFC 6749 §4.1.3).
    RedirectUriOfCode => InvalidGrant, "redirect_uri differs from that of the authorization request";
    /// The refresh token's line was idle too long, or reached its cap.
    RefreshExpired => InvalidGrant, "the refresh token has expired; sign in again";
    /// An old refresh token came back: two parties hold the line (RFC 9700 §4.14.2).
    RefreshReplayed => InvalidGrant, "the refresh token was used before; the session is revoked";
    /// The grant was revoked.
    GrantRevoked => InvalidGrant, "the grant is revoked; sign in again";
    /// Username or password is wrong, or the account may not sign in; which one is not told.
    CredentialsWrong => InvalidGrant, "username or password is wrong";
    /// Every attempt of this account or address is used up; the caller may ask again after this long.
    TooManyAttempts(Duration) => TooManyRequests, "too many attempts; wait and try again";
    /// A queue of the provider is full; ask again.
    Busy(Duration) => TemporarilyUnavailable, "the provider is busy; try again shortly";

    /// The access token is unknown, expired or revoked (RFC 6750 §3.1).
    AccessTokenInvalid => InvalidToken, "the access token is not valid";
    /// No access token at all (RFC 6750 §3).
    AccessTokenMissing => InvalidToken, "an access token is required";
    /// The access token's scope does not reach.
    ScopeInsufficient => InsufficientScope, "the access token lacks a required scope";
    /// A token of a kind that is not revoked.
    TokenTypeUnsupported => UnsupportedTokenType, "this kind of token cannot be revoked";

    /// A form came from another site, or without the mark of the page that showed it.
    ForeignForm => Forbidden, "the form was not sent from this site's own page; go back and try again";
    /// What was unfinished has expired, is unknown, or belongs to another browser.
    FlowLost => InvalidRequest, "this sign-in has expired or was begun in another browser; start again at the application";
    /// The form was answered before.
    AnsweredAlready => InvalidRequest, "this was answered already; start again at the application";

    /// The store did not answer in time. Nothing is known to have changed; ask again.
    StoreUnavailable => TemporarilyUnavailable, "temporarily unavailable; try again shortly";
    /// A defect of the provider. The log has the cause.
    Internal => ServerError, "the provider failed; the log has the cause";
}

impl Denied {
    /// How long the caller should wait before it asks again (`Retry-After`), where that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts(wait) | Self::Busy(wait) => Some(*wait),
            Self::StoreUnavailable => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParameterTwice(name) => write!(f, "{name} is given more than once"),
            Self::ParameterMissing(name) => write!(f, "{name} is required"),
            Self::ParameterMalformed(name) => write!(f, "{name} is malformed"),
            _ => f.write_str(self.description()),
        }
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_the_code() {
        assert_eq!(Denied::ClientRejected.code().status(), 401);
        assert_eq!(Denied::CodeReplayed.code().as_str(), "invalid_grant");
        assert_eq!(Denied::TooManyAttempts(Duration::from_secs(9)).code().status(), 429);
        assert_eq!(Denied::StoreUnavailable.code().status(), 503);
    }

    #[test]
    fn a_description_names_the_parameter_but_no_value() {
        assert_eq!(Denied::ParameterTwice("scope").to_string(), "scope is given more than once");
    }
}
