//! Proofs that people keep what the box has given them: the recovery kit on paper, and mail that arrives. What was done
//! is in the audit log, and only there.

use std::net::IpAddr;
use std::time::Instant;

use datis_engine::format::kit::{KitHint, RecoveryKit};
use datis_engine::ids::KitSetId;
use datis_engine::keys::random_bytes;
use datis_engine::units::{Seconds, UnixMillis};
use serde::Serialize;
use zeroize::Zeroizing;

use super::accounts::{AccountError, Action, Actor, Right, log_use, record};
use super::community::{CommunityError, kit_community};
use super::dispersal::{DispersalStatus, dispersal_status};
use super::{OperationError, Site};
use crate::catalog::CatalogError;
use crate::catalog::audit;
use crate::catalog::mail;
use crate::catalog::mail::{MailContent, MailKind};
use crate::catalog::signoff::{self, MailCode};

/// What failures of the kit are counted under; no account is called so.
const KIT: &str = "/kit";
/// What failures of the mail's code are counted under.
const CODE: &str = "/mail-code";
/// A code is good for this long.
const CODE_VALID: Seconds = Seconds(7 * 86_400);
/// A code that was typed wrong so often is over: it has a million values.
const CODE_TRIES: u32 = 10;

/// Something that was done, as the audit log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub by: String,
    /// To what.
    pub subject: String,
}

/// The last time that something was done; `None` if it never was.
///
/// # Errors
/// [`OperationError`].
pub fn last_done(site: &Site, action: Action) -> Result<Option<Deed>, OperationError> {
    let last = site.catalog.reader().read(|tx| audit::last_of(tx, action.word()))?;
    Ok(last.map(|entry| Deed { at: entry.at, by: entry.actor, subject: entry.subject }))
}

/// A recovery is tried this often (mutual-backup 4.9); one that has failed again after a day.
const DRILL_EVERY: Seconds = Seconds(90 * 86_400);

/// Whether a recovery is to be tried: the box is in a community, which keeps all that is needed for one.
///
/// # Errors
/// [`OperationError`].
pub fn is_drill_due(site: &Site) -> Result<bool, OperationError> {
    let at = |action| Ok::<_, OperationError>(last_done(site, action)?.map(|last| last.at));
    let is_time = is_drill_time(at(Action::DrillPassed)?, at(Action::DrillFailed)?, site.clock.now());
    Ok(is_time && is_recovery_possible(site)?)
}

fn is_drill_time(passed: Option<UnixMillis>, failed: Option<UnixMillis>, now: UnixMillis) -> bool {
    let is_past = |last: Option<UnixMillis>, pause: Seconds| last.is_none_or(|last| last.plus(pause) <= now);
    is_past(passed, DRILL_EVERY) && is_past(failed, Seconds::DAY)
}

/// Whether there is anything outside that a recovery could bring back, and this box itself is whole.
///
/// # Errors
/// [`OperationError`].
pub fn is_recovery_possible(site: &Site) -> Result<bool, OperationError> {
    Ok(site.community().is_some() && can_be_recovered(site, &dispersal_status(site)?))
}

/// The same, where it is known already what is `outside`.
#[must_use]
pub fn can_be_recovered(site: &Site, outside: &DispersalStatus) -> bool {
    site.awaited.is_empty() && outside.machines.iter().any(|machine| machine.last_safe.is_some())
}

/// A recovery that was not tried for so long is news: it is tried every 90 days where the box can do that by itself.
const DRILL_OVERDUE: Seconds = Seconds(120 * 86_400);

/// How recovery was tried last. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillStatus {
    /// When; `None`: never.
    pub last_at: Option<i64>,
    /// Whether it went well.
    pub passed: bool,
    /// Why it did not.
    pub why: String,
    /// Whether it is too long since it last went well, or since the box came into its community.
    pub overdue: bool,
}

