//! What only people can tell about the place: each question with what may be answered, and what follows from it. The
//! seed's list of what is to be found out before the visit (requirements D13 to D18).

use super::catalogue::Finding;
use crate::operations::Question;

/// What a place should be; what is not said is lacking.
pub(crate) const PLACE: [&str; 5] = ["dry", "shade", "clean", "network", "socket"];

/// What may be answered: one of these words, except for the place, where several may be true.
pub(crate) const fn words_of(question: Question) -> &'static [&'static str] {
    match question {
        Question::Place => &PLACE,
        Question::Power => &["ups", "socket", "none"],
        Question::Access => &["all", "some", "none"],
        Question::Line => &["fibre", "dsl", "mobile", "unknown"],
        Question::Shared => &["alone", "shared"],
        Question::Operator => &["other", "free-dedicated", "free"],
    }
}

/// What an answer comes to. `has_ups`: the box has found a UPS that protects it.
pub(super) fn judge(question: Question, words: &[String], note: &str, has_ups: bool) -> Finding {
    let said = |word: &str| words.iter().any(|said| said == word);
    match question {
        Question::Place if PLACE.iter().all(|word| said(word)) => Finding::PlaceGood,
        Question::Place => Finding::PlaceLacking,
        Question::Power if said("ups") || said("socket") => Finding::SupplyProtected,
        Question::Power if said("none") && has_ups => Finding::SupplyFound,
        Question::Power if said("none") => Finding::SupplyNone,
        Question::Access if said("all") => Finding::AccessAll,
        Question::Access if said("some") => Finding::AccessSome,
        Question::Access if said("none") => Finding::AccessNone,
        Question::Line if said("fibre") || said("dsl") => Finding::LineFixed,
        Question::Line if said("mobile") => Finding::LineMobile,
        Question::Line if said("unknown") => Finding::LineUnknown,
        Question::Shared if said("alone") => Finding::LineOwn,
        Question::Shared if said("shared") && note.is_empty() => Finding::LineSharedAlone,
        Question::Shared if said("shared") => Finding::LineSharedContact,
        Question::Operator if said("other") => Finding::OperatorFine,
        Question::Operator if said("free-dedicated") => Finding::OperatorDedicated,
        Question::Operator if said("free") => Finding::OperatorFree,
        // A word of another version: asked again.
        Question::Power | Question::Access | Question::Line | Question::Shared | Question::Operator => {
            Finding::QuestionOpen
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{Check, CheckState};
    use super::*;

    #[test]
    fn every_answer_that_may_be_given_comes_to_something() {
        for question in Question::ALL {
            for word in words_of(*question) {
                let words = [(*word).to_owned()];
                assert_ne!(judge(*question, &words, "", false), Finding::QuestionOpen, "{question:?} {word}");
            }
            let check: Check = format!("site.{}", question.word()).parse().expect("a check of its own");
            assert!(check.blocks_activation(), "{question:?} has to be answered");
        }
        assert_eq!(judge(Question::Line, &["cable".to_owned()], "", false), Finding::QuestionOpen);
    }

    #[test]
    fn only_what_the_seed_forbids_stands_in_the_way() {
        let state = |question, words: &[&str], note: &str, has_ups| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            judge(question, &words, note, has_ups).state()
        };
        assert_eq!(state(Question::Power, &["none"], "", false), CheckState::Fail);
        assert_eq!(state(Question::Power, &["none"], "", true), CheckState::Pass);
        assert_eq!(state(Question::Shared, &["shared"], "", false), CheckState::Fail);
        assert_eq!(state(Question::Shared, &["shared"], "Paul, 555", false), CheckState::Warn);
        assert_eq!(state(Question::Line, &["mobile"], "", false), CheckState::Warn);
        assert_eq!(state(Question::Operator, &["free"], "", false), CheckState::Warn);
        assert_eq!(state(Question::Place, &PLACE, "", false), CheckState::Pass);
        assert_eq!(state(Question::Place, &PLACE[1..], "", false), CheckState::Warn);
        assert_eq!(state(Question::Place, &[], "", false), CheckState::Warn);
    }
}
