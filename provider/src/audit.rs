//! What happened that somebody will want to know later: who did what to whom, when, and how it ended.
//!
//! Each event is one structured line under the `tracing` target `audit`, so that it can be filtered and shipped apart
//! from the rest of the log; what an embedding program hooks in ([`Audit`]) gets it too. No event holds a secret, and
//! no value can break out of its line.
//!
//! # Adding an event
//! Add the variant to [`What`] and its word to [`What::as_str`].

use std::{fmt, net::IpAddr, sync::Arc};

use countersign_protocol::{
    ClientId, Denied, Subject, Timestamp,
    id::{GrantId, TokenId},
};
use tracing::field;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// Somebody signed in, or failed to.
    SignIn,
    /// Somebody signed out.
    SignOut,
    /// A user answered the question for consent.
    Consent,
    /// A client asked for a token and got one, or was refused.
    Token,
    /// A code or refresh token came back that another party had used: its grant is revoked
    /// ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    Theft,
    /// A grant, or a token that carries one, was revoked.
    Revocation,
    /// A server key was made, to become active.
    KeyRotation,
    /// All server keys were thrown away.
    KeyReset,
    /// A user was added.
    UserAdded,
    /// A user's profile, rights or state were changed.
    UserChanged,
    /// A user was deleted.
    UserDeleted,
    /// A user's password was set.
    PasswordChanged,
    /// A client was added.
    ClientAdded,
    /// A client's registration or state was changed.
    ClientChanged,
    /// A client was deleted.
    ClientDeleted,
    /// A client got a new secret.
    ClientSecretChanged,
}

impl What {
    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::Consent => "consent",
            Self::Token => "token",
            Self::Theft => "theft",
            Self::Revocation => "revocation",
            Self::KeyRotation => "key_rotation",
            Self::KeyReset => "key_reset",
            Self::UserAdded => "user_added",
            Self::UserChanged => "user_changed",
            Self::UserDeleted => "user_deleted",
            Self::PasswordChanged => "password_changed",
            Self::ClientAdded => "client_added",
            Self::ClientChanged => "client_changed",
            Self::ClientDeleted => "client_deleted",
            Self::ClientSecretChanged => "client_secret_changed",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who did not prove who they are.
    Unknown,
    /// A user.
    User(Subject),
    /// A client, of its own accord.
    Client(ClientId),
    /// The operator, at the command line or through the embedding program.
    Operator,
    /// The provider itself, because it was time.
    Provider,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::User(subject) => write!(f, "user:{subject}"),
            Self::Client(client) => write!(f, "client:{client}"),
            Self::Operator => f.write_str("operator"),
            Self::Provider => f.write_str("provider"),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What.
    pub what: What,
    /// Who did it.
    pub actor: Actor,
    /// The client it is about.
    pub client: Option<ClientId>,
    /// The user it is about.
    pub subject: Option<Subject>,
    /// The kept grant it is about.
    pub grant: Option<GrantId>,
    /// The carried token it is about, which is in no listing: this is where its name can be found.
    pub token: Option<TokenId>,
    /// The name of what it is about, where that is none of the above: a key's id, a user's name. Never what somebody
    /// typed that names nobody: it may be a password in the wrong field.
    pub object: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Why it was refused, or why the provider had to act; `None`: it was done.
    pub reason: Option<Denied>,
}

impl Event {
    /// This, by them.
    pub fn new(what: What, actor: Actor) -> Self {
        Self {
            what,
            actor,
            client: None,
            subject: None,
            grant: None,
            token: None,
            object: None,
            address: None,
            reason: None,
        }
    }

    /// About this client.
    pub fn client(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// About this user.
    pub fn subject(mut self, subject: &Subject) -> Self {
        self.subject = Some(subject.clone());
        self
    }

    /// About this kept grant.
    pub fn grant(mut self, grant: GrantId) -> Self {
        self.grant = Some(grant);
        self
    }

    /// About this carried token.
    pub fn token(mut self, token: TokenId) -> Self {
        self.token = Some(token);
        self
    }

    /// About what has this name. See [`Event::object`] for what must not stand here.
    pub fn object(mut self, name: impl fmt::Display) -> Self {
        self.object = Some(name.to_string());
        self
    }

    /// From this address.
    pub fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Refused, or done because of this.
    pub fn reason(mut self, reason: Denied) -> Self {
        self.reason = Some(reason);
        self
    }
}

/// Gets every event, in the process: to keep them, to alert, to test. It is called on the request's path and must not
/// block. An event may say that something happened whose answer then got lost; none is kept for a later try.
pub trait Audit: fmt::Debug + Send + Sync {
    /// One more.
    fn record(&self, at: Timestamp, event: &Event);
}

/// Where the provider's events go: to the log, and to what was hooked in. Clones go to the same.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    hooks: Vec<Arc<dyn Audit>>,
}