/// How recovery was tried last; `None`: the box is in no community, so there is nothing to try.
///
/// # Errors
/// [`OperationError`].
pub fn drill_status(site: &Site) -> Result<Option<DrillStatus>, OperationError> {
    if site.community().is_none() {
        return Ok(None);
    }
    let [passed, failed, founded, joined] = site.catalog.reader().read(|tx| {
        let last = |action: Action| audit::last_of(tx, action.word());
        Ok::<_, CatalogError>([
            last(Action::DrillPassed)?,
            last(Action::DrillFailed)?,
            last(Action::CommunityFounded)?,
            last(Action::CommunityJoined)?,
        ])
    })?;
    // Of two at one time the later entry counts.
    let is_passed = passed.as_ref().map(|entry| entry.seq) > failed.as_ref().map(|entry| entry.seq);
    let last = if is_passed { passed.as_ref() } else { failed.as_ref() };
    let came = [founded, joined].into_iter().flatten().max_by_key(|entry| entry.seq);
    let since = passed.as_ref().or(came.as_ref()).map(|entry| entry.at);
    Ok(Some(DrillStatus {
        last_at: last.map(|entry| entry.at.0),
        passed: is_passed,
        why: last.filter(|_| !is_passed).map(|entry| entry.detail.clone()).unwrap_or_default(),
        overdue: since.is_some_and(|since| since.plus(DRILL_OVERDUE) <= site.clock.now()),
    }))
}

/// Notes that somebody takes the recovery kit, and which boxes it names.
///
/// # Errors
/// [`OperationError`].
pub fn note_kit_shown(site: &Site, by: &Actor, kit: &RecoveryKit) -> Result<(), OperationError> {
    log_use(site, by, Right::SeeKit, Action::KitShown, "", &named(kit))
}

/// Notes that somebody takes the recovery kit on three sheets, which set of them, and which boxes they name.
///
/// # Errors
/// [`OperationError`].
pub fn note_kit_sheets_shown(site: &Site, by: &Actor, kit: &RecoveryKit, set: KitSetId) -> Result<(), OperationError> {
    log_use(site, by, Right::SeeKit, Action::KitSheetsShown, &set.to_string(), &named(kit))
}

/// Notes that somebody has the kit before them, since they have typed it.
///
/// # Errors
/// [`OperationError`].
pub fn note_kit_typed(site: &Site, by: &Actor) -> Result<(), OperationError> {
    log_use(site, by, Right::SeeKit, Action::KitProved, "", "")
}

/// When the kit was taken last, whole or on sheets; `None`: never.
///
/// # Errors
/// [`OperationError`].
pub fn kit_last_taken(site: &Site) -> Result<Option<Deed>, OperationError> {
    let [whole, sheets] = [last_done(site, Action::KitShown)?, last_done(site, Action::KitSheetsShown)?];
    Ok(whole.into_iter().chain(sheets).max_by_key(|deed| deed.at))
}

/// Whether the kit on paper names none of the boxes that a kit would name now: it was printed before the box came into its community,
/// or the others have moved.
///
/// # Errors
/// [`OperationError`].
pub fn is_kit_old(site: &Site) -> Result<bool, OperationError> {
    let hints = match kit_community(site) {
        Ok(community) => community.map(|community| community.hints).unwrap_or_default(),
        Err(CommunityError::Operation(error)) => return Err(error),
        // Then there is nothing to be named.
        Err(_) => return Ok(false),
    };
    let newest = |actions: [Action; 2]| {
        let [one, other] = actions.map(|action| site.catalog.reader().read(|tx| audit::last_of(tx, action.word())));
        Ok::<_, OperationError>(one?.into_iter().chain(other?).max_by_key(|entry| entry.seq))
    };
    let Some(shown) = newest([Action::KitShown, Action::KitSheetsShown])? else { return Ok(false) };
    let came = newest([Action::CommunityFounded, Action::CommunityJoined])?;
    let is_from_before = came.is_some_and(|came| shown.seq < came.seq);
    Ok(is_old(&shown.detail, is_from_before, &hints))
}

/// What the log says of a kit that names no other box.
const NOBODY: &str = "-";

/// What the log has of the hints on a kit; a text that is cut short there loses the last ones.
fn named(kit: &RecoveryKit) -> String {
    let hints = kit.community.as_ref().map(|community| community.hints.as_slice()).unwrap_or_default();
    let places: Vec<&str> = hints.iter().map(|hint| hint.place.as_str()).collect();
    if places.is_empty() { NOBODY.to_owned() } else { places.join(", ") }
}

/// `is_from_before`: whether the kit was taken before the box came into its community. Earlier versions wrote down no names: of
/// such a kit that is all that is known, and one that was taken later has what there was to be named.
fn is_old(named: &str, is_from_before: bool, hints: &[KitHint]) -> bool {
    let is_on_paper = |hint: &KitHint| named.split(", ").any(|place| place == hint.place);
    let names_them = if named.is_empty() { !is_from_before } else { hints.iter().any(is_on_paper) };
    !hints.is_empty() && !names_them
}

