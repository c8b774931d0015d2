//! Commissioning: is this box where it can do its work, and if not, what is to be done about it?
//!
//! A list of checks ([`Check`]), each of which ends in one of its named findings ([`Finding`]), with the evidence it
//! rests on. A check whose ground has failed is skipped and names the root cause, so that a person sees one thing to
//! mend at a time. Probes ask the system and the network; what their answers mean is decided apart from them, by plain
//! functions. In the box nothing changes but what is remembered of the last run; at the router, only what a run takes
//! back at its end, unless the port is to be kept open (`keep_open` in `datisd.toml`).
//!
//! What can only be seen from outside, partners are asked for (`outside`; decision 0015).
//!
//! What is said about a finding is in `portal-templates/locales/*/checks.ftl`, under the finding's word. Decision 0014;
//! the catalogue follows requirements D1 to D18 of the commissioning guide.

mod arriving;
mod catalogue;
mod checks;
mod dhcp;
mod lan;
mod memory;
mod network;
mod obstacles;
mod outcome;
mod outside;
mod ports;
pub(crate) mod questions;
mod router;
mod run;
mod say;
mod web;

pub use catalogue::{Check, CheckState, Finding};
pub(crate) use checks::card;
pub(crate) use lan::Lan;
pub use memory::{Remembered, remembered};
pub use obstacles::obstacles;
pub use outcome::{Fact, Outcome, Value, Verdict};
pub(crate) use ports::{PortView, holders_of, main_port};
pub(crate) use router::keep_open;
pub use run::{Surroundings, commission, refresh};
pub use say::{evidence, message, remedy, state_word, title};
