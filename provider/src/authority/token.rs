//! The token endpoint's operation: a proven client and what it asks for in, tokens out.

use std::net::IpAddr;

use countersign_protocol::{
    ClientId, Denied, Scope, Secret, Subject,
    client::{Client, GrantType},
    grant::{
        self, Carried, Epochs, Grant, Input, Issued, MAX_TOKEN, Output, OwnWrite, Password,
        Redemption, Refresh, Terminus, TokenRequest,
    },
    id::{GrantId, Salt, TokenId},
    policy::{SessionsPerUser, Terms},
    token::{TokenResponse, TokenType},
};

use super::{Authority, Proven};
use crate::{
    audit::{Actor, Event, What},
    clock::random,
    consent,
    record::{Attempt, Change, Document, Held},
    store::{Kind, Tag},
    token::{KeptToken, Opened, Prefix, Reference},
};

/// Where a request comes from, for the brakes on guessing.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address; `None` where there is none, as within a program.
    pub address: Option<IpAddr>,
    /// What is known of the browser: the name in its long-lived cookie, hashed.
    pub device: Option<String>,
}

impl Document for Grant {
    const KIND: Kind = Kind::Grant;

    fn expires(&self) -> Option<countersign_protocol::Timestamp> {
        Some(Self::expires(self))
    }

    fn tags(&self) -> Vec<Tag> {
        let client = format!("client:{}", self.client).into();
        let subject = self.subject.as_ref().map(|subject| format!("subject:{subject}").into());
        subject.into_iter().chain([client]).collect()
    }
}

impl OwnWrite for Attempt {
    fn is_own(&self, version: &countersign_protocol::Version) -> bool {
        self.drew(version)
    }
}

/// A code or refresh token as a client shows it.
enum Shown<'a> {
    Code { client: &'a ClientId, redirect_uri: Option<&'a str>, verifier: Option<&'a Secret> },
    Refresh(Refresh<'a>),
}

impl Shown<'_> {
    fn input<'b>(&'b self, attempt: &'b Attempt) -> Input<'b> {
        match self {
            Self::Refresh(refresh) => Input::Refresh(refresh.clone()),
            Self::Code { client, redirect_uri, verifier } => Input::Redeem(Redemption {
                client,
                redirect_uri: *redirect_uri,
                verifier: *verifier,
                version: attempt.version(),
                own: attempt,
            }),
        }
    }
}

impl Authority {
    /// Answers a token request ([RFC 6749 §5](https://www.rfc-editor.org/rfc/rfc6749#section-5)) of an authenticated
    /// client.
    pub async fn token(
        &self,
        client: &Client,
        request: TokenRequest,
        peer: &Peer,
    ) -> Result<TokenResponse, Denied> {
        let grant_type = request.grant_type();
        self.policy().check_grant_type(client, grant_type)?;
        let answered = match request {
            TokenRequest::AuthorizationCode { code, redirect_uri, verifier } => {
                self.redeem(client, &code, redirect_uri.as_deref(), verifier.as_ref()).await
            }
            TokenRequest::RefreshToken { refresh_token, scope } => {
                self.refresh(client, &refresh_token, scope.as_ref()).await
            }
            TokenRequest::ClientCredentials { scope } => {
                self.client_credentials(client, scope.as_ref()).await
            }
            TokenRequest::Password(password) => self.password(client, password, peer).await,
        };
        if let Err(denied) = &answered {
            let event = Event::new(What::Token, Actor::Client(client.client_id.clone()));
            self.record(&event.object(grant_type).address(peer.address).reason(denied.clone()));
        }
        answered
    }

