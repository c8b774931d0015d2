//! Putting something back on a machine. The box can only ask: the request waits until the machine comes by, and whoever is
//! there agrees or refuses. What came of it is written into the audit log.

use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::{MachineId, SnapshotId};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::{
    self, ListPutBacks, PUT_BACK_PATHS_MAX, PUT_BACKS_MAX, PutBackAnswer, PutBackMode, PutBackStep, PutBacks, Refusal,
    RefusalCode, TellPutBack,
};

use super::accounts::{Action, Actor, Right, record};
use super::error::{Failure, OperationError, PutBackProblem};
use super::site::Site;
use super::{Machine, MachineState};
use crate::catalog::putbacks::{self, NewPutBack, PutBack, PutBackKind, PutBackState};
use crate::catalog::runs::{self, MachineRestore};
use crate::catalog::{CatalogError, PutBackRow, machines, snapshots};
use crate::plain::plain;

/// How long a request waits for somebody at the machine.
const PATIENCE: Seconds = Seconds(7 * Seconds::DAY.0);
/// How long one that is under way may be silent: its machine tells every few seconds how far it is.
const SILENCE_MAX: Seconds = Seconds::HOUR;
/// Open requests of one machine.
const OPEN_MAX: u64 = PUT_BACKS_MAX as u64;
/// Bytes of all paths of a request.
const PATHS_BYTES_MAX: usize = 48 << 10;
/// Characters of what a machine says.
const TEXT_MAX: usize = 200;
/// Requests of a machine that are shown.
const SHOWN: u32 = 50;

/// Asks a machine to put something of one of its snapshots back. Returns the request's number.
///
/// # Errors
/// [`OperationError::NotToBePutBack`] says what does not fit; [`OperationError`].
pub fn ask_put_back(
    site: &Site,
    by: &Actor,
    machine: &MachineId,
    snapshot: &SnapshotId,
    paths: &[EntryPath],
    kind: PutBackKind,
) -> Result<PutBackRow, OperationError> {
    by.may(Right::Restore)?;
    let refused = OperationError::NotToBePutBack;
    if !by.sees(machine) {
        return Err(OperationError::Forbidden);
    }
    let bytes: usize = paths.iter().map(|path| path.as_bytes().len()).sum();
    if paths.is_empty() || paths.len() > PUT_BACK_PATHS_MAX || bytes > PATHS_BYTES_MAX {
        return Err(refused(PutBackProblem::Choice));
    }
    let asked = site.catalog.writer().write(|tx| {
        let known = machines::all(tx)?.into_iter().find(|known| known.id == *machine);
        let known = known.filter(|known| known.state == MachineState::Active);
        let known = known.ok_or_else(|| refused(PutBackProblem::Retired))?;
        let of = snapshots::by_id(tx, known.row, snapshot)?;
        let of = of.ok_or_else(|| refused(PutBackProblem::Snapshot))?;
        if SnapshotRecord::decode(&of.signed.record)?.roots.is_empty() {
            return Err(refused(PutBackProblem::Stream));
        }
        expire(tx, site)?;
        if putbacks::count_open(tx, known.row)? >= OPEN_MAX {
            return Err(refused(PutBackProblem::TooMany));
        }
        let now = site.clock.now();
        let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        let row = putbacks::insert(
            tx,
            &NewPutBack {
                machine: known.row,
                source: &of.source,
                snapshot,
                snapshot_at: of.received_at,
                kind,
                paths: &paths,
                asked_by: by.name(),
                asked_at: now,
                expires_at: now.plus(PATIENCE),
            },
        )?;
        let detail = format!("{} {} {} {}", row.0, kind.word(), paths.len(), snapshot);
        record(tx, site, by, Action::PutBackAsked, known.name.as_str(), &detail)?;
        Ok(row)
    });
    asked.map_err(|e: OperationError| site.noted(e))
}

