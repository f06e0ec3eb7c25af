//! What a person sees: plain HTML pages that work without JavaScript and load nothing from elsewhere.
//!
//! A page is a *view* (what it must tell) poured into a template of the same name. Every value of a view is escaped
//! where it is written; no template can switch that off by forgetting something.
//!
//! # Changing how pages look and read
//! [`Pages::from_folder`] takes a folder whose files replace the built-in ones of the same name:
//!
//! - `layout.html`, `sign_in.html`, `consent.html`, `sign_out.html`, `notice.html`, `continue.html`, `error.html`:
//!   templates in the language of Jinja. Further `.html` files can be included by these.
//! - `style.css`: the style sheet. It stands inside each page, and the page's Content-Security-Policy names its hash.
//! - `en.json`, `de.json`, …: the texts by language, as an object of strings. What a file does not say is taken from
//!   the built-in English. `scope NAME` is the text that the consent page has for a scope.
//!
//! # Adding a page
//! Add a view (a struct that implements [`View`]), its template to `TEMPLATES`, and a line to `try_samples`: each set of
//! templates is tried on the samples of every view when it is read.

mod text;
mod view;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    AutoEscape, Environment, Output, State, UndefinedBehavior, Value, escape_formatter,
    value::Serde,
};
use serde::Serialize;

pub use self::view::{Consent, Continue, Failure, Notice, Problem, SignIn, SignOut, View};

use self::text::{Language, Texts};

/// The built-in templates.
const TEMPLATES: [(&str, &str); 7] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("sign_in.html", include_str!("pages/sign_in.html")),
    ("consent.html", include_str!("pages/consent.html")),
    ("sign_out.html", include_str!("pages/sign_out.html")),
    ("notice.html", include_str!("pages/notice.html")),
    ("continue.html", include_str!("pages/continue.html")),
    ("error.html", include_str!("pages/error.html")),
];

const STYLE: &str = include_str!("pages/style.css");

/// Shown when a template of the embedding application fails on a real value, although it passed the samples.
const BROKEN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Error</title>\
    <p>This page could not be shown. The provider's log has the cause.";

/// A page, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The document.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

/// Every page of one provider: templates, texts and style.
pub struct Pages {
    environment: Environment<'static>,
    texts: Texts,
    style_hash: String,
}

impl Pages {
    /// The built-in pages. `site` is the provider's name as people know it.
    ///
    /// # Errors
    /// None with the built-in templates as they are released: the tests compile them.
    pub fn built_in(site: &str) -> Result<Self, PagesError> {
        Source::built_in().compile(site)
    }

    /// The built-in pages with the files of a folder in place of those of the same name.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read, a template cannot be parsed or fails on a sample, a file of
    /// texts is not an object of strings, or the style sheet would end the element that it stands in.
    pub fn from_folder(site: &str, folder: &Path) -> Result<Self, PagesError> {
        let mut source = Source::built_in();
        for file in files(folder)? {
            source.replace(&file)?;
        }
        source.compile(site)
    }

    /// The page for a view, in the best language for the value of an `Accept-Language` header.
    pub fn render<V: View>(&self, view: &V, accept_language: Option<&str>) -> Page {
        let language = self.texts.best_for(accept_language);
        let html = self.fill(view, language).unwrap_or_else(|error| {
            tracing::error!(template = V::TEMPLATE, error = ?error, "a page could not be rendered");
            BROKEN.to_owned()
        });
        let policy = self.policy(view.form_origin());
        Page { html, policy }
    }

