//! Client authentication ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    client::{AuthMethod, Client},
    error::Denied,
    form::{self, Form},
    id::ClientId,
    secret::{Secret, SecretHash},
    time::Timestamp,
};

/// What a request shows of its client.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Who it says it is.
    pub client_id: ClientId,
    /// How it proves it.
    pub method: AuthMethod,
    secret: Secret,
}

impl Presented {
    /// Reads the credentials of a request to the token, introspection or revocation endpoint.
    ///
    /// `authorization` is the header of that name. The parameters are those of the body.
    pub fn read(authorization: Option<&[u8]>, form: &Form<'_>) -> Result<Self, Denied> {
        let client_id = form.get("client_id")?;
        let secret = form.get("client_secret")?;
        if form.has("client_assertion") && (authorization.is_some() || secret.is_some()) {
            return Err(Denied::TwoAuthenticationMethods);
        }
        let Some(authorization) = authorization else {
            return Self::from_body(client_id, secret);
        };
        if secret.is_some() {
            return Err(Denied::TwoAuthenticationMethods);
        }
        let basic = Self::from_basic(authorization)?;
        match client_id {
            Some(named) if named != basic.client_id.as_str() => Err(Denied::ClientIdMismatch),
            _ => Ok(basic),
        }
    }

    /// `client_id` and `client_secret` in the body, or `client_id` alone.
    fn from_body(client_id: Option<&str>, secret: Option<&str>) -> Result<Self, Denied> {
        let client_id = client_id.ok_or(Denied::ClientAuthenticationMissing)?;
        Ok(Self {
            client_id: ClientId::new(client_id).ok_or(Denied::ClientRejected)?,
            method: if secret.is_some() { AuthMethod::ClientSecretPost } else { AuthMethod::None },
            secret: Secret::new(secret.unwrap_or_default()),
        })
    }

    /// `Basic`, both halves form-encoded ([§2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    fn from_basic(authorization: &[u8]) -> Result<Self, Denied> {
        let malformed = Denied::BasicMalformed;
        let pair = basic_credentials(authorization).ok_or(malformed.clone())?;
        let (id, secret) = pair.expose().split_once(':').ok_or(malformed.clone())?;
        let (id, secret) = form::decode(id).zip(form::decode(secret)).ok_or(malformed)?;
        Ok(Self {
            client_id: ClientId::new(id).ok_or(Denied::ClientRejected)?,
            method: AuthMethod::ClientSecretBasic,
            secret: Secret::new(secret),
        })
    }

    /// Whether this proves the registered client; `client` is what is registered under [`Presented::client_id`].
    ///
    /// An unknown client costs the same work as a wrong secret, and is told the same.
    pub fn verify(&self, client: Option<&Client>, now: Timestamp) -> Result<(), Denied> {
        /// Nobody's secret.
        static NOBODY: LazyLock<SecretHash> = LazyLock::new(|| SecretHash::of(&Secret::new("")));

        let registered = client
            .map_or(AuthMethod::ClientSecretBasic, |client| client.token_endpoint_auth_method);
        if self.method == AuthMethod::None {
            return match (client, registered) {
                (Some(_), AuthMethod::None) => Ok(()),
                (Some(_), _) => Err(Denied::ClientAuthenticationMissing),
                (None, _) => Err(Denied::ClientRejected),
            };
        }
        let live = client.into_iter().flat_map(|client| &client.secrets);
        let live = live.filter(|secret| secret.expires.is_none_or(|end| now < end));
        let mut matches = false;
        let mut compared = 0;
        for secret in live {
            matches |= secret.hash.matches(&self.secret);
            compared += 1;
        }
        if compared == 0 {
            NOBODY.matches(&self.secret);
        }
        if matches && self.method == registered { Ok(()) } else { Err(Denied::ClientRejected) }
    }
}