    async fn redeem(
        &self,
        client: &Client,
        code: &Secret,
        redirect_uri: Option<&str>,
        verifier: Option<&Secret>,
    ) -> Result<TokenResponse, Denied> {
        let (kept, held) = self.presented(Prefix::Code, code).await?;
        let grant = &held.value;
        let standing = self.standing_fresh(&grant.client, grant.subject.as_ref()).await?;
        standing.check(&grant.epochs)?;
        if let Some(subject) = &grant.subject {
            self.check_user(subject).await?;
        }
        let terms = self.policy().terms(client);
        let shown = Shown::Code { client: &client.client_id, redirect_uri, verifier };
        self.step(&kept, held, &terms, &shown).await
    }

    async fn refresh(
        &self,
        client: &Client,
        refresh_token: &Secret,
        scope: Option<&Scope>,
    ) -> Result<TokenResponse, Denied> {
        let (kept, held) = self.presented(Prefix::Refresh, refresh_token).await?;
        let grant = &held.value;
        self.check_standing(&grant.client, grant.subject.as_ref(), &grant.epochs).await?;
        if let Some(subject) = &grant.subject {
            self.check_user(subject).await?;
        }
        let terms = self.policy().terms(client);
        let generation = kept.reference.number;
        let shown = Shown::Refresh(Refresh { client: &client.client_id, generation, scope });
        self.step(&kept, held, &terms, &shown).await
    }

    async fn client_credentials(
        &self,
        client: &Client,
        asked: Option<&Scope>,
    ) -> Result<TokenResponse, Denied> {
        if client.is_public() {
            return Err(Denied::PublicClientCredentials);
        }
        let scope = self.policy().scope(client, asked)?;
        let terms = self.policy().terms_of_client_itself(client);
        self.begin(client, None, GrantType::ClientCredentials, scope, &terms).await
    }

    async fn password(
        &self,
        client: &Client,
        request: Password,
        peer: &Peer,
    ) -> Result<TokenResponse, Denied> {
        let scope = self.policy().scope(client, request.scope.as_ref())?;
        let proven = self.sign_in(&request.username, &request.password, peer).await?;
        let terms = self.policy().terms(client);
        self.begin(client, Some(proven), GrantType::Password, scope, &terms).await
    }

    /// Makes a grant that yields tokens at once: carried by its token where only one can come of it, else kept.
    async fn begin(
        &self,
        client: &Client,
        proven: Option<Proven>,
        grant_type: GrantType,
        scope: Scope,
        terms: &Terms,
    ) -> Result<TokenResponse, Denied> {
        let terminus = self.terminus(client, proven, grant_type, scope).await?;
        let forgets = self.records().store().forgets(Kind::Revoked);
        let keeps = self.policy().keeps(client) || forgets || !grant::is_single(terms, grant_type);
        if !keeps && let Some(response) = self.carry(terminus.clone(), terms)? {
            return Ok(response);
        }
        let now = self.now();
        let id = GrantId::new(now, &random());
        let (grant, issued) = Grant::active(terminus, Salt::from_bytes(random()), terms, now);
        if !self.records().create(&id.to_string(), &grant).await? {
            return Err(Denied::Internal);
        }
        self.response(id, &grant, &issued)
    }

    async fn terminus(
        &self,
        client: &Client,
        proven: Option<Proven>,
        grant_type: GrantType,
        scope: Scope,
    ) -> Result<Terminus, Denied> {
        let (subject, epoch) = proven.map(|proven| (proven.subject, proven.epoch)).unzip();
        if let Some(subject) =
            subject.as_ref().filter(|_| client.sessions_per_user == SessionsPerUser::One)
        {
            consent::end_grants(self.records(), &client.client_id, subject).await?;
            self.forget_consent(&client.client_id, subject);
        }
        let standing = match &subject {
            Some(subject) => self.standing_fresh(&client.client_id, Some(subject)).await?,
            None => self.standing(&client.client_id, None).await?,
        };
        if standing.disabled {
            return Err(Denied::CredentialsWrong);
        }
        let auth_time = subject.is_some().then(|| self.now());
        Ok(Terminus {
            client: client.client_id.clone(),
            subject,
            grant_type,
            scope,
            epochs: Epochs { subject: epoch.unwrap_or(standing.epochs.subject), ..standing.epochs },
            session: None,
            auth_time,
        })
    }

