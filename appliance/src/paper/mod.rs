//! Sheets of paper: PDF documents in A4, with headings, paragraphs and tables, for whoever wants to print, sign or keep
//! what the box says.
//!
//! A [`Paper`] is written from top to bottom and does not know what it speaks of. [`letters`] knows how wide words are,
//! [`layout`] decides what stands where, [`write`] makes a PDF of that, tagged for programs that read aloud. Every text
//! may come from anywhere: what has no letter in the font is shown as a replacement, and what is too long is cut.
//! Decision 0019.

mod layout;
mod letters;
mod write;

use datis_engine::units::UnixMillis;
use krilla::configure::Configuration;

use crate::locale::Language;

/// A text is cut after so many characters.
const TEXT_MAX: usize = 4_000;
/// A table has no more rows.
const ROWS_MAX: usize = 5_000;
/// A table has no more columns.
const COLUMNS_MAX: usize = 8;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The font of the program cannot be read: an error of the build.
    #[error("the font for documents cannot be read")]
    Font,
    /// It would have more pages than anybody prints.
    #[error("the document would have more than {} pages", layout::PAGES_MAX)]
    TooLong,
    /// A text does not fit into a QR code.
    #[error("the text is too long for a QR code")]
    Code,
    /// The PDF cannot be written.
    #[error("the document cannot be written: {0}")]
    Pdf(String),
}

/// What a text means, shown by its colour. The words have to say it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warn,
    /// Something is wrong.
    Bad,
    /// Beside the point.
    Muted,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    title: String,
    /// Of the table's width, together with the shares of the others.
    share: f32,
}

impl Column {
    /// A column that takes `share` parts of the table's width.
    #[must_use]
    pub fn new(title: impl Into<String>, share: u16) -> Self {
        Self { title: title.into(), share: f32::from(share.max(1)) }
    }
}

/// A field of a table; its lines are those of its text, wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
    is_strong: bool,
}

impl Cell {
    /// A field.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain, is_strong: false }
    }

    /// A field whose text means something.
    #[must_use]
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone, is_strong: tone != Tone::Muted }
    }

    /// A field that is printed in bold.
    #[must_use]
    pub fn strong(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain, is_strong: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
enum Block {
    /// 1 is the document's title.
    Heading {
        level: u16,
        text: String,
    },
    Paragraph {
        text: String,
        tone: Tone,
    },
    /// A sentence in a frame: what the whole sheet comes to.
    Verdict {
        text: String,
        tone: Tone,
    },
    Table {
        columns: Vec<Column>,
        rows: Vec<Vec<Cell>>,
        has_head: bool,
    },
    /// A QR code. What it says stands beside it as a text, for whoever does not see it.
    Code {
        text: String,
    },
    PageBreak,
    /// A new page, from which on pages have another header and are counted anew.
    Sheet {
        header: String,
    },
}

/// A document on its way.
#[derive(Debug, Clone)]
pub struct Paper {
    language: Language,
    title: String,
    header: String,
    footer: String,
    made_at: UnixMillis,
    blocks: Vec<Block>,
}

impl Paper {
    /// Begins a document with its title as its first heading. `header` and `footer` stand on every page, the number of
    /// the page beside the latter.
    #[must_use]
    pub fn new(language: Language, title: impl Into<String>, made_at: UnixMillis) -> Self {
        let title = title.into();
        let blocks = vec![Block::Heading { level: 1, text: title.clone() }];
        Self { language, title, header: String::new(), footer: String::new(), made_at, blocks }
    }

    /// What stands at the top of every page.
    #[must_use]
    pub fn header(mut self, text: impl Into<String>) -> Self {
        self.header = text.into();
        self
    }

    /// What stands at the bottom of every page.
    #[must_use]
    pub fn footer(mut self, text: impl Into<String>) -> Self {
        self.footer = text.into();
        self
    }

    /// A heading.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Heading { level: 2, text: text.into() })
    }

    /// A paragraph. Its own line breaks stay.
    pub fn paragraph(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Paragraph { text: text.into(), tone: Tone::Plain })
    }

    /// A paragraph that may be passed over.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Paragraph { text: text.into(), tone: Tone::Muted })
    }

    /// What the sheet comes to, in a frame.
    pub fn verdict(&mut self, text: impl Into<String>, tone: Tone) -> &mut Self {
        self.push(Block::Verdict { text: text.into(), tone })
    }

    /// Names and their values, one pair a line.
    pub fn facts(&mut self, facts: Vec<(String, Cell)>) -> &mut Self {
        let columns = vec![Column::new("", 1), Column::new("", 2)];
        let rows = facts.into_iter().map(|(name, value)| vec![Cell::toned(name, Tone::Muted), value]).collect();
        self.push(Block::Table { columns, rows, has_head: false })
    }

    /// A table; its head is repeated on every page that it goes on. Of rows that are longer than `columns`, what is over
    /// is not shown.
    pub fn table(&mut self, mut columns: Vec<Column>, mut rows: Vec<Vec<Cell>>) -> &mut Self {
        columns.truncate(COLUMNS_MAX);
        rows.truncate(ROWS_MAX);
        self.push(Block::Table { columns, rows, has_head: true })
    }

    /// `text` as a QR code.
    pub fn code(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Block::Code { text: text.into() })
    }

    /// What follows stands on a new page.
    pub fn page_break(&mut self) -> &mut Self {
        self.push(Block::PageBreak)
    }

    /// Begins another sheet with its title: a page that can lie apart from those before it, with a header of its own.
    pub fn sheet(&mut self, title: impl Into<String>, header: impl Into<String>) -> &mut Self {
        self.push(Block::Sheet { header: header.into() });
        self.push(Block::Heading { level: 1, text: title.into() })
    }

    /// What its paragraphs say.
    #[cfg(test)]
    pub(crate) fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Paragraph { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    fn push(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }

    /// The document as PDF.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn pdf(&self) -> Result<Vec<u8>, PaperError> {
        let letters = letters::Letters::open()?;
        let pages = layout::lay_out(self, &letters)?;
        write::write(self, &pages, &letters, Configuration::default())
    }
}

#[cfg(test)]
mod tests;
