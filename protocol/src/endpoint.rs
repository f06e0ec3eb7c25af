//! Absolute `http` and `https` URLs, read strictly and without a URL library, so that the browser's build stays small.
//!
//! Every spelling that two parsers could read in two ways is refused: user information, backslashes, spaces and
//! control characters, what is not ASCII, a fragment, an IPv4 address in octal or hexadecimal
//! ([RFC 3986 §7](https://www.rfc-editor.org/rfc/rfc3986#section-7)). So what passes here means the same to the browser,
//! to the HTTP client and to the operating system's opener.

use std::{fmt, net::Ipv4Addr, net::Ipv6Addr};

/// The longest URL that is read, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// A URL's scheme, host and port ([RFC 6454 §4](https://www.rfc-editor.org/rfc/rfc6454#section-4)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads an origin, with or without a final slash; `None` when there is a path, a query, or no origin at all.
    pub fn parse(text: &str) -> Option<Self> {
        let endpoint = Endpoint::parse(text)?;
        matches!(endpoint.path_and_query(), "" | "/").then_some(endpoint.origin)
    }

    /// The port, the scheme's own where none is named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether what is sent there cannot be read on the way: `https`, or a host that is this machine.
    pub fn is_private(&self) -> bool {
        self.secure || self.is_loopback()
    }

    /// Whether the host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let v4 = |address: Ipv4Addr| address.is_loopback();
        self.host == "localhost" || self.host == "[::1]" || self.host.parse().is_ok_and(v4)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

/// An absolute `http` or `https` URL without a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    origin: Origin,
    rest: usize,
}

impl Endpoint {
    /// Reads a URL; `None` for one that is not absolute, not `http(s)`, too long, or ambiguous.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH || !text.bytes().all(is_uri_byte) {
            return None;
        }
        let (secure, behind) = match text.strip_prefix("https://") {
            Some(behind) => (true, behind),
            None => (false, text.strip_prefix("http://")?),
        };
        let end = behind.find(['/', '?']).unwrap_or(behind.len());
        let origin = authority(&behind[..end], secure)?;
        let rest = text.len() - behind.len() + end;
        Some(Self { text: text.to_owned(), origin, rest })
    }

    /// The URL, as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What stands behind scheme and authority, as it was given; may be empty.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.rest..]
    }

    /// Scheme and authority, as they were given.
    pub(crate) fn base(&self) -> &str {
        &self.text[..self.rest]
    }
}

/// `unreserved / gen-delims / sub-delims / "%"`, less the fragment's `#`
/// ([RFC 3986 §2](https://www.rfc-editor.org/rfc/rfc3986#section-2)).
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

fn authority(text: &str, secure: bool) -> Option<Origin> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, number(port)?),
        _ => (text, if secure { 443 } else { 80 }),
    };
    let host = host.to_ascii_lowercase();
    is_host(&host).then_some(Origin { secure, host, port })
}

fn number(port: &str) -> Option<u16> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // Only the canonical spelling, so that two origins are one exactly when their texts are.
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A host whose last label begins with a digit is read as a number by browsers: it must be a plain IPv4 address.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    let named = host.len() <= 253 && host.split('.').all(label) && !numeric;
    named || host.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, origin) in [
            ("https://id.example", "https://id.example"),
            ("https://ID.example:443/a?b=c", "https://id.example"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:80?x", "http://[::1]"),
            ("http://localhost:443/", "http://localhost:443"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().origin().to_string(), origin, "{url}");
        }
        assert_eq!(Origin::parse("https://a.example/"), Origin::parse("https://a.example:443"));
        assert_eq!(Origin::parse("https://a.example/x"), None);
    }

    /// B3, N4: host confusion, other schemes, and what a shell or an option parser would read.
    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for bad in [
            "",
            "https://",
            "https:///a",
            "https:a",
            "//a.example",
            "HTTPS://a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "-flag",
            "$(x)",
            "https://$(x)",
            "https://a b",
            "https://user@a.example",
            "https://a.example@evil.test",
            "https://a.example\\@evil.test",
            "https://a.example#x",
            "https://a.example:0",
            "https://a.example:65536",
            "https://a.example:",
            "https://a.example:+1",
            "https://a..example",
            "https://.a",
            "https://a.",
            "https://ü.example",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://127.0.0.01",
            "https://2130706433",
            "https://a.1",
            "https://1.2.3.4.5",
            "https://[::1",
            "https://::1",
            "https://[::0:1]",
            "https://[fe80::1%25eth0]",
            "https://a.example/\n",
            "https://a.example/\u{0}",
            "https://%61.example",
            " https://a.example",
        ] {
            assert_eq!(Endpoint::parse(bad), None, "{bad}");
        }
        assert_eq!(Endpoint::parse(&format!("https://a.example/{}", "a".repeat(MAX_LENGTH))), None);
    }

    #[test]
    fn plain_http_is_private_on_this_machine_alone() {
        let private = |text| Origin::parse(text).unwrap().is_private();
        for yes in [
            "https://a.example",
            "http://localhost",
            "http://127.0.0.1:9",
            "http://127.8.8.8",
            "http://[::1]",
        ] {
            assert!(private(yes), "{yes}");
        }
        for no in
            ["http://a.example", "http://10.0.0.1", "http://localhost.evil.test", "http://[::2]"]
        {
            assert!(!private(no), "{no}");
        }
    }
}
