//! Signing in with a name and a password: shared by the page and the password grant, and so are its brakes.

use countersign_protocol::{
    Denied, Epoch, Secret, Subject, brake::End, password, username::Username,
};

use super::{Authority, Peer};
use crate::users::{Account, NOBODY, SubjectRecord};

/// A user who just proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Who.
    pub subject: Subject,
    /// The epoch under which the proof holds. It was read before the password was looked at: whatever ends all of the
    /// user's grants and sessions meanwhile (a new password does) ends what is made of this proof too.
    pub epoch: Epoch,
}

impl Authority {
    /// Who signs in.
    ///
    /// [`Denied::CredentialsWrong`] for any wrong pair and for whoever may not; [`Denied::TooManyAttempts`] when the
    /// brake holds the account or the address; [`Denied::Busy`] when too many passwords wait to be looked at;
    /// [`Denied::ParameterMalformed`] for a password that is too long for one.
    pub async fn sign_in(
        &self,
        username: &str,
        password: &Secret,
        peer: &Peer,
    ) -> Result<Proven, Denied> {
        password::check_length(password)?;
        let account = self.users().account(username).await?;
        let known = account.as_ref().map_or(username, |account| &account.name);
        let name = Username::new(known).ok_or(Denied::CredentialsWrong)?;
        let begun = self.0.brakes.begin(&name, account.is_some(), peer).await?;
        let proven = self.prove(account.as_ref(), username, password).await;
        let end = match &proven {
            Ok(Some(_)) => End::Right,
            Ok(None) => End::Wrong,
            // An error says nothing about the password.
            Err(_) => End::NotTried,
        };
        let ended = self.0.brakes.end(begun, end).await;
        match proven? {
            None => ended.and(Err(Denied::CredentialsWrong)),
            // What is not given back only holds the brake tighter.
            Some(proven) => Ok(proven),
        }
    }

    /// Who these are, if they may sign in. Each answer costs the same reads (row L9).
    async fn prove(
        &self,
        account: Option<&Account>,
        username: &str,
        password: &Secret,
    ) -> Result<Option<Proven>, Denied> {
        let early = match account {
            Some(account) => Some(self.state(Some(&account.subject)).await?),
            None => None,
        };
        let subject = self.users().authenticate(username, password).await?;
        let same = account.map(|account| &account.subject) == subject.as_ref();
        let state = match early {
            Some(state) if same || subject.is_none() => state,
            _ => self.state(subject.as_ref()).await?,
        };
        let allowed = subject.filter(|_| !state.disabled);
        Ok(allowed.map(|subject| Proven { subject, epoch: state.epoch }))
    }

    async fn state(&self, subject: Option<&Subject>) -> Result<SubjectRecord, Denied> {
        let id = subject.map_or(NOBODY, Subject::as_str);
        let record = self.records().load::<SubjectRecord>(id).await?;
        Ok(record.unwrap_or_default())
    }
}