/// Takes a request back; the machine stops at its next word with the box.
///
/// # Errors
/// [`OperationError::NotToBePutBack`] when it is over already; [`OperationError`].
pub fn cancel_put_back(site: &Site, by: &Actor, row: PutBackRow) -> Result<(), OperationError> {
    by.may(Right::Restore)?;
    let cancelled = site.catalog.writer().write(|tx| {
        let (mut put_back, machine) = seen(tx, by, row)?.ok_or(OperationError::Forbidden)?;
        if !put_back.state.is_open() {
            return Err(OperationError::NotToBePutBack(PutBackProblem::Over));
        }
        // One that is under way comes to its end when the machine says so.
        put_back.ended_at = (put_back.state == PutBackState::Waiting).then(|| site.clock.now());
        put_back.state = PutBackState::Cancelled;
        putbacks::update(tx, &put_back)?;
        Ok(record(tx, site, by, Action::PutBackCancelled, machine.name.as_str(), &row.0.to_string())?)
    });
    cancelled.map_err(|e| site.noted(e))
}

/// A request, and its machine; `None` also for one that `by` may not know of.
///
/// # Errors
/// [`OperationError`].
pub fn put_back(site: &Site, by: &Actor, row: PutBackRow) -> Result<Option<(PutBack, Machine)>, OperationError> {
    by.may(Right::Restore)?;
    site.catalog.reader().read(|tx| seen(tx, by, row))
}

/// The last requests of a machine, newest first.
///
/// # Errors
/// [`OperationError`].
pub fn put_backs_of(site: &Site, machine: &Machine) -> Result<Vec<PutBack>, OperationError> {
    Ok(site.catalog.reader().read(|tx| putbacks::of_machine(tx, machine.row, SHOWN))?)
}

fn seen(
    tx: &rusqlite::Transaction<'_>,
    by: &Actor,
    row: PutBackRow,
) -> Result<Option<(PutBack, Machine)>, OperationError> {
    let Some(found) = putbacks::by_row(tx, row)? else { return Ok(None) };
    let machine = machines::by_row(tx, found.machine)?;
    Ok(by.sees(&machine.id).then_some((found, machine)))
}

/// Ends what nobody answered in time; those who look find it as it is.
///
/// # Errors
/// [`OperationError`].
pub fn expire_put_backs(site: &Site) -> Result<(), OperationError> {
    if site.catalog.reader().read(|tx| putbacks::is_any_due(tx, site.clock.now()))? {
        site.catalog.writer().write(|tx| expire(tx, site)).map_err(|e| site.noted(e))?;
    }
    Ok(())
}

fn expire(tx: &rusqlite::Transaction<'_>, site: &Site) -> Result<(), OperationError> {
    for (machine, row) in putbacks::expire(tx, site.clock.now())? {
        let name = machines::by_row(tx, machine)?.name;
        record(tx, site, &Actor::the_box(), Action::PutBackEnded, name.as_str(), &format!("{} expired", row.0))?;
    }
    Ok(())
}

/// What waits for the machine that asks.
///
/// # Errors
/// [`Refusal`].
pub fn list_put_backs(site: &Site, machine: &Machine, _: &ListPutBacks) -> Result<PutBacks, Refusal> {
    let now = site.clock.now();
    let waiting = site.catalog.reader().read(|tx| putbacks::waiting(tx, machine.row));
    let waiting = waiting.map_err(|e: CatalogError| site.refusal(e.into()))?;
    let shown = waiting.into_iter().filter(|put_back| put_back.expires_at > now).map(|put_back| wire::PutBack {
        id: u64::try_from(put_back.row.0).unwrap_or(0),
        snapshot: put_back.snapshot,
        paths: put_back.paths.into_iter().map(Into::into).collect(),
        mode: match put_back.kind {
            PutBackKind::Beside => PutBackMode::Beside,
            PutBackKind::Overwrite => PutBackMode::Overwrite,
        },
        asked_by: put_back.asked_by,
        asked_at: put_back.asked_at,
        expires_at: put_back.expires_at,
    });
    Ok(PutBacks { requests: shown.collect() })
}

