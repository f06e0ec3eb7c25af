//! Signing out by way of a refresh token: the grant ends, and the sign-in session that it came from.

use countersign_protocol::{
    Denied, Secret,
    client::Client,
    grant::{Input, Reason, State},
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
        // What was revoked before has no say over a session that goes on.
        if matches!(held.value.state, State::Revoked(_)) {
            return Ok(());
        }
        // The session first: cut off in between, the same call again finds the grant alive and does both.
        if let Some(session) = held.value.session {
            self.end_session(session).await?;
        }
        let input = Input::Revoke(Reason::SignedOut);
        self.end(kept.reference.grant, Some(held), client, input).await.map(drop)
    }
}
