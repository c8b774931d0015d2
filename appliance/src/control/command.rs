//! What can be asked for, and what comes back: progress lines, then one answer or one failure.

use std::net::IpAddr;

use datis_engine::community::address::Address as PeerAddress;
use datis_engine::ids::{CommunityName, MachineName, MemberName, Profile};
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::Seconds;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::text;
use crate::commissioning::Check;
use crate::config::KeyPrint;
use crate::hand::addressing::Addressing;
use crate::locale::Language;
use crate::operations::accounts::{AccountName, SupportHours};
use crate::operations::bandwidth::{Megabits, Stroke};
use crate::sheets::Sheet;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    /// What the box has and does.
    Status,
    /// A code for one new machine.
    EnrolCode {
        #[serde(with = "text")]
        machine: MachineName,
        #[serde(with = "text")]
        profile: Profile,
        /// Where the machine finds the box, when that is not what the box would say by itself.
        #[serde(with = "text::optional")]
        address: Option<Address>,
    },
    /// Reads and opens everything, or a sample of it in percent.
    Verify { sample: Option<u8> },
    /// Retention and collection. `grace`: how long unused packs wait before they go, for tests.
    Prune {
        dry_run: bool,
        force: bool,
        #[serde(with = "text::optional")]
        grace: Option<Seconds>,
    },
    /// The recovery kit.
    Kit {
        /// On three sheets, any two of which suffice.
        sheets: bool,
        /// Its text as it is on paper, where its key is not on the box.
        paper: Option<String>,
    },
    /// Tries a recovery. `kit`: its text, where its key is not on the box.
    Drill { kit: Option<String> },
    /// Shows a machine's policy, or those of all; changes what is given. `new`: what machines of this profile begin with.
    Policy {
        #[serde(with = "text::optional")]
        machine: Option<MachineName>,
        #[serde(with = "text::optional")]
        new: Option<Profile>,
        #[serde(with = "text::optional")]
        every: Option<Seconds>,
        #[serde(with = "text::optional")]
        local: Option<RetentionPolicy>,
        #[serde(with = "text::optional")]
        external: Option<RetentionPolicy>,
    },
    /// Whether the box is where it can do its work; only these checks, when any are named.
    Commission { only: Vec<Check> },
    /// A sheet of what was found last, as PDF in base64.
    Sheet { sheet: Sheet, language: Language },
    /// The machines.
    Machines,
    /// The machine rests for so long.
    Pause {
        #[serde(with = "text")]
        machine: MachineName,
        #[serde(with = "text")]
        length: Seconds,
    },
    /// Its rest ends now.
    Resume {
        #[serde(with = "text")]
        machine: MachineName,
    },
    /// From now on the machine may not come in; its snapshots stay.
    Retire {
        #[serde(with = "text")]
        machine: MachineName,
    },
    /// The box's own address.
    Network { what: NetworkCommand },
    /// Who may sign in at the portal.
    Auth { what: AuthCommand },
    /// What a reseller has prepared.
    Bundle { what: BundleCommand },
    /// The other boxes.
    Community { what: CommunityCommand },
    /// How much of the line goes to them.
    Bandwidth { what: BandwidthCommand },
}

/// What the console does about the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "bandwidth", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum BandwidthCommand {
    /// What is set.
    Show,
    /// Changes what is given. `unlimited`: as much as the line takes in full hours. `hours`: painted one after the other.
    Set {
        #[serde(with = "text::optional")]
        full: Option<Megabits>,
        #[serde(with = "text::optional")]
        reduced: Option<Megabits>,
        unlimited: bool,
        #[serde(with = "text::list")]
        hours: Vec<Stroke>,
    },
}

