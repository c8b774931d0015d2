//! What owner and host write down together, and what only the owner's recovery kit may ask for.

use datis_engine::community::ledger::{Agreement, SignedStatement, Statement, StatementError, Words};
use datis_engine::format::VERSION;
use datis_engine::keys::SigningContext;
use datis_engine::life::hosting::RecoveryProof;
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{AgreeStatement, BrakeLifted, LiftBrake, StatementAnswer, lift_message};
use datis_engine::wire::{Refusal, RefusalCode};

use super::super::accounts::{Action, Actor, record};
use super::super::error::Failure;
use super::super::site::{Site, lock};
use super::{Owner, Peer};
use crate::catalog::statements::{self, StatementRow};

/// Clocks of two boxes may show different days.
const DAYS_APART: u32 = 2;

/// Compares the owner's books with this box's: signs the same statement, or says what this box has.
///
/// # Errors
/// [`RefusalCode::BadSignature`]; [`RefusalCode::Malformed`] for a statement about others or another day; [`Refusal`].
pub fn agree_statement(site: &Site, peer: &Peer, message: &AgreeStatement) -> Result<StatementAnswer, Refusal> {
    try_agree(site, peer, message).map_err(|failure| site.refusal(failure))
}

fn try_agree(site: &Site, peer: &Peer, message: &AgreeStatement) -> Result<StatementAnswer, Failure> {
    peer.check_may_write()?;
    let known = site
        .community()
        .ok_or_else(|| Refusal::new(RefusalCode::UnknownMachine, "the box belongs to no community any more"))?;
    let mut signed = SignedStatement::decode(&message.statement).map_err(unsound)?;
    let (theirs, words) = signed.open(known.roster()).map_err(unsound)?;
    let today = day_of(site.clock.now());
    if (theirs.owner, theirs.host, words) != (peer.member, known.me, Words::Owner) {
        return Err(Failure::refuse(
            RefusalCode::Malformed,
            "a statement is by its owner, for the box that keeps its data",
        ));
    }
    if theirs.day.abs_diff(today) > DAYS_APART {
        let sentence = format!("the statement is of day {}, and here it is day {today}: a clock is wrong", theirs.day);
        return Err(Failure::refuse(RefusalCode::Malformed, sentence));
    }
    site.with_owner(peer.member, |owner| {
        let ours = owner.statement(&theirs);
        let device = &site.vault.device_key;
        let (answer, differs) = match ours.compare(&theirs) {
            Agreement::Agreed => {
                signed.sign(device, known.roster()).map_err(unsound)?;
                (signed, None)
            }
            Agreement::Differs { .. } | Agreement::Unrelated => {
                let mut own = SignedStatement::unsigned(&ours);
                own.sign(device, known.roster()).map_err(unsound)?;
                (own, Some(signed))
            }
        };
        let row = StatementRow {
            owner: ours.owner,
            host: ours.host,
            day: ours.day,
            bytes: ours.bytes,
            count: ours.count,
            signed: answer.encode(),
            theirs: differs,
        };
        owner.save_with(site, &[], |tx, _| statements::keep(tx, &row))?;
        Ok(StatementAnswer { statement: row.signed.into() })
    })
}

impl Owner {
    /// What is here and needed, for the pair and day of another statement.
    fn statement(&self, about: &Statement) -> Statement {
        let kept = self.hosting.inventory(None, usize::MAX).filter(|(_, held)| held.counts());
        let (mut bytes, mut count) = (0_u64, 0);
        for (_, held) in kept {
            bytes = bytes.saturating_add(u64::from(held.len));
            count += 1;
        }
        Statement { version: VERSION, bytes, count, list_hash: self.hosting.list_hash(), ..about.clone() }
    }
}

fn unsound(error: impl Into<StatementError>) -> Failure {
    Failure::refuse(RefusalCode::BadSignature, format!("the statement is not taken: {}", error.into()))
}

/// Days since 1970-01-01, in UTC.
pub(crate) fn day_of(at: UnixMillis) -> u32 {
    u32::try_from(at.0.div_euclid(1_000) / i64::try_from(Seconds::DAY.0).unwrap_or(i64::MAX)).unwrap_or(0)
}

/// So many connections are remembered on which a brake was let go. Each needs the recovery kit once.
const LIFTED_MAX: usize = 1_024;

/// Lets the brake of this owner go, and lets a week pass without one: whoever asks has the recovery kit. Once for each signature: the
/// owner's box has it, and could send it again as long as its connection lasts.
///
/// # Errors
/// [`RefusalCode::BadSignature`] for whoever has not; [`Refusal`].
pub fn lift_brake(site: &Site, peer: &Peer, channel: &[u8; 32], message: &LiftBrake) -> Result<BrakeLifted, Refusal> {
    try_lift(site, peer, channel, message).map_err(|failure| site.refusal(failure))
}

fn try_lift(site: &Site, peer: &Peer, channel: &[u8; 32], message: &LiftBrake) -> Result<BrakeLifted, Failure> {
    peer.check_may_write()?;
    let unknown = || Refusal::new(RefusalCode::UnknownMachine, "the box belongs to no community any more");
    let known = site.community().ok_or_else(unknown)?;
    let member = known.roster().member(peer.member).ok_or_else(unknown)?;
    let asked = lift_message(known.log.community(), peer.member, known.me, channel);
    member.recovery.verify(SigningContext::LiftBrake, &asked, &message.signature).map_err(|_| {
        let sentence = "the brake is let go only with the recovery kit of the member whose data it protects";
        Refusal::new(RefusalCode::BadSignature, sentence)
    })?;
    let proof = RecoveryProof::after_checking(peer.member);
    let name = member.name.to_string();
    site.with_owner(peer.member, |owner| {
        let now = site.counted_now();
        let held = owner.hosting.frozen_until(now).is_some();
        let mut lifted = lock(&site.hosted.lifted);
        if lifted.contains(channel) {
            return Ok(BrakeLifted { held });
        }
        owner.hosting.lift_brake(now, &proof);
        let recent = owner.hosting.state().recent;
        owner.save_with(site, &[], |tx, row| {
            crate::catalog::hosting::keep_recent(tx, row, &recent)?;
            record(tx, site, &Actor::console(), Action::BrakeLifted, &name, "")
        })?;
        lifted.push_front(*channel);
        lifted.truncate(LIFTED_MAX);
        Ok(BrakeLifted { held })
    })
}
