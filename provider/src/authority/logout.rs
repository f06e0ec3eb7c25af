//! Signing out by way of a refresh token: the grant ends, and the sign-in session that it came from.

use countersign_protocol::{
    Denied, Secret,
    client::Client,
    grant::{Input, Reason},
};

use super::Authority;
use crate::token::Prefix;

impl Authority {
    /// Ends the grant of a refresh token of this client and the sign-in session behind it. The token is the proof; no
    /// cookie is needed. A token that is unknown or over has been signed out already.
    pub async fn log_out(&self, client: &Client, refresh_token: &Secret) -> Result<(), Denied> {
        let (kept, held) = match self.presented(Prefix::Refresh, refresh_token).await {
            Err(Denied::TokenUnknown) => return Ok(()),
            other => other?,
        };
        if held.value.client != client.client_id {
            return Err(Denied::OfAnotherClient);
        }
        let input = Input::Revoke(Reason::SignedOut);
        let grant = self
            .end(kept.reference.grant, Some(held), client, input)
            .await?;
        match grant.session {
            Some(session) => self.end_session(session).await,
            None => Ok(()),
        }
    }
}
