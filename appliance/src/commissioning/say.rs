//! Outcomes in words.

use fluent_bundle::FluentArgs;
use fluent_bundle::types::FluentValue;

use super::catalogue::{Check, CheckState};
use super::outcome::{Fact, Outcome, Value, Verdict};
use crate::locale::Locale;

/// What a check is called.
#[must_use]
pub fn title(check: Check, locale: &Locale) -> String {
    locale.word(&title_key(check))
}

/// What a state is called.
#[must_use]
pub fn state_word(state: CheckState, locale: &Locale) -> String {
    locale.word(&format!("state-{}", state.word()))
}

/// What was found, and what follows from it; empty for a check that was skipped.
#[must_use]
pub fn message(outcome: &Outcome, locale: &Locale) -> String {
    match outcome.verdict {
        Verdict::Found(finding) => locale.say(finding.word(), &args(&outcome.facts)),
        Verdict::Skipped { .. } => String::new(),
    }
}

/// What to do about it.
#[must_use]
pub fn remedy(outcome: &Outcome, locale: &Locale) -> Option<String> {
    match outcome.verdict {
        Verdict::Found(finding) => locale.say_attribute(finding.word(), "remedy", &args(&outcome.facts)),
        Verdict::Skipped { .. } => None,
    }
}

/// The evidence as one line: `Port: eth0 · Mb/s: 1000`. Facts without a name in the tables are words that only the
/// sentences use.
#[must_use]
pub fn evidence(outcome: &Outcome, locale: &Locale) -> String {
    let shown = outcome.facts.iter().filter_map(|fact| {
        let key = format!("fact-{}", fact.name);
        let is_empty = matches!(&fact.value, Value::Lines(lines) if lines.is_empty());
        (locale.has(&key) && !is_empty).then(|| format!("{}: {}", locale.word(&key), fact.value))
    });
    shown.collect::<Vec<_>>().join(" · ")
}

fn title_key(check: Check) -> String {
    format!("check-{}", check.word().replace('.', "-"))
}

fn args(facts: &[Fact]) -> FluentArgs<'_> {
    facts
        .iter()
        .map(|fact| {
            let value = match &fact.value {
                Value::Text(text) => FluentValue::from(text.as_str()),
                Value::Number(number) => FluentValue::from(*number),
                Value::Lines(lines) => FluentValue::from(lines.join(", ")),
            };
            (&*fact.name, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Finding;
    use super::*;
    use crate::locale::Language;
    use datis_engine::units::UnixMillis;

    fn outcome(check: Check, finding: Finding, facts: Vec<Fact>) -> Outcome {
        Outcome { check, verdict: Verdict::Found(finding), facts, started_at: UnixMillis(0), took_ms: 0 }
    }

    #[test]
    fn everything_that_can_be_found_has_its_words_in_every_language() {
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            for check in Check::ALL {
                assert_ne!(title(check, &locale), title_key(check), "{language:?}");
            }
            for finding in Finding::ALL {
                // Only whether there are words: what they speak of is the laboratory's business.
                let told = outcome(Check::LanLink, *finding, Vec::new());
                assert_ne!(message(&told, &locale), finding.word(), "{language:?}");
                let has_remedy = remedy(&told, &locale).is_some();
                assert_eq!(has_remedy, finding.state() != CheckState::Pass, "{finding:?} in {language:?}");
            }
        }
    }

    #[test]
    fn sentences_speak_of_their_evidence() {
        let facts = vec![Fact::text("port", "eth0"), Fact::number("speed", 100.0), Fact::text("duplex", "half")];
        let slow = outcome(Check::LanLink, Finding::LinkSlow, facts);
        let locale = Locale::open(Language::English).expect("locale");
        assert!(message(&slow, &locale).starts_with("Port eth0 runs at only 100 Mb/s (one direction at a time)"));
        assert_eq!(evidence(&slow, &locale), "Port: eth0 · Mb/s: 100");
        let wrong = vec![Fact::number("offset", 137.498), Fact::text("direction", "slow")];
        let wrong = outcome(Check::Time, Finding::ClockWrong, wrong);
        let locale = Locale::open(Language::French).expect("locale");
        assert!(message(&wrong, &locale).starts_with("L’horloge retarde de 137,498 s"), "{}", message(&wrong, &locale));
    }
}