/// Notes what the machine says of a request; tells whether anybody still wants it.
///
/// # Errors
/// [`RefusalCode::NotFound`] for what is none of this machine's; [`Refusal`].
pub fn tell_put_back(site: &Site, machine: &Machine, message: &TellPutBack) -> Result<PutBackAnswer, Refusal> {
    let told = site.catalog.writer().write(|tx| {
        expire(tx, site).map_err(Failure::Fault)?;
        let row = PutBackRow(i64::try_from(message.request).unwrap_or(0));
        let found = putbacks::by_row(tx, row)?.filter(|found| found.machine == machine.row);
        let mut put_back = found
            .ok_or_else(|| Failure::refuse(RefusalCode::NotFound, "the box has no such request for this machine"))?;
        let goes_on = put_back.state.is_open();
        if !goes_on && !is_receipt_due(&put_back, message.step) {
            return Ok(PutBackAnswer { goes_on });
        }
        let is_news = note(&mut put_back, message, site.clock.now());
        putbacks::update(tx, &put_back)?;
        if is_news {
            let detail = receipt(&put_back, message);
            let state = put_back.state.word();
            tracing::info!(machine = %machine.name, request = row.0, state, "A request to put back");
            record(tx, site, &Actor::machine(machine), action(message.step), machine.name.as_str(), &detail)?;
            if matches!(put_back.state, PutBackState::Done | PutBackState::Incomplete) && message.files > 0 {
                let reported_at = site.clock.now();
                let last = MachineRestore { source: put_back.source.clone(), files: message.files, reported_at };
                runs::keep_restore(tx, machine.row, &last)?;
            }
        }
        Ok::<_, Failure>(PutBackAnswer { goes_on })
    });
    told.map_err(|failure| site.refusal(failure))
}

/// Whether a request that nobody wants any more lacks the machine's last word: it was under way, and something may be back.
fn is_receipt_due(put_back: &PutBack, step: PutBackStep) -> bool {
    let is_last = match step {
        PutBackStep::Done | PutBackStep::Incomplete | PutBackStep::Failed => true,
        PutBackStep::Working | PutBackStep::Refused => false,
    };
    is_last && put_back.answered_at.is_some() && put_back.ended_at.is_none()
}

/// Takes over what the machine says; tells whether that is worth an entry in the audit log.
fn note(put_back: &mut PutBack, message: &TellPutBack, now: UnixMillis) -> bool {
    let was = put_back.state;
    let is_open = was.is_open();
    // What nobody wants any more stays that, whatever came of it.
    if is_open {
        put_back.state = match message.step {
            PutBackStep::Working => PutBackState::Running,
            PutBackStep::Refused => PutBackState::Refused,
            PutBackStep::Done => PutBackState::Done,
            PutBackStep::Incomplete => PutBackState::Incomplete,
            PutBackStep::Failed => PutBackState::Failed,
        };
        put_back.expires_at = now.plus(SILENCE_MAX);
    }
    if put_back.answered_at.is_none() {
        put_back.answered_at = Some(now);
        put_back.answered_by = plain(&message.by, TEXT_MAX);
    }
    (put_back.files, put_back.bytes, put_back.problems) = (message.files, message.bytes, message.problems);
    put_back.reason = plain(&message.reason, TEXT_MAX);
    // Whoever carries it out hears that somebody else at the machine has refused, stops, and tells the last word.
    let is_being_stopped = was == PutBackState::Running && put_back.state == PutBackState::Refused;
    if !put_back.state.is_open() && !is_being_stopped {
        put_back.ended_at = Some(now);
    }
    !is_open || put_back.state != was
}

/// What the audit log keeps: number, who agreed, what was checked and written, out of what.
fn receipt(put_back: &PutBack, message: &TellPutBack) -> String {
    format!(
        "{} {} {:?}: {} files, {} bytes, {} problems, snapshot {}",
        put_back.row.0,
        put_back.state.word(),
        put_back.answered_by,
        message.files,
        message.bytes,
        message.problems,
        put_back.snapshot
    )
}

