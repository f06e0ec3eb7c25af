//! The token request ([RFC 6749 §4](https://www.rfc-editor.org/rfc/rfc6749#section-4)), read once into what its grant type
//! needs.

use crate::{client::GrantType, error::Denied, form::Form, scope::Scope, secret::Secret};

/// A token request.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// [§4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3).
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// Where the user was sent back to.
        redirect_uri: Option<String>,
        /// The code verifier ([RFC 7636 §4.5](https://www.rfc-editor.org/rfc/rfc7636#section-4.5)).
        verifier: Option<Secret>,
    },
    /// [§6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
    RefreshToken {
        /// The refresh token.
        refresh_token: Secret,
        /// A narrower scope.
        scope: Option<Scope>,
    },
    /// [§4.4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.2).
    ClientCredentials {
        /// The scope.
        scope: Option<Scope>,
    },
    /// [§4.3.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.3.2).
    Password(Password),
}

/// A user's name and password, as a first-party client sends them.
#[derive(Clone, Debug)]
pub struct Password {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The scope.
    pub scope: Option<Scope>,
}

impl TokenRequest {
    /// Reads the parameters of a token request's body.
    pub fn read(form: &Form<'_>) -> Result<Self, Denied> {
        let grant_type: GrantType = form.require("grant_type")?.parse()?;
        if form.has_any_twice() {
            return Err(Denied::ParameterTwice("a parameter"));
        }
        let scope = || form.get("scope")?.map(str::parse).transpose();
        let secret = |name| form.require(name).map(Secret::new);
        Ok(match grant_type {
            GrantType::AuthorizationCode => Self::AuthorizationCode {
                code: secret("code")?,
                redirect_uri: form.get("redirect_uri")?.map(str::to_owned),
                verifier: form.get("code_verifier")?.map(Secret::new),
            },
            GrantType::RefreshToken => {
                Self::RefreshToken { refresh_token: secret("refresh_token")?, scope: scope()? }
            }
            GrantType::ClientCredentials => Self::ClientCredentials { scope: scope()? },
            GrantType::Password => Self::Password(Password {
                username: form.require("username")?.to_owned(),
                password: secret("password")?,
                scope: scope()?,
            }),
        })
    }

    /// Its grant type.
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
            Self::Password(_) => GrantType::Password,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<TokenRequest, Denied> {
        TokenRequest::read(&Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn each_grant_type_gets_what_it_needs() {
        let code = read("grant_type=authorization_code&code=c&code_verifier=v").unwrap();
        assert!(matches!(code, TokenRequest::AuthorizationCode { redirect_uri: None, .. }));
        let refresh = read("grant_type=refresh_token&refresh_token=r&scope=a").unwrap();
        assert!(matches!(refresh, TokenRequest::RefreshToken { scope: Some(_), .. }));
        assert_eq!(
            read("grant_type=client_credentials").unwrap().grant_type().as_str(),
            "client_credentials"
        );
        assert!(read("grant_type=password&username=a&password=b").is_ok());
    }

    #[test]
    fn what_is_missing_doubled_or_unknown_is_named() {
        let of = |body| read(body).map(|_| ()).unwrap_err();
        assert_eq!(of(""), Denied::ParameterMissing("grant_type"));
        assert_eq!(of("grant_type=x"), Denied::GrantUnsupported);
        assert_eq!(of("grant_type=authorization_code"), Denied::ParameterMissing("code"));
        assert_eq!(of("grant_type=password&username=a"), Denied::ParameterMissing("password"));
        assert_eq!(
            of("grant_type=client_credentials&grant_type=password"),
            Denied::ParameterTwice("grant_type")
        );
        assert!(matches!(of("grant_type=client_credentials&x=1&x=2"), Denied::ParameterTwice(_)));
        assert_eq!(of("grant_type=client_credentials&scope=%22"), Denied::ScopeMalformed);
    }
}
