//! Documents from one end to the other: what stands where, and that whatever is written becomes one.

use krilla::configure::{Accessibility, ConfigurationBuilder};

use super::layout::{FLOOR, Mark, Page, lay_out};
use super::letters::Letters;
use super::*;

fn pages_of(paper: &Paper) -> Vec<Page> {
    lay_out(paper, &Letters::open().expect("font")).expect("pages")
}

fn texts(page: &Page) -> String {
    let of_mark = |mark: &Mark| match mark {
        Mark::Text { text, .. } => Some(text.clone()),
        Mark::Rule { .. } | Mark::Area { .. } | Mark::Dark { .. } => None,
    };
    page.marks.iter().filter_map(of_mark).collect::<Vec<_>>().join(" ")
}

fn long_table(rows: usize) -> Paper {
    let mut paper = Paper::new(Language::French, "Liste", UnixMillis(0)).header("cave").footer("Datis");
    let row = |n: usize| vec![Cell::new(format!("ligne {n}")), Cell::toned("à vérifier", Tone::Warn)];
    paper.table(vec![Column::new("Nom", 2), Column::new("État", 1)], (0..rows).map(row).collect());
    paper
}

#[test]
fn a_long_table_goes_on_over_pages_with_its_head_and_loses_no_row() {
    let paper = long_table(200);
    let pages = pages_of(&paper);
    assert!(pages.len() >= 4, "{}", pages.len());
    let all: Vec<String> = pages.iter().map(texts).collect();
    for (at, page) in all.iter().enumerate() {
        assert!(page.contains("Nom") && page.contains("État"), "page {at} has no head");
        assert!(page.contains("cave") && page.contains(&format!("{} / {}", at + 1, pages.len())), "{page}");
    }
    let all = all.join(" ") + " ";
    for n in 0..200 {
        assert!(all.contains(&format!("ligne {n} ")), "row {n} is lost");
    }
    let pdf = paper.pdf().expect("a document");
    assert!(pdf.starts_with(b"%PDF-"));
    assert!((10_000..200_000).contains(&pdf.len()), "{} bytes", pdf.len());
}

#[test]
fn nothing_stands_outside_its_page() {
    let mut paper = long_table(90);
    paper.heading("Titre").paragraph("mot ".repeat(900)).verdict("non ".repeat(900), Tone::Bad);
    paper
        .table(vec![Column::new("a", 1), Column::new("b", 9)], vec![vec!["x".into(), "très long ".repeat(380).into()]]);
    for page in pages_of(&paper) {
        for mark in &page.marks {
            if let Mark::Text { baseline, part, text, .. } = mark {
                assert!(*part == layout::Part::Aside || *baseline <= FLOOR, "{text} at {baseline}");
            }
        }
    }
}

#[test]
fn documents_are_accessible_as_far_as_a_program_can_tell() {
    let mut paper = long_table(40);
    paper.heading("Ensuite").paragraph("Un paragraphe.").note("Une note.").verdict("En ordre.", Tone::Good);
    paper.facts(vec![("Adresse".to_owned(), "192.168.1.60".into()), (String::new(), Cell::default())]);
    let configuration =
        ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().expect("a standard");
    let letters = Letters::open().expect("font");
    let pages = lay_out(&paper, &letters).expect("pages");
    write::write(&paper, &pages, &letters, configuration).expect("PDF/UA-1");
}

#[test]
fn whatever_a_text_says_it_becomes_a_document() {
    let hostile = [
        String::new(),
        "\u{0}\u{1}\u{1b}[2J\r\n\u{202e}".to_owned(),
        "W".repeat(10_000),
        "漢字🦀\u{10ffff}\u{e000}".to_owned(),
        "e\u{301}\u{300}\u{302}".repeat(500),
        "(\\) <</Type/Page>> endobj %%EOF".to_owned(),
        "\n".repeat(9_000),
    ];
    for text in &hostile {
        let mut paper = Paper::new(Language::Russian, text.as_str(), UnixMillis(i64::MAX)).header(text).footer(text);
        paper.heading(text).paragraph(text).note(text).verdict(text, Tone::Warn).page_break();
        paper.facts(vec![(text.clone(), Cell::strong(text))]);
        paper.table(vec![Column::new(text, 0), Column::new(text, u16::MAX)], vec![vec![text.into()], vec![]]);
        paper.table(Vec::new(), vec![vec![text.into()]]);
        let pdf = paper.pdf().unwrap_or_else(|e| panic!("{:?}: {e}", text.chars().take(20).collect::<String>()));
        assert!(pdf.len() < 400_000, "{} bytes", pdf.len());
    }
    let mut endless = Paper::new(Language::English, "x", UnixMillis(0));
    for _ in 0..500 {
        endless.page_break();
    }
    assert!(matches!(endless.pdf(), Err(PaperError::TooLong)));
}

#[test]
fn every_letter_of_the_products_languages_can_be_printed() {
    let letters = Letters::open().expect("font");
    for language in Language::ALL {
        for sentence in language.tables() {
            let lacking: String = sentence.chars().filter(|c| !c.is_control() && !letters.has(*c)).collect();
            assert!(lacking.is_empty(), "{language:?}: {lacking:?}");
        }
    }
}

#[test]
fn sheets_of_one_document_have_headers_and_counts_of_their_own() {
    let mut paper = Paper::new(Language::English, "one", UnixMillis(0)).header("the first").footer("Datis");
    paper.paragraph("short").sheet("two", "the second").paragraph("long\n".repeat(100)).sheet("three", "the third");
    let all: Vec<String> = pages_of(&paper).iter().map(texts).collect();
    let expected = [("the first", "1 / 1"), ("the second", "1 / 2"), ("the second", "2 / 2"), ("the third", "1 / 1")];
    assert_eq!(all.len(), expected.len(), "{all:?}");
    for (page, (header, number)) in all.iter().zip(expected) {
        assert!(page.contains(header) && page.contains(number) && page.contains("Datis"), "{page}");
    }
    assert!(paper.pdf().expect("a document").starts_with(b"%PDF-"));
}
