//! `datisd bandwidth`: how much of the line goes to the other boxes, and when.

use clap::Subcommand;

use super::Form;
use crate::control::{BandwidthCommand, Command, Megabits, Stroke};

#[derive(Debug, Subcommand)]
pub(super) enum Bandwidth {
    /// Show the rates and the week.
    Show {
        #[command(flatten)]
        form: Form,
    },
    /// Change what is given; the rest stays. It counts at once.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// In full hours, in Mbit/s.
        #[arg(long, value_name = "MBIT", group = "change")]
        full: Option<Megabits>,
        /// In full hours as much as the line takes.
        #[arg(long, conflicts_with = "full", group = "change")]
        unlimited: bool,
        /// In reduced hours, in Mbit/s.
        #[arg(long, value_name = "MBIT", group = "change")]
        reduced: Option<Megabits>,
        /// What hours are, such as "mon-fri 8-19 reduced"; may be given several times, the last one counts.
        #[arg(long, value_name = "DAYS FROM-UNTIL CLASS", group = "change")]
        hours: Vec<Stroke>,
        #[command(flatten)]
        form: Form,
    },
}

impl Bandwidth {
    pub(super) fn command(self) -> (Command, Form) {
        let (what, form) = match self {
            Self::Show { form } => (BandwidthCommand::Show, form),
            Self::Set { full, unlimited, reduced, hours, form } => {
                (BandwidthCommand::Set { full, reduced, unlimited, hours }, form)
            }
        };
        (Command::Bandwidth { what }, form)
    }
}
