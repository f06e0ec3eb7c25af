//! The record as text without a JSON library, which a browser's client is too small for: the fields as a form.

use super::{Farewell, Format, Generation, Kept, Owner, Renewal, Tokens};
use crate::{
    ClientId, Scope, Secret, Timestamp,
    form::{Form, encode},
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
        let mut fields = vec![
            (V, Format::NUMBER.to_string()),
            (ISSUER, self.owner.issuer.clone()),
            (CLIENT, self.owner.client_id.to_string()),
            (LINE, self.generation.line.to_string()),
            (NUMBER, self.generation.number.to_string()),
        ];
        let mut time = |name, moment: Option<Timestamp>| {
            fields.extend(moment.map(|moment| (name, moment.as_millis().to_string())));
        };
        time(ATTEMPT, self.attempt);
        time(HOLD, self.hold);
        fields.extend(self.tokens.iter().flat_map(fields_of));
        let farewell = |it: &Farewell| {
            let name = FAREWELL[usize::from(it.ends_sign_in)];
            (name, it.token.expose().to_owned())
        };
        fields.extend(self.farewells.iter().map(farewell));
        let text = encode(fields.iter().map(|(name, value)| (*name, value.as_str())));
        for (_, value) in fields {
            drop(Secret::new(value));
        }
        Secret::new(text)
    }

    /// Reads [`to_text`](Self::to_text); `None` for anything else, another release's record included.
    pub fn from_text(text: &str) -> Option<Self> {
        let form = Form::parse(text.as_bytes()).ok()?;
        let get = |name| form.get(name).ok().flatten();
        let number = |name| get(name).and_then(|text| text.parse::<u64>().ok());
        let time = |name| number(name).map(Timestamp::from_millis);
        if number(V) != Some(u64::from(Format::NUMBER)) {
            return None;
        }
        let farewells = form.iter().filter_map(|(name, token)| {
            let ends_sign_in = FAREWELL.iter().position(|own| *own == name)? == 1;
            Some(Farewell { token: token.into(), ends_sign_in })
        });
        Some(Self {
            v: Format,
            owner: Owner {
                issuer: get(ISSUER)?.to_owned(),
                client_id: ClientId::new(get(CLIENT)?)?,
            },
            generation: Generation { line: get(LINE)?.parse().ok()?, number: number(NUMBER)? },
            tokens: get(ACCESS).and_then(|access| tokens_of(access, &form)),
            attempt: time(ATTEMPT),
            hold: time(HOLD),
            farewells: farewells.collect(),
        })
    }
}

fn fields_of(tokens: &Tokens) -> Vec<(&'static str, String)> {
    let scope = |scope: &Option<Scope>| scope.as_ref().map(|it| it.as_str().to_owned());
    let mut fields = vec![
        (ACCESS, tokens.access.expose().to_owned()),
        (SINCE, tokens.since.as_millis().to_string()),
    ];
    let life = tokens.expires_in.map(|seconds| seconds.to_string());
    fields.extend(life.map(|seconds| (EXPIRES_IN, seconds)));
    fields.extend(scope(&tokens.scope).map(|scope| (SCOPE, scope)));
    match &tokens.renewal {
        Renewal::RefreshToken(token) => fields.push((REFRESH, token.expose().to_owned())),
        Renewal::ClientCredentials(asked) => {
            fields.push((CLIENT_SCOPE, scope(asked).unwrap_or_default()));
        }
        Renewal::No => {}
    }
    fields
}

fn tokens_of(access: &str, form: &Form<'_>) -> Option<Tokens> {
    let get = |name| form.get(name).ok().flatten();
    let scope = |name| get(name).and_then(|text| text.parse().ok());
    let renewal = match get(REFRESH) {
        Some(token) => Renewal::RefreshToken(token.into()),
        None if form.has(CLIENT_SCOPE) => Renewal::ClientCredentials(scope(CLIENT_SCOPE)),
        None => Renewal::No,
    };
    Some(Tokens {
        access: access.into(),
        since: Timestamp::from_millis(get(SINCE)?.parse().ok()?),
        expires_in: get(EXPIRES_IN).and_then(|text| text.parse().ok()),
        scope: scope(SCOPE),
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
