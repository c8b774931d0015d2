//! Commands of the person who runs the box: `datisd status`, `verify`, `prune` and the others.
//!
//! One way for all of them: [`execute`] works on an open site. While the daemon runs, it is the one that has the site
//! open, and [`socket`] carries the command there and its lines back; else the command opens the site itself.

mod address;
mod bandwidth;
mod bundle;
mod command;
mod community;
mod execute;
mod ledger;
mod network;
mod people;
mod reach;
mod show;
pub(crate) mod socket;
mod text;

pub(crate) use crate::operations::accounts::{AccountName, SupportHours};
pub(crate) use crate::operations::bandwidth::{Megabits, Stroke};
pub(crate) use crate::sheets::Sheet;
pub(crate) use address::Address;
pub(crate) use command::{
    Answer, AuthCommand, BandwidthCommand, BundleCommand, Command, CommunityCommand, Failed, FailedKind,
    NetworkCommand, Outcome,
};
pub(crate) use execute::{Desk, Paced};
pub(crate) use show::{rebuild as show_rebuild, recovered as show_recovered, with_causes};