fn action(step: PutBackStep) -> Action {
    match step {
        PutBackStep::Working => Action::PutBackAgreed,
        PutBackStep::Refused => Action::PutBackRefused,
        PutBackStep::Done | PutBackStep::Incomplete | PutBackStep::Failed => Action::PutBackEnded,
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::audit_log;
    use super::super::testing::{Client, TestBox, files};
    use super::*;

    fn paths(names: &[&str]) -> Vec<EntryPath> {
        names.iter().map(|name| EntryPath::from_user(name.as_bytes()).expect("path")).collect()
    }

    fn told(row: PutBackRow, step: PutBackStep) -> TellPutBack {
        TellPutBack {
            request: u64::try_from(row.0).expect("small"),
            step,
            by: "claire\n".to_owned(),
            files: 3,
            bytes: 9,
            problems: 0,
            reason: "x".repeat(1_000),
        }
    }

    #[test]
    fn a_request_waits_for_its_machine_alone_and_ends_once() {
        let test = TestBox::start();
        let site = test.site();
        let by = Actor::console();
        let (client, other) = (Client::enrol(site, "till"), Client::enrol(site, "other"));
        let (receipt, _) = client.back_up(site, &files(2, 1));
        let ask = |machine: &Client, chosen: &[&str]| {
            ask_put_back(site, &by, &machine.machine.id, &receipt.snapshot, &paths(chosen), PutBackKind::Beside)
        };
        let refused = |result| match result {
            Err(OperationError::NotToBePutBack(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(ask(&client, &[])), PutBackProblem::Choice);
        assert_eq!(refused(ask(&other, &["a"])), PutBackProblem::Snapshot);
        let row = ask(&client, &["a", "b"]).expect("asked");
        assert!(list_put_backs(site, &other.machine, &ListPutBacks {}).expect("list").requests.is_empty());
        let listed = list_put_backs(site, &client.machine, &ListPutBacks {}).expect("list").requests;
        assert_eq!((listed.len(), listed[0].paths.len(), listed[0].asked_by.as_str()), (1, 2, "console"));

        let foreign = tell_put_back(site, &other.machine, &told(row, PutBackStep::Done)).expect_err("foreign");
        assert_eq!(foreign.code, RefusalCode::NotFound);
        let tell = |step| tell_put_back(site, &client.machine, &told(row, step)).expect("told").goes_on;
        let restored = || super::super::last_machine_restore(site).expect("read").map(|deed| deed.subject);
        assert!(tell(PutBackStep::Working) && restored().is_none(), "it is not back yet");
        assert!(tell(PutBackStep::Done));
        assert_eq!(restored(), Some(format!("till/{}", super::super::testing::source())));
        assert!(!tell(PutBackStep::Working), "what is over stays over");
        let (done, _) = put_back(site, &by, row).expect("look").expect("there");
        assert_eq!((done.state, done.files, done.bytes), (PutBackState::Done, 3, 9));
        assert_eq!((done.answered_by.as_str(), done.reason.len()), ("claire", TEXT_MAX));
        assert_eq!(refused(cancel_put_back(site, &by, row).map(|()| row)), PutBackProblem::Over);

        for _ in 0..OPEN_MAX {
            ask(&client, &["a"]).expect("asked");
        }
        assert_eq!(refused(ask(&client, &["a"])), PutBackProblem::TooMany);
    }

    /// Its time is over.
    fn age(site: &Site, row: PutBackRow) {
        let over = site.clock.now().minus(Seconds(1));
        let aged = site.catalog.writer().write(|tx| {
            let mut request = putbacks::by_row(tx, row)?.expect("there");
            request.expires_at = over;
            putbacks::update(tx, &request)
        });
        aged.expect("age");
    }

    #[test]
    fn the_last_word_on_what_nobody_wants_any_more_is_kept_once() {
        let test = TestBox::start();
        let site = test.site();
        let by = Actor::console();
        let client = Client::enrol(site, "till");
        let (receipt, _) = client.back_up(site, &files(2, 1));
        let ask = || {
            let paths = paths(&["a"]);
            ask_put_back(site, &by, &client.machine.id, &receipt.snapshot, &paths, PutBackKind::Beside).expect("asked")
        };
        let look = |row| put_back(site, &by, row).expect("look").expect("there").0;
        let tell = |row, step, files| {
            let told = TellPutBack { files, ..told(row, step) };
            tell_put_back(site, &client.machine, &told).expect("told").goes_on
        };
        let unanswered = ask();
        cancel_put_back(site, &by, unanswered).expect("cancel");
        assert!(!tell(unanswered, PutBackStep::Done, 9), "nobody had agreed");
        assert_eq!((look(unanswered).files, look(unanswered).ended_at.is_some()), (0, true));

        let (cancelled, silent, refused) = (ask(), ask(), ask());
        for row in [cancelled, silent, refused] {
            assert!(tell(row, PutBackStep::Working, 1));
        }
        assert!(tell(refused, PutBackStep::Refused, 1), "by somebody else at the machine");
        cancel_put_back(site, &by, cancelled).expect("cancel");
        age(site, silent);
        expire_put_backs(site).expect("expire");
        let ended =
            [(cancelled, PutBackState::Cancelled), (silent, PutBackState::Expired), (refused, PutBackState::Refused)];
        for (row, state) in ended {
            assert_eq!(look(row).ended_at, None, "the machine has not said so yet");
            assert!(!tell(row, PutBackStep::Working, 2));
            assert_eq!(look(row).files, 1);
            assert!(!tell(row, PutBackStep::Incomplete, 3), "it is over all the same");
            assert!(!tell(row, PutBackStep::Done, 4), "once is enough");
            let kept = look(row);
            assert_eq!((kept.state, kept.files, kept.ended_at.is_some()), (state, 3, true));
            let wanted = format!("{} {} \"claire\": 3 files, 9 bytes", row.0, state.word());
            let entries = audit_log(site, &by, None, 100).expect("log");
            assert_eq!(entries.iter().filter(|entry| entry.detail.starts_with(&wanted)).count(), 1, "{entries:?}");
        }
        let entries = audit_log(site, &by, None, 100).expect("log");
        let by_itself = entries.iter().find(|entry| entry.detail.ends_with("expired"));
        assert_eq!(by_itself.expect("expired").actor, "box", "nobody at the console has done that");
    }

    #[test]
    fn a_machine_that_falls_silent_is_not_waited_for_for_days() {
        let test = TestBox::start();
        let site = test.site();
        let by = Actor::console();
        let client = Client::enrol(site, "till");
        let (receipt, _) = client.back_up(site, &files(2, 1));
        let row = ask_put_back(site, &by, &client.machine.id, &receipt.snapshot, &paths(&["a"]), PutBackKind::Beside);
        let row = row.expect("asked");
        let left = || {
            let (request, _) = put_back(site, &by, row).expect("look").expect("there");
            request.expires_at.0 - site.clock.now().0
        };
        assert!(left() > 6 * 86_400_000, "it waits for somebody");
        tell_put_back(site, &client.machine, &told(row, PutBackStep::Working)).expect("told");
        assert!((1..=3_600_000).contains(&left()), "{} ms", left());
        age(site, row);
        let heard = tell_put_back(site, &client.machine, &told(row, PutBackStep::Working)).expect("told");
        assert!(!heard.goes_on, "it comes too late");
    }

    #[test]
    fn a_stream_has_no_place_to_be_put_back_to() {
        let test = TestBox::start();
        let site = test.site();
        let client = Client::enrol(site, "till");
        let mut made = client.make(&site.vault.keys, &files(1, 1));
        let record = made.signed.open(&client.key.public_key()).expect("record");
        made.signed = SnapshotRecord { roots: Vec::new(), ..record }.sign(&client.key);
        let (receipt, _) = client.send(site, &made);
        let (machine, by) = (client.machine.id, Actor::console());
        let asked = ask_put_back(site, &by, &machine, &receipt.snapshot, &paths(&["orders"]), PutBackKind::Beside);
        assert!(matches!(asked, Err(OperationError::NotToBePutBack(PutBackProblem::Stream))), "{asked:?}");
    }

    #[test]
    fn what_nobody_answers_expires_and_what_was_cancelled_stops() {
        let test = TestBox::start();
        let site = test.site();
        let by = Actor::console();
        let client = Client::enrol(site, "till");
        let (receipt, _) = client.back_up(site, &files(2, 1));
        let ask = || {
            ask_put_back(site, &by, &client.machine.id, &receipt.snapshot, &paths(&["a"]), PutBackKind::Overwrite)
                .expect("asked")
        };
        let (late, cancelled) = (ask(), ask());
        let tell = |row, step| tell_put_back(site, &client.machine, &told(row, step)).expect("told").goes_on;
        assert!(tell(cancelled, PutBackStep::Working));
        cancel_put_back(site, &by, cancelled).expect("cancel");
        assert!(!tell(cancelled, PutBackStep::Working));

        age(site, late);
        assert!(list_put_backs(site, &client.machine, &ListPutBacks {}).expect("list").requests.is_empty());
        assert!(!tell(late, PutBackStep::Working), "consent comes too late");
        expire_put_backs(site).expect("expire");
        let (request, _) = put_back(site, &by, late).expect("look").expect("there");
        assert_eq!(request.state, PutBackState::Expired);
    }
}
