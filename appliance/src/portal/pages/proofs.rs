//! Proofs that backups can be restored: when the last one was and what it came to, and making one now.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{HttpResponse, web};
use datis_engine::ids::MachineId;
use datis_engine::keys::random_bytes;
use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;

use super::super::answer::{PageError, Reply};
use super::super::visit::Visit;
use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::accounts::{Action, Right, log_use};
use crate::operations::browse::{self, BrowseError, PROOF_SAMPLE, Proof, Scope};
use crate::operations::{self, OperationError, Site};

/// Proofs that somebody asked for in the portal: the one that is being made, and those that wait, so that the box does not
/// read for all of them at once.
#[derive(Default)]
pub(in crate::portal) struct Proving(Mutex<VecDeque<MachineId>>);

impl Proving {
    fn queue(&self) -> MutexGuard<'_, VecDeque<MachineId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a proof of this machine is being made or waits.
    pub(in crate::portal) fn holds(&self, machine: &MachineId) -> bool {
        self.queue().contains(machine)
    }

    /// Has one made, unless that is under way.
    fn start(self: &Arc<Self>, site: Arc<Site>, machine: MachineId) -> std::io::Result<()> {
        let mut queue = self.queue();
        if queue.contains(&machine) {
            return Ok(());
        }
        if queue.is_empty() {
            let proving = Arc::clone(self);
            // It waits for the queue, so it finds the machine there.
            std::thread::Builder::new().name("proofs".into()).spawn(move || proving.work(&site))?;
        }
        queue.push_back(machine);
        Ok(())
    }

    /// Makes them until there are none.
    fn work(&self, site: &Arc<Site>) {
        let _guard = Forgotten(self);
        let mut next = self.queue().front().copied();
        while let Some(machine) = next {
            let made = random_bytes().map_err(|e| BrowseError::Fault(OperationError::from(e)));
            let made = made.and_then(|seed| browse::prove(site, &Scope::All, &machine, PROOF_SAMPLE, seed));
            if let Err(error) = made {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, machine = %machine, "A proof of restoring did not come to an end");
            }
            // In one go: whoever finds the queue empty starts another thread.
            let mut queue = self.queue();
            queue.pop_front();
            next = queue.front().copied();
        }
    }
}

/// Forgets what waits when its thread breaks down, so that it can be asked for again.
struct Forgotten<'p>(&'p Proving);

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().clear();
        }
    }
}

pub(in crate::portal) async fn prove(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let actor = visit.actor()?;
            let machines = operations::list_machines(visit.site())?.into_iter();
            let machine = { machines }.find(|machine| machine.id.to_string() == *id && actor.sees(&machine.id));
            let machine = machine.ok_or(PageError::NotFound)?;
            log_use(visit.site(), actor, Right::ChangeMachines, Action::Proved, machine.name.as_str(), "")?;
            let started = visit.portal.proving.start(Arc::clone(&visit.portal.site), machine.id);
            started.map_err(|e| PageError::Other(format!("the proof cannot be started: {e}")))?;
            Ok(Reply::Go(format!("/machines/{id}?said=proving")))
        })
        .await
}

/// What a proof came to: style class, and a sentence.
pub(super) fn sentence(proof: Option<&Proof>, now: UnixMillis, locale: &Locale) -> (&'static str, String) {
    let Some(proof) = proof else { return ("plain", locale.word("proof-none")) };
    let mut args = FluentArgs::new();
    args.set("ago", locale.ago(Ago::between(proof.started_at.0, now.0)));
    args.set("n", if proof.failures > 0 { proof.failures } else { proof.files });
    match proof.failures {
        0 => ("good", locale.say("proof-good", &args)),
        _ => ("bad", locale.say("proof-bad", &args)),
    }
}

/// The same of many machines, of which `proofs` are the last ones; `None` while there is none.
pub(super) fn sentence_of_all(proofs: &[&Proof], now: UnixMillis, locale: &Locale) -> Option<String> {
    let newest = proofs.iter().map(|proof| proof.started_at.0).max()?;
    let failed = proofs.iter().filter(|proof| proof.failures > 0).count() as u64;
    let mut args = FluentArgs::new();
    args.set("ago", locale.ago(Ago::between(newest, now.0)));
    args.set("n", if failed > 0 { failed } else { proofs.len() as u64 });
    args.set("files", proofs.iter().map(|proof| proof.files).sum::<u64>());
    Some(locale.say(if failed > 0 { "proofs-bad" } else { "proofs-good" }, &args))
}
