//! What each worker does in one step.

use std::sync::Arc;
use std::time::Duration;

use datis_engine::units::Seconds;

use super::{Orders, audit, post, spread};
use crate::commissioning::{self, CheckState, Remembered, Surroundings, Verdict, commission};
use crate::links::directory::OverLdap;
use crate::operations::accounts::{self, AccountError};
use crate::operations::awaited::{Brought, Home, Mended};
use crate::operations::community::CommunityError;
use crate::operations::{self, OperationError, Pace, PruneOptions, Site, chain};
use crate::peers::PeersError;

/// A pack is read again when this long has passed since the last time: with what is left of 30 days to do it in.
const SCRUB_AFTER: Seconds = Seconds(20 * 86_400);

/// A mapping is never asked for again sooner than this, however short its lease.
const RENEW_MIN: Duration = Duration::from_secs(5);

/// Packs that the other boxes could not give are asked for again after this: most that fall silent are back within minutes.
const MEND_AGAIN: Duration = Duration::from_secs(600);

/// What has failed for less than this may mend itself; what has failed for longer waits for somebody.
const FAILS_LATELY: Seconds = Seconds::HOUR;

/// The workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    /// Checks packs that came in, so that other machines may refer to their chunks.
    Verifier,
    /// Reads all packs again and again, and what is kept for other boxes.
    Scrub,
    /// Removes what no policy wants. Several times a day, so that one run never removes much: the brake stays for what
    /// is out of the ordinary.
    Prune,
    /// Makes large packs of small ones.
    Compaction,
    /// Enters the names in new snapshots into the index, and takes those out that no snapshot has any more.
    Index,
    /// Restores some files of each machine to nowhere, every week.
    Proofs,
    /// Checks the site: what was in order when the box was installed need not stay so.
    Commissioning,
    /// Opens and closes alerts, tells at once what has become bad, and makes the daily report.
    Reports,
    /// Hands mails to the mail server.
    Mail,
    /// Hands messages to the webhook.
    Webhook,
    /// Ends what people have here who are gone from the company's directory.
    Directory,
    /// Compares notes with the other boxes of the community.
    Community,
    /// Brings packs to the other boxes.
    Spread,
    /// Asks the other boxes for proofs that they still have them.
    Audit,
    /// Moves on what is kept for other boxes, and counts the time for it.
    Hosting,
    /// Asks the router to go on letting connections in, if that is wanted.
    Router,
    /// Brings back what is with other boxes only, on a box that was lost, and what is damaged here.
    Recovery,
    /// Tries a recovery every quarter, while the kit's key is on the box.
    Drill,
}

/// How much a step has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    /// There is more to do.
    Part,
    /// There is nothing more to do for now.
    Everything,
    /// There is nothing more to do now, but there will be sooner than usual.
    Again,
    /// There is nothing more to do for so long.
    For(Duration),
    /// It could not be done, and is tried again soon.
    Failed(String),
}

