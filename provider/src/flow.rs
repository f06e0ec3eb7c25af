//! What is unfinished: a sign-in, a consent, a sign-out that waits for its answer.
//!
//! The browser carries it, sealed, in a form's field, and nothing is written before the user says yes: so nobody fills
//! the store without an account. A flow is bound to the browser that it was shown to (by the hash of a cookie that has
//! no rights) and ends after a while.

use countersign_protocol::{
    Denied, Secret, SessionId, Subject, Timestamp, authorization::Request, id::GrantId,
    secret::SecretHash,
};
use serde::{Deserialize, Serialize};

use crate::authority::Authority;

/// A page's form on its way to the browser and back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The browser's cookie, hashed.
    #[serde(rename = "b")]
    browser: SecretHash,
    /// Until when it can be answered.
    #[serde(rename = "exp")]
    pub(crate) ends: Timestamp,
    /// What waits for its answer.
    #[serde(flatten)]
    pub(crate) step: Step,
}

/// What waits for an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "page", rename_all = "snake_case")]
pub(crate) enum Step {
    /// Username and password.
    SignIn {
        /// The authorization request, letter by letter.
        query: String,
    },
    /// Yes or no to a client's request.
    Consent(Box<Asked>),
    /// Yes or no to signing out.
    SignOut {
        /// Of which session.
        session: SessionId,
    },
}

/// A request as it was put before the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The name that the grant will have: the same yes twice makes one grant.
    pub(crate) grant: GrantId,
    /// What was shown.
    pub(crate) request: Request,
    /// In which session.
    pub(crate) session: SessionId,
    /// To whom.
    pub(crate) subject: Subject,
}

impl Authority {
    /// Seals a step for the browser that it is shown to.
    pub(crate) fn seal_flow(&self, browser: &Secret, step: Step) -> Result<String, Denied> {
        let flow = Flow {
            browser: SecretHash::of(browser),
            ends: self.now() + self.policy().lifetimes.flow,
            step,
        };
        let bytes = serde_json::to_vec(&flow).map_err(|_| Denied::Internal)?;
        self.codec().seal_flow(&bytes)
    }

    /// The flow that came back from this browser. [`Denied::ForeignForm`] when it was shown to another one,
    /// [`Denied::FlowLost`] when it is none of ours. Whether it has ended is for the caller.
    pub(crate) async fn open_flow(
        &self,
        sealed: &str,
        browser: Option<&Secret>,
    ) -> Result<Flow, Denied> {
        let bytes = self.codec().open_flow(sealed).await?;
        let flow: Flow = serde_json::from_slice(&bytes).map_err(|_| Denied::FlowLost)?;
        let same = browser.is_some_and(|browser| flow.browser.matches(browser));
        same.then_some(flow).ok_or(Denied::ForeignForm)
    }
}

impl Flow {
    /// [`Denied::FlowLost`] when its time is over.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Denied> {
        if now < self.ends { Ok(()) } else { Err(Denied::FlowLost) }
    }
}
