//! What an access token says and whether it holds: for the guard and for introspection.

use countersign_protocol::{
    ClientId, Denied, Scope, Subject, Timestamp,
    client::Client,
    grant::{self, Carried, Grant, Input},
    id::GrantId,
    introspection::{self, Introspection},
    token::TokenType,
};

use super::Authority;
use crate::{
    record::{Change, Held},
    revoked::Revoked,
    token::{KeptToken, Opened, Prefix},
};

/// What an access token allows, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user; `None`: the client acts for itself.
    pub subject: Option<Subject>,
    /// The client.
    pub client: ClientId,
    /// What is allowed.
    pub scope: Scope,
    /// When the token was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Authority {
    /// What an access token allows now. [`Denied::AccessTokenInvalid`] for one that is made up, expired or revoked,
    /// or of another kind; [`Denied::StoreUnavailable`] when nobody can tell.
    pub async fn access(&self, token: &str) -> Result<Access, Denied> {
        let opened = self.codec().open(Prefix::Access, token).await;
        match opened.map_err(invalid)? {
            Opened::Kept(kept) => self.kept_access(&kept).await,
            Opened::Carried { token, grant } => {
                let carried = serde_json::from_slice::<Carried>(&grant);
                let carried = carried.map_err(|_| Denied::AccessTokenInvalid)?;
                carried.check(self.now())?;
                self.check_standing(&carried.client, carried.subject.as_ref(), &carried.epochs)
                    .await
                    .map_err(invalid)?;
                if self.records().load::<Revoked>(&token.to_string()).await?.is_some() {
                    return Err(Denied::AccessTokenInvalid);
                }
                Ok(Access {
                    subject: carried.subject,
                    client: carried.client,
                    scope: carried.scope,
                    issued: carried.issued,
                    expires: carried.expires,
                })
            }
        }
    }

    /// What introspection tells a client of a token ([RFC 7662 §2](https://www.rfc-editor.org/rfc/rfc7662#section-2)).
    pub async fn introspect(&self, caller: &Client, token: &str) -> Result<Introspection, Denied> {
        introspection::check_caller(caller)?;
        match self.access(token).await {
            Ok(access) if introspection::may_see(caller, &access.client) => Ok(Introspection {
                active: true,
                scope: Some(access.scope),
                client_id: Some(access.client),
                token_type: Some(TokenType::Bearer),
                exp: Some(access.expires.as_secs()),
                iat: Some(access.issued.as_secs()),
                sub: access.subject,
                iss: Some(self.issuer().to_owned()),
            }),
            Err(Denied::StoreUnavailable) => Err(Denied::StoreUnavailable),
            Ok(_) | Err(_) => Ok(Introspection::INACTIVE),
        }
    }

    async fn kept_access(&self, kept: &KeptToken) -> Result<Access, Denied> {
        let held = self.believed(kept).await.map_err(invalid)?;
        let number = kept.reference.number;
        let grant = &held.value;
        let access = grant.access(number, self.now())?;
        self.check_standing(&grant.client, grant.subject.as_ref(), &grant.epochs)
            .await
            .map_err(invalid)?;
        let found = Access {
            subject: grant.subject.clone(),
            client: grant.client.clone(),
            scope: grant.scope_of(access).clone(),
            issued: access.issued,
            expires: access.expires,
        };
        self.note(kept.reference.grant, number, held).await?;
        Ok(found)
    }

    /// The grant that a token refers to, once the token's secret has been checked against it.
    pub(super) async fn believed(&self, kept: &KeptToken) -> Result<Held<Grant>, Denied> {
        let held = self.records().hold::<Grant>(&kept.reference.grant.to_string()).await?;
        let held = held.ok_or(Denied::TokenUnknown)?;
        kept.verify(&held.value.salt)?;
        Ok(held)
    }

    /// Notes behind the answer that a token came by, where that is worth a write.
    async fn note(&self, id: GrantId, number: u32, held: Held<Grant>) -> Result<(), Denied> {
        let Some(client) = self.client(&held.value.client).await? else {
            return Ok(());
        };
        let terms = self.policy().terms(&client);
        if !held.value.notes(number, &terms, self.now()) {
            return Ok(());
        }
        let authority = self.clone();
        tokio::spawn(async move {
            let (id, now) = (id.to_string(), authority.now());
            let noted = authority.records().change_held(&id, Some(held), |held, _| {
                let Some(grant) = held else {
                    return Ok(Change::Keep(()));
                };
                let (next, _) = grant::step(grant, Input::Seen(number), &terms, now)?;
                Ok(if next == *grant { Change::Keep(()) } else { Change::Put(next, ()) })
            });
            if let Err(denied) = noted.await {
                tracing::debug!(%denied, "that an access token came by was not noted");
            }
        });
        Ok(())
    }
}

/// At a protected resource every reason is the same, except that nobody can tell.
fn invalid(denied: Denied) -> Denied {
    match denied {
        Denied::StoreUnavailable => denied,
        _ => Denied::AccessTokenInvalid,
    }
}