impl Worker {
    pub(super) const ALL: &'static [Self] = &[
        Self::Verifier,
        Self::Scrub,
        Self::Prune,
        Self::Compaction,
        Self::Index,
        Self::Proofs,
        Self::Commissioning,
        Self::Router,
        Self::Reports,
        Self::Mail,
        Self::Webhook,
        Self::Directory,
        Self::Community,
        Self::Spread,
        Self::Audit,
        Self::Hosting,
        Self::Recovery,
        Self::Drill,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Scrub => "scrub",
            Self::Prune => "prune",
            Self::Compaction => "compaction",
            Self::Index => "index",
            Self::Proofs => "proofs",
            Self::Commissioning => "commissioning",
            Self::Reports => "reports",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Directory => "directory",
            Self::Router => "router",
            Self::Community => "community",
            Self::Spread => "spread",
            Self::Audit => "audit",
            Self::Hosting => "hosting",
            Self::Recovery => "recovery",
            Self::Drill => "drill",
        }
    }

    /// Before the first look; those that can wait let the machines back in first.
    pub(super) const fn first_pause(self) -> Duration {
        Duration::from_secs(match self {
            Self::Verifier => 1,
            Self::Scrub => 60,
            Self::Prune => 300,
            Self::Compaction => 900,
            Self::Index => 5,
            Self::Proofs => 1_200,
            Self::Commissioning => 10,
            Self::Reports => 45,
            Self::Mail | Self::Webhook => 5,
            Self::Directory => 120,
            // Whoever waits for a box that is not whole waits for this.
            Self::Recovery => 0,
            Self::Router | Self::Community => 2,
            Self::Spread => 15,
            Self::Audit => 600,
            Self::Drill => 3_000,
            Self::Hosting => 10,
        })
    }

    /// Between two looks.
    pub(super) const fn pause(self) -> Duration {
        Duration::from_secs(match self {
            Self::Verifier => 2,
            Self::Scrub | Self::Hosting => 600,
            Self::Prune => 4 * 3_600,
            Self::Compaction => 3_600,
            Self::Index => 10,
            Self::Proofs | Self::Drill => 3_600,
            Self::Commissioning => 6 * 3_600,
            Self::Reports => 60,
            Self::Mail | Self::Webhook => 5,
            Self::Directory => 900,
            Self::Router => 3_600,
            Self::Community => 3,
            Self::Spread | Self::Recovery => 10,
            Self::Audit => audit::EVERY_SECONDS,
        })
    }

    /// After a step that ended with [`Done::Again`].
    pub(super) const AGAIN: Duration = Duration::from_secs(300);

    /// How many times as long as a step took the worker rests before the next one.
    pub(super) const fn rest(self) -> u32 {
        match self {
            Self::Verifier
            | Self::Prune
            | Self::Compaction
            | Self::Index
            | Self::Proofs
            | Self::Commissioning
            | Self::Router
            | Self::Reports
            | Self::Mail
            | Self::Webhook
            | Self::Directory
            | Self::Community
            | Self::Spread
            | Self::Audit
            | Self::Hosting
            | Self::Recovery
            | Self::Drill => 0,
            Self::Scrub => 4,
        }
    }

    /// Whether backups go first. Telling somebody that something is wrong must not wait for them.
    pub(super) const fn gives_way(self) -> bool {
        !matches!(self, Self::Reports | Self::Mail | Self::Webhook | Self::Directory | Self::Community | Self::Hosting)
    }

    /// Does one step; `working` hears that there is something to do, before it is done.
    pub(super) fn step(
        self,
        site: &Arc<Site>,
        orders: &Orders,
        working: &dyn Fn(Option<String>),
    ) -> Result<Done, OperationError> {
        match self {
            Self::Verifier => verify_next(site, working),
            Self::Scrub => scrub_next(site, working),
            Self::Prune => {
                // Nothing is removed from a box that is not whole.
                if !site.awaited.is_empty() {
                    return Ok(Done::Everything);
                }
                working(None);
                let options = PruneOptions { pace: Pace::Yielding, ..PruneOptions::default() };
                let report = operations::prune(site, &options)?;
                tracing::info!(
                    expired = report.expired.len(),
                    condemned_packs = report.condemned_packs,
                    deleted_packs = report.deleted_packs,
                    deleted_bytes = report.deleted_bytes,
                    rewritten_packs = report.rewritten_packs,
                    sent_outside = report.sent_outside.len(),
                    given_up_packs = report.given_up_packs,
                    given_up_bytes = report.given_up_bytes,
                    "Collection done"
                );
                for machine in &report.held_back {
                    tracing::warn!(machine = %machine.machine, reason = %machine.reason, "Nothing of a machine was collected");
                }
                Ok(Done::Everything)
            }
            Self::Compaction => {
                let packs = operations::count_compactable(site)?;
                if packs > 0 {
                    working(Some(format!("{packs} small packs")));
                    let report = operations::compact(site, Pace::Yielding)?;
                    tracing::info!(packs = report.packs, written_bytes = report.written_bytes, "Compaction done");
                }
                Ok(Done::Everything)
            }
            Self::Index => {
                let waiting = |snapshots| working(Some(format!("{snapshots} snapshots to index")));
                let more = operations::browse::index_next(site, Pace::Yielding, &waiting)?;
                Ok(if more { Done::Part } else { Done::Everything })
            }
            Self::Proofs => {
                let more = operations::browse::prove_next(site, Pace::Yielding, &|| working(None))?;
                Ok(if more { Done::Part } else { Done::Everything })
            }
            Self::Commissioning => {
                if !orders.commissioning.automatic {
                    return Ok(Done::Everything);
                }
                working(None);
                check_site(site, orders)
            }
            Self::Router if orders.door.keep_open => {
                working(None);
                Ok(match commissioning::keep_open(&orders.door) {
                    Ok(kept) => {
                        working(Some(kept.what));
                        Done::For(kept.half_life.unwrap_or(self.pause()).clamp(RENEW_MIN, self.pause()))
                    }
                    Err(reason) => Done::Failed(reason),
                })
            }
            Self::Router => Ok(Done::Everything),
            Self::Reports => {
                operations::note_disk(site)?;
                operations::expire_put_backs(site)?;
                post::report(site, orders)
            }
            Self::Mail => post::send_next(site, working),
            Self::Webhook => post::post_next(site, working),
            // The head would say less than the one of the lost box.
            Self::Spread if !site.awaited.is_empty() => Ok(Done::Everything),
            Self::Spread => spread::step(site, orders.peers.as_ref(), working),
            Self::Audit => audit::step(site, orders.peers.as_ref(), working),
            Self::Community => match orders.peers.step() {
                Ok(()) => Ok(Done::Everything),
                Err(PeersError::Community(CommunityError::Operation(error))) => Err(error),
                Err(other) => Ok(Done::Failed(chain(&other))),
            },
            Self::Recovery => bring_back(site, working),
            Self::Drill if operations::is_drill_due(site)? => {
                working(None);
                Ok(match (orders.drill)() {
                    Ok(()) => Done::Everything,
                    Err(why) => Done::Failed(why),
                })
            }
            Self::Drill => Ok(Done::Everything),
            Self::Directory => match accounts::check_directory(site, &OverLdap) {
                Ok(()) => Ok(Done::Everything),
                Err(AccountError::Operation(error)) => Err(error),
                Err(other) => Ok(Done::Failed(chain(&other))),
            },
            Self::Hosting => {
                let report = operations::hosting::hosting_step(site)?;
                let (trashed, erased, entered) = (report.trashed, report.erased, report.entered);
                if trashed + erased + entered > 0 {
                    tracing::info!(trashed, erased, entered, "Shards of other members moved on");
                }
                for (member, silent) in &report.silent {
                    let days = silent.0 / 86_400;
                    tracing::warn!(%member, days, "Nothing was heard of a member; its shards stay until people say otherwise");
                }
                Ok(Done::Everything)
            }
        }
    }
}