impl Trail {
    /// Also to this.
    pub fn with(mut self, hook: Arc<dyn Audit>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Whether anybody hears of issued tokens: they are the one event that comes thousands of times a second, so it is
    /// not even put together for nobody.
    pub(crate) fn hears_of_tokens(&self) -> bool {
        !self.hooks.is_empty() || tracing::enabled!(target: "audit", tracing::Level::DEBUG)
    }

    /// Writes the event to the log and hands it to every hook.
    pub fn record(&self, at: Timestamp, event: &Event) {
        log(at, event);
        for hook in &self.hooks {
            hook.record(at, event);
        }
    }
}

/// Theft is a warning, an issued token is for debugging, all else is information.
macro_rules! line {
    ($level:ident, $at:ident, $event:ident) => {
        tracing::$level!(
            target: "audit",
            event = $event.what.as_str(),
            at = %$at,
            actor = escaped(&$event.actor),
            client = $event.client.as_ref().map(escaped),
            subject = $event.subject.as_ref().map(escaped),
            grant = $event.grant.map(field::display),
            token = $event.token.map(field::display),
            object = $event.object.as_ref().map(escaped),
            address = $event.address.map(field::display),
            reason = $event.reason.as_ref().map(escaped),
        )
    };
}

fn log(at: Timestamp, event: &Event) {
    match (event.what, &event.reason) {
        (What::Theft, _) => line!(warn, at, event),
        (What::Token, None) => line!(debug, at, event),
        _ => line!(info, at, event),
    }
}

/// The text with whatever could end a line, move the cursor or turn the reading order escaped (CWE-117), however a
/// subscriber writes it down.
fn escaped(value: &impl fmt::Display) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if is_plain(character) {
            text.push(character);
        } else {
            text.extend(character.escape_default());
        }
    }
    text
}

fn is_plain(character: char) -> bool {
    let turns = matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    !character.is_control() && !turns && character != '\\'
}

#[cfg(test)]
mod tests {
    use std::io;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<(Timestamp, Event)>>);

    impl Audit for Kept {
        fn record(&self, at: Timestamp, event: &Event) {
            self.0.lock().push((at, event.clone()));
        }
    }

    /// What the log's text form makes of the event.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(event: &Event) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            Trail::default().record(Timestamp::from_secs(0), event);
        });
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn an_event_goes_to_every_hook() {
        let (a, b) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        let trail = Trail::default().with(a.clone()).with(b.clone());
        let event = Event::new(What::KeyReset, Actor::Operator);
        trail.clone().record(Timestamp::from_secs(7), &event);
        for kept in [a, b] {
            assert_eq!(*kept.0.lock(), [(Timestamp::from_secs(7), event.clone())]);
        }
    }

    /// X9: actor, object, result, time.
    #[test]
    fn a_line_says_who_did_what_to_whom_when_and_why() {
        let client = ClientId::new("shop").unwrap();
        let subject = Subject::new("ada").unwrap();
        let theft = Event::new(What::Theft, Actor::Client(client.clone()))
            .client(&client)
            .subject(&subject)
            .grant(GrantId::from_bytes([0; 16]))
            .address(Some(IpAddr::from([192, 0, 2, 7])))
            .reason(Denied::RefreshReplayed);
        let line = logged(&theft);
        for part in [
            "WARN",
            "audit",
            "event=\"theft\"",
            "at=1970-01-01T00:00:00Z",
            "actor=\"client:shop\"",
            "client=\"shop\"",
            "subject=\"ada\"",
            "grant=00000000-0000-0000-0000-000000000000",
            "address=192.0.2.7",
            "reason=\"the refresh token was used before",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("token=") && !line.contains("object="), "{line}");
    }

    /// X9: CR and LF in values are escaped, and what else could forge a line or a field.
    #[test]
    fn no_value_breaks_out_of_its_field() {
        let evil = "ada\r\n1970 INFO audit: event=\"sign_in\"\u{1b}[2K\u{85}\u{2028}\u{202e}";
        assert_eq!(
            escaped(&evil),
            r#"ada\r\n1970 INFO audit: event="sign_in"\u{1b}[2K\u{85}\u{2028}\u{202e}"#
        );
        // An escape that somebody wrote themselves is told from one of ours.
        assert_ne!(escaped(&"\\n"), escaped(&"\n"));

        let line = logged(&Event::new(What::UserAdded, Actor::Operator).object(evil));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let printable = |character: char| matches!(character, ' '..='~');
        assert!(line.trim_end().chars().all(printable), "{line:?}");
        assert_eq!(line.matches("event=\"").count(), 1, "{line:?}");
    }
}
