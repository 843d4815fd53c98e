//! Parts of pages that people read and tests write.

use std::fs;
use std::path::{Path, PathBuf};

const END: &str = "<!-- end -->";

/// The part of a page between its mark and the next end.
pub(crate) struct Part {
    path: PathBuf,
    mark: String,
}

impl Part {
    /// `<!-- generated: name -->` begins it, on this page of `docs/`.
    pub(crate) fn of(page: &str, name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
        Self { path, mark: format!("<!-- generated: {name} -->\n") }
    }

    /// What stands there.
    pub(crate) fn read(&self) -> String {
        self.split().1
    }

    /// Puts this there.
    pub(crate) fn write(&self, text: &str) {
        let (before, _, after) = self.split();
        let page = format!("{before}{}{text}{END}{after}", self.mark);
        fs::write(&self.path, page).expect("the page can be written");
    }

    fn split(&self) -> (String, String, String) {
        let page = fs::read_to_string(&self.path).expect("there is the page");
        let (before, rest) = page.split_once(&self.mark).expect("the part begins");
        let (part, after) = rest.split_once(END).expect("the part ends");
        (before.into(), part.into(), after.into())
    }
}

/// Whether pages are to be written, and not compared.
pub(crate) fn are_written() -> bool {
    std::env::var("SUREHAND_WRITE_DOCS").is_ok_and(|write| write == "1")
}