/// Which two groups of the kit's letters are asked for, counted from 1.
///
/// # Errors
/// [`OperationError`].
pub fn kit_question(site: &Site, groups: &[Zeroizing<String>]) -> Result<(u32, u32), OperationError> {
    if let Some(known) = site.catalog.reader().read(|tx| signoff::kit_question(tx))? {
        return Ok(known);
    }
    let question = draw(groups.len())?;
    let kept = site.catalog.writer().write(|tx| signoff::set_kit_question(tx, question));
    kept.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(question)
}

/// Whether somebody has the kit before them: they give the two groups that were asked for.
/// After a wrong answer other groups are asked for, and each one takes longer.
///
/// # Errors
/// [`AccountError::Wrong`], [`AccountError::Wait`]; [`AccountError`].
pub fn prove_kit(
    site: &Site,
    by: &Actor,
    from: IpAddr,
    groups: &[Zeroizing<String>],
    (first, second): (&str, &str),
) -> Result<(), AccountError> {
    by.may(Right::SeeKit)?;
    if let Some(wait) = site.proof_delays.wait(from, KIT, Instant::now()) {
        return Err(AccountError::Wait { wait });
    }
    let (one, two) = kit_question(site, groups)?;
    let fits = |number: u32, typed: &str| {
        let wanted = usize::try_from(number).ok().and_then(|n| groups.get(n.checked_sub(1)?));
        wanted.is_some_and(|wanted| same_letters(wanted, typed))
    };
    // Both are looked at, whatever the first comes to.
    let is_right = fits(one, first) & fits(two, second);
    let next = draw(groups.len())?;
    let action = if is_right { Action::KitProved } else { Action::KitMissed };
    let noted = site.catalog.writer().write(|tx| {
        signoff::set_kit_question(tx, next)?;
        record(tx, site, by, action, "", "")
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))?;
    if is_right {
        site.proof_delays.succeeded(from, KIT);
        return Ok(());
    }
    site.proof_delays.failed(from, KIT, Instant::now());
    Err(AccountError::Wrong)
}

/// Two different groups of `count`, the smaller number first.
fn draw(count: usize) -> Result<(u32, u32), OperationError> {
    let span = u64::try_from(count).unwrap_or(u64::MAX).max(2);
    let random = u64::from_le_bytes(random_bytes::<8>()?);
    let (first, other) = ((random >> 32) % span, (random & u64::from(u32::MAX)) % span);
    let second = if first == other { (first + 1) % span } else { other };
    let number = |at: u64| u32::try_from(at + 1).unwrap_or(1);
    Ok((number(first.min(second)), number(first.max(second))))
}

/// Whether they are the same, however they were typed. Looks at every letter.
fn same_letters(wanted: &str, typed: &str) -> bool {
    let typed: Vec<u8> =
        typed.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).take(64).collect();
    let wanted = wanted.as_bytes();
    let differs = wanted.iter().zip(&typed).fold(0, |sum, (a, b)| sum | (a.to_ascii_uppercase() ^ b));
    wanted.len() == typed.len() && differs == 0
}

