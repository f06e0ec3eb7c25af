//! Signing in with a name and a password: shared by the page and the password grant.

use countersign_protocol::{Denied, Secret, Subject};

use super::{Authority, Peer};

impl Authority {
    /// Who signs in; [`Denied::CredentialsWrong`] for any wrong pair and for whoever may not.
    pub async fn sign_in(
        &self,
        username: &str,
        password: &Secret,
        _peer: &Peer,
    ) -> Result<Subject, Denied> {
        self.users()
            .authenticate(username, password)
            .await?
            .ok_or(Denied::CredentialsWrong)
    }
}
