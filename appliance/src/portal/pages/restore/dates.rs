//! The dates of a source: a strip of dots to point at, and a list for everybody.

use datis_engine::format::path::EntryPath;
use datis_engine::ids::SnapshotId;

use super::super::Date;
use super::place::{Place, text_of};
use crate::locale::Locale;
use crate::operations::browse::Moment;

/// Width of the strip, and of the space that a dot has for itself. Snapshots that stand closer share a dot.
const WIDTH: i64 = 600;
const MARGIN: i64 = 8;
const DOT: i64 = 7;

/// Dates of the list: beyond that, nobody looks through it, and the strip still has them.
const LISTED_MAX: usize = 1_000;

/// The dates of a source, as seen from one of them.
pub(super) struct Dates {
    /// Where the choice of a date is sent.
    pub(super) address: String,
    /// The path that stays the same, as text.
    pub(super) path: String,
    pub(super) dots: Vec<Dot>,
    /// Newest first.
    pub(super) choices: Vec<DateChoice>,
    pub(super) oldest: Date,
    pub(super) newest: Date,
    /// Addresses of the next ones.
    pub(super) older: Option<String>,
    pub(super) newer: Option<String>,
}

/// Of the strip.
pub(super) struct Dot {
    pub(super) x: i64,
    pub(super) address: String,
    pub(super) shown: String,
    pub(super) is_here: bool,
}

pub(super) struct DateChoice {
    pub(super) snapshot: String,
    pub(super) shown: String,
    pub(super) is_here: bool,
}

impl Dates {
    pub(super) fn new(place: &Place, here: &Moment, path: Option<&EntryPath>, locale: &Locale) -> Self {
        let at = place.moments.iter().position(|moment| moment.id == here.id).unwrap_or_default();
        let address = |moment: &Moment| place.addresses.folder(&moment.id, path);
        let next = |at: Option<usize>| at.and_then(|at| place.moments.get(at)).map(address);
        let end = |moment: Option<&Moment>| Date::new(moment.unwrap_or(here).received_at);
        let listed = place.moments.iter().take(LISTED_MAX).chain(place.moments.get(at).filter(|_| at >= LISTED_MAX));
        Self {
            address: place.addresses.base(),
            path: path.map(|path| text_of(path.as_bytes())).unwrap_or_default(),
            dots: dots(&place.moments, &here.id, &address),
            choices: listed
                .map(|moment| DateChoice {
                    snapshot: moment.id.to_string(),
                    shown: name_of(moment, locale),
                    is_here: moment.id == here.id,
                })
                .collect(),
            oldest: end(place.moments.last()),
            newest: end(place.moments.first()),
            older: next(at.checked_add(1)),
            newer: next(at.checked_sub(1)),
        }
    }
}

/// When it was made, and whether reading it takes longer.
fn name_of(moment: &Moment, locale: &Locale) -> String {
    let date = Date::new(moment.received_at).shown;
    if moment.is_outside { format!("{date}, {}", locale.word("snapshot-outside")) } else { date }
}

/// From left to right. Where several snapshots share a dot it leads to the one that is looked at, or else to the newest.
fn dots(moments: &[Moment], here: &SnapshotId, address: &dyn Fn(&Moment) -> String) -> Vec<Dot> {
    let time = |moment: Option<&Moment>| moment.map_or(0, |moment| moment.received_at.0);
    let (oldest, newest) = (time(moments.last()), time(moments.first()));
    let mut dots: Vec<Dot> = Vec::new();
    for moment in moments.iter().rev() {
        let x = match newest.saturating_sub(oldest) {
            // All at once: in the middle.
            ..=0 => WIDTH / 2,
            all => {
                let part = i128::from(moment.received_at.0 - oldest) * i128::from(WIDTH - 2 * MARGIN) / i128::from(all);
                MARGIN + i64::try_from(part).unwrap_or_default()
            }
        };
        let dot = Dot {
            x: x - x % DOT + DOT / 2,
            address: address(moment),
            shown: Date::new(moment.received_at).shown,
            is_here: moment.id == *here,
        };
        match dots.last_mut() {
            Some(last) if last.x == dot.x => {
                if !last.is_here {
                    *last = dot;
                }
            }
            Some(_) | None => dots.push(dot),
        }
    }
    dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::moment;

    #[test]
    fn the_strip_has_every_date_or_one_beside_it_and_the_one_that_is_looked_at() {
        let shown = |moments: &[Moment], here: u8| {
            let found = dots(moments, &SnapshotId::from_bytes([here; 32]), &|moment| moment.received_at.0.to_string());
            found.into_iter().map(|dot| (dot.x, dot.address, dot.is_here)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[moment(1, 5)], 1), [(297, "5".to_owned(), true)]);
        let day = 86_400_000;
        let moments: Vec<Moment> = (0..=200).map(|n| moment(n, i64::from(200 - n) * day / 10)).collect();
        let found = shown(&moments, 77);
        assert!(found.len() > 60 && found.len() <= 90, "{}", found.len());
        assert!(found.iter().all(|(x, ..)| (0..=WIDTH).contains(x)));
        assert!(found.windows(2).all(|two| two[0].0 < two[1].0));
        assert_eq!(found.iter().filter(|(.., is_here)| *is_here).count(), 1);
        assert_eq!(found.last().map(|(_, address, _)| address.as_str()), Some((20 * day).to_string().as_str()));
        assert!(shown(&[moment(1, 9), moment(2, 9)], 2).iter().any(|(.., is_here)| *is_here));
    }
}