/// Puts a mail with a code into the queue; `false` when nobody is to get mail. `write` makes it of the code.
///
/// # Errors
/// [`OperationError`].
pub fn send_mail_code(
    site: &Site,
    by: &Actor,
    write: impl FnOnce(&str) -> Result<MailContent, OperationError>,
) -> Result<bool, OperationError> {
    by.may(Right::ChangeBox)?;
    let code = format!("{:06}", u64::from_le_bytes(random_bytes::<8>()?) % 1_000_000);
    let (content, now) = (write(&code)?, site.clock.now());
    let sent = site.catalog.writer().write(|tx| {
        let Some(setting) = mail::setting(tx)?.filter(|setting| !setting.recipients.is_empty()) else {
            return Ok(false);
        };
        mail::put(tx, MailKind::Test, &content, &setting.recipients, now)?;
        let mail = tx.last_insert_rowid();
        signoff::set_mail_code(tx, &MailCode { mail, code, at: now, tries: 0 })?;
        record(tx, site, by, Action::MailTested, &setting.host, "")?;
        Ok(true)
    });
    sent.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Whether a code is waited for.
///
/// # Errors
/// [`OperationError`].
pub fn is_mail_code_awaited(site: &Site) -> Result<bool, OperationError> {
    let now = site.clock.now();
    let code = site.catalog.reader().read(|tx| signoff::mail_code(tx))?;
    Ok(code.is_some_and(|code| is_good(&code, now)))
}

fn is_good(code: &MailCode, now: UnixMillis) -> bool {
    code.tries < CODE_TRIES && now < code.at.plus(CODE_VALID)
}

/// Whether somebody has read the mail: they type its code.
///
/// # Errors
/// [`AccountError::Wrong`], [`AccountError::Wait`]; [`AccountError`].
pub fn type_mail_code(site: &Site, by: &Actor, from: IpAddr, typed: &str) -> Result<(), AccountError> {
    by.may(Right::ChangeBox)?;
    if let Some(wait) = site.proof_delays.wait(from, CODE, Instant::now()) {
        return Err(AccountError::Wait { wait });
    }
    let now = site.clock.now();
    let is_right = site.catalog.writer().write(|tx| {
        let Some(code) = signoff::mail_code(tx)?.filter(|code| is_good(code, now)) else { return Ok(false) };
        if same_letters(&code.code, typed) {
            signoff::forget_mail_code(tx)?;
            record(tx, site, by, Action::MailProved, "", "")?;
            return Ok(true);
        }
        signoff::set_mail_code(tx, &MailCode { tries: code.tries + 1, ..code })?;
        Ok(false)
    });
    if is_right.map_err(|e: CatalogError| site.noted(e.into()))? {
        site.proof_delays.succeeded(from, CODE);
        return Ok(());
    }
    site.proof_delays.failed(from, CODE, Instant::now());
    Err(AccountError::Wrong)
}

#[cfg(test)]
mod tests {
    use datis_engine::format::kit::KitCommunity;

    use super::super::testing::{TestBox, mail_setting_for_tests};
    use super::super::{newest_mail, set_mail};
    use super::*;
    use crate::catalog::mail::MailSetting;

    #[test]
    fn a_kit_is_old_when_it_names_none_of_those_that_could_be_asked_now() {
        let pin = datis_engine::ids::SpkiPin::from_bytes([1; 32]);
        let hints = |places: &[&str]| -> Vec<KitHint> {
            places.iter().map(|place| KitHint { place: (*place).to_owned(), pin }).collect()
        };
        let printed = |places: &[&str]| {
            let id = datis_engine::ids::CommunityId::from_bytes([5; 32]);
            named(&RecoveryKit {
                vault: datis_engine::ids::VaultId::from_bytes([7; 16]),
                box_name: "harbour".to_owned(),
                identity: datis_engine::keys::VaultIdentity::generate(),
                community: Some(KitCommunity { id, hints: hints(places) }),
            })
        };
        let (two, nobody) = (printed(&["a.example:1", "b.example:2"]), printed(&[]));
        for is_from_before in [false, true] {
            assert!(!is_old(&nobody, is_from_before, &[]), "there is nobody to be named");
            assert!(is_old(&nobody, is_from_before, &hints(&["a.example:1"])), "printed when the box knew nobody");
            assert!(!is_old(&two, is_from_before, &hints(&["c.example:3", "b.example:2"])));
            assert!(is_old(&two, is_from_before, &hints(&["c.example:3", "b.example:22"])));
        }
        assert!(is_old("", true, &hints(&["a.example:1"])), "printed before the box was in a community");
        assert!(!is_old("", false, &hints(&["a.example:1"])), "of a version that wrote down no names");
    }

    #[test]
    fn sheets_count_as_a_kit_that_was_taken() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        assert_eq!(kit_last_taken(site).expect("log"), None);
        let kit = site.vault.recovery_kit(&test.dir()).expect("kit");
        let set = KitSetId::from_bytes([0x5f, 0x3a, 0x90, 0xc1]);
        note_kit_sheets_shown(site, &by, &kit, set).expect("noted");
        let taken = kit_last_taken(site).expect("log").expect("taken");
        assert_eq!(taken.subject, "5f3a90c1");
        assert_eq!(last_done(site, Action::KitShown).expect("log"), None);
        assert!(!is_kit_old(site).expect("read"));
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn groups() -> Vec<Zeroizing<String>> {
        (0..14).map(|n| Zeroizing::new(format!("{n:02}AB"))).collect()
    }

    #[test]
    fn only_who_holds_the_kit_proves_it_and_guessing_takes_longer_and_longer() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        assert_eq!(last_done(site, Action::KitProved).expect("log"), None);
        let mut asked = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let question = kit_question(site, &groups()).expect("question");
            assert_eq!(kit_question(site, &groups()).expect("question"), question, "it stands until it is answered");
            assert!(question.0 < question.1 && question.1 <= 14, "{question:?}");
            asked.insert(question);
            let wrong = prove_kit(site, &by, HERE, &groups(), ("QQQQ", "")).expect_err("a guess");
            assert!(matches!(wrong, AccountError::Wrong), "{wrong}");
        }
        assert!(asked.len() > 1, "a guess is no second try at the same groups");
        let waiting = prove_kit(site, &by, HERE, &groups(), ("QQQQ", "")).expect_err("too soon");
        assert!(matches!(waiting, AccountError::Wait { .. }), "{waiting}");
        let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        let (first, second) = kit_question(site, &groups()).expect("question");
        let typed = |number: u32| format!(" {:02} ab", number - 1);
        prove_kit(site, &by, elsewhere, &groups(), (&typed(first), &typed(second))).expect("proved");
        assert!(last_done(site, Action::KitProved).expect("log").is_some());
        assert!(last_done(site, Action::KitMissed).expect("log").is_some());
    }

    #[test]
    fn a_recovery_is_tried_every_quarter_and_a_day_after_one_that_failed() {
        let at = |day: i64| UnixMillis(day * 86_400_000);
        let is_time =
            |passed: Option<i64>, failed: Option<i64>, now| is_drill_time(passed.map(at), failed.map(at), at(now));
        assert!(is_time(None, None, 0), "it never was");
        for (passed, failed, now, expected) in [
            (Some(0), None, 89, false),
            (Some(0), None, 90, true),
            (None, Some(10), 10, false),
            (None, Some(10), 11, true),
            (Some(0), Some(90), 90, false),
            (Some(0), Some(90), 91, true),
            (Some(91), Some(90), 92, false),
        ] {
            assert_eq!(is_time(passed, failed, now), expected, "{passed:?} {failed:?} {now}");
        }
    }

    #[test]
    fn the_groups_that_are_asked_for_are_spread_over_the_key() {
        let drawn: std::collections::BTreeSet<(u32, u32)> = (0..500).map(|_| draw(14).expect("random")).collect();
        assert!(drawn.iter().all(|(a, b)| *a >= 1 && a < b && *b <= 14), "{drawn:?}");
        assert!(drawn.len() > 50, "{}", drawn.len());
    }

    #[test]
    fn a_mail_is_proved_by_its_code_and_by_nothing_else() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        let content = |code: &str| {
            Ok(MailContent { subject: "s".to_owned(), text: code.to_owned(), html: "h".to_owned(), pdf: None })
        };
        assert!(!send_mail_code(site, &by, content).expect("nobody gets mail"));
        set_mail(site, &by, &mail_setting_for_tests(), None).expect("set");
        assert!(!is_mail_code_awaited(site).expect("read"));
        assert!(send_mail_code(site, &by, content).expect("queued"));
        assert!(is_mail_code_awaited(site).expect("read"));
        let elsewhere = MailSetting { host: "mail.elsewhere.example".to_owned(), ..mail_setting_for_tests() };
        set_mail(site, &by, &elsewhere, None).expect("set");
        assert!(!is_mail_code_awaited(site).expect("read"), "it came by the setting before");
        assert!(send_mail_code(site, &by, content).expect("queued"));
        let code = newest_mail(site, 1).expect("mail")[0].text.clone();
        assert_eq!(code.len(), 6);
        let other = if code == "000000" { "000001" } else { "000000" };
        assert!(matches!(type_mail_code(site, &by, HERE, other), Err(AccountError::Wrong)));
        assert_eq!(last_done(site, Action::MailProved).expect("log"), None);
        type_mail_code(site, &by, HERE, &format!(" {} {} ", &code[..3], &code[3..])).expect("typed");
        assert!(last_done(site, Action::MailProved).expect("log").is_some());
        assert!(matches!(type_mail_code(site, &by, HERE, &code), Err(AccountError::Wrong)), "once");
    }
}
