//! What came out of a check, with what it rests on.

use std::borrow::Cow;

use datis_engine::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::catalogue::{Check, CheckState, Finding};

/// How one check ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Which check.
    pub check: Check,
    /// What it found.
    pub verdict: Verdict,
    /// What that rests on. Of a check that was skipped: what is remembered of the last time it looked.
    pub facts: Vec<Fact>,
    /// When it began.
    pub started_at: UnixMillis,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Outcome {
    /// What a piece of evidence says.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|fact| fact.name == name).map(|fact| &fact.value)
    }

    /// What it means.
    #[must_use]
    pub fn state(&self) -> CheckState {
        match self.verdict {
            Verdict::Found(finding) => finding.state(),
            Verdict::Skipped { .. } => CheckState::Skip,
        }
    }
}

/// What a check found, or why it did not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It looked.
    Found(Finding),
    /// It did not, because `because` has failed; that one is the root, never another skipped one.
    Skipped {
        /// The root cause.
        because: Check,
    },
}

/// A piece of evidence: shown as such, and named in the texts by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name, lower case with hyphens.
    pub name: Cow<'static, str>,
    /// What was seen.
    pub value: Value,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A name, an address: the same in every language.
    Text(String),
    /// A number; its unit is in the fact's name or in the text.
    Number(f64),
    /// Several of the same kind, such as one for each resolver.
    Lines(Vec<String>),
}

impl Fact {
    pub(super) fn text(name: &'static str, value: impl ToString) -> Self {
        Self { name: Cow::Borrowed(name), value: Value::Text(value.to_string()) }
    }

    pub(super) fn number(name: &'static str, value: f64) -> Self {
        Self { name: Cow::Borrowed(name), value: Value::Number(value) }
    }

    pub(super) fn lines(name: &'static str, value: Vec<String>) -> Self {
        Self { name: Cow::Borrowed(name), value: Value::Lines(value) }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Lines(lines) => f.write_str(&lines.join(", ")),
        }
    }
}