/// A little of what is with other boxes only. What cannot be had now is asked for again.
pub(super) fn bring_back(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let brought = operations::awaited::bring_back(site, working)?;
    Ok(match brought {
        Brought { is_over: true, .. } => return mend_and_bring_home(site, working),
        Brought { packs: 0, lost: 0, unanswered, .. } if unanswered > 0 => {
            Done::Failed(format!("{unanswered} packs cannot be had until more of the other boxes answer"))
        }
        Brought { .. } => Done::Part,
    })
}

/// Gets packs that are damaged here from the other boxes, and then those of snapshots that are wanted here again: neither waits for
/// what cannot be had of the other.
fn mend_and_bring_home(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let mended = match operations::awaited::mend(site, working)? {
        Mended { packs: 0, left: 0, untried: 0 } => Done::Everything,
        Mended { packs: 0, untried: 0, .. } => Done::For(MEND_AGAIN),
        Mended { .. } => Done::Part,
    };
    let home = match operations::awaited::bring_home(site, working)? {
        Home { snapshots: 0, packs: 0, left: 0, untried: 0 } => Done::Everything,
        Home { snapshots: 0, packs: 0, untried: 0, .. } => Done::For(MEND_AGAIN),
        Home { .. } => Done::Part,
    };
    Ok(match (mended, home) {
        (Done::Part, _) | (_, Done::Part) => Done::Part,
        (Done::Everything, home) => home,
        (mended, _) => mended,
    })
}

/// Checks the site, and says in the log what has become worse since the last time. After a power cut the router may not
/// be there yet: what has failed for a short time only is looked at again soon.
fn check_site(site: &Site, orders: &Orders) -> Result<Done, OperationError> {
    let around = Surroundings::look(site, &orders.commissioning).with_door(&orders.door);
    let outcomes = commission(&around, &[], &mut |_| ())?;
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.state() == CheckState::Fail).collect();
    tracing::info!(checks = outcomes.len(), failed = failed.len(), "Site checked");
    for outcome in &failed {
        let is_new = around.last(outcome.check).is_none_or(|last| last.verdict != outcome.verdict);
        if let (Verdict::Found(finding), true) = (outcome.verdict, is_new) {
            tracing::warn!(check = outcome.check.word(), finding = finding.word(), "A check of the site fails");
        }
    }
    let lately = site.clock.now().minus(FAILS_LATELY);
    let fails_lately = |known: &Remembered| known.outcome.state() == CheckState::Fail && known.since > lately;
    let look_again = commissioning::remembered(site)?.iter().any(fails_lately);
    Ok(if look_again { Done::Again } else { Done::Everything })
}

fn verify_next(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let Some((pack, left)) = operations::next_unverified(site)? else { return Ok(Done::Everything) };
    working(Some(format!("{left} packs to check")));
    past_damage(operations::verify_pack(site, &pack).map(drop))
}

fn scrub_next(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let before = site.clock.now().minus(SCRUB_AFTER);
    let Some(pack) = operations::next_unscrubbed(site, before)? else { return scrub_hosted(site, working) };
    working(Some("reading packs again".to_owned()));
    past_damage(operations::scrub_pack(site, &pack, Pace::Yielding))
}

/// What is kept for others comes after the box's own packs.
fn scrub_hosted(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Done, OperationError> {
    let reading = || working(Some("reading again what is kept for other boxes".to_owned()));
    let more = operations::hosting::scrub_next(site, Pace::Yielding, &reading)?;
    Ok(if more { Done::Part } else { Done::Everything })
}

/// A damaged pack is noted and logged by now; the next one is waiting.
fn past_damage(result: Result<(), OperationError>) -> Result<Done, OperationError> {
    match result {
        Ok(()) | Err(OperationError::DamagedPack { .. }) => Ok(Done::Part),
        Err(error) => Err(error),
    }
}
