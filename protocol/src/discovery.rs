//! Authorization server metadata ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)): what a provider announces, and
//! what a client checks before it believes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    endpoint::{Endpoint, Origin},
    pkce,
};

/// The metadata document ([§2](https://www.rfc-editor.org/rfc/rfc8414#section-2)). Members that are absent are not
/// written; members that it does not know are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// The provider's name: a URL without query and fragment, compared letter by letter.
    pub issuer: String,
    /// Where a browser asks for authorization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// Where a client gets tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// Where a client revokes a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// Where a resource server asks about a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Where a user or a client ends the sign-in session (OpenID Connect RP-Initiated Logout §2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// The keys that sign what the provider signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// A page for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    /// Scopes that may be asked for; may be fewer than there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Response types, e.g. `code`.
    pub response_types_supported: Vec<String>,
    /// Response modes. Absent it means `query` and `fragment`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Grant types. Absent it means `authorization_code` and `implicit`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// Client authentication at the token endpoint. Absent it means `client_secret_basic`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Client authentication at the revocation endpoint. Absent it means `client_secret_basic`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// Client authentication at the introspection endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// PKCE methods. Absent it means that there is no PKCE.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Languages of the pages, as BCP 47 tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// Whether every authorization response names its issuer
    /// ([RFC 9207 §3](https://www.rfc-editor.org/rfc/rfc9207#section-3)).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Whether plain `http` is taken from elsewhere than this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// On loopback alone.
    #[default]
    Loopback,
    /// Everywhere. Whoever is on the way reads every password and token.
    DangerEverywhere,
}

