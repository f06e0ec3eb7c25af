//! A request that carries an access token: where it may go, and what its answer means
//! ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).

use crate::endpoint::Origin;

/// How many redirects a request follows.
pub const MAX_REDIRECTS: usize = 10;

/// The origins that may see the access token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Origin>);

impl AllowList {
    /// Adds an origin.
    pub fn add(&mut self, origin: Origin) {
        self.0.push(origin);
    }

    /// Whether a request to this origin, as a URL parser serializes it (`https://api.example`), may carry the token.
    /// An opaque origin (`null`) may not.
    pub fn permits(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.0.contains(&origin))
    }
}

/// What to do with an answer that may be a redirect ([RFC 9110 §15.4](https://www.rfc-editor.org/rfc/rfc9110#section-15.4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// It is none: the caller gets it.
    No,
    /// Ask at `Location` with the same method and body.
    Same,
    /// Ask at `Location` by GET, without the body.
    Get,
}

/// Reads status and method as browsers do (Fetch §4.4). Where `Location` leads still has to be
/// [permitted](AllowList::permits).
pub fn redirect(status: u16, method: &str) -> Redirect {
    match (status, method) {
        (301 | 302, "POST") => Redirect::Get,
        (303, "GET" | "HEAD") | (301 | 302 | 307 | 308, _) => Redirect::Same,
        (303, _) => Redirect::Get,
        _ => Redirect::No,
    }
}

/// Whether a 401 says that the access token is the fault: `WWW-Authenticate: Bearer error="invalid_token"`
/// ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)). Each header's value is given once; one may hold
/// several challenges ([RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)).
pub fn says_invalid_token<'a>(challenges: impl IntoIterator<Item = &'a str>) -> bool {
    challenges.into_iter().any(challenge_says_so)
}

fn challenge_says_so(value: &str) -> bool {
    let mut bearer = false;
    for part in Unquoted(value) {
        let (scheme, parameter) = scheme_and_parameter(part.trim_ascii());
        if let Some(scheme) = scheme {
            bearer = scheme.eq_ignore_ascii_case("bearer");
        }
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.trim_ascii();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let says = quoted.unwrap_or(value) == "invalid_token";
        if bearer && says && name.trim_ascii().eq_ignore_ascii_case("error") {
            return true;
        }
    }
    false
}

/// A part is `scheme`, `scheme name=value` or `name=value`, with or without spaces around the sign.
fn scheme_and_parameter(part: &str) -> (Option<&str>, &str) {
    let scheme = part.split([' ', '=']).next().unwrap_or(part);
    let rest = part.strip_prefix(scheme).unwrap_or_default().trim_ascii_start();
    if rest.starts_with('=') { (None, part) } else { (Some(scheme), rest) }
}

/// The parts of a header between commas that stand outside quotes.
struct Unquoted<'a>(&'a str);

impl<'a> Iterator for Unquoted<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let comma = self.0.find(|c| {
            let literal = std::mem::take(&mut escaped);
            match c {
                '\\' if quoted && !literal => escaped = true,
                '"' if !literal => quoted = !quoted,
                ',' => return !quoted,
                _ => {}
            }
            false
        });
        let end = comma.unwrap_or(self.0.len());
        let part = self.0.get(..end).unwrap_or_default();
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B3: a token goes only home.
    #[test]
    fn only_listed_origins_see_the_token() {
        let mut list = AllowList::default();
        list.add(Origin::parse("https://api.example").unwrap());
        list.add(Origin::parse("http://127.0.0.1:9").unwrap());
        for yes in ["https://api.example", "https://API.example:443", "http://127.0.0.1:9"] {
            assert!(list.permits(yes), "{yes}");
        }
        for no in [
            "http://api.example",
            "https://api.example:8443",
            "https://api.example.evil.test",
            "https://evil.test",
            "http://127.0.0.1",
            "http://localhost:9",
            "null",
            "",
        ] {
            assert!(!list.permits(no), "{no}");
        }
    }

    #[test]
    fn a_redirect_keeps_the_method_as_browsers_do() {
        for (status, method, then) in [
            (200, "GET", Redirect::No),
            (304, "GET", Redirect::No),
            (300, "GET", Redirect::No),
            (301, "GET", Redirect::Same),
            (302, "POST", Redirect::Get),
            (302, "PUT", Redirect::Same),
            (303, "PUT", Redirect::Get),
            (303, "HEAD", Redirect::Same),
            (307, "POST", Redirect::Same),
            (308, "POST", Redirect::Same),
        ] {
            assert_eq!(redirect(status, method), then, "{status} {method}");
        }
    }

    #[test]
    fn only_a_bearer_challenge_with_invalid_token_asks_for_another_token() {
        for yes in [
            r#"Bearer error="invalid_token""#,
            r#"bearer realm="a, b", error="invalid_token""#,
            "Bearer error=invalid_token",
            r#"Bearer realm="x",error_description="\"", Error = "invalid_token""#,
            r#"Basic realm="x", Bearer error="invalid_token""#,
        ] {
            assert!(says_invalid_token([yes]), "{yes}");
        }
        for no in [
            "",
            "Bearer",
            r#"Bearer realm="error=invalid_token""#,
            r#"Bearer realm=", error=\"invalid_token\"""#,
            r#"Bearer error="insufficient_scope""#,
            r#"Basic error="invalid_token""#,
            r#"Bearer realm="x", Basic error="invalid_token""#,
            r#"Bearer error_description="invalid_token""#,
        ] {
            assert!(!says_invalid_token([no]), "{no}");
        }
        assert!(says_invalid_token(["Basic", r#"Bearer error="invalid_token""#]));
    }
}
