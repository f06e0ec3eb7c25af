//! The record as text without a JSON library, which a browser's client is too small for: the fields as a form.

use super::{Farewell, Format, Generation, Kept, Owner, Renewal, Tokens};
use crate::{
    ClientId, Scope, Secret, Timestamp,
    form::{self, Form},
};

const V: &str = "v";
const ISSUER: &str = "issuer";
const CLIENT: &str = "client_id";
const LINE: &str = "line";
const NUMBER: &str = "number";
const ACCESS: &str = "access";
const SINCE: &str = "since";
const EXPIRES_IN: &str = "expires_in";
const SCOPE: &str = "scope";
const REFRESH: &str = "refresh";
const CLIENT_SCOPE: &str = "client_scope";
const ATTEMPT: &str = "attempt";
const HOLD: &str = "hold";
/// The token of a [`Farewell`]; where the sign-in ends too, the other.
const FAREWELL: [&str; 2] = ["revoke", "end"];

impl Kept {
    /// The record as text, with the tokens in the clear.
    pub fn to_text(&self) -> Secret {
        let mut text = Text(String::with_capacity(512));
        text.number(V, u64::from(Format::NUMBER));
        text.push(ISSUER, &self.owner.issuer);
        text.push(CLIENT, self.owner.client_id.as_str());
        text.push(LINE, &self.generation.line.text());
        text.number(NUMBER, self.generation.number);
        text.time(ATTEMPT, self.attempt);
        text.time(HOLD, self.hold);
        if let Some(tokens) = &self.tokens {
            text.tokens(tokens);
        }
        for farewell in &self.farewells {
            text.push(FAREWELL[usize::from(farewell.ends_sign_in)], farewell.token.expose());
        }
        Secret::new(text.0)
    }

    /// Reads [`to_text`](Self::to_text); `None` for anything else, another release's record included.
    pub fn from_text(text: &str) -> Option<Self> {
        let form = Form::parse(text.as_bytes()).ok()?;
        // First all that can fail, then what owns memory: so that the browser's build has less to give back.
        let (line, number) = (get(&form, LINE)?.parse().ok()?, number(&form, NUMBER)?);
        let (issuer, client_id) = (get(&form, ISSUER)?, get(&form, CLIENT)?);
        if self::number(&form, V) != Some(u64::from(Format::NUMBER)) {
            return None;
        }
        Some(Self {
            v: Format,
            owner: Owner { client_id: ClientId::new(client_id)?, issuer: issuer.to_owned() },
            generation: Generation { line, number },
            tokens: tokens(&form),
            attempt: time(&form, ATTEMPT),
            hold: time(&form, HOLD),
            farewells: form.iter().filter_map(farewell).collect(),
        })
    }
}

/// A record that is being written.
struct Text(String);

impl Text {
    fn push(&mut self, name: &str, value: &str) {
        form::push(&mut self.0, name, value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.push(name, &value.to_string());
    }

    fn time(&mut self, name: &str, moment: Option<Timestamp>) {
        if let Some(moment) = moment {
            self.number(name, moment.as_millis());
        }
    }

    fn tokens(&mut self, tokens: &Tokens) {
        self.push(ACCESS, tokens.access.expose());
        self.time(SINCE, Some(tokens.since));
        if let Some(seconds) = tokens.expires_in {
            self.number(EXPIRES_IN, seconds);
        }
        if let Some(scope) = &tokens.scope {
            self.push(SCOPE, scope.as_str());
        }
        match &tokens.renewal {
            Renewal::RefreshToken(token) => self.push(REFRESH, token.expose()),
            Renewal::ClientCredentials(asked) => {
                self.push(CLIENT_SCOPE, asked.as_ref().map_or("", Scope::as_str));
            }
            Renewal::No => {}
        }
    }
}

fn get<'a>(form: &'a Form<'_>, name: &'static str) -> Option<&'a str> {
    form.get(name).ok().flatten()
}

fn number(form: &Form<'_>, name: &'static str) -> Option<u64> {
    get(form, name)?.parse().ok()
}

fn time(form: &Form<'_>, name: &'static str) -> Option<Timestamp> {
    number(form, name).map(Timestamp::from_millis)
}

fn scope(form: &Form<'_>, name: &'static str) -> Option<Scope> {
    get(form, name)?.parse().ok()
}

fn farewell((name, token): (&str, &str)) -> Option<Farewell> {
    let ends_sign_in = FAREWELL.iter().position(|own| *own == name)? == 1;
    Some(Farewell { token: token.into(), ends_sign_in })
}

fn tokens(form: &Form<'_>) -> Option<Tokens> {
    let (access, since) = (get(form, ACCESS)?, time(form, SINCE)?);
    let renewal = match get(form, REFRESH) {
        Some(token) => Renewal::RefreshToken(token.into()),
        None if form.has(CLIENT_SCOPE) => Renewal::ClientCredentials(scope(form, CLIENT_SCOPE)),
        None => Renewal::No,
    };
    Some(Tokens {
        access: access.into(),
        since,
        expires_in: number(form, EXPIRES_IN),
        scope: scope(form, SCOPE),
        renewal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn kept(renewal: Renewal) -> Kept {
        Kept {
            v: Format,
            owner: Owner {
                issuer: "https://id.example/a?b".into(),
                client_id: ClientId::new("shop & more").unwrap(),
            },
            generation: Generation { line: Version::from_bytes([7; 16]), number: u64::MAX },
            tokens: Some(Tokens {
                access: "a=1&b".into(),
                since: Timestamp::from_millis(1_795_510_800_123),
                expires_in: Some(600),
                scope: "read write".parse().ok(),
                renewal,
            }),
            attempt: Some(Timestamp::from_secs(1)),
            hold: None,
            farewells: [("x", false), ("y", true)]
                .map(|(token, ends_sign_in)| Farewell { token: token.into(), ends_sign_in })
                .into(),
        }
    }

    fn json(kept: &Kept) -> String {
        serde_json::to_string(kept).unwrap()
    }

    #[test]
    fn text_holds_all_that_json_holds() {
        let empty = Kept::empty(kept(Renewal::No).owner, Version::from_bytes([1; 16]));
        for kept in [
            kept(Renewal::RefreshToken("r".into())),
            kept(Renewal::ClientCredentials("a".parse().ok())),
            kept(Renewal::ClientCredentials(None)),
            kept(Renewal::No),
            empty,
        ] {
            let read = Kept::from_text(kept.to_text().expose()).unwrap();
            assert_eq!(json(&read), json(&kept));
        }
    }

    #[test]
    fn what_another_release_wrote_is_not_read() {
        let text = kept(Renewal::No).to_text();
        for other in [
            text.expose().replace("v=1", "v=2"),
            text.expose().replace("v=1&", ""),
            text.expose().replace("line=", "lane="),
            String::new(),
            "{}".into(),
        ] {
            assert!(Kept::from_text(&other).is_none(), "{other}");
        }
    }
}
