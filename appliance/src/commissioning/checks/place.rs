//! `site.…`: what people have answered about the place.

use super::Found;
use super::keeping::day;
use super::power;
use crate::commissioning::catalogue::{CheckState, Finding};
use crate::commissioning::outcome::Fact;
use crate::commissioning::questions::{PLACE, judge};
use crate::config::CommissioningConfig;
use crate::operations::{self, Question, Site, chain};

pub(super) fn look(site: &Site, config: &CommissioningConfig, question: Question) -> Found {
    let answers = match operations::site_answers(site) {
        Ok(answers) => answers,
        Err(error) => return (Finding::Untold, vec![Fact::text("reason", chain(&error))]),
    };
    let Some(answer) = answers.into_iter().find(|answer| answer.question == question) else {
        return (Finding::QuestionOpen, Vec::new());
    };
    // Only whoever says that there is none is contradicted by a UPS that answers.
    let has_ups = question == Question::Power && power::look(config.nut_server).0.state() == CheckState::Pass;
    let mut facts = vec![Fact::text("said-by", &answer.actor), Fact::text("said-at", day(answer.at))];
    if !answer.note.is_empty() {
        facts.push(Fact::text("contact", &answer.note));
    }
    if question == Question::Place {
        // Words that the sentence chooses by.
        let yes = |word: &str| if answer.words.iter().any(|said| said == word) { "yes" } else { "no" };
        facts.extend(PLACE.map(|word| Fact::text(word, yes(word))));
    }
    (judge(question, &answer.words, &answer.note, has_ups), facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::accounts::Actor;
    use crate::operations::testing::TestBox;

    #[test]
    fn an_answer_is_shown_with_who_gave_it() {
        let test = TestBox::start();
        let (site, config) = (test.site(), CommissioningConfig::default());
        assert_eq!(look(site, &config, Question::Shared).0, Finding::QuestionOpen);
        operations::answer_question(site, &Actor::console(), Question::Shared, &["shared"], "Paul, 555").expect("said");
        let (found, facts) = look(site, &config, Question::Shared);
        assert_eq!(found, Finding::LineSharedContact);
        let shown: Vec<String> = facts.iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
        assert!(shown.contains(&"said-by=console".to_owned()), "{shown:?}");
        assert!(shown.contains(&"contact=Paul, 555".to_owned()), "{shown:?}");
        assert_eq!(look(site, &config, Question::Line).0, Finding::QuestionOpen, "one answer is not another's");
    }
}
