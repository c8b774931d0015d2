//! How recovery was tried last, in words: for the first page and the report.

use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::DrillStatus;

/// One sentence. `now`: milliseconds since 1970.
pub(crate) fn drill_sentence(drill: &DrillStatus, now: i64, locale: &Locale) -> String {
    let ago = |at: i64| locale.ago(Ago::between(at, now));
    match drill.last_at {
        None => locale.word("drill-never"),
        Some(at) if drill.passed => locale.naming("drill-went-well", &ago(at)),
        Some(at) => locale.naming("drill-went-wrong", &ago(at)),
    }
}
