//! `hw.room`: is there room for backups? The seed's advice: never past 90 %.

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::operations::{self, Site};

/// From here on somebody should look, in percent.
const SHORT: u64 = 70;
/// From here on there is none, in percent.
const NONE: u64 = 90;

pub(super) fn look(site: &Site) -> Found {
    match operations::room(site) {
        Ok(Some(space)) => judge(space.total_bytes, space.free_bytes),
        Ok(None) => (Finding::Untold, vec![Fact::text("reason", "the store does not tell its size")]),
        Err(error) => (Finding::Untold, vec![Fact::text("reason", operations::chain(&error))]),
    }
}

fn judge(total: u64, free: u64) -> Found {
    // Rounded up: 89.5 % is not less than 90 % for anybody who has to buy a disk.
    let used = u128::from(total.saturating_sub(free)) * 100;
    let percent = u64::try_from(used.div_ceil(u128::from(total.max(1)))).unwrap_or(100);
    let finding = match percent {
        0..SHORT => Finding::RoomEnough,
        SHORT..NONE => Finding::RoomShort,
        NONE.. => Finding::RoomNone,
    };
    let gib = |bytes: u64| (bytes as f64 / f64::from(1 << 30) * 10.0).round() / 10.0;
    let facts = vec![
        Fact::number("percent", percent as f64),
        Fact::number("free-gib", gib(free)),
        Fact::number("total-gib", gib(total)),
    ];
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_by_what_is_used() {
        for (total, free, expected) in [
            (1000, 1000, Finding::RoomEnough),
            (1000, 310, Finding::RoomEnough),
            (1000, 301, Finding::RoomShort),
            (1000, 110, Finding::RoomShort),
            (1000, 105, Finding::RoomNone),
            (1000, 0, Finding::RoomNone),
            (0, 0, Finding::RoomEnough),
            (u64::MAX, 1, Finding::RoomNone),
        ] {
            assert_eq!(judge(total, free).0, expected, "{free} of {total}");
        }
    }
}
