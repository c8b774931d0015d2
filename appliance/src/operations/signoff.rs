//! Putting the box into service: what people say of the place, and the sheet that somebody signs.

use datis_engine::units::UnixMillis;

use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::CatalogError;
use crate::catalog::signoff::{self, Question, Signature, SiteAnswer};
use crate::plain::plain;

/// Signed sheets that are kept.
const KEPT: u32 = 12;
/// What people add to an answer, in characters.
const NOTE_MAX: usize = 200;

/// Notes that the box was made at `at`, unless an earlier start has.
///
/// # Errors
/// [`OperationError`].
pub fn note_first_start(site: &Site, at: UnixMillis) -> Result<(), OperationError> {
    if site.catalog.reader().read(|tx| signoff::first_start(tx))?.is_some() {
        return Ok(());
    }
    let noted = site.catalog.writer().write(|tx| signoff::note_first_start(tx, at));
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// When the box was made; now, if nobody has noted it.
///
/// # Errors
/// [`OperationError`].
pub fn first_start(site: &Site) -> Result<UnixMillis, OperationError> {
    let noted = site.catalog.reader().read(|tx| signoff::first_start(tx))?;
    Ok(noted.unwrap_or_else(|| site.clock.now()))
}

/// Keeps what somebody said of the place. `words`: of the program, and checked by whoever knows the question.
///
/// # Errors
/// [`OperationError`].
pub fn answer_question(
    site: &Site,
    by: &Actor,
    question: Question,
    words: &[&str],
    note: &str,
) -> Result<(), OperationError> {
    by.may(Right::Commission)?;
    let note = plain(note, NOTE_MAX);
    let answer = SiteAnswer {
        question,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        note: note.trim().to_owned(),
        actor: by.name().to_owned(),
        at: site.clock.now(),
    };
    let kept = site.catalog.writer().write(|tx| {
        signoff::answer(tx, &answer)?;
        record(tx, site, by, Action::SiteAnswered, question.word(), &words.join(" "))
    });
    kept.map_err(|e: CatalogError| site.noted(e.into()))
}

/// What was said of the place, in no order.
///
/// # Errors
/// [`OperationError`].
pub fn site_answers(site: &Site) -> Result<Vec<SiteAnswer>, OperationError> {
    Ok(site.catalog.reader().read(|tx| signoff::answers(tx))?)
}

/// Keeps the sheet that somebody signs. Whether the box may be signed for is the caller's to know.
///
/// # Errors
/// [`OperationError`].
pub fn sign_off(site: &Site, by: &Actor, signature: &Signature, document: &[u8]) -> Result<(), OperationError> {
    by.may(Right::Commission)?;
    let kept = site.catalog.writer().write(|tx| {
        signoff::sign(tx, signature, document, KEPT)?;
        record(tx, site, by, Action::SignedOff, &site.vault.box_name, "")
    });
    kept.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Who signed last; `None` while nobody has.
///
/// # Errors
/// [`OperationError`].
pub fn last_signature(site: &Site) -> Result<Option<Signature>, OperationError> {
    Ok(site.catalog.reader().read(|tx| signoff::last_signature(tx))?)
}

/// The sheet that was signed last, PDF.
///
/// # Errors
/// [`OperationError`].
pub fn last_document(site: &Site) -> Result<Option<Vec<u8>>, OperationError> {
    Ok(site.catalog.reader().read(|tx| signoff::last_document(tx))?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestBox;
    use super::*;

    #[test]
    fn what_was_said_and_signed_last_counts() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        note_first_start(site, UnixMillis(5)).expect("note");
        note_first_start(site, UnixMillis(9)).expect("note");
        assert_eq!(first_start(site).expect("start"), UnixMillis(5));
        answer_question(site, &by, Question::Shared, &["alone"], "").expect("answer");
        answer_question(site, &by, Question::Shared, &["shared"], "  Paul\u{7}, 555 ").expect("answer");
        let answers = site_answers(site).expect("answers");
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].words.join(""), answers[0].note.as_str()), ("shared".to_owned(), "Paul, 555"));
        assert_eq!(last_signature(site).expect("read"), None);
        for n in 1..=20_u8 {
            let signature = Signature {
                signed_at: UnixMillis(n.into()),
                signed_by: "claire".to_owned(),
                started_at: UnixMillis(5),
            };
            sign_off(site, &by, &signature, &[n]).expect("sign");
        }
        assert_eq!(last_signature(site).expect("read").map(|last| last.signed_at), Some(UnixMillis(20)));
        assert_eq!(last_document(site).expect("read"), Some(vec![20]));
    }
}