    /// The token that carries its grant; `None` when it would be too long.
    fn carry(&self, terminus: Terminus, terms: &Terms) -> Result<Option<TokenResponse>, Denied> {
        let now = self.now();
        let carried = Carried::new(terminus, terms, now);
        let bytes = serde_json::to_vec(&carried).map_err(|_| Denied::Internal)?;
        let token = TokenId::new(now, &random());
        let access_token = self.codec().carry(token, &bytes)?;
        if access_token.expose().len() > MAX_TOKEN {
            return Ok(None);
        }
        self.record_issue(&carried.client, carried.subject.as_ref(), |event| event.token(token));
        Ok(Some(TokenResponse {
            access_token,
            token_type: TokenType::Bearer,
            expires_in: Some(carried.expires.since(now).as_secs()),
            refresh_token: None,
            scope: Some(carried.scope),
        }))
    }

    /// What a presented code or refresh token refers to.
    pub(super) async fn presented(
        &self,
        prefix: Prefix,
        token: &Secret,
    ) -> Result<(KeptToken, Held<Grant>), Denied> {
        match self.codec().open(prefix, token.expose()).await? {
            Opened::Kept(kept) => {
                let held = self.believed(&kept).await?;
                Ok((kept, held))
            }
            Opened::Carried { .. } => Err(Denied::TokenUnknown),
        }
    }

    /// Steps the grant on by one swap and answers what came of it.
    async fn step(
        &self,
        kept: &KeptToken,
        held: Held<Grant>,
        terms: &Terms,
        shown: &Shown<'_>,
    ) -> Result<TokenResponse, Denied> {
        let id = kept.reference.grant;
        let name = id.to_string();
        let stepped = self.records().change_held(&name, Some(held), |held, attempt| {
            let grant = held.ok_or(Denied::TokenUnknown)?;
            let (next, output) = grant::step(grant, shown.input(attempt), terms, self.now())?;
            let unchanged = next == *grant;
            let output = (next.clone(), output);
            Ok(if unchanged { Change::Keep(output) } else { Change::Put(next, output) })
        });
        match stepped.await? {
            (grant, Output::Issued(issued)) => self.response(id, &grant, &issued),
            (grant, Output::Refused(denied)) => {
                let event = Event::new(What::Theft, Actor::Client(grant.client.clone())).grant(id);
                self.record(&about(event, grant.subject.as_ref()).reason(denied.clone()));
                Err(denied)
            }
            (_, Output::Done) => Err(Denied::Internal),
        }
    }

    fn record_issue(
        &self,
        client: &ClientId,
        subject: Option<&Subject>,
        of: impl FnOnce(Event) -> Event,
    ) {
        if self.hears_of_tokens() {
            let event = Event::new(What::Token, Actor::Client(client.clone()));
            self.record(&of(about(event, subject)));
        }
    }

    fn response(
        &self,
        grant: GrantId,
        of: &Grant,
        issued: &Issued,
    ) -> Result<TokenResponse, Denied> {
        let token =
            |prefix, number| self.codec().reference(prefix, Reference { grant, number }, &of.salt);
        self.record_issue(&of.client, of.subject.as_ref(), |event| event.grant(grant));
        let refresh = issued.refresh.map(|number| token(Prefix::Refresh, number)).transpose()?;
        Ok(TokenResponse {
            access_token: token(Prefix::Access, issued.access.number)?,
            token_type: TokenType::Bearer,
            expires_in: Some(issued.access.expires.since(self.now()).as_secs()),
            refresh_token: refresh,
            scope: Some(issued.scope.clone()),
        })
    }
}

fn about(event: Event, subject: Option<&Subject>) -> Event {
    match subject {
        Some(subject) => event.subject(subject),
        None => event,
    }
}
