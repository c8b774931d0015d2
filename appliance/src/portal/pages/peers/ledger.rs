//! What this box and each other keep for one another, as it is shown.

use fluent_bundle::FluentArgs;

use crate::figures;
use crate::locale::Locale;
use crate::operations::community::{Ledger, Pair, Stated, Sum};

/// The ledger in words.
pub(super) struct LedgerView {
    /// What this box gives, what of it is used, and what the others keep for it.
    pub(super) gives: String,
    pub(super) kept_here: String,
    pub(super) kept_there: String,
    /// The part that is used, of a thousand.
    pub(super) used: u64,
    pub(super) pairs: Vec<PairRow>,
}

pub(super) struct PairRow {
    pub(super) name: String,
    /// What the other keeps for this box, and what this box keeps for the other.
    pub(super) sides: [Side; 2],
}

/// One direction.
pub(super) struct Side {
    pub(super) bytes: String,
    /// How much it may be, if there is a bound.
    pub(super) most: Option<String>,
    /// Style class.
    pub(super) class: &'static str,
    /// Whether both have signed it.
    pub(super) books: String,
}

impl LedgerView {
    pub(super) fn of(ledger: &Ledger, locale: &Locale) -> Self {
        let used = ledger.kept_here.saturating_mul(1000).checked_div(ledger.gives_bytes).unwrap_or(0);
        Self {
            gives: locale.bytes(ledger.gives_bytes),
            kept_here: locale.bytes(ledger.kept_here),
            kept_there: locale.bytes(ledger.kept_there),
            used: used.min(1000),
            pairs: ledger.pairs.iter().map(|pair| row(pair, locale)).collect(),
        }
    }
}

fn row(pair: &Pair, locale: &Locale) -> PairRow {
    let there = side(pair.kept_there, pair.there, locale);
    let most = pair.may_keep.map(|bytes| locale.naming("ledger-may-keep", &locale.bytes(bytes)));
    let here = Side { most, ..side(pair.kept_here, pair.here, locale) };
    PairRow { name: pair.name.clone(), sides: [there, here] }
}

fn side(bytes: u64, stated: Option<Stated>, locale: &Locale) -> Side {
    let mut args = FluentArgs::new();
    let (class, key) = match stated {
        None => ("", "ledger-not-compared"),
        Some(Stated { day, theirs: None, .. }) => {
            args.set("day", figures::day(day));
            ("current", "ledger-agreed")
        }
        Some(Stated { day, ours, theirs: Some(theirs) }) => {
            args.set("day", figures::day(day));
            args.set("ours", sum(ours, locale));
            args.set("theirs", sum(theirs, locale));
            ("late", "ledger-differs")
        }
    };
    Side { bytes: locale.bytes(bytes), most: None, class, books: locale.say(key, &args) }
}

fn sum(sum: Sum, locale: &Locale) -> String {
    let mut args = FluentArgs::new();
    args.set("bytes", locale.bytes(sum.bytes));
    args.set("n", sum.count);
    locale.say("ledger-sum", &args)
}
