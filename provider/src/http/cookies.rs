//! The two cookies. *browser* has no rights: it binds forms to the browser that they were shown to. *session* is what
//! a sign-in leaves.
//!
//! Over https they are host-only by name (`__Host-`, [RFC 6265bis §4.1.3.2]); over plain http, which there is on
//! loopback alone, browsers refuse that prefix and `Secure`, so both are dropped. The names end with a hash of the
//! issuer: cookies know no ports and no paths, and two providers on one host must not overwrite each other's.
//!
//! [RFC 6265bis §4.1.3.2]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::{Secret, id};
use http::{HeaderMap, HeaderValue, header};

use crate::{clock::random, session::Ticket};

/// As long as a browser keeps any cookie.
const LONG: Duration = Duration::from_hours(24 * 400);

/// The cookies' names and attributes.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    browser: String,
    session: String,
    secure: bool,
}

impl Cookies {
    pub(crate) fn new(issuer: &str) -> Self {
        let secure = issuer.starts_with("https://");
        let prefix = if secure { "__Host-" } else { "" };
        let hash = id::encode(&digest(&SHA256, issuer.as_bytes()).as_ref()[..6]);
        Self {
            browser: format!("{prefix}cs_browser_{hash}"),
            session: format!("{prefix}cs_session_{hash}"),
            secure,
        }
    }

    /// Whether they travel over https alone.
    pub(crate) fn are_secure(&self) -> bool {
        self.secure
    }

    /// A new value for the *browser* cookie: 128 random bits.
    pub(crate) fn new_browser() -> Secret {
        Secret::new(id::encode(&random::<16>()))
    }

    pub(crate) fn browser(&self, headers: &HeaderMap) -> Option<Secret> {
        let value = value(headers, &self.browser)?;
        // Whatever else stands there was not drawn here.
        (id::decode(value)?.len() == 16).then(|| Secret::new(value))
    }

    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Ticket> {
        Ticket::parse(value(headers, &self.session)?)
    }

    pub(crate) fn set_browser(&self, browser: &Secret) -> Option<HeaderValue> {
        self.set(&self.browser, browser.expose(), LONG)
    }

    /// The cookie stays for as long as the session can live; whether the session does is the provider's to say.
    pub(crate) fn set_session(&self, ticket: &Ticket, cap: Duration) -> Option<HeaderValue> {
        self.set(&self.session, &ticket.expose(), cap)
    }

    pub(crate) fn clear_session(&self) -> Option<HeaderValue> {
        self.set(&self.session, "", Duration::ZERO)
    }

    fn set(&self, name: &str, value: &str, age: Duration) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = age.as_secs();
        let text = format!("{name}={value}; Path=/; Max-Age={age}{secure}; HttpOnly; SameSite=Lax");
        let mut header = HeaderValue::try_from(text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// The first cookie of this name.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(own, value)| (own == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    /// L1.
    #[test]
    fn over_https_a_cookie_is_host_only_by_name() {
        let cookies = Cookies::new("https://op.test");
        let set = cookies.set_browser(&Cookies::new_browser()).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("__Host-cs_browser_"), "{set}");
        assert!(
            set.ends_with("; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax"),
            "{set}"
        );
    }

    #[test]
    fn over_plain_http_the_prefix_and_secure_are_dropped() {
        let cookies = Cookies::new("http://127.0.0.1:8080");
        let set = cookies.clear_session().unwrap();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("cs_session_"), "{set}");
        assert!(set.ends_with("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"), "{set}");
    }

    #[test]
    fn two_providers_on_one_host_have_cookies_of_their_own() {
        let (one, other) = (Cookies::new("http://127.0.0.1:1"), Cookies::new("http://127.0.0.1:2"));
        assert_ne!(one.session, other.session);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let cookies = Cookies::new("http://127.0.0.1:8080");
        let browser = Cookies::new_browser();
        let header = format!("a=b; {}={}; c", cookies.browser, browser.expose());
        assert!(cookies.browser(&headers(&header)).unwrap().matches(&browser));
        let planted = format!("{}=short", cookies.browser);
        assert!(cookies.browser(&headers(&planted)).is_none());
    }
}
