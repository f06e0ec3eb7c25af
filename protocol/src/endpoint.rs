//! Absolute `http` and `https` URLs, read strictly and without a URL library, so that the browser's build stays small.
//!
//! Every spelling that two parsers could read in two ways is refused: user information, backslashes, spaces and
//! control characters, what is not ASCII, a fragment, an IPv4 address in octal or hexadecimal
//! ([RFC 3986 §7](https://www.rfc-editor.org/rfc/rfc3986#section-7)). So what passes here means the same to the browser,
//! to the HTTP client and to the operating system's opener.

use std::fmt;

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
        self.host == "localhost"
            || self.host == "[::1]"
            || (self.host.starts_with("127.") && is_ipv4(&self.host))
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
        let authority = behind.split(['/', '?']).next()?;
        let origin = origin(authority, secure)?;
        let rest = text.len() - behind.len() + authority.len();
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
        self.text.get(self.rest..).unwrap_or_default()
    }

    /// Scheme and authority, as they were given.
    pub(crate) fn base(&self) -> &str {
        self.text.get(..self.rest).unwrap_or_default()
    }
}

/// `unreserved / gen-delims / sub-delims / "%"`, less the fragment's `#`
/// ([RFC 3986 §2](https://www.rfc-editor.org/rfc/rfc3986#section-2)).
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

fn origin(authority: &str, secure: bool) -> Option<Origin> {
    let colon = authority.bytes().rposition(|byte| byte == b':');
    let (host, port) = match colon.filter(|_| !authority.ends_with(']')) {
        Some(at) => (authority.get(..at)?, number(authority.get(at + 1..)?)?),
        None => (authority, if secure { 443 } else { 80 }),
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
        return is_ipv6(address);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A host whose last label begins with a digit is read as a number by browsers: it must be a plain IPv4 address.
    let last = host.split('.').fold("", |_, label| label);
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    let named = host.len() <= 253 && host.split('.').all(label) && !numeric;
    named || is_ipv4(host)
}

/// Four numbers without leading zeros.
fn is_ipv4(host: &str) -> bool {
    let number = |part: &str| {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        digits && (part == "0" || !part.starts_with('0')) && part.parse::<u8>().is_ok()
    };
    host.split('.').count() == 4 && host.split('.').all(number)
}

/// Eight groups in their only spelling ([RFC 5952 §4](https://www.rfc-editor.org/rfc/rfc5952#section-4)), as browsers
/// write it, so that two origins are one exactly when their texts are: `::` stands for the longest run of zeros, for
/// the first of several, and not for one alone.
fn is_ipv6(address: &str) -> bool {
    let groups = |text: &str| text.split(':').filter(|it| !it.is_empty()).count();
    let plain = |text: &str| text.is_empty() || text.split(':').all(is_group);
    let Some((before, after)) = address.split_once("::") else {
        return groups(address) == 8 && plain(address) && zeros(address) < 2;
    };
    let Some(missing @ 2..) = 8_usize.checked_sub(groups(before) + groups(after)) else {
        return false;
    };
    let touched =
        before == "0" || before.ends_with(":0") || after == "0" || after.starts_with("0:");
    let longest = zeros(before) < missing && zeros(after) <= missing;
    plain(before) && plain(after) && longest && !touched
}

/// One to four hexadecimal digits, small and without leading zeros.
fn is_group(text: &str) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    digits && (text == "0" || ((1..=4).contains(&text.len()) && !text.starts_with('0')))
}

/// The longest run of zero groups.
fn zeros(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for group in text.split(':') {
        run = if group == "0" { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
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
            "https://[::1]a",
            "https://[::1]:a",
            "https://a[::1]",
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

    /// The standard library's spelling is the only one, but for addresses that it writes with dots.
    #[test]
    fn an_ipv6_address_has_one_spelling() {
        for bits in 0..256_u16 {
            for (one, wide) in [(1, "0001"), (0xab, "00ab"), (0xfff0, "FFF0")] {
                let group = |index| if bits >> index & 1 == 1 { one } else { 0 };
                let groups: [u16; 8] = std::array::from_fn(group);
                let address = std::net::Ipv6Addr::from(groups);
                let text = address.to_string();
                assert_eq!(is_ipv6(&text), !text.contains('.'), "{text}");
                let spelled = |group: &u16| if *group == 0 { "0" } else { wide }.to_owned();
                let long = groups.iter().map(spelled).collect::<Vec<_>>().join(":");
                assert!(!is_ipv6(&long), "{long}");
            }
        }
        for bad in
            ["", ":", ":::", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2:3:4:5:6:7:8"]
        {
            assert!(!is_ipv6(bad), "{bad}");
        }
        assert!(is_ipv6("::ffff:102:304"));
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
