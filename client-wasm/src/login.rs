//! Signing in: by redirect, or with username and password.

use wasm_bindgen_futures::spawn_local;

use crate::{
    client::{Client, Inner},
    error::Error,
    session::Lock,
    storage::Found,
    transport, web,
};
use std::rc::Rc;

use countersign_protocol::{
    Secret, Version,
    login::{self, Callback},
    session::{Session, Tokens, refresh::Answer},
    token::TokenResponse,
};

/// Takes the answer of a sign-in by redirect out of this page's address, so that nothing that the page loads from now
/// on can see it: no `Referer`, no history. `None`: the page is no callback.
///
/// [`Client::open`] does this too; a page that loads anything before calls it first, and hands on what it gave.
pub fn callback() -> Option<String> {
    let window = web::window()?;
    let location = window.location();
    let query = location.search().ok()?;
    let query = query.strip_prefix('?')?;
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    if !has("state") || !(has("code") || has("error")) {
        return None;
    }
    let clean = location.pathname().ok()?;
    let history = window.history().ok()?;
    history.replace_state_with_url(&history.state().unwrap_or_default(), "", Some(&clean)).ok()?;
    Some(query.to_owned())
}

/// What a sign-in with a password gave, for a page that handles the token endpoint's answer itself.
pub(crate) type OnAnswer<'a> = &'a dyn Fn(&TokenResponse);

impl Client {
    /// Leaves this page for the provider's sign-in. The page at the redirect URI finishes it when it is opened.
    pub async fn login(&self) -> Result<(), Error> {
        let client = &self.0;
        let provider = client.provider().await?;
        let random = web::random().zip(web::random()).ok_or(Error::NotSecure)?;
        let started = login::start(
            &provider,
            &client.owner.client_id,
            &client.redirect_uri,
            client.scope.as_ref(),
            &[random.0, random.1],
        )?;
        let kept = client.place.begin(&started.pending).await;
        kept.map_err(|_| {
            Error::Option("sessionStorage is blocked, which a sign-in by redirect needs")
        })?;
        let window = web::window().ok_or(Error::NotSecure)?;
        window.location().assign(&started.url).map_err(|_| Error::Unreachable)
    }

    /// Signs in with username and password
    /// ([RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)). The client must be allowed to.
    pub async fn login_with_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        self.0.password(username, password, None, &|_| {}).await
    }
}

impl Inner {
    /// Signs in at the token endpoint, or at another address that the page names for it.
    pub(crate) async fn password(
        self: &Rc<Self>,
        username: &str,
        password: &Secret,
        endpoint: Option<String>,
        on_answer: OnAnswer<'_>,
    ) -> Result<(), Error> {
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => self.provider().await?.token_endpoint()?.to_owned(),
        };
        let form = login::password_form(username, password, self.scope.as_ref());
        self.sign_in(&endpoint, form, on_answer).await
    }

    /// Finishes the sign-in by redirect that this query answers.
    pub(crate) async fn returned(self: &Rc<Self>, query: &str) -> Result<(), Error> {
        let pending = self.place.begun().await;
        let pending = pending.ok_or(Error::CallbackUnknown)?;
        let returned = pending.check(query);
        // A forged answer does not spoil the true one.
        if !matches!(returned, Err(Callback::NotOurs)) {
            self.place.end();
        }
        let returned = returned.map_err(|why| match why {
            Callback::NotOurs | Callback::Empty => Error::CallbackUnknown,
            Callback::WrongIssuer => Error::CallbackIssuer,
            Callback::Refused(refusal) => Error::Refused(refusal),
        })?;
        let endpoint = self.provider().await?.token_endpoint()?.to_owned();
        self.sign_in(&endpoint, returned.form(), &|_| {}).await
    }

    async fn sign_in(
        self: &Rc<Self>,
        endpoint: &str,
        mut form: Vec<(&'static str, &str)>,
        on_answer: OnAnswer<'_>,
    ) -> Result<(), Error> {
        form.push(("client_id", self.owner.client_id.as_str()));
        let since = web::now();
        match transport::exchange(endpoint, &form).await {
            Answer::Tokens(answer) => {
                let tokens = Tokens::of_login(answer.clone(), self.scope.as_ref(), since);
                self.begin(tokens).await?;
                on_answer(&answer);
                Ok(())
            }
            Answer::Refused(_, refusal) => Err(Error::Refused(refusal.printable())),
            Answer::Failed { status, .. } => Err(Error::Status(status)),
            Answer::Lost if transport::refuses_origin(&self.issuer).await => {
                Err(Error::OriginRefused)
            }
            Answer::NotSent | Answer::Lost => Err(Error::Unreachable),
        }
    }

    /// Begins a session, and keeps it before it is used.
    async fn begin(self: &Rc<Self>, tokens: Tokens) -> Result<(), Error> {
        let line = Version::from_bytes(web::random().ok_or(Error::NotSecure)?);
        let lock = Lock::ask(&self.lock_name);
        let held = lock.granted().await;
        let found = self.place.read().await.ok().and_then(Found::kept);
        let mut session = Session::begin(self.owner.clone(), line, tokens, found.as_ref());
        let kept = session.kept().clone();
        let stored = held && self.place.write(&kept).await.is_ok();
        session.take(kept, stored);
        *self.session.borrow_mut() = Some(session);
        if stored {
            drop(lock);
        } else {
            spawn_local(self.clone().keep_trying(lock));
        }
        self.announce();
        self.tell();
        Ok(())
    }
}
