//! `application/x-www-form-urlencoded` as OAuth reads it
//! ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1),
//! [Appendix B](https://www.rfc-editor.org/rfc/rfc6749#appendix-B)): no parameter twice, an empty one counts as
//! omitted, nothing that is not UTF-8.

use std::borrow::Cow;

use crate::error::Denied;

/// How many parameters a request may have.
pub const MAX_PARAMETERS: usize = 200;

/// The parameters of a query or body.
///
/// Its `Debug` tells names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads the parameters; [`Denied::FormMalformed`] or [`Denied::TooManyParameters`].
    ///
    /// That a parameter stands there twice is told by [`Form::get`], which knows its name.
    pub fn parse(text: &'a [u8]) -> Result<Self, Denied> {
        let text = std::str::from_utf8(text).map_err(|_| Denied::FormMalformed)?;
        let mut pairs = Vec::with_capacity(8);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Denied::TooManyParameters);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let pair = decode(name).zip(decode(value)).ok_or(Denied::FormMalformed)?;
            pairs.push(pair);
        }
        Ok(Self(pairs))
    }

    /// The parameter's value; `None` when it is omitted or empty; [`Denied::ParameterTwice`].
    pub fn get(&self, name: &'static str) -> Result<Option<&str>, Denied> {
        let mut values = self.0.iter().filter(|(own, _)| own == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Denied::ParameterTwice(name));
        }
        Ok(first.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty()))
    }

    /// The parameter's value; [`Denied::ParameterMissing`] when it is omitted or empty.
    pub fn require(&self, name: &'static str) -> Result<&str, Denied> {
        self.get(name)?.ok_or(Denied::ParameterMissing(name))
    }

    /// Whether the parameter is there at all, be it empty or twice.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// Whether any parameter, known or not, is there twice.
    pub fn has_any_twice(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Every name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl std::fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Undoes the encoding of one name or value; `None` for a broken `%` or what is not UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The same parameters in a spelling that may stand in a URI ([RFC 3986 §3.4]): what was sent raw (a space, a letter
/// that is not ASCII) is encoded, everything else stays letter by letter.
///
/// [RFC 3986 §3.4]: https://www.rfc-editor.org/rfc/rfc3986#section-3.4
pub fn escape(query: &str) -> Cow<'_, str> {
    let stays = |byte: u8| matches!(byte, 0x21..=0x7e) && !b"\"#<>\\^`{|}".contains(&byte);
    if query.bytes().all(stays) {
        return Cow::Borrowed(query);
    }
    let mut text = String::with_capacity(query.len() + 64);
    for byte in query.bytes() {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            percent_into(&mut text, byte);
        }
    }
    Cow::Owned(text)
}

/// Appends one encoded name or value.
pub fn encode_into(text: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            other => percent_into(text, other),
        }
    }
}

fn percent_into(text: &mut String, byte: u8) {
    text.push('%');
    for nibble in [byte >> 4, byte & 15] {
        text.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
    }
}

/// Writes parameters as a query or body.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        push(&mut text, name, value);
    }
    text
}

/// Appends one parameter to a query or body.
pub fn push(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() && !text.ends_with('&') {
        text.push('&');
    }
    encode_into(text, name);
    text.push('=');
    encode_into(text, value);
}

/// Appends parameters to the query of an absolute URI, keeping the query that it has
/// ([RFC 6749 §3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)). The URI must have no fragment.
pub fn append_to_uri<'a>(uri: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = uri.to_owned();
    match uri.split_once('?') {
        None => text.push('?'),
        Some((_, query)) if !query.is_empty() && !query.ends_with('&') => text.push('&'),
        Some(_) => {}
    }
    text.push_str(&encode(pairs));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_twice_is_refused_when_it_is_read() {
        let form = Form::parse(b"a=1&b=2&a=1").unwrap();
        assert_eq!(form.get("a"), Err(Denied::ParameterTwice("a")));
        assert_eq!(form.get("b"), Ok(Some("2")));
        assert!(form.has_any_twice());
    }

    #[test]
    fn an_empty_parameter_counts_as_omitted() {
        let form = Form::parse(b"a=&b").unwrap();
        assert_eq!(form.get("a"), Ok(None));
        assert_eq!(form.require("b"), Err(Denied::ParameterMissing("b")));
    }

    #[test]
    fn what_is_not_utf_8_or_well_encoded_is_refused() {
        for bad in [&b"a=%zz"[..], b"a=%f", b"a=%", b"a=%ff", b"a=\xff", b"%80=1"] {
            assert_eq!(Form::parse(bad).map(|_| ()), Err(Denied::FormMalformed), "{bad:?}");
        }
        let many = "a=1&".repeat(MAX_PARAMETERS + 1);
        assert_eq!(Form::parse(many.as_bytes()).map(|_| ()), Err(Denied::TooManyParameters));
    }

    #[test]
    fn encoding_comes_back_as_it_was() {
        let text = encode([("a b", "ü&=+%"), ("c", "")]);
        assert_eq!(text, "a+b=%C3%BC%26%3D%2B%25&c=");
        let form = Form::parse(text.as_bytes()).unwrap();
        assert_eq!(form.get("a b"), Ok(Some("ü&=+%")));
    }

    #[test]
    fn an_escaped_query_says_the_same() {
        assert_eq!(escape("a=%20+b&c"), "a=%20+b&c");
        let raw = "a=ü b\r\nc#d&\u{0}=\"";
        let escaped = escape(raw);
        assert_eq!(escaped, "a=%C3%BC%20b%0D%0Ac%23d&%00=%22");
        let (sent, read) =
            (Form::parse(raw.as_bytes()).unwrap(), Form::parse(escaped.as_bytes()).unwrap());
        assert!(sent.iter().eq(read.iter()));
    }

    #[test]
    fn parameters_go_behind_the_query_that_is_there() {
        assert_eq!(append_to_uri("https://a/cb", [("x", "1")]), "https://a/cb?x=1");
        assert_eq!(append_to_uri("https://a/cb?t=2", [("x", "1")]), "https://a/cb?t=2&x=1");
        assert_eq!(append_to_uri("https://a/cb?", [("x", "1")]), "https://a/cb?x=1");
        assert_eq!(append_to_uri("https://a/cb?t=2&", [("x", "1")]), "https://a/cb?t=2&x=1");
        assert_eq!(append_to_uri("https://a/cb?t=what?", [("x", "1")]), "https://a/cb?t=what?&x=1");
    }
}
