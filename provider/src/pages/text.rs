//! The pages' texts by language, and how a value gets into a sentence.

use std::collections::BTreeMap;

use minijinja::{Error, ErrorKind, Value, value::Kwargs};

const ENGLISH: &str = include_str!("en.json");

/// How many entries of an `Accept-Language` header are read.
const MAX_LANGUAGES: usize = 16;

/// Texts by their names.
pub(super) type Words = BTreeMap<String, String>;

/// The texts of one language.
pub(super) struct Language {
    /// Its tag (BCP 47), such as `de` or `pt-BR`.
    pub(super) tag: String,
    /// Its texts; what was not translated stands there in English.
    pub(super) words: Words,
}

/// All languages; the first is English.
pub(super) struct Texts(Vec<Language>);

impl Texts {
    pub(super) fn built_in() -> Self {
        let words = serde_json::from_str(ENGLISH).unwrap_or_default();
        let tag = "en".to_owned();
        Self(vec![Language { tag, words }])
    }

    /// Adds a language, or changes texts of one that is there.
    pub(super) fn add(&mut self, tag: &str, words: Words) {
        if let Some(language) = self.0.iter_mut().find(|language| language.tag == tag) {
            language.words.extend(words);
            return;
        }
        let mut all = self.0[0].words.clone();
        all.extend(words);
        self.0.push(Language { tag: tag.to_owned(), words: all });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Language> {
        self.0.iter()
    }

    /// The language that the header's value likes best; English when it likes none of ours
    /// ([RFC 9110 §12.5.4](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4), looked up as in RFC 4647 §3.4).
    pub(super) fn best_for(&self, accept_language: Option<&str>) -> &Language {
        let mut wanted: Vec<_> = accept_language
            .unwrap_or_default()
            .split(',')
            .take(MAX_LANGUAGES)
            .filter_map(entry)
            .collect();
        wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
        let found = wanted.iter().find_map(|(tag, _)| self.look_up(tag));
        found.unwrap_or(&self.0[0])
    }

    /// The language of a tag, or of the longest beginning of it that is ours.
    fn look_up(&self, mut tag: &str) -> Option<&Language> {
        loop {
            let ours = self.0.iter().find(|own| own.tag.eq_ignore_ascii_case(tag));
            if ours.is_some() {
                return ours;
            }
            tag = tag.rsplit_once('-')?.0;
        }
    }
}

/// A tag with its weight; `None` when it is not wanted at all.
fn entry(text: &str) -> Option<(&str, f32)> {
    let (tag, weight) = text.split_once(';').unwrap_or((text, ""));
    let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
    let weight: f32 = weight.parse().ok()?;
    (weight > 0.0).then_some((tag.trim(), weight))
}

/// The filter `fill`: puts values in place of the `{names}` in a text, each isolated as `<bdi>`, so that a name written
/// from right to left, or that pretends to be, turns nothing around it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands a filter its arguments by value"
)]
pub(super) fn fill(text: &str, values: Kwargs) -> Result<Value, Error> {
    let whole = pour(text, &values, |value| format!("<bdi>{}</bdi>", escape(value)))?;
    Ok(Value::from_safe_string(whole))
}

/// The filter `plain`: as [`fill`], for where no element may stand.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands a filter its arguments by value"
)]
pub(super) fn plain(text: &str, values: Kwargs) -> Result<Value, Error> {
    let whole = pour(text, &values, escape)?;
    Ok(Value::from_safe_string(whole))
}

/// The filter `sentence`: a capital at the beginning, a full stop at the end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

/// Text as it stands in HTML, between elements or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn pour(text: &str, values: &Kwargs, show: impl Fn(&str) -> String) -> Result<String, Error> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').ok_or_else(|| {
            Error::new(ErrorKind::InvalidOperation, format!("no }} behind {{ in {text:?}"))
        })?;
        whole.push_str(&escape(before));
        whole.push_str(&show(values.get(name)?));
        rest = after;
    }
    whole.push_str(&escape(rest));
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let mut texts = Texts::built_in();
        texts.add("de", Words::from([("allow".to_owned(), "Erlauben".to_owned())]));
        texts.add("pt-BR", Words::new());
        texts
    }

    #[test]
    fn the_best_liked_language_is_taken() {
        let texts = texts();
        for (header, tag) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("fr, de;q=0.5"), "de"),
            (Some("en;q=0.5, DE-ch"), "de"),
            (Some("pt-BR"), "pt-BR"),
            (Some("pt"), "en"),
            (Some("de;q=0, fr"), "en"),
            (Some("de;q=x"), "en"),
            (Some("*"), "en"),
        ] {
            assert_eq!(texts.best_for(header).tag, tag, "{header:?}");
        }
    }

    #[test]
    fn what_is_not_translated_stands_in_english() {
        let texts = texts();
        let german = texts.best_for(Some("de"));
        assert_eq!(german.words["allow"], "Erlauben");
        assert_eq!(german.words["deny"], "Deny");
    }

    #[test]
    fn a_sentence_begins_large_and_ends() {
        assert_eq!(sentence("scope is required"), "Scope is required.");
        assert_eq!(sentence("Done."), "Done.");
    }
}
