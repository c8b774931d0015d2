//! The ledger for people: what this box and each other member keep for one another, and what both have signed (mutual-backup 4.8).

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::community::ledger::SignedStatement;
use datis_engine::ids::MemberId;
use datis_engine::outside::OutsideError;
use datis_engine::units::UnixMillis;

use super::super::hosting::{given_bytes, hosted_for, quota_of};
use super::super::{OperationError, Site};
use crate::catalog::dispersal::holders;
use crate::catalog::statements::{self, StatementRow};

const DAY_MILLIS: i64 = 86_400_000;

/// What this box gives and takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes of shards that the others together may keep here.
    pub gives_bytes: u64,
    /// What they keep here now.
    pub kept_here: u64,
    /// What the others keep for this box now.
    pub kept_there: u64,
    /// By name of the other.
    pub pairs: Vec<Pair>,
}

/// This box and one other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Which.
    pub member: MemberId,
    /// What it is called.
    pub name: String,
    /// What it may keep here; `None`: it is not in any more.
    pub may_keep: Option<u64>,
    /// What it keeps here now.
    pub kept_here: u64,
    /// What it keeps for this box now.
    pub kept_there: u64,
    /// What both say of what it keeps here, the last time that they did.
    pub here: Option<Stated>,
    /// What both say of what it keeps for this box.
    pub there: Option<Stated>,
}

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// Of which day; the start of it.
    pub day: UnixMillis,
    /// By this box's books.
    pub ours: Sum,
    /// By the other's, where they differ; without it both have signed the same.
    pub theirs: Option<Sum>,
}

/// So many shards, of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// Shards.
    pub count: u64,
}

/// The ledger as it stands; `None`: the box is in no community. Of those that are not in any more whoever keeps something here.
///
/// # Errors
/// [`OperationError`].
pub fn ledger(site: &Site) -> Result<Option<Ledger>, OperationError> {
    let Some(known) = site.community() else { return Ok(None) };
    let kept: BTreeMap<MemberId, u64> = hosted_for(site)?
        .into_iter()
        .map(|owner| (owner.member, owner.bytes))
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    let outside = site.catalog.reader().read(|tx| holders::kept(tx))?;
    let (mut here, mut there) = (BTreeMap::new(), BTreeMap::new());
    for row in site.catalog.reader().read(|tx| statements::all(tx))? {
        let (side, other) = if row.owner == known.me { (&mut there, row.host) } else { (&mut here, row.owner) };
        side.insert(other, stated(&row)?);
    }
    let members: BTreeSet<MemberId> = known.others().map(|member| member.id).chain(kept.keys().copied()).collect();
    let mut pairs = members
        .into_iter()
        .map(|member| {
            let of = known.roster().member(member);
            let may_keep = match of.filter(|of| of.is_active()) {
                Some(_) => Some(quota_of(site, member)?),
                None => None,
            };
            Ok(Pair {
                member,
                name: of.map_or_else(|| member.to_string(), |of| of.name.to_string()),
                may_keep,
                kept_here: kept.get(&member).copied().unwrap_or_default(),
                kept_there: outside.get(&member).map_or(0, |(_, bytes)| *bytes),
                here: here.get(&member).copied(),
                there: there.get(&member).copied(),
            })
        })
        .collect::<Result<Vec<_>, OperationError>>()?;
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(Ledger {
        gives_bytes: given_bytes(site)?,
        kept_here: pairs.iter().map(|pair| pair.kept_here).sum(),
        kept_there: pairs.iter().map(|pair| pair.kept_there).sum(),
        pairs,
    }))
}

fn stated(row: &StatementRow) -> Result<Stated, OperationError> {
    // Its signature was looked at when it came, and the other side's key may be another one since.
    let theirs = row.theirs.as_ref().map(SignedStatement::statement).transpose().map_err(OutsideError::from)?;
    Ok(Stated {
        day: UnixMillis(i64::from(row.day) * DAY_MILLIS),
        ours: Sum { bytes: row.bytes, count: row.count },
        theirs: theirs.map(|theirs| Sum { bytes: theirs.bytes, count: theirs.count }),
    })
}

#[cfg(test)]
mod tests {
    use datis_engine::community::ledger::Statement;
    use datis_engine::wire::peers::AgreeStatement;

    use super::super::super::hosting::testing::{Circle, keep, shard};
    use super::super::super::hosting::{agree_statement, day_of};
    use super::super::super::testing::TestBox;
    use super::*;

    #[test]
    fn both_sides_of_each_pair_are_shown_and_where_the_books_differ_both_sums() {
        let test = TestBox::start();
        let site = test.site();
        assert_eq!(ledger(site).expect("ledger"), None, "it is in no community");
        let circle = Circle::around(site);
        let one = circle.one.peer(site);
        let (id, bytes) = shard(64_000, 1);
        keep(site, &one, id, &bytes);
        let said = |bytes, list_hash| {
            let statement = Statement {
                version: 1,
                community: circle.log.community(),
                owner: circle.one.id(),
                host: circle.me,
                bytes,
                count: 1,
                list_hash,
                day: day_of(site.clock.now()),
            };
            let mut signed = SignedStatement::unsigned(&statement);
            signed.sign(&circle.one.device, circle.log.roster()).expect("sign");
            agree_statement(site, &one, &AgreeStatement { statement: signed.encode().into() }).expect("answer")
        };
        let answer = said(1, [0; 32]);
        let shown = ledger(site).expect("ledger").expect("in a community");
        assert_eq!((shown.kept_here, shown.kept_there, shown.pairs.len()), (64_000, 0, 2));
        let pair = &shown.pairs[0];
        assert_eq!((pair.name.as_str(), pair.kept_here, pair.there), ("one", 64_000, None));
        assert!(pair.may_keep.is_some_and(|most| most > 0), "{pair:?}");
        let here = pair.here.expect("compared");
        assert_eq!((here.ours, here.theirs), (Sum { bytes: 64_000, count: 1 }, Some(Sum { bytes: 1, count: 1 })));
        let ours = SignedStatement::decode(&answer.statement).expect("ours").statement().expect("statement");
        said(ours.bytes, ours.list_hash);
        let agreed = ledger(site).expect("ledger").expect("in a community").pairs[0].here.expect("compared");
        assert_eq!((agreed.ours, agreed.theirs), (Sum { bytes: 64_000, count: 1 }, None));
        assert_eq!((shown.pairs[1].name.as_str(), shown.pairs[1].kept_here, shown.pairs[1].here), ("other", 0, None));
    }
}