    fn fill<V: View>(&self, view: &V, language: &Language) -> Result<String, minijinja::Error> {
        #[derive(Serialize)]
        struct Values<'a, V> {
            #[serde(flatten)]
            view: &'a V,
            language: &'a str,
            t: &'a text::Words,
        }
        let values = Serde(Values { view, language: &language.tag, t: &language.words });
        self.environment.get_template(V::TEMPLATE)?.render(values)
    }

    /// Nothing but the page's own style and pictures from here; forms go here, and by redirect to one origin at most.
    fn policy(&self, form_origin: Option<&str>) -> String {
        let style = &self.style_hash;
        let origin = form_origin.filter(|origin| is_source(origin));
        let separator = if origin.is_some() { " " } else { "" };
        let origin = origin.unwrap_or_default();
        format!(
            "default-src 'none'; style-src '{style}'; img-src 'self' data:; \
             form-action 'self'{separator}{origin}; base-uri 'none'; object-src 'none'; \
             frame-ancestors 'none'"
        )
    }

    /// Fills every template with every sample in every language.
    fn try_samples(&self) -> Result<(), PagesError> {
        self.try_view::<SignIn<'_>>()?;
        self.try_view::<Consent<'_>>()?;
        self.try_view::<SignOut<'_>>()?;
        self.try_view::<Notice>()?;
        self.try_view::<Continue<'_>>()?;
        self.try_view::<Failure<'_>>()
    }

    fn try_view<V: View>(&self) -> Result<(), PagesError> {
        for language in self.texts.all() {
            for sample in V::samples() {
                self.fill(&sample, language).map_err(PagesError::Template)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Why a set of pages cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file or the folder cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// A file of texts is not a JSON object of strings.
    #[error("{}: not a JSON object of strings: {error}", file.display())]
    Texts {
        /// Which.
        file: PathBuf,
        /// What the parser says.
        #[source]
        error: serde_json::Error,
    },
    /// The style sheet holds `</`, which would end the element that it stands in.
    #[error("style.css: it must not contain \"</\"")]
    Style,
    /// A template cannot be parsed, or fails on a sample.
    #[error("{0}")]
    Template(#[source] minijinja::Error),
}

/// The files before they are compiled.
struct Source {
    templates: BTreeMap<String, String>,
    style: String,
    texts: Texts,
}

impl Source {
    fn built_in() -> Self {
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        Self {
            templates: TEMPLATES.into_iter().map(owned).collect(),
            style: STYLE.to_owned(),
            texts: Texts::built_in(),
        }
    }

    fn replace(&mut self, file: &Path) -> Result<(), PagesError> {
        let name = file.file_name().and_then(|name| name.to_str());
        let extension = file.extension().and_then(|extension| extension.to_str());
        match (name, extension) {
            (Some("style.css"), _) => self.style = read(file)?,
            (Some(name), Some("html")) => {
                self.templates.insert(name.to_owned(), read(file)?);
            }
            (Some(name), Some("json")) => {
                let words = serde_json::from_str(&read(file)?);
                let words =
                    words.map_err(|error| PagesError::Texts { file: file.to_owned(), error })?;
                self.texts.add(name.trim_end_matches(".json"), words);
            }
            _ => {}
        }
        Ok(())
    }

    fn compile(self, site: &str) -> Result<Pages, PagesError> {
        if self.style.contains("</") {
            return Err(PagesError::Style);
        }
        let hash = STANDARD.encode(digest(&SHA256, self.style.as_bytes()));
        let pages = Pages {
            environment: self.environment(site).map_err(PagesError::Template)?,
            texts: self.texts,
            style_hash: format!("sha256-{hash}"),
        };
        pages.try_samples()?;
        Ok(pages)
    }

    fn environment(&self, site: &str) -> Result<Environment<'static>, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(write_value);
        environment.add_filter("fill", text::fill);
        environment.add_filter("plain", text::plain);
        environment.add_filter("sentence", text::sentence);
        environment.add_global("site", site.to_owned());
        environment.add_global("style", Value::from_safe_string(self.style.clone()));
        for (name, text) in &self.templates {
            environment.add_template_owned(name.clone(), text.clone())?;
        }
        Ok(environment)
    }
}

/// Whether an origin can stand in a policy: its grammar has no IPv6 address, and no character of another meaning.
fn is_source(origin: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    origin.bytes().all(plain)
}

/// Writes a value into a page: escaped, unless it was made as HTML by a filter of ours.
///
/// A slash stays as it is: addresses in a form are then read the same by a program that does not undo entities.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => Ok(out.write_str(&text::escape(text))?),
        None => escape_formatter(out, state, value),
    }
}

/// The files of a folder, in order of name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PagesError> {
    let fail = |error| PagesError::Read { file: folder.to_owned(), error };
    let entries = fs::read_dir(folder).map_err(fail)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    files.sort();
    Ok(files)
}

