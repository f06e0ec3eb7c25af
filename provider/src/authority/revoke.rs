//! Revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use countersign_protocol::{
    Denied, Secret,
    client::Client,
    grant::{self, Carried, Grant, Input, Reason},
    id::{GrantId, TokenId},
};

use super::Authority;
use crate::{
    audit::{Actor, Event, What},
    record::{Change, Held},
    revoked::Revoked,
    token::{KeptToken, Opened, Prefix},
};

impl Authority {
    /// Revokes a token of this client ([§2](https://www.rfc-editor.org/rfc/rfc7009#section-2)).
    ///
    /// A refresh token, any that was ever in its line, ends the whole grant. An access token ends itself alone where
    /// the grant has a refresh token, and the grant otherwise. What is unknown or over is revoked already.
    pub async fn revoke(&self, client: &Client, token: &Secret) -> Result<(), Denied> {
        match self.open_any(token).await {
            Ok((prefix, Opened::Kept(kept))) => match self.revoke_kept(client, prefix, &kept).await
            {
                Err(Denied::TokenUnknown) => Ok(()),
                other => other.map(drop),
            },
            Ok((_, Opened::Carried { token, grant })) => {
                let carried = serde_json::from_slice(&grant).map_err(|_| Denied::Internal)?;
                self.revoke_carried(client, token, &carried).await
            }
            Err(Denied::TokenUnknown) => Ok(()),
            Err(denied) => Err(denied),
        }
    }

    async fn open_any(&self, token: &Secret) -> Result<(Prefix, Opened), Denied> {
        let text = token.expose();
        for prefix in [Prefix::Refresh, Prefix::Access] {
            match self.codec().open(prefix, text).await {
                Ok(opened) => return Ok((prefix, opened)),
                Err(Denied::TokenUnknown) => {}
                Err(denied) => return Err(denied),
            }
        }
        Err(Denied::TokenUnknown)
    }

    async fn revoke_kept(
        &self,
        client: &Client,
        prefix: Prefix,
        kept: &KeptToken,
    ) -> Result<Grant, Denied> {
        let held = self.believed(kept).await?;
        if held.value.client != client.client_id {
            return Err(Denied::OfAnotherClient);
        }
        let input = match prefix {
            Prefix::Access => Input::RevokeAccess(kept.reference.number),
            _ => Input::Revoke(Reason::Client),
        };
        self.end(kept.reference.grant, Some(held), client, input).await
    }

    /// Ends a grant, or one of its access tokens, and tells what it was.
    pub(super) async fn end(
        &self,
        grant: GrantId,
        held: Option<Held<Grant>>,
        client: &Client,
        input: Input<'_>,
    ) -> Result<Grant, Denied> {
        let (id, now) = (grant.to_string(), self.now());
        let terms = self.policy().terms(client);
        let ended = self.records().change_held(&id, held, |held, _| {
            let grant = held.ok_or(Denied::TokenUnknown)?;
            let (next, _) = grant::step(grant, input.clone(), &terms, now)?;
            let unchanged = next == *grant;
            Ok(if unchanged { Change::Keep(next) } else { Change::Put(next.clone(), next) })
        });
        let ended = ended.await?;
        let event = Event::new(What::Revocation, Actor::Client(client.client_id.clone()));
        self.record(&event.grant(grant));
        Ok(ended)
    }

    async fn revoke_carried(
        &self,
        client: &Client,
        token: TokenId,
        carried: &Carried,
    ) -> Result<(), Denied> {
        if carried.client != client.client_id {
            return Err(Denied::OfAnotherClient);
        }
        if carried.check(self.now()).is_err() {
            return Ok(());
        }
        let mark = Revoked { expires: carried.mark_expires() };
        self.records().create(&token.to_string(), &mark).await?;
        let event = Event::new(What::Revocation, Actor::Client(client.client_id.clone()));
        self.record(&event.token(token));
        Ok(())
    }
}
