//! `acct.admin`: does the box belong to somebody who can come in, and nobody else in their name?

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::operations::accounts::{AdminStanding, admins};
use crate::operations::{Site, chain};

/// Fewer recovery codes than this, and the next lost telephone locks an admin out.
const CODES_MIN: u64 = 3;

pub(super) fn look(site: &Site) -> Found {
    match admins(site) {
        Ok(all) => judge(&all),
        Err(error) => (Finding::Untold, vec![Fact::text("reason", chain(&error))]),
    }
}

/// The best protected admin decides: one who can come in safely is enough.
fn judge(all: &[AdminStanding]) -> Found {
    let Some(best) = all.iter().max_by_key(|admin| (admin.has_second_factor, admin.recovery_codes)) else {
        return (Finding::AdminNone, Vec::new());
    };
    let names = all.iter().map(|admin| admin.name.clone()).collect();
    let facts = vec![Fact::lines("admins", names), Fact::number("codes-left", best.recovery_codes as f64)];
    let finding = if !best.has_second_factor {
        Finding::AdminOneFactor
    } else if best.recovery_codes < CODES_MIN {
        Finding::AdminFewCodes
    } else {
        Finding::AdminReady
    };
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_admin_who_comes_in_safely_is_enough() {
        let admin = |has_second_factor, recovery_codes| AdminStanding {
            name: "claire".to_owned(),
            has_second_factor,
            recovery_codes,
        };
        for (all, expected) in [
            (vec![], Finding::AdminNone),
            (vec![admin(false, 0)], Finding::AdminOneFactor),
            (vec![admin(true, 0)], Finding::AdminFewCodes),
            (vec![admin(true, 2), admin(false, 0)], Finding::AdminFewCodes),
            (vec![admin(false, 0), admin(true, 10)], Finding::AdminReady),
            (vec![admin(true, 3)], Finding::AdminReady),
        ] {
            assert_eq!(judge(&all).0, expected, "{all:?}");
        }
    }
}
