//! Pages as a PDF: what stands where is drawn, and what belongs together is said beside it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use krilla::color::rgb;
use krilla::configure::Configuration;
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagTree,
};
use krilla::{Document, SerializeSettings};

use super::layout::{Mark, PAGE_HEIGHT, PAGE_WIDTH, Page, Part};
use super::letters::Letters;
use super::{Block, Paper, PaperError, Tone};

/// What was drawn, by what it belongs to, in the order of reading.
type Drawn = BTreeMap<Part, Vec<Identifier>>;

/// `configuration`: the standard that the document has to keep; it is refused when it does not.
pub(super) fn write(
    paper: &Paper,
    pages: &[Page],
    letters: &Letters,
    configuration: Configuration,
) -> Result<Vec<u8>, PaperError> {
    let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let mut drawn = Drawn::new();
    for page in pages {
        let size = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT)
            .ok_or_else(|| PaperError::Pdf("a page has no size".to_owned()))?;
        let mut sheet = document.start_page_with(size);
        let mut surface = sheet.surface();
        for mark in &page.marks {
            draw(&mut surface, mark, letters, &mut drawn);
        }
        surface.finish();
        sheet.finish();
    }
    document.set_outline(outline(paper, pages, letters));
    document.set_tag_tree(structure(paper, drawn));
    document.set_metadata(metadata(paper, letters));
    document.finish().map_err(|e| PaperError::Pdf(format!("{e:?}")))
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, letters: &Letters, drawn: &mut Drawn) {
    let aside = ContentTag::Artifact(Artifact::with_kind(ArtifactType::Other));
    match mark {
        Mark::Text { x, baseline, size, is_bold, tone, text, part } => {
            let tag = match part {
                Part::Aside => aside,
                Part::Block(_) | Part::Field { .. } => ContentTag::Span(SpanTag::empty()),
            };
            let identifier = surface.start_tagged(tag);
            surface.set_fill(Some(ink(*tone)));
            let start = Point::from_xy(*x, *baseline);
            surface.draw_glyphs(start, &letters.glyphs(text, *is_bold), letters.font(*is_bold), text, *size, false);
            surface.end_tagged();
            if *part != Part::Aside {
                drawn.entry(*part).or_default().push(identifier);
            }
        }
        Mark::Rule { y } => area(surface, (48.0, *y, PAGE_WIDTH - 96.0, 0.5), rgb::Color::new(208, 213, 221)),
        Mark::Dark { x, y, width, height } => area(surface, (*x, *y, *width, *height), rgb::Color::new(0, 0, 0)),
        Mark::Area { x, y, width, height, tone } => area(surface, (*x, *y, *width, *height), ground(*tone)),
    }
}

fn area(surface: &mut Surface<'_>, (x, y, width, height): (f32, f32, f32, f32), colour: rgb::Color) {
    let mut path = PathBuilder::new();
    let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
    path.push_rect(rect);
    let Some(path) = path.finish() else { return };
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
    surface.set_fill(Some(Fill { paint: colour.into(), ..Fill::default() }));
    surface.draw_path(&path);
    surface.end_tagged();
}

/// Dark enough to be read on [`ground`] and on white: 4.5 to 1 or more.
fn ink(tone: Tone) -> Fill {
    let colour = match tone {
        Tone::Plain => rgb::Color::new(23, 28, 36),
        Tone::Good => rgb::Color::new(17, 94, 52),
        Tone::Warn => rgb::Color::new(122, 72, 0),
        Tone::Bad => rgb::Color::new(163, 22, 22),
        Tone::Muted => rgb::Color::new(84, 94, 110),
    };
    Fill { paint: colour.into(), ..Fill::default() }
}

fn ground(tone: Tone) -> rgb::Color {
    match tone {
        Tone::Plain | Tone::Muted => rgb::Color::new(238, 241, 245),
        Tone::Good => rgb::Color::new(226, 243, 233),
        Tone::Warn => rgb::Color::new(253, 241, 219),
        Tone::Bad => rgb::Color::new(252, 231, 229),
    }
}

fn metadata(paper: &Paper, letters: &Letters) -> Metadata {
    let metadata = Metadata::new()
        .title(letters.clean(&paper.title))
        .language(paper.language.code().to_owned())
        .creator("Datis".to_owned());
    let made = jiff::Timestamp::from_millisecond(paper.made_at.0).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    let Ok(made) = made else { return metadata };
    let part = |number: i8| u8::try_from(number).unwrap_or_default();
    let date = DateTime::new(u16::try_from(made.year()).unwrap_or_default())
        .month(part(made.month()))
        .day(part(made.day()))
        .hour(part(made.hour()))
        .minute(part(made.minute()))
        .second(part(made.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    metadata.creation_date(date)
}

/// The headings, to jump to.
fn outline(paper: &Paper, pages: &[Page], letters: &Letters) -> Outline {
    let mut outline = Outline::new();
    for (at, page) in pages.iter().enumerate() {
        for (block, y) in &page.headings {
            if let Some(Block::Heading { text, .. }) = paper.blocks.get(*block) {
                let there = XyzDestination::new(at, Point::from_xy(0.0, *y));
                outline.push_child(OutlineNode::new(letters.clean(text), there));
            }
        }
    }
    outline
}

/// What is a heading, a paragraph, a table.
fn structure(paper: &Paper, mut drawn: Drawn) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some(paper.language.code().to_owned()));
    for (at, block) in paper.blocks.iter().enumerate() {
        match block {
            Block::Heading { level, text } => {
                let level = NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN);
                tree.push(group(Tag::Hn(level, Some(text.clone())), drawn.remove(&Part::Block(at))));
            }
            Block::Paragraph { .. } | Block::Verdict { .. } => {
                tree.push(group(Tag::P, drawn.remove(&Part::Block(at))));
            }
            Block::Table { columns, rows, has_head } => {
                let mut table = TagGroup::new(Tag::Table);
                for row in 0..rows.len() + usize::from(*has_head) {
                    let mut line = TagGroup::new(Tag::TR);
                    for column in 0..columns.len() {
                        let field = drawn.remove(&Part::Field { block: at, row, column });
                        line.push(match (*has_head && row == 0, *has_head || column > 0) {
                            (true, _) => group(Tag::TH(TableHeaderScope::Column), field),
                            (false, true) => group(Tag::TD, field),
                            (false, false) => group(Tag::TH(TableHeaderScope::Row), field),
                        });
                    }
                    table.push(line);
                }
                tree.push(table);
            }
            Block::Code { .. } | Block::PageBreak | Block::Sheet { .. } => {}
        }
    }
    tree
}

fn group(tag: impl Into<krilla::tagging::TagKind>, drawn: Option<Vec<Identifier>>) -> TagGroup {
    TagGroup::with_children(tag, drawn.unwrap_or_default().into_iter().map(Node::from).collect())
}
