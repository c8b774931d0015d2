//! `key.kit` and `mail.test`: does somebody have what the box gave them? Both are proved by typing back what only its
//! holder can read.

use datis_engine::units::{Seconds, UnixMillis};

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::operations::accounts::Action;
use crate::operations::{self, Deed, Mail, MailKind, MailState, OperationError, Site, chain};

/// A kit that was proved longer ago is looked for again: a quarter of a year.
const PROVED_FOR: Seconds = Seconds(92 * 86_400);
/// Mails that are looked through for the last try.
const MAILS: u32 = 50;

pub(super) fn kit(site: &Site) -> Found {
    let deeds = || -> Result<_, OperationError> {
        Ok((operations::last_done(site, Action::KitProved)?, operations::kit_last_taken(site)?))
    };
    match deeds() {
        Ok((proved, taken)) => judge_kit(proved.as_ref(), taken.as_ref(), site.clock.now()),
        Err(error) => untold(&error),
    }
}

fn judge_kit(proved: Option<&Deed>, taken: Option<&Deed>, now: UnixMillis) -> Found {
    let mut facts = Vec::new();
    facts.extend(taken.map(|deed| Fact::text("taken-at", said(deed))));
    facts.extend(proved.map(|deed| Fact::text("proved-at", said(deed))));
    let finding = match (proved, taken) {
        (Some(proved), _) if now.minus(PROVED_FOR) <= proved.at => Finding::KitProved,
        (Some(_), _) => Finding::KitStale,
        (None, Some(_)) => Finding::KitTaken,
        (None, None) => Finding::KitNone,
    };
    (finding, facts)
}

pub(super) fn mail(site: &Site) -> Found {
    let look = || -> Result<_, OperationError> {
        Ok((
            operations::mail_setting(site)?.map(|setting| setting.host),
            operations::last_done(site, Action::MailSet)?,
            operations::last_done(site, Action::MailProved)?,
            operations::newest_mail(site, MAILS)?.into_iter().find(|mail| mail.kind == MailKind::Test),
        ))
    };
    match look() {
        Ok((None, ..)) => (Finding::MailUnset, Vec::new()),
        Ok((Some(server), set, proved, last)) => judge_mail(&server, set.as_ref(), proved.as_ref(), last.as_ref()),
        Err(error) => untold(&error),
    }
}

/// What was proved before mail was set up anew is proved no more.
fn judge_mail(server: &str, set: Option<&Deed>, proved: Option<&Deed>, last: Option<&Mail>) -> Found {
    let mut facts = vec![Fact::text("mail-server", server)];
    let proved = proved.filter(|proved| set.is_none_or(|set| set.at <= proved.at));
    let last = last.filter(|last| set.is_none_or(|set| set.at <= last.created_at));
    if let Some(last) = last.filter(|last| !last.answer.is_empty()) {
        facts.push(Fact::text("answer", &last.answer));
    }
    facts.extend(proved.map(|deed| Fact::text("proved-at", said(deed))));
    // A try after the proof that was refused says more than the proof.
    let refused = last.is_some_and(|last| match last.state {
        MailState::Failed => true,
        MailState::Waiting => last.tries > 0,
        MailState::Sent => false,
    });
    let is_newer = last.zip(proved).is_none_or(|(last, proved)| proved.at < last.created_at);
    let finding = match (refused && is_newer, proved, last) {
        (true, ..) => Finding::MailRefused,
        (false, Some(_), _) => Finding::MailRead,
        (false, None, Some(last)) if last.state == MailState::Sent => Finding::MailSent,
        (false, None, _) => Finding::MailUntried,
    };
    (finding, facts)
}

/// `2026-11-22, claire`.
fn said(deed: &Deed) -> String {
    format!("{}, {}", day(deed.at), deed.by)
}

/// A day, in UTC.
pub(super) fn day(at: UnixMillis) -> String {
    let day = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d").to_string());
    day.unwrap_or_default()
}

fn untold(error: &OperationError) -> Found {
    (Finding::Untold, vec![Fact::text("reason", chain(error))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::MailRow;

    fn deed(at: i64) -> Deed {
        Deed { at: UnixMillis(at), by: "claire".to_owned(), subject: String::new() }
    }

    #[test]
    fn a_kit_is_proved_for_a_quarter() {
        let day = 86_400_000;
        for (proved, taken, now, expected) in [
            (None, None, 0, Finding::KitNone),
            (None, Some(1), 2, Finding::KitTaken),
            (Some(2), Some(1), 3, Finding::KitProved),
            (Some(0), Some(0), 92 * day, Finding::KitProved),
            (Some(0), Some(0), 93 * day, Finding::KitStale),
            (Some(0), Some(93 * day), 94 * day, Finding::KitStale),
            // Printed by an earlier version, and proved all the same.
            (Some(5), None, 6, Finding::KitProved),
        ] {
            let (proved, taken) = (proved.map(deed), taken.map(deed));
            let found = judge_kit(proved.as_ref(), taken.as_ref(), UnixMillis(now)).0;
            assert_eq!(found, expected, "{proved:?} {taken:?} {now}");
        }
    }

    #[test]
    fn mail_counts_when_somebody_has_read_it_and_refusals_count_before_that() {
        let mail = |state, tries, at| Mail {
            row: MailRow(1),
            kind: MailKind::Test,
            state,
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            recipients: Vec::new(),
            tries,
            answer: "550 no such user".to_owned(),
            created_at: UnixMillis(at),
            next_at: UnixMillis(at),
            done_at: None,
        };
        let (waiting, sent, failed) = (MailState::Waiting, MailState::Sent, MailState::Failed);
        for (set, proved, last, expected) in [
            (Some(1), None, None, Finding::MailUntried),
            (Some(1), None, Some(mail(waiting, 0, 2)), Finding::MailUntried),
            (Some(1), None, Some(mail(sent, 1, 2)), Finding::MailSent),
            (Some(1), None, Some(mail(waiting, 1, 2)), Finding::MailRefused),
            (Some(1), None, Some(mail(failed, 9, 2)), Finding::MailRefused),
            (Some(1), Some(3), Some(mail(sent, 1, 2)), Finding::MailRead),
            // Refused again after the proof.
            (Some(1), Some(3), Some(mail(waiting, 2, 4)), Finding::MailRefused),
            // Another server since.
            (Some(5), Some(3), Some(mail(sent, 1, 2)), Finding::MailUntried),
            (None, Some(3), None, Finding::MailRead),
        ] {
            let (set, proved) = (set.map(deed), proved.map(deed));
            let (found, facts) = judge_mail("mail.example.org", set.as_ref(), proved.as_ref(), last.as_ref());
            assert_eq!(found, expected, "{set:?} {proved:?} {last:?}");
            let answer = facts.iter().any(|fact| fact.name == "answer");
            assert!(answer || found != Finding::MailRefused, "the server's words are shown");
        }
    }
}
