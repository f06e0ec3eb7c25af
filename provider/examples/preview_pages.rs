//! Writes every page with sample values into a folder, to look at while you change templates, texts or style:
//!
//! ```sh
//! cargo run --example preview_pages -- OUT [TEMPLATES [LANGUAGE]]
//! ```

use std::{env, error::Error, fs, path::Path};

use countersign_provider::pages::{
    Consent, Continue, Failure, Notice, Pages, SignIn, SignOut, View,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let out = arguments.first().ok_or("usage: preview_pages OUT [TEMPLATES [LANGUAGE]]")?;
    let pages = match arguments.get(1) {
        Some(folder) => Pages::from_folder("id.example", Path::new(folder))?,
        None => Pages::built_in("id.example")?,
    };
    let preview = Preview { out: Path::new(out), pages, language: arguments.get(2).cloned() };
    fs::create_dir_all(preview.out)?;
    preview.write::<SignIn<'_>>()?;
    preview.write::<Consent<'_>>()?;
    preview.write::<SignOut<'_>>()?;
    preview.write::<Notice>()?;
    preview.write::<Continue<'_>>()?;
    preview.write::<Failure<'_>>()?;
    Ok(())
}

struct Preview<'a> {
    out: &'a Path,
    pages: Pages,
    language: Option<String>,
}

impl Preview<'_> {
    fn write<V: View>(&self) -> std::io::Result<()> {
        for (number, sample) in V::samples().iter().enumerate() {
            let page = self.pages.render(sample, self.language.as_deref());
            let name = V::TEMPLATE.replace(".html", &format!("_{number}.html"));
            fs::write(self.out.join(name), page.html)?;
        }
        Ok(())
    }
}