/// What the console does about the community of boxes. `kit`: the key line of the recovery kit, where it is not on the box.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "community", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CommunityCommand {
    /// Begins one.
    Found {
        #[serde(with = "text")]
        name: CommunityName,
        #[serde(with = "text::optional")]
        member: Option<MemberName>,
        kit: Option<String>,
    },
    /// A line for another box, or a code to be read out.
    Invite { aloud: bool },
    /// Asks to be let in. `at`: where the other box is, with a code that it has read out.
    Join {
        line: String,
        #[serde(with = "text::optional")]
        at: Option<PeerAddress>,
        #[serde(with = "text::optional")]
        member: Option<MemberName>,
        kit: Option<String>,
    },
    /// Who waits.
    Requests,
    /// Lets somebody in.
    Admit {
        #[serde(with = "text")]
        name: MemberName,
        digits: String,
    },
    /// Trusts a member on a new box; with its kit, this box itself.
    Confirm {
        #[serde(with = "text")]
        name: MemberName,
        kit: Option<String>,
    },
    /// Makes a member an admin.
    Appoint {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// Says that a new member can be relied on.
    Vouch {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// Puts a member out.
    Remove {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// An admin is none any more.
    Dismiss {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// Calls a member otherwise.
    Rename {
        #[serde(with = "text")]
        name: MemberName,
        #[serde(with = "text")]
        new: MemberName,
    },
    /// Says what a member has in common with others; what is `None` is left as it is, and empty text takes it away.
    Label {
        #[serde(with = "text")]
        name: MemberName,
        customer: Option<String>,
        site: Option<String>,
        reseller: Option<String>,
        ring: Option<String>,
    },
    /// This box goes.
    Leave,
    /// This box forgets its community, of which this is the name.
    Forget {
        #[serde(with = "text")]
        name: CommunityName,
    },
    /// This box goes over to the log of the member of this name.
    TakeLog {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// What this box and each other keep for one another.
    Ledger,
    /// What waits for more admins.
    Proposals,
    /// Agrees to what another admin has proposed. `proposal`: the first digits of its name.
    Agree { proposal: String },
    /// Sends somebody away.
    Refuse {
        #[serde(with = "text")]
        name: MemberName,
    },
    /// Lets deletions go on that other boxes hold up.
    LiftBrake { kit: String },
    /// The members.
    Show,
}

impl std::fmt::Debug for CommunityCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommunityCommand")
    }
}

/// What the console does about bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "bundle", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum BundleCommand {
    /// Sets what one says. `file`: the bundle in base64, in place of the one that the box finds. `key`: whose is believed,
    /// in place of the one in datisd.toml. `older`: also one with a lower number.
    Apply { file: Option<String>, key: Option<KeyPrint>, older: bool },
    /// Which one was applied.
    Show,
}

/// What the console does about the box's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NetworkCommand {
    /// How it is now.
    Show,
    /// Tries another one.
    Set { wanted: Addressing },
    /// Keeps it. `arrived_on`: the box's end of the connection over which the console is reached.
    Confirm { arrived_on: Option<IpAddr> },
    /// Takes it back.
    Revert,
}

/// What the console does about accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "auth", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AuthCommand {
    /// The accounts.
    List,
    /// A link that makes a new admin.
    AdminLink,
    /// A link with which somebody sets a new password.
    Link {
        #[serde(with = "text")]
        account: AccountName,
    },
    /// Takes a lost authenticator away.
    ResetSecondFactor {
        #[serde(with = "text")]
        account: AccountName,
    },
    /// Lets somebody from outside help for so long; `None` closes that.
    Support { hours: Option<SupportHours> },
    /// Whether the audit log is whole.
    VerifyLog,
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// For people; whole lines.
    pub(crate) text: String,
    /// The same for programs.
    pub(crate) json: serde_json::Value,
    pub(crate) outcome: Outcome,
}

/// How a command that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// Damage was found, or a brake stopped the run: somebody should look.
    Attention,
}

/// Why a command failed, in one sentence and its causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Failed {
    pub(crate) sentence: String,
    pub(crate) kind: FailedKind,
}

/// What the exit code of a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailedKind {
    /// The command failed, and nothing else is wrong.
    Failed,
    /// A brake stopped it.
    Brake,
    /// The disk did not keep what it was given: the box has to start again.
    Durability,
}

/// One line of what comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    Progress(String),
    Answer(Answer),
    Failed(Failed),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back_and_names_are_checked_again() {
        let command = Command::Policy {
            machine: Some("Bureau Élodie".parse().expect("name")),
            new: None,
            every: Some(Seconds(3_600)),
            local: Some("2h/5m, 30d/1d".parse().expect("policy")),
            external: None,
        };
        let text = serde_json::to_string(&command).expect("encode");
        assert_eq!(serde_json::from_str::<Command>(&text).expect("decode"), command);
        for bad in [
            text.replace("Bureau", "../"),
            text.replace("every", "ever"),
            text.replace("1h", "1 fortnight"),
            r#"{"command":"enrol-code","machine":"a","profile":"server","address":"a b"}"#.to_owned(),
            r#"{"command":"commission","only":["lan.lnk"]}"#.to_owned(),
            r#"{"command":"format-disk"}"#.to_owned(),
            r#"{"command":"network","what":{"network":"set","wanted":{"fixed":{"address":"10.0.0.0","prefix":8,
               "gateway":null,"names":[]}}}}"#
                .to_owned(),
        ] {
            assert!(serde_json::from_str::<Command>(&bad).is_err(), "{bad}");
        }
    }
}