/// A file's text with the line ends that a browser makes of it, over which it takes the style sheet's hash.
fn read(file: &Path) -> Result<String, PagesError> {
    let text = fs::read_to_string(file)
        .map_err(|error| PagesError::Read { file: file.to_owned(), error })?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Denied;

    use super::*;

    const EVIL: &str = "\"'><script>alert(1)</script>{{7*7}}\u{202e}";

    fn pages() -> Pages {
        Pages::built_in("id.example").unwrap()
    }

    fn html<V: View>(view: &V) -> String {
        pages().render(view, None).html
    }

    fn sign_in() -> SignIn<'static> {
        SignIn::samples().remove(0)
    }

    /// L14, X3: whatever a page is told, it shows as text.
    #[test]
    fn every_value_is_escaped() {
        let shown = [
            html(&SignIn {
                action: EVIL,
                flow: EVIL,
                client: EVIL,
                return_host: EVIL,
                username: EVIL,
                ..sign_in()
            }),
            html(&Consent {
                action: EVIL,
                flow: EVIL,
                client: EVIL,
                return_host: EVIL,
                user: EVIL,
                scopes: vec![EVIL],
                form_origin: None,
            }),
            html(&SignOut { action: EVIL, flow: EVIL, user: EVIL }),
            html(&Continue { client: EVIL, return_host: EVIL, url: EVIL, automatic: true }),
            html(&Failure { denied: &Denied::FlowLost, request: Some(EVIL) }),
            Pages::built_in(EVIL).unwrap().render(&Notice::SignedOut, None).html,
        ];
        for page in shown {
            assert!(!page.contains("<script"), "{page}");
            assert!(!page.contains("\"'>"), "{page}");
            assert!(page.contains("&lt;script&gt;"), "{page}");
            assert!(page.contains("{{7*7}}"), "{page}");
        }
    }

    #[test]
    fn a_name_in_a_sentence_is_isolated_from_its_direction() {
        let page = html(&SignIn { client: "Shop", ..sign_in() });
        assert!(page.contains("to continue to <bdi>Shop</bdi>"), "{page}");
    }

    #[test]
    fn a_form_posts_what_outsiders_rely_on() {
        let page = html(&SignIn { action: "/oauth/sign-in", flow: "f-1", ..sign_in() });
        for part in [
            r#"<form method="post" action="/oauth/sign-in">"#,
            r#"name="flow" value="f-1""#,
            r#"name="username""#,
            r#"name="password" type="password""#,
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let page = html(&Consent::samples()[0]);
        assert!(page.contains(r#"name="answer" value="yes""#), "{page}");
        assert!(page.contains(r#"name="answer" value="no""#), "{page}");
    }

    /// L5: the page says who asks, and where the answer will go.
    #[test]
    fn consent_shows_name_host_user_and_every_scope() {
        let page = html(&Consent {
            client: "Shop",
            return_host: "shop.test",
            user: "alice",
            scopes: vec!["email", "shop:read"],
            ..Consent::samples().remove(0)
        });
        for part in [
            "Allow <bdi>Shop</bdi>?",
            "<bdi>shop.test</bdi>",
            "<bdi>alice</bdi>",
            "see your e-mail address",
            "<code>shop:read</code>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    /// A18: what a native application of its own scheme gets is a link, never a redirect.
    #[test]
    fn only_an_automatic_page_refreshes_itself() {
        let back = Continue {
            client: "App",
            return_host: "com.example.app",
            url: "com.example.app:/cb?code=c&state=s",
            automatic: false,
        };
        let page = html(&back);
        assert!(!page.contains("http-equiv"), "{page}");
        assert!(page.contains("href=\"com.example.app:/cb?code=c&amp;state=s\""), "{page}");
        assert!(
            html(&Continue { automatic: true, ..back })
                .contains("http-equiv=\"refresh\" content=\"0;url=com.example.app")
        );
    }

    /// L6, L7.
    #[test]
    fn the_policy_allows_the_style_by_hash_and_one_origin_for_the_form() {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let view = SignIn { form_origin: Some("https://shop.test"), ..sign_in() };
        assert_eq!(
            pages().render(&view, None).policy,
            format!(
                "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; \
                 form-action 'self' https://shop.test; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
            )
        );
        assert!(pages().render(&Notice::SignedOut, None).policy.contains("form-action 'self';"));
    }

    #[test]
    fn every_error_tells_its_code_and_what_to_do() {
        let page = html(&Failure { denied: &Denied::RedirectUriMismatch, request: Some("r-1") });
        assert!(
            page.contains("The address to return to is not registered for this application."),
            "{page}"
        );
        assert!(
            page.contains("<code>invalid_request</code>") && page.contains("<code>r-1</code>"),
            "{page}"
        );
    }

    #[test]
    fn a_folder_replaces_templates_texts_and_style() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("notice.html", "{{ t.signed_out_title }} {{ style }}");
        put("de.json", r#"{"signed_out_title": "Abgemeldet"}"#);
        put("style.css", "a{\r\n}");
        let pages = Pages::from_folder("id.example", folder.path()).unwrap();
        let german = pages.render(&Notice::SignedOut, Some("fr;q=0.9, de-CH;q=0.8"));
        assert_eq!(german.html, "Abgemeldet a{\n}");
        assert!(german.policy.contains(&STANDARD.encode(digest(&SHA256, b"a{\n}"))));
        assert_eq!(pages.render(&Notice::SignedOut, Some("fr")).html, "You are signed out a{\n}");
    }

    #[test]
    fn a_faulty_folder_is_refused_when_it_is_read() {
        for (name, text) in [
            ("error.html", "{{ nowhere }}"),
            ("error.html", "{% if %}"),
            ("en.json", "[]"),
            ("style.css", "</style><script>"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            assert!(Pages::from_folder("id.example", folder.path()).is_err(), "{name}: {text}");
        }
        assert!(Pages::from_folder("id.example", Path::new("/nowhere")).is_err());
    }
}
