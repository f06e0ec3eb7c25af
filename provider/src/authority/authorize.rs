//! What a user's consent makes: a pending grant and its code.

use countersign_protocol::{
    Denied, Secret, SessionId, Subject, Timestamp,
    authorization::Request,
    client::GrantType,
    grant::{Grant, Pending, Terminus},
    id::{GrantId, Salt},
    policy::SessionsPerUser,
};

use super::Authority;
use crate::{
    clock::random,
    consent,
    token::{Prefix, Reference},
};

/// A user's yes to a request.
#[derive(Clone, Debug)]
pub struct Consented<'a> {
    /// The grant's name, drawn when the flow began ([`Authority::new_grant_id`]): the same yes twice is one.
    pub grant: GrantId,
    /// What was agreed to.
    pub request: &'a Request,
    /// By whom.
    pub subject: &'a Subject,
    /// In which sign-in session; signing out by way of the grant ends it.
    pub session: Option<SessionId>,
    /// When they proved who they are.
    pub auth_time: Timestamp,
    /// Until when this yes can be said again.
    pub flow_ends: Timestamp,
}

impl Authority {
    /// A name for a grant whose flow begins now.
    pub fn new_grant_id(&self) -> GrantId {
        GrantId::new(self.now(), &random())
    }

    /// Makes the grant of a yes, and gives its code ([RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).
    ///
    /// The same yes again gets the same code while that is waiting; afterwards it is [`Denied::AnsweredAlready`].
    pub async fn consent(&self, consented: Consented<'_>) -> Result<Secret, Denied> {
        let id = consented.grant.to_string();
        if let Some(grant) = self.records().load::<Grant>(&id).await? {
            return self.code_again(consented.grant, &grant);
        }
        let grant = self.pending(&consented).await?;
        if self.records().create(&id, &grant).await? {
            return self.code(consented.grant, &grant);
        }
        // The same form was sent twice at once, and the other one was faster.
        let first = self.records().load::<Grant>(&id).await?.ok_or(Denied::AnsweredAlready)?;
        self.code_again(consented.grant, &first)
    }

    fn code_again(&self, id: GrantId, grant: &Grant) -> Result<Secret, Denied> {
        if grant.awaits_redemption(self.now()) {
            return self.code(id, grant);
        }
        Err(Denied::AnsweredAlready)
    }

    fn code(&self, grant: GrantId, of: &Grant) -> Result<Secret, Denied> {
        self.codec().reference(Prefix::Code, Reference { grant, number: 0 }, &of.salt)
    }

    async fn pending(&self, consented: &Consented<'_>) -> Result<Grant, Denied> {
        let (request, subject) = (consented.request, consented.subject);
        let client =
            self.known_fresh(&request.client).await?.client.ok_or(Denied::ClientUnknown)?;
        if client.sessions_per_user == SessionsPerUser::One {
            consent::end_grants(self.records(), &request.client, subject).await?;
            self.forget_consent(&request.client, subject);
        }
        let standing = self.standing_fresh(&request.client, Some(subject)).await?;
        if standing.disabled {
            return Err(Denied::UserDenied);
        }
        let now = self.now();
        let terms = self.policy().terms(&client);
        let mut epochs = standing.epochs;
        if let Some(session) = consented.session {
            // What ended the session in this moment must end what is made of it: its epoch holds, not a newer one.
            epochs.subject = self.epoch_of_session(session).await?;
        }
        let terminus = Terminus {
            client: request.client.clone(),
            subject: Some(subject.clone()),
            grant_type: GrantType::AuthorizationCode,
            scope: request.scope.clone(),
            epochs,
            session: consented.session,
            auth_time: Some(consented.auth_time),
        };
        let pending = Pending {
            code_expires: now + terms.code,
            redirect_uri: request.destination.redirect_uri.clone(),
            redirect_uri_named: request.destination.redirect_uri_named,
            challenge: request.challenge.clone(),
        };
        let salt = Salt::from_bytes(random());
        Ok(Grant::pending(terminus, pending, salt, &terms, consented.flow_ends, now))
    }
}
