//! What stands where. Lengths in points (1/72 inch), from the top left corner of the page.

use qrcode::{Color, EcLevel, QrCode};

use super::letters::Letters;
use super::{Block, Cell, Column, Paper, PaperError, Tone};

pub(super) const PAGE_WIDTH: f32 = 595.276;
pub(super) const PAGE_HEIGHT: f32 = 841.89;
/// No document is longer.
pub(super) const PAGES_MAX: usize = 300;

const SIDE: f32 = 48.0;
const TOP: f32 = 66.0;
const BOTTOM: f32 = 60.0;
const WIDTH: f32 = PAGE_WIDTH - 2.0 * SIDE;
pub(super) const FLOOR: f32 = PAGE_HEIGHT - BOTTOM;

/// Side of a QR code with its margin: 5 cm, which every telephone reads.
const CODE: f32 = 142.0;
const BODY: f32 = 9.0;
const SMALL: f32 = 7.5;
const TITLE: f32 = 18.0;
const HEADING: f32 = 12.0;
/// Of the size of its letters.
const LEADING: f32 = 1.38;
/// From the top of a line to where its letters stand, of their size.
const ASCENT: f32 = 1.02;
/// Around the text of a field.
const PAD_X: f32 = 5.0;
const PAD_Y: f32 = 3.0;
/// Of a column's title, in characters.
const TITLE_MAX: usize = 40;
/// No column is narrower.
const COLUMN_MIN: f32 = 36.0;

/// To what a text belongs, for programs that read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A heading or paragraph.
    Block(usize),
    /// A field of a table; row 0 is its head if it has one.
    Field { block: usize, row: usize, column: usize },
    /// Said before, or on every page.
    Aside,
}

/// Something on a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    Text {
        x: f32,
        baseline: f32,
        size: f32,
        is_bold: bool,
        tone: Tone,
        text: String,
        part: Part,
    },
    /// A line across the page.
    Rule {
        y: f32,
    },
    /// An area behind a text.
    Area {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        tone: Tone,
    },
    /// A dark part of a code.
    Dark {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
    },
}

/// A page.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Page {
    pub(super) marks: Vec<Mark>,
    /// Blocks whose heading stands on it, and where.
    pub(super) headings: Vec<(usize, f32)>,
    /// To which sheet it belongs; those before the first one have 0.
    sheet: usize,
}

pub(super) fn lay_out(paper: &Paper, letters: &Letters) -> Result<Vec<Page>, PaperError> {
    let mut desk = Desk { letters, done: Vec::new(), page: Page::default(), y: TOP };
    let mut headers = vec![paper.header.as_str()];
    for (at, block) in paper.blocks.iter().enumerate() {
        match block {
            Block::Heading { level, text } => desk.heading(at, *level, text)?,
            Block::Paragraph { text, tone } => desk.paragraph(at, text, *tone)?,
            Block::Verdict { text, tone } => desk.verdict(at, text, *tone)?,
            Block::Table { columns, rows, has_head } => desk.table(at, columns, rows, *has_head)?,
            Block::Code { text } => desk.code(text)?,
            Block::PageBreak => desk.turn()?,
            Block::Sheet { header } => {
                desk.turn()?;
                desk.page.sheet = headers.len();
                headers.push(header);
            }
        }
    }
    let mut pages = desk.done;
    pages.push(desk.page);
    for sheet in pages.chunk_by_mut(|one, next| one.sheet == next.sheet) {
        let count = sheet.len();
        for (at, page) in sheet.iter_mut().enumerate() {
            let header = headers.get(page.sheet).copied().unwrap_or_default();
            furnish(page, (header, &paper.footer), letters, &format!("{} / {count}", at + 1));
        }
    }
    Ok(pages)
}

/// What stands on every page.
fn furnish(page: &mut Page, (header, footer): (&str, &str), letters: &Letters, number: &str) {
    let mut aside = |x: f32, baseline: f32, text: String| {
        let text = Mark::Text { x, baseline, size: SMALL, is_bold: false, tone: Tone::Muted, text, part: Part::Aside };
        page.marks.push(text);
    };
    let one_line = |text: &str| {
        let clean = letters.clean(text).replace('\n', " ");
        letters.lines(&clean, SMALL, false, WIDTH - 60.0).into_iter().next().unwrap_or_default()
    };
    aside(SIDE, TOP - 30.0, one_line(header));
    aside(SIDE, FLOOR + 30.0, one_line(footer));
    let width = letters.width(number, SMALL, false);
    aside(PAGE_WIDTH - SIDE - width, FLOOR + 30.0, number.to_owned());
    page.marks.push(Mark::Rule { y: TOP - 24.0 });
    page.marks.push(Mark::Rule { y: FLOOR + 18.0 });
}

