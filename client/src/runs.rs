//! One backup run of one source, as the command and the service both do it: the source is locked, remembered, backed up
//! with a certificate that is still good, and how it ended is kept.

use std::time::{Duration, Instant};

use datis_engine::ids::{RunId, SourceKind};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Message, RunOutcome, RunReport};

use crate::backup::{self, BackupError, BackupRequest, BackupSummary, Input};
use crate::enrol::{self, EnrolError};
use crate::exit::Exit;
use crate::progress::{Phase, Progress};
use crate::state::{KnownSource, LastRun, SourceRoot, State};
use crate::walk::{WalkOptions, resolve_roots};

/// How long the box may take to hear how a run or a restore went.
const REPORT_MAX: Duration = Duration::from_secs(10);
/// Characters of each text in that report, and patterns in it.
const REPORT_TEXT_MAX: usize = 200;
const REPORT_EXCLUDES_MAX: usize = 64;

/// Backs up `request` and keeps how that ended. A source of files is remembered, so that the service does it again.
///
/// # Errors
/// [`BackupError`]; nothing of the backup is visible then.
pub fn back_up(state: &mut State, request: &BackupRequest, progress: &Progress) -> Result<BackupSummary, BackupError> {
    let lock = state.lock_source(&request.source)?;
    if let Some(source) = known(request)? {
        state.remember_source(&source)?;
    }
    if let Err(error) = renew_if_due(state) {
        // The present certificate may still do; if not, the backup itself says so.
        tracing::warn!(error = %crate::errors::chain(&error), "the certificate could not be renewed; it will be tried again");
    }
    let before = state.last_run(&request.source);
    let (tried_at, clock) = (Some(now().0), Instant::now());
    let result = backup::run(state, request, lock.run(), progress);
    if let Some(report) = report_of(request, lock.run(), &result, progress, clock.elapsed()) {
        tell_the_box(state, &report);
    }
    let run = match &result {
        Ok(summary) => LastRun { succeeded_at: Some(now().0), tried_at, exit_code: Some(exit_of(summary).code()) },
        Err(error) => LastRun { succeeded_at: before.succeeded_at, tried_at, exit_code: Some(error.exit().code()) },
    };
    if let Err(error) = state.keep_last_run(&request.source, &run) {
        // The snapshot stands all the same; without this note the service may back up again earlier than needed.
        tracing::warn!(error = %crate::errors::chain(&error), "how this run ended could not be noted");
    }
    result
}

/// What the box is told of a run; `None` of one that was stopped or postponed, which says nothing about the machine.
fn report_of(
    request: &BackupRequest,
    run: RunId,
    result: &Result<BackupSummary, BackupError>,
    progress: &Progress,
    took: Duration,
) -> Option<RunReport> {
    let (outcome, message) = match result {
        Ok(summary) if summary.incomplete => (RunOutcome::Incomplete, String::new()),
        Ok(_) => (RunOutcome::Complete, String::new()),
        Err(error) if matches!(error.exit(), Exit::Failed | Exit::BoxFull | Exit::KeyRefused) => {
            (RunOutcome::Failed, crate::errors::chain(error))
        }
        // Whoever cannot reach the box cannot tell it either.
        Err(_) => return None,
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Some(RunReport {
        source: request.source.clone(),
        run,
        outcome,
        reading_ms: millis(progress.spent_in(Phase::Scan)),
        commit_ms: millis(progress.spent_in(Phase::Commit)),
        took_ms: millis(took),
        entries: result.as_ref().map_or(0, |summary| summary.entries),
        new_bytes: progress.bytes_new.get(),
        problems: result.as_ref().map_or(0, |summary| summary.problems),
        message: message.chars().take(REPORT_TEXT_MAX).collect(),
        excludes: request
            .options
            .excludes
            .iter()
            .take(REPORT_EXCLUDES_MAX)
            .map(|pattern| pattern.chars().take(REPORT_TEXT_MAX).collect())
            .collect(),
    })
}

/// For the people who look at the box; nothing depends on it, and a box that does not know the message is an older one.
pub fn tell_the_box(state: &State, report: &impl Message) {
    let told = state.link().and_then(|link| link.connect()).and_then(|mut box_| box_.ask_once(report, REPORT_MAX));
    if let Err(error) = told {
        tracing::debug!(error = %crate::errors::chain(&error), "the box was not told how it went");
    }
}

/// How the program ends after a backup that the box has signed for.
#[must_use]
pub const fn exit_of(summary: &BackupSummary) -> Exit {
    if summary.incomplete { Exit::Incomplete } else { Exit::Complete }
}

/// What is asked for when a remembered source is due again.
#[must_use]
pub fn request_of(source: &KnownSource) -> BackupRequest {
    BackupRequest {
        input: Input::Roots(source.roots.iter().map(|root| root.0.clone()).collect()),
        source: source.name.clone(),
        kind: source.kind,
        options: WalkOptions { excludes: source.excludes.clone(), one_file_system: source.one_file_system },
    }
}

/// Asks for a fresh certificate once two thirds of the present one's life are over.
///
/// # Errors
/// [`EnrolError`]; the present certificate stays in use.
pub fn renew_if_due(state: &mut State) -> Result<(), EnrolError> {
    if !is_renewal_due(state.certificate(), now()) {
        return Ok(());
    }
    let mut connection = state.link()?.connect()?;
    enrol::renew(state, &mut connection)
}

fn is_renewal_due(certificate_der: &[u8], now: UnixMillis) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate_der) else { return false };
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let renew_at = from.saturating_add(until.saturating_sub(from) / 3 * 2);
    now.0 / 1_000 >= renew_at
}

/// `None` for a stream, which nobody but the user can make again.
fn known(request: &BackupRequest) -> Result<Option<KnownSource>, BackupError> {
    let Input::Roots(roots) = &request.input else { return Ok(None) };
    let source = KnownSource {
        name: request.source.clone(),
        kind: request.kind,
        roots: resolve_roots(roots)?.into_iter().map(SourceRoot).collect(),
        excludes: request.options.excludes.clone(),
        one_file_system: request.options.one_file_system,
    };
    Ok(Some(source))
}

/// The kind of a source whose user did not say: a stream is a dump of a database.
#[must_use]
pub const fn default_kind(is_stream: bool) -> SourceKind {
    if is_stream { SourceKind::Database } else { SourceKind::Files }
}

fn now() -> UnixMillis {
    UnixMillis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        parameters.self_signed(&key).expect("certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let der = certificate(2020, 2023);
        let at = |year: i64, day: i64| UnixMillis(((year - 1970) * 31_557_600 + day * 86_400) * 1_000);
        assert!(!is_renewal_due(&der, at(2021, 300)));
        assert!(is_renewal_due(&der, at(2022, 30)));
        assert!(is_renewal_due(&der, at(2030, 0)), "also when it has run out: the box decides");
        assert!(!is_renewal_due(b"no certificate", at(2030, 0)));
    }
}
