//! A page of HTML, read as far as a person without a browser needs.

use std::fmt;

use reqwest::{StatusCode, header::HeaderMap};
use url::Url;

/// A page and where it was found.
#[derive(Clone)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The document.
    pub html: String,
}

/// Without its style sheet.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.html.split("</style>").last().unwrap_or_default();
        write!(f, "{} {} {:?} {body}", self.status, self.url, self.headers)
    }
}

impl Page {
    /// Where its first form goes.
    pub fn action(&self) -> Option<Url> {
        let form = self.elements("form").next()?;
        self.url.join(&attribute(form, "action").unwrap_or_default()).ok()
    }

    /// The fields of its forms with their values, buttons left out.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.elements("input")
            .filter_map(|input| {
                let value = attribute(input, "value").unwrap_or_default();
                Some((attribute(input, "name")?, value))
            })
            .collect()
    }

    /// Whether it has a field of this name.
    pub fn asks_for(&self, name: &str) -> bool {
        self.fields().iter().any(|field| field.0 == name)
    }

    /// Whether it asks for a yes or a no, and for nothing else.
    pub fn asks_for_an_answer(&self) -> bool {
        let buttons = self.elements("button");
        let answers = buttons.filter_map(|button| attribute(button, "value"));
        !self.asks_for("password") && answers.collect::<Vec<_>>() == ["yes", "no"]
    }

    /// Where it carries the user on by itself.
    pub fn refresh(&self) -> Option<Url> {
        let meta = self
            .elements("meta")
            .find(|meta| attribute(meta, "http-equiv").as_deref() == Some("refresh"))?;
        let content = attribute(meta, "content")?;
        self.url.join(content.split_once("url=")?.1).ok()
    }

    /// The addresses of its links.
    pub fn links(&self) -> Vec<String> {
        self.elements("a").filter_map(|link| attribute(link, "href")).collect()
    }

    /// The opening tags of this name.
    fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.html.split('<').filter_map(move |part| {
            let rest = part.strip_prefix(name)?;
            rest.starts_with([' ', '>', '\n']).then_some(rest)
        })
    }
}

/// The value of an attribute that stands in double quotes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = format!(" {name}=\"");
    let value = &tag[tag.find(&start)? + start.len()..];
    Some(plain(&value[..value.find('"')?]))
}

/// The text behind character references.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut parts = html.split('&');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once(';') {
            Some((name, rest)) => {
                text.push(character(name));
                text.push_str(rest);
            }
            None => panic!("a lone & in {html}"),
        }
    }
    text
}

fn character(name: &str) -> char {
    match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => numbered(name).unwrap_or_else(|| panic!("&{name}; is unknown here")),
    }
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code)
}
