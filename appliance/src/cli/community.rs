//! `datisd community`: which other boxes this one belongs together with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use datis_engine::community::address::Address;
use datis_engine::format::kit::{KitHint, RecoveryKit};
use datis_engine::ids::{CommunityName, MemberName};
use zeroize::Zeroizing;

use super::{Form, end, fail};
use crate::app::{self, Consent};
use crate::config::DataDir;
use crate::control::{Command, CommunityCommand, Failed, FailedKind};
use crate::files;
use crate::peers::AllowPrivate;

/// No kit is longer, in bytes.
const KIT_MAX: u64 = 16 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Community {
    /// Found a community; this box becomes its first member and admin.
    Found {
        /// What it is called.
        name: CommunityName,
        #[command(flatten)]
        own: Own,
        #[command(flatten)]
        form: Form,
    },
    /// Print the line with which one other box can ask to be let in, within a week.
    Invite {
        /// Print a short code to be read out in place of the line; it is good for a quarter of an hour.
        #[arg(long)]
        aloud: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Ask to be let into the community that sent this invitation.
    Join {
        /// The line, whole; or, with --at, the code that was read out.
        line: String,
        /// Where the other box is, which was read out with the code.
        #[arg(long, value_name = "HOST:PORT")]
        at: Option<Address>,
        #[command(flatten)]
        own: Own,
        #[command(flatten)]
        form: Form,
    },
    /// List who waits to be let in.
    Requests {
        #[command(flatten)]
        form: Form,
    },
    /// Let a box in whose screen shows these digits.
    Admit {
        /// As it calls itself.
        name: MemberName,
        /// The six digits, as its admin reads them out.
        digits: String,
        #[command(flatten)]
        form: Form,
    },
    /// Trust a member again that is back on a new box. With the kit of this box it confirms itself: the others take that a day
    /// after they have seen the new box.
    Confirm {
        /// The member.
        name: MemberName,
        /// The recovery kit, to confirm this box itself; or, given twice, two of its sheets.
        #[arg(long, value_name = "FILE")]
        kit: Vec<PathBuf>,
        #[command(flatten)]
        form: Form,
    },
    /// Make a member an admin of the community: it may let others in. There should be two, so that one can be lost.
    Appoint {
        /// The member.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Vouch for a new member: it need not wait for 100 rounds of audits and 21 days before the others keep more than a quarter of
    /// its share for it.
    Vouch {
        /// The member.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Put a member out. With three admins or more, more than half of them have to agree, each at their own box.
    Remove {
        /// The member.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Make an admin a plain member again: this box itself, or, when enough others agree, another one.
    Dismiss {
        /// The member.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Call a member otherwise: this box, or, as an admin, another one.
    Rename {
        /// As it is called.
        name: MemberName,
        /// From now on.
        new: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Say what a member has in common with others, so that shards of one pack are not all lost at once. An empty text takes a
    /// label away.
    Label {
        /// The member.
        name: MemberName,
        /// Whose box it is.
        #[arg(long)]
        customer: Option<String>,
        /// Where it stands.
        #[arg(long)]
        site: Option<String>,
        /// Who looks after it.
        #[arg(long)]
        reseller: Option<String>,
        /// With which others it is updated.
        #[arg(long)]
        ring: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Leave the community: the others read from this box for 30 days more, and make again elsewhere what it holds.
    Leave {
        #[command(flatten)]
        form: Form,
    },
    /// Forget the community, so that the box can found or join another one: for a box that was put out, or has left.
    Forget {
        /// The name of the community.
        name: CommunityName,
        #[command(flatten)]
        form: Form,
    },
    /// Where the community has parted: give up what only this box's log says, and go on with that of another member.
    TakeLog {
        /// The member whose log is taken.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Show what this box and each other keep for one another, and whether both sides agree.
    Ledger {
        #[command(flatten)]
        form: Form,
    },
    /// List what waits for more admins.
    Proposals {
        #[command(flatten)]
        form: Form,
    },
    /// Agree to what another admin has proposed.
    Agree {
        /// The first letters of its name in the list.
        proposal: String,
        #[command(flatten)]
        form: Form,
    },
    /// Send a box away that waits to be let in.
    Refuse {
        /// As it calls itself.
        name: MemberName,
        #[command(flatten)]
        form: Form,
    },
    /// Let deletions go on that other boxes hold up, because more of this box's data was condemned in a week than is usual. Only do
    /// it when you know why: whoever took this box over would want the same.
    LiftBrake {
        /// The recovery kit of this box; or, given twice, two of its sheets.
        #[arg(long, value_name = "FILE", required = true)]
        kit: Vec<PathBuf>,
        #[command(flatten)]
        form: Form,
    },
    /// Show the community and its members.
    Show {
        #[command(flatten)]
        form: Form,
    },
}

/// What a box says of itself when it comes in.
#[derive(Debug, clap::Args)]
pub(super) struct Own {
    /// What others call this box [default: the name of the box].
    #[arg(long = "as", value_name = "NAME")]
    member: Option<MemberName>,
    /// The recovery kit, where its key was taken off the box; or, given twice, two of its sheets.
    #[arg(long, value_name = "FILE")]
    kit: Vec<PathBuf>,
}

impl Own {
    fn read(self) -> Result<(Option<MemberName>, Option<String>), Failed> {
        Ok((self.member, key_line(&self.kit)?))
    }
}

pub(super) fn run(what: Community, dir: &DataDir) -> ExitCode {
    let (command, form) = match command(what) {
        Ok(command) => command,
        Err(failed) => return fail(&failed),
    };
    end(app::command(dir, &Command::Community { what: command }, &mut |line| eprintln!("{line}")), form)
}

fn command(what: Community) -> Result<(CommunityCommand, Form), Failed> {
    Ok(match what {
        Community::Found { name, own, form } => {
            let (member, kit) = own.read()?;
            (CommunityCommand::Found { name, member, kit }, form)
        }
        Community::Invite { aloud, form } => (CommunityCommand::Invite { aloud }, form),
        Community::Join { line, at, own, form } => {
            let (member, kit) = own.read()?;
            (CommunityCommand::Join { line, at, member, kit }, form)
        }
        Community::Requests { form } => (CommunityCommand::Requests, form),
        Community::Admit { name, digits, form } => (CommunityCommand::Admit { name, digits }, form),
        Community::Confirm { name, kit, form } => (CommunityCommand::Confirm { name, kit: key_line(&kit)? }, form),
        Community::Appoint { name, form } => (CommunityCommand::Appoint { name }, form),
        Community::Vouch { name, form } => (CommunityCommand::Vouch { name }, form),
        Community::Remove { name, form } => (CommunityCommand::Remove { name }, form),
        Community::Dismiss { name, form } => (CommunityCommand::Dismiss { name }, form),
        Community::Rename { name, new, form } => (CommunityCommand::Rename { name, new }, form),
        Community::Label { name, customer, site, reseller, ring, form } => {
            (CommunityCommand::Label { name, customer, site, reseller, ring }, form)
        }
        Community::Leave { form } => (CommunityCommand::Leave, form),
        Community::Forget { name, form } => (CommunityCommand::Forget { name }, form),
        Community::TakeLog { name, form } => (CommunityCommand::TakeLog { name }, form),
        Community::Ledger { form } => (CommunityCommand::Ledger, form),
        Community::Proposals { form } => (CommunityCommand::Proposals, form),
        Community::Agree { proposal, form } => (CommunityCommand::Agree { proposal }, form),
        Community::Refuse { name, form } => (CommunityCommand::Refuse { name }, form),
        Community::LiftBrake { kit, form } => {
            (CommunityCommand::LiftBrake { kit: key_line(&kit)?.unwrap_or_default() }, form)
        }
        Community::Show { form } => (CommunityCommand::Show, form),
    })
}

/// `datisd recover`.
pub(super) fn recover(
    dir: &DataDir,
    kit: &[PathBuf],
    peers: &[KitHint],
    (near, consent): (bool, Consent),
    form: Form,
) -> ExitCode {
    let private = if near { AllowPrivate::Yes } else { AllowPrivate::No };
    let recovered = kit_text(kit)
        .and_then(|text| RecoveryKit::parse(&text).map_err(|e| failed(e.to_string())))
        .and_then(|kit| app::recover(dir, kit, peers, (private, consent), &mut |line| eprintln!("{line}")));
    end(recovered, form)
}

/// `datisd drill`.
pub(super) fn drill(kit: &[PathBuf]) -> Result<Command, Failed> {
    Ok(Command::Drill { kit: typed(kit)? })
}

/// `datisd kit`.
pub(super) fn kit(sheets: bool, from: &[PathBuf]) -> Result<Command, Failed> {
    Ok(Command::Kit { sheets, paper: typed(from)? })
}

fn typed(files: &[PathBuf]) -> Result<Option<String>, Failed> {
    Ok(if files.is_empty() { None } else { Some(kit_text(files)?.as_str().to_owned()) })
}

/// What the files say, one after the other: a kit, or its sheets.
fn kit_text(files: &[PathBuf]) -> Result<Zeroizing<String>, Failed> {
    let mut all = Zeroizing::new(String::with_capacity(files.len() << 14));
    for file in files {
        let text = files::read_if_there(file, KIT_MAX).map_err(|e| failed(crate::control::with_causes(&e)))?;
        let text = Zeroizing::new(text.ok_or_else(|| failed(format!("{} is not there", file.display())))?);
        let text = std::str::from_utf8(&text).map_err(|_| failed(format!("{} is no text", file.display())))?;
        all.push_str(text);
        all.push('\n');
    }
    Ok(all)
}

/// The key of a kit: its line alone is enough; `None` where no file is named.
fn key_line(files: &[PathBuf]) -> Result<Option<String>, Failed> {
    if files.is_empty() {
        return Ok(None);
    }
    let text = kit_text(files)?;
    if let Some(line) = text.lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-1")) {
        return Ok(Some(line.to_owned()));
    }
    let kit = RecoveryKit::parse(&text).map_err(|e| failed(e.to_string()))?;
    Ok(Some(kit.identity.expose().as_str().to_owned()))
}

fn failed(sentence: String) -> Failed {
    Failed { sentence, kind: FailedKind::Failed }
}
