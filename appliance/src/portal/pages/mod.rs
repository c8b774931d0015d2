//! The pages: for each a struct of ready values beside its handlers, and a template of its name.

pub(super) mod account;
pub(super) mod alerts;
pub(super) mod assets;
pub(super) mod audit;
pub(super) mod back;
pub(super) mod bandwidth;
mod chart;
pub(super) mod dashboard;
pub(super) mod directory;
pub(super) mod entry;
pub(super) mod events;
pub(super) mod figures;
pub(super) mod machines;
mod past;
pub(super) mod peers;
pub(super) mod people;
pub(super) mod proofs;
pub(super) mod reports;
pub(super) mod restore;
pub(super) mod retention;
pub(super) mod setup;
pub(super) mod site;
pub(super) mod system;
pub(super) mod welcome;

use datis_engine::units::UnixMillis;

use crate::figures::Ago;
use crate::locale::Locale;
pub(super) use restore::place::shown_name;

/// A time for people, and for those who point at it.
pub(super) struct When {
    pub(super) ago: String,
    pub(super) at: String,
}

impl When {
    pub(super) fn new(at: UnixMillis, now: UnixMillis, locale: &Locale) -> Self {
        Self { ago: locale.ago(Ago::between(at.0, now.0)), at: exactly(at.0) }
    }
}

/// RFC 3339, in UTC.
pub(super) fn exactly(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).and_then(|at| at.round(jiff::Unit::Second));
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// A date for those who look for one among many.
pub(super) struct Date {
    /// To the minute, in UTC.
    pub(super) shown: String,
    pub(super) at: String,
}

impl Date {
    pub(super) fn new(at: UnixMillis) -> Self {
        let shown = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
        Self { shown: shown.unwrap_or_default(), at: exactly(at.0) }
    }
}

/// A choice in a form.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) word: String,
    pub(super) is_chosen: bool,
}