/// A field whose lines are known.
struct Wrapped {
    lines: Vec<String>,
    tone: Tone,
    is_bold: bool,
    part: Part,
    x: f32,
}

/// The page that is being filled, and those that are.
struct Desk<'l> {
    letters: &'l Letters,
    done: Vec<Page>,
    page: Page,
    /// Where the next thing begins.
    y: f32,
}

impl Desk<'_> {
    fn turn(&mut self) -> Result<(), PaperError> {
        if self.done.len() + 1 >= PAGES_MAX {
            return Err(PaperError::TooLong);
        }
        let next = Page { sheet: self.page.sheet, ..Page::default() };
        self.done.push(std::mem::replace(&mut self.page, next));
        self.y = TOP;
        Ok(())
    }

    /// A new page unless `height` is left on this one.
    fn keep_room(&mut self, height: f32) -> Result<(), PaperError> {
        if self.y + height > FLOOR && self.y > TOP { self.turn() } else { Ok(()) }
    }

    fn line(&mut self, x: f32, size: f32, is_bold: bool, tone: Tone, text: String, part: Part) {
        let baseline = self.y + size * ASCENT;
        if !text.is_empty() {
            self.page.marks.push(Mark::Text { x, baseline, size, is_bold, tone, text, part });
        }
    }

    fn heading(&mut self, block: usize, level: u16, text: &str) -> Result<(), PaperError> {
        let (size, before) = if level == 1 { (TITLE, 0.0) } else { (HEADING, 14.0) };
        let lines = self.letters.lines(&self.letters.clean(text), size, true, WIDTH);
        if self.y > TOP {
            self.y += before;
        }
        // A heading at the bottom of a page is lost: what it stands over begins beside it.
        self.keep_room(size * LEADING * lines.len() as f32 + 4.0 * BODY * LEADING)?;
        self.page.headings.push((block, self.y));
        for line in lines {
            self.keep_room(size * LEADING)?;
            self.line(SIDE, size, true, Tone::Plain, line, Part::Block(block));
            self.y += size * LEADING;
        }
        self.y += 4.0;
        Ok(())
    }

    fn paragraph(&mut self, block: usize, text: &str, tone: Tone) -> Result<(), PaperError> {
        for line in self.letters.lines(&self.letters.clean(text), BODY, false, WIDTH) {
            self.keep_room(BODY * LEADING)?;
            self.line(SIDE, BODY, false, tone, line, Part::Block(block));
            self.y += BODY * LEADING;
        }
        self.y += 5.0;
        Ok(())
    }

    /// With as much white around it as a reader needs, 4 modules.
    fn code(&mut self, text: &str) -> Result<(), PaperError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| PaperError::Code)?;
        let (modules, colours) = (code.width(), code.to_colors());
        let side = CODE / (modules + 8) as f32;
        self.keep_room(CODE)?;
        for (row, line) in colours.chunks(modules).enumerate() {
            for (column, _) in line.iter().enumerate().filter(|(_, colour)| **colour == Color::Dark) {
                let at = |place: usize| (place + 4) as f32 * side;
                self.page.marks.push(Mark::Dark {
                    x: SIDE + at(column),
                    y: self.y + at(row),
                    width: side,
                    height: side,
                });
            }
        }
        self.y += CODE + 5.0;
        Ok(())
    }

    fn verdict(&mut self, block: usize, text: &str, tone: Tone) -> Result<(), PaperError> {
        let size = 11.0;
        let inner = WIDTH - 24.0;
        let lines = self.letters.lines(&self.letters.clean(text), size, true, inner);
        let height = |count: usize| size * LEADING * count as f32 + 14.0;
        self.keep_room(height(lines.len()))?;
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let fits = (((FLOOR - self.y - 14.0) / (size * LEADING)).max(1.0) as usize).min(rest.len());
            let (now, later) = rest.split_at(fits);
            self.page.marks.push(Mark::Area { x: SIDE, y: self.y, width: WIDTH, height: height(now.len()), tone });
            self.y += 7.0;
            for line in now {
                self.line(SIDE + 12.0, size, true, tone, line.clone(), Part::Block(block));
                self.y += size * LEADING;
            }
            self.y += 7.0;
            rest = later;
            if !rest.is_empty() {
                self.turn()?;
            }
        }
        self.y += 8.0;
        Ok(())
    }

    fn table(
        &mut self,
        block: usize,
        columns: &[Column],
        rows: &[Vec<Cell>],
        has_head: bool,
    ) -> Result<(), PaperError> {
        if columns.is_empty() {
            return Ok(());
        }
        let head: Vec<Cell> = columns.iter().map(|column| Cell::strong(short(&column.title))).collect();
        let head = has_head.then(|| self.wrap(block, 0, columns, &head));
        if let Some(head) = &head {
            // The head stays with its first row.
            self.keep_room(height_of(head) + 3.0 * BODY * LEADING)?;
            self.place_head(head, false);
        }
        for (at, row) in rows.iter().enumerate() {
            let row = self.wrap(block, at + usize::from(has_head), columns, row);
            if self.y + height_of(&row) > FLOOR {
                let room = FLOOR - TOP - head.as_deref().map_or(0.0, height_of);
                // A row that fits on a page is not torn apart.
                if height_of(&row) <= room {
                    self.turn_in_table(head.as_deref())?;
                }
            }
            self.place_row(&row, head.as_deref())?;
        }
        self.y += 8.0;
        Ok(())
    }

    fn wrap(&self, block: usize, row: usize, columns: &[Column], cells: &[Cell]) -> Vec<Wrapped> {
        let shares: f32 = columns.iter().map(|column| column.share).sum();
        let spare = WIDTH - COLUMN_MIN * columns.len() as f32;
        let mut x = SIDE;
        let mut wrapped = Vec::with_capacity(columns.len());
        let nothing = Cell::default();
        for (at, column) in columns.iter().enumerate() {
            let width = COLUMN_MIN + spare * column.share / shares;
            let cell = cells.get(at).unwrap_or(&nothing);
            let lines = self.letters.lines(&self.letters.clean(&cell.text), BODY, cell.is_strong, width - 2.0 * PAD_X);
            wrapped.push(Wrapped {
                lines,
                tone: cell.tone,
                is_bold: cell.is_strong,
                part: Part::Field { block, row, column: at },
                x: x + PAD_X,
            });
            x += width;
        }
        wrapped
    }

    fn turn_in_table(&mut self, head: Option<&[Wrapped]>) -> Result<(), PaperError> {
        self.turn()?;
        if let Some(head) = head {
            self.place_head(head, true);
        }
        Ok(())
    }

    fn place_head(&mut self, head: &[Wrapped], is_repeated: bool) {
        let height = height_of(head);
        let area = Mark::Area { x: SIDE, y: self.y, width: WIDTH, height, tone: Tone::Muted };
        self.page.marks.push(area);
        let count = head.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        self.place_lines(head, 0..count, is_repeated);
    }

    /// A row; one that is higher than a page goes on over the next ones.
    fn place_row(&mut self, row: &[Wrapped], head: Option<&[Wrapped]>) -> Result<(), PaperError> {
        let count = row.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        let mut from = 0;
        while from < count {
            let room = ((FLOOR - self.y - 2.0 * PAD_Y) / (BODY * LEADING)).max(0.0) as usize;
            if room == 0 && self.y > TOP + head.map_or(0.0, height_of) {
                self.turn_in_table(head)?;
                continue;
            }
            let to = count.min(from + room.max(1));
            self.place_lines(row, from..to, false);
            from = to;
            if from < count {
                self.turn_in_table(head)?;
            }
        }
        self.page.marks.push(Mark::Rule { y: self.y });
        Ok(())
    }

    fn place_lines(&mut self, row: &[Wrapped], lines: std::ops::Range<usize>, is_repeated: bool) {
        let top = self.y;
        for cell in row {
            self.y = top + PAD_Y;
            for line in cell.lines.iter().take(lines.end).skip(lines.start) {
                let part = if is_repeated { Part::Aside } else { cell.part };
                self.line(cell.x, BODY, cell.is_bold, cell.tone, line.clone(), part);
                self.y += BODY * LEADING;
            }
        }
        self.y = top + 2.0 * PAD_Y + BODY * LEADING * lines.len() as f32;
    }
}

/// A head stands on every page and must leave room there.
fn short(title: &str) -> String {
    title.chars().take(TITLE_MAX).collect()
}

fn height_of(row: &[Wrapped]) -> f32 {
    let lines = row.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
    2.0 * PAD_Y + BODY * LEADING * lines as f32
}