/// Why an issuer's name or its metadata is not believed. The issuer or this client's configuration must be changed;
/// asking again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The issuer's name is not a URL, or has a query or a fragment.
    IssuerMalformed,
    /// The issuer's name is plain `http` and not on this machine.
    IssuerInsecure,
    /// The document names another issuer ([§3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
    IssuerDiffers,
    /// The named endpoint is not a plain `https` URL (or `http` on this machine).
    EndpointUnsafe(&'static str),
    /// The named endpoint is needed and not announced.
    EndpointMissing(&'static str),
    /// The provider does not announce PKCE with `S256`
    /// ([RFC 9700 §2.1.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1)).
    NoS256,
}

impl Distrust {
    /// It as text, for a build without the machinery of [`fmt`].
    pub fn text(&self) -> String {
        let (before, after) = match self {
            Self::IssuerMalformed => ("the issuer is not a URL without query and fragment", ""),
            Self::IssuerInsecure => ("the issuer must use https (http only on loopback)", ""),
            Self::IssuerDiffers => ("the metadata is that of another issuer", ""),
            Self::EndpointUnsafe(name) => (*name, " is not an https URL that can be trusted"),
            Self::EndpointMissing(name) => ("the provider announces no ", *name),
            Self::NoS256 => ("the provider does not announce PKCE with S256", ""),
        };
        before.to_owned() + after
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Distrust {}

/// An issuer's name that was checked: where its metadata may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    endpoint: Endpoint,
    plain: PlainHttp,
}

impl Issuer {
    /// Reads the name; [`Distrust::IssuerMalformed`] or [`Distrust::IssuerInsecure`].
    pub fn parse(name: &str, plain: PlainHttp) -> Result<Self, Distrust> {
        let endpoint = Endpoint::parse(name).ok_or(Distrust::IssuerMalformed)?;
        if endpoint.path_and_query().contains('?') {
            return Err(Distrust::IssuerMalformed);
        }
        if !may_use(&endpoint, plain) {
            return Err(Distrust::IssuerInsecure);
        }
        Ok(Self { endpoint, plain })
    }

    /// The name, letter by letter.
    pub fn as_str(&self) -> &str {
        self.endpoint.as_str()
    }

    /// Where the metadata is: the well-known name goes between host and path
    /// ([§3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1)).
    pub fn metadata_url(&self) -> String {
        [self.endpoint.base(), "/.well-known/oauth-authorization-server", self.path()].concat()
    }

    /// Where providers of OpenID Connect alone have it: the well-known name goes behind the path (OpenID Connect
    /// Discovery §4, [RFC 8414 §5](https://www.rfc-editor.org/rfc/rfc8414#section-5)).
    pub fn openid_metadata_url(&self) -> String {
        [self.endpoint.base(), self.path(), "/.well-known/openid-configuration"].concat()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        self.endpoint.origin()
    }

    /// The issuer's path, without a slash at its end; empty at a host's root.
    pub fn path(&self) -> &str {
        let mut path = self.endpoint.path_and_query();
        while let Some(shorter) = path.strip_suffix('/') {
            path = shorter;
        }
        path
    }

    /// Believes the document if it is this issuer's, and every endpoint in it that a client uses can be trusted with a
    /// secret; [`Distrust`] otherwise.
    pub fn check(&self, metadata: Metadata) -> Result<Checked, Distrust> {
        if metadata.issuer != self.as_str() {
            return Err(Distrust::IssuerDiffers);
        }
        let endpoint = |name, url: Option<&str>| {
            let safe = |url| Endpoint::parse(url).is_some_and(|it| may_use(&it, self.plain));
            if url.is_none_or(safe) { Ok(()) } else { Err(Distrust::EndpointUnsafe(name)) }
        };
        endpoint(AUTHORIZATION, metadata.authorization_endpoint.as_deref())?;
        endpoint(TOKEN, metadata.token_endpoint.as_deref())?;
        endpoint("revocation_endpoint", metadata.revocation_endpoint.as_deref())?;
        endpoint("end_session_endpoint", metadata.end_session_endpoint.as_deref())?;
        Ok(Checked(metadata))
    }
}

const AUTHORIZATION: &str = "authorization_endpoint";
const TOKEN: &str = "token_endpoint";

/// Whether a URL may be sent a secret.
fn may_use(endpoint: &Endpoint, plain: PlainHttp) -> bool {
    plain == PlainHttp::DangerEverywhere || endpoint.origin().is_private()
}

/// Metadata that passed [`Issuer::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Metadata);

impl Checked {
    /// The document.
    pub fn metadata(&self) -> &Metadata {
        &self.0
    }

    /// Where tokens are to be had; [`Distrust::EndpointMissing`].
    pub fn token_endpoint(&self) -> Result<&str, Distrust> {
        self.0.token_endpoint.as_deref().ok_or(Distrust::EndpointMissing(TOKEN))
    }

    /// Where a browser is sent for a code. [`Distrust::EndpointMissing`], or [`Distrust::NoS256`]: without PKCE a code
    /// is not asked for.
    pub fn authorization_endpoint(&self) -> Result<&str, Distrust> {
        let endpoint = self.0.authorization_endpoint.as_deref();
        let endpoint = endpoint.ok_or(Distrust::EndpointMissing(AUTHORIZATION))?;
        let methods = &self.0.code_challenge_methods_supported;
        if methods.iter().any(|method| method == pkce::METHOD) {
            Ok(endpoint)
        } else {
            Err(Distrust::NoS256)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(name: &str) -> Issuer {
        Issuer::parse(name, PlainHttp::Loopback).unwrap()
    }

    fn document() -> Metadata {
        Metadata {
            issuer: "https://id.example".into(),
            authorization_endpoint: Some("https://id.example/oauth/authorize".into()),
            token_endpoint: Some("https://id.example/oauth/token".into()),
            code_challenge_methods_supported: vec!["S256".into()],
            ..Metadata::default()
        }
    }

    #[test]
    fn the_well_known_name_goes_between_host_and_path_or_behind_it() {
        for (name, oauth, openid) in [
            (
                "https://id.example",
                "https://id.example/.well-known/oauth-authorization-server",
                "https://id.example/.well-known/openid-configuration",
            ),
            (
                "https://id.example/",
                "https://id.example/.well-known/oauth-authorization-server",
                "https://id.example/.well-known/openid-configuration",
            ),
            (
                "https://shop.example:8443/auth/a/",
                "https://shop.example:8443/.well-known/oauth-authorization-server/auth/a",
                "https://shop.example:8443/auth/a/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(issuer(name).metadata_url(), oauth);
            assert_eq!(issuer(name).openid_metadata_url(), openid);
        }
    }

    #[test]
    fn an_issuer_is_a_safe_url_without_query_and_fragment() {
        for (name, why) in [
            ("id.example", Distrust::IssuerMalformed),
            ("https://id.example?x", Distrust::IssuerMalformed),
            ("https://id.example#x", Distrust::IssuerMalformed),
            ("http://id.example", Distrust::IssuerInsecure),
        ] {
            assert_eq!(Issuer::parse(name, PlainHttp::Loopback), Err(why), "{name}");
        }
        assert!(Issuer::parse("http://id.example", PlainHttp::DangerEverywhere).is_ok());
        assert!(Issuer::parse("http://127.0.0.1:8080", PlainHttp::Loopback).is_ok());
    }

    /// N2: a document of another issuer, even by a slash, is not believed.
    #[test]
    fn the_document_must_name_its_issuer_letter_by_letter() {
        for other in ["", "https://id.example/", "https://ID.example", "https://evil.test"] {
            let document = Metadata { issuer: other.into(), ..document() };
            assert_eq!(issuer("https://id.example").check(document), Err(Distrust::IssuerDiffers));
        }
        assert!(issuer("https://id.example").check(document()).is_ok());
    }

    /// N4: none of these ever reaches a browser's launcher, nor a secret one of them.
    #[test]
    fn an_endpoint_that_cannot_be_trusted_is_refused() {
        for bad in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "-flag",
            "$(x)",
            "http://id.example/a",
            "/token",
            "",
        ] {
            let check = |document| issuer("https://id.example").check(document);
            let refused = |name| Err(Distrust::EndpointUnsafe(name));
            let bad = || Some(bad.to_owned());
            let authorization = Metadata { authorization_endpoint: bad(), ..document() };
            assert_eq!(check(authorization), refused("authorization_endpoint"));
            let token = Metadata { token_endpoint: bad(), ..document() };
            assert_eq!(check(token), refused("token_endpoint"));
            let revocation = Metadata { revocation_endpoint: bad(), ..document() };
            assert_eq!(check(revocation), refused("revocation_endpoint"));
            let end_session = Metadata { end_session_endpoint: bad(), ..document() };
            assert_eq!(check(end_session), refused("end_session_endpoint"));
        }
    }

    /// N2: without S256 no code is asked for.
    #[test]
    fn a_code_is_asked_for_only_where_s256_is_announced() {
        for methods in [vec![], vec!["plain".to_owned()], vec!["s256".to_owned()]] {
            let document = Metadata { code_challenge_methods_supported: methods, ..document() };
            let checked = issuer("https://id.example").check(document).unwrap();
            assert_eq!(checked.authorization_endpoint(), Err(Distrust::NoS256));
            assert!(checked.token_endpoint().is_ok());
        }
    }

    #[test]
    fn what_is_not_announced_is_missing() {
        let document = Metadata { issuer: "https://id.example".into(), ..Metadata::default() };
        let checked = issuer("https://id.example").check(document).unwrap();
        assert_eq!(checked.token_endpoint(), Err(Distrust::EndpointMissing("token_endpoint")));
        assert_eq!(
            checked.authorization_endpoint(),
            Err(Distrust::EndpointMissing("authorization_endpoint"))
        );
    }

    #[test]
    fn a_document_is_read_with_members_that_are_unknown_or_absent() {
        let document: Metadata =
            serde_json::from_str(r#"{"issuer":"https://a","new_member":[{}]}"#).unwrap();
        assert_eq!(document, Metadata { issuer: "https://a".into(), ..Metadata::default() });
        let written = serde_json::to_string(&document).unwrap();
        assert_eq!(written, r#"{"issuer":"https://a","response_types_supported":[]}"#);
    }
}