/// What stands behind `Basic`, decoded; the scheme's name in any case
/// ([RFC 7617 §2](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn basic_credentials(authorization: &[u8]) -> Option<Secret> {
    let (scheme, rest) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let bytes = STANDARD.decode(rest.trim_ascii()).ok()?;
    String::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{
            ClientSecret,
            tests::{public, web},
        },
        login::basic,
    };

    const NOW: Timestamp = Timestamp::from_secs(100);

    fn read(authorization: Option<&str>, body: &str) -> Result<Presented, Denied> {
        Presented::read(authorization.map(str::as_bytes), &Form::parse(body.as_bytes()).unwrap())
    }

    fn basic_of(id: &str, secret: &str) -> String {
        basic(&ClientId::new(id).unwrap(), &Secret::new(secret)).expose().to_owned()
    }

    #[test]
    fn the_registered_method_with_the_right_secret_is_accepted() {
        let presented = read(Some(&basic_of("web", "s3cret")), "client_id=web").unwrap();
        assert_eq!(presented.verify(Some(&web()), NOW), Ok(()));
        let post = Client { token_endpoint_auth_method: AuthMethod::ClientSecretPost, ..web() };
        let presented = read(None, "client_id=web&client_secret=s3cret").unwrap();
        assert_eq!(presented.verify(Some(&post), NOW), Ok(()));
        assert_eq!(read(None, "client_id=pub").unwrap().verify(Some(&public()), NOW), Ok(()));
    }

    /// T8: dropped, swapped and doubled.
    #[test]
    fn authentication_cannot_be_dropped_or_swapped() {
        let verify = |presented: Presented| presented.verify(Some(&web()), NOW);
        assert_eq!(read(None, "").map(|_| ()), Err(Denied::ClientAuthenticationMissing));
        let only_id = read(None, "client_id=web").unwrap();
        assert_eq!(verify(only_id), Err(Denied::ClientAuthenticationMissing));
        let post = read(None, "client_id=web&client_secret=s3cret").unwrap();
        assert_eq!(verify(post), Err(Denied::ClientRejected));
        let wrong = read(Some(&basic_of("web", "S3cret")), "").unwrap();
        assert_eq!(verify(wrong), Err(Denied::ClientRejected));
        let header = basic_of("web", "s3cret");
        assert_eq!(
            read(Some(&header), "client_secret=x").map(|_| ()),
            Err(Denied::TwoAuthenticationMethods)
        );
        assert_eq!(
            read(Some(&header), "client_id=web2").map(|_| ()),
            Err(Denied::ClientIdMismatch)
        );
    }

    #[test]
    fn a_public_client_has_no_secret_to_show() {
        let presented = read(None, "client_id=pub&client_secret=x").unwrap();
        assert_eq!(presented.verify(Some(&public()), NOW), Err(Denied::ClientRejected));
    }

    /// T9: Basic that is broken is a 401 and never a fault.
    #[test]
    fn broken_basic_is_refused() {
        for bad in
            ["Basic ???", "Basic ", "Bearer x", "Basic d2Vi", "Basic JXp6OnM=", "Basic /zp4", ""]
        {
            assert_eq!(read(Some(bad), "").map(|_| ()), Err(Denied::BasicMalformed), "{bad:?}");
        }
    }

    #[test]
    fn both_halves_of_basic_are_form_encoded() {
        let header = basic_of("a:b", "c d%");
        let presented = read(Some(&header), "").unwrap();
        assert_eq!(presented.client_id.as_str(), "a:b");
        assert_eq!(presented.secret.expose(), "c d%");
    }

    #[test]
    fn an_expired_secret_no_longer_holds_and_a_second_one_does() {
        let old = ClientSecret { hash: SecretHash::of(&Secret::new("old")), expires: Some(NOW) };
        let mut client = web();
        client.secrets.insert(0, old);
        let verify = |secret: &str| {
            read(Some(&basic_of("web", secret)), "").unwrap().verify(Some(&client), NOW)
        };
        assert_eq!(verify("old"), Err(Denied::ClientRejected));
        assert_eq!(verify("s3cret"), Ok(()));
    }
}
