//! The command line of `datisd`: what can be said, and how the process ends.

mod bandwidth;
mod bundle;
mod community;
mod sheets;
mod ssh;

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use datis_engine::format::kit::KitHint;
use datis_engine::ids::{MachineName, Profile};
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::Seconds;
use tracing_subscriber::EnvFilter;

use crate::app::{self, Consent, RunOptions};
use crate::commissioning::Check;
use crate::config::DataDir;
use crate::control::{
    AccountName, Address, Answer, AuthCommand, Command, Failed, FailedKind, NetworkCommand, Outcome, SupportHours,
};
use crate::hand::addressing::{Addressing, Fixed};
use crate::locale::Language;
use sheets::SheetFile;

/// It failed; the message says why. Wrong usage is 2, by clap.
const FAILED: u8 = 1;
/// Damage was found, or a brake stopped the run: somebody should look.
const ATTENTION: u8 = 3;
/// The disk did not keep what it was given: the service manager starts the box again.
const DURABILITY: u8 = 70;

/// The Datis backup box.
#[derive(Debug, Parser)]
#[command(name = "datisd", version, disable_help_subcommand = true)]
struct Cli {
    /// Folder of the box.
    #[arg(long, global = true, value_name = "DIR", default_value = "/var/lib/datis")]
    data: PathBuf,
    /// Which log messages are written to stderr, such as `debug` or `info,actix_server=warn`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Write log messages as JSON lines.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the box: identity, keys, catalog. Does nothing where there is one.
    Init,
    /// Run the box until SIGTERM. Makes it first where there is none.
    Run {
        /// Address of the machine port [default: all].
        #[arg(long, value_name = "ADDR")]
        listen: Option<IpAddr>,
        /// Port for machines; 0 takes a free one [default: 20600].
        #[arg(long, value_name = "N")]
        machine_port: Option<u16>,
        /// Address of the portal [default: all].
        #[arg(long, value_name = "ADDR")]
        portal_listen: Option<IpAddr>,
        /// Port of the portal; 0 takes a free one [default: 443, else 8443].
        #[arg(long, value_name = "N")]
        portal_port: Option<u16>,
    },
    /// Print the line with which one new machine can enrol, once and within an hour.
    EnrolCode {
        /// Name of the machine.
        #[arg(long, value_name = "NAME")]
        machine: MachineName,
        /// What the machine is: server, desktop or laptop.
        #[arg(long, value_name = "PROFILE")]
        profile: Profile,
        /// Where the machine finds this box, when it is not the address that the box sees itself.
        #[arg(long, value_name = "HOST[:PORT]")]
        address: Option<Address>,
        #[command(flatten)]
        form: Form,
    },
    /// Show what the box has and does.
    Status {
        #[command(flatten)]
        form: Form,
    },
    /// Read and open everything that is stored. Ends with 3 when there is damage.
    Verify {
        /// Read only about this part of the packs, others each time, such as `10%`.
        #[arg(long, value_name = "N%", value_parser = percent)]
        sample: Option<u8>,
        #[command(flatten)]
        form: Form,
    },
    /// Remove snapshots that no policy keeps, and what only they needed. Ends with 3 when the brake stops it.
    Prune {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        /// Also remove more than a tenth of everything at once.
        #[arg(long)]
        force: bool,
        /// For tests: unused packs wait this many seconds before they go.
        #[arg(long, value_name = "SECONDS", hide = true)]
        grace: Option<u64>,
        #[command(flatten)]
        form: Form,
    },
    /// Check whether the box is where it can do its work: cable, address, DHCP, gateway, names, clock, room, power.
    /// Ends with 3 when a check fails.
    Commission {
        /// Only this check; may be given several times.
        #[arg(long, value_name = "ID")]
        only: Vec<Check>,
        /// Write what was found, all checks, as PDF. It is not signed: that is done in DatisAdmin.
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// Write the sheet for the admin of the firewall, as PDF.
        #[arg(long, value_name = "FILE")]
        firewall_sheet: Option<PathBuf>,
        /// Language of the sheets: en, fr or ru.
        #[arg(long, value_name = "CODE", default_value = "en", value_parser = language)]
        language: Language,
        #[command(flatten)]
        form: Form,
    },
    /// Make a new catalog from the packs. The daemon must be stopped.
    Rebuild {
        #[command(flatten)]
        form: Form,
    },
    /// Print the recovery kit: keep it away from the box, it opens every backup.
    Kit {
        /// Print it on three sheets instead: any two of them are as good as the kit, and one alone opens nothing.
        #[arg(long)]
        sheets: bool,
        /// The kit as it is on paper, or two of its sheets, where its key was taken off the box; prints it with the other boxes as they
        /// are now. May be given several times.
        #[arg(long, value_name = "FILE")]
        from: Vec<PathBuf>,
        #[command(flatten)]
        form: Form,
    },
    /// Show what the box wants of its machines, or set it for one, or for those that are still to come.
    Policy {
        /// Which machine; this or `--new` is needed to change something.
        #[arg(long, value_name = "NAME", group = "whose")]
        machine: Option<MachineName>,
        /// What machines of this profile begin with: server, desktop or laptop. Those that are there keep what they have.
        #[arg(long, value_name = "PROFILE", group = "whose")]
        new: Option<Profile>,
        /// How often each source is backed up, such as 1h.
        #[arg(long, value_name = "DURATION", requires = "whose")]
        every: Option<Seconds>,
        /// How long the box keeps snapshots, such as `24h/1h, 30d/1d`.
        #[arg(long, value_name = "POLICY", requires = "whose")]
        local: Option<RetentionPolicy>,
        /// How long other boxes keep them.
        #[arg(long, value_name = "POLICY", requires = "whose")]
        external: Option<RetentionPolicy>,
        #[command(flatten)]
        form: Form,
    },
    /// List the machines.
    Machines {
        #[command(flatten)]
        form: Form,
    },
    /// Let a machine rest for a while; it goes on by itself afterwards.
    Pause {
        /// Name of the machine.
        #[arg(long, value_name = "NAME")]
        machine: MachineName,
        /// For how long, such as 8h, 1d or 2w.
        #[arg(long = "for", value_name = "DURATION")]
        length: Seconds,
        #[command(flatten)]
        form: Form,
    },
    /// End a machine's rest.
    Resume {
        /// Name of the machine.
        #[arg(long, value_name = "NAME")]
        machine: MachineName,
        #[command(flatten)]
        form: Form,
    },
    /// Shut a machine out. Its snapshots stay as long as its policy says.
    Retire {
        /// Name of the machine.
        #[arg(long, value_name = "NAME")]
        machine: MachineName,
        #[command(flatten)]
        form: Form,
    },
    /// Show or change the box's own address. A new one is tried for a minute, then taken back unless it is confirmed.
    Network {
        #[command(subcommand)]
        what: Network,
    },
    /// Decide who may sign in at the portal.
    Auth {
        #[command(subcommand)]
        what: Auth,
    },
    /// Bring a lost box back into an empty folder, out of its recovery kit and what other boxes keep of it. Goes on where an earlier
    /// try has ended. Ends with 3 when packs cannot be had yet; they are named.
    Recover {
        /// The text of the kit; or, given twice, two of its three sheets.
        #[arg(long, value_name = "FILE", required = true)]
        kit: Vec<PathBuf>,
        /// Another box of the community, where none of those on the kit answers; may be given several times.
        #[arg(long, value_name = "HOST:PORT#PIN")]
        peer: Vec<KitHint>,
        /// Look for boxes in local networks too.
        #[arg(long)]
        near: bool,
        /// Go on without packs that cannot be put together, once it is certain that they are lost; they are named.
        #[arg(long)]
        without_lost: bool,
        /// Believe one box that tells what there was last, where all others are lost: if it is behind, what came later is given up.
        #[arg(long)]
        one_peer: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Try a recovery, with the kit and nothing else: from the other boxes to three files, in a folder that is thrown away.
    Drill {
        /// The text of the kit, where its key was taken off the box; or, given twice, two of its sheets.
        #[arg(long, value_name = "FILE")]
        kit: Vec<PathBuf>,
        #[command(flatten)]
        form: Form,
    },
    /// Say which other boxes this one belongs together with.
    Community {
        #[command(subcommand)]
        what: community::Community,
    },
    /// Say how much of the line goes to the other boxes, and when.
    Bandwidth {
        #[command(subcommand)]
        what: bandwidth::Bandwidth,
    },
    /// Make, sign and check what boxes of a reseller start with, and have a box take it.
    Bundle {
        #[command(subcommand)]
        what: bundle::Bundle,
    },
}

#[derive(Debug, Subcommand)]
enum Network {
    /// Show the port, its address, gateway and name servers, and who manages it.
    Show {
        #[command(flatten)]
        form: Form,
    },
    /// Try another address.
    Set {
        /// Let the network's DHCP server lend one.
        #[arg(long, conflicts_with_all = ["address", "gateway", "dns"], required_unless_present = "address")]
        dhcp: bool,
        /// This address, such as 192.168.1.20/24.
        #[arg(long, value_name = "ADDRESS/PREFIX")]
        address: Option<String>,
        /// The way outside, such as 192.168.1.1.
        #[arg(long, value_name = "ADDRESS", requires = "address", default_value = "", hide_default_value = true)]
        gateway: String,
        /// Whom to ask for names; up to three, with commas between.
        #[arg(long, value_name = "ADDRESSES", requires = "address", default_value = "", hide_default_value = true)]
        dns: String,
        #[command(flatten)]
        form: Form,
    },
    /// Keep the address that is being tried. Over SSH, only from there.
    Confirm {
        #[command(flatten)]
        form: Form,
    },
    /// Take it back now.
    Revert {
        #[command(flatten)]
        form: Form,
    },
}

impl Network {
    /// `arrived_on`: by which address of the box whoever calls came.
    fn command(self, arrived_on: Option<IpAddr>) -> Result<(Command, Form), Failed> {
        let (what, form) = match self {
            Self::Show { form } => (NetworkCommand::Show, form),
            Self::Set { address: None, form, .. } => (NetworkCommand::Set { wanted: Addressing::Dhcp }, form),
            Self::Set { address: Some(address), gateway, dns, form, .. } => {
                let fixed = Fixed::parse(&address, &gateway, &dns);
                let fixed = fixed.map_err(|e| Failed { sentence: e.to_string(), kind: FailedKind::Failed })?;
                (NetworkCommand::Set { wanted: Addressing::Fixed(fixed) }, form)
            }
            Self::Confirm { form } => (NetworkCommand::Confirm { arrived_on }, form),
            Self::Revert { form } => (NetworkCommand::Revert, form),
        };
        Ok((Command::Network { what }, form))
    }
}

#[derive(Debug, Subcommand)]
enum Auth {
    /// List the accounts.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Print a link with which somebody becomes an admin, once and within three days.
    AdminLink {
        #[command(flatten)]
        form: Form,
    },
    /// Print a link with which somebody sets a new password, once and within three days.
    Link {
        /// Name of the account.
        #[arg(long, value_name = "NAME")]
        account: AccountName,
        #[command(flatten)]
        form: Form,
    },
    /// Take a lost authenticator away. An admin sets another one up when signing in.
    #[command(name = "reset-2fa")]
    ResetSecondFactor {
        /// Name of the account.
        #[arg(long, value_name = "NAME")]
        account: AccountName,
        #[command(flatten)]
        form: Form,
    },
    /// Print a link with which somebody from outside helps as a technician, or close that. The account ends by itself.
    Support {
        /// For how long, from 1 to 72.
        #[arg(long, value_name = "N", required_unless_present = "close")]
        hours: Option<SupportHours>,
        /// Close it now.
        #[arg(long, conflicts_with = "hours")]
        close: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Check that nobody has changed the audit log. Ends with 3 when somebody has.
    VerifyLog {
        #[command(flatten)]
        form: Form,
    },
}

impl Auth {
    fn command(self) -> (Command, Form) {
        let (what, form) = match self {
            Self::List { form } => (AuthCommand::List, form),
            Self::AdminLink { form } => (AuthCommand::AdminLink, form),
            Self::Link { account, form } => (AuthCommand::Link { account }, form),
            Self::ResetSecondFactor { account, form } => (AuthCommand::ResetSecondFactor { account }, form),
            Self::Support { hours, form, .. } => (AuthCommand::Support { hours }, form),
            Self::VerifyLog { form } => (AuthCommand::VerifyLog, form),
        };
        (Command::Auth { what }, form)
    }
}

/// In which form the answer is written.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Form {
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

fn language(raw: &str) -> Result<Language, String> {
    Language::of_code(raw).ok_or_else(|| "write en, fr or ru".to_owned())
}

fn percent(raw: &str) -> Result<u8, String> {
    let number = raw.strip_suffix('%').unwrap_or(raw).parse();
    number.ok().filter(|n| (1..=100).contains(n)).ok_or_else(|| "write a part from 1% to 100%".to_owned())
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { data, log, log_json, verb } = Cli::parse();
    let dir = DataDir::new(data);
    let usual = if matches!(verb, Verb::Run { .. }) { "info,actix_server=warn" } else { "warn" };
    if let Err(sentence) = start_log(log.as_deref().unwrap_or(usual), log_json) {
        return fail(&Failed { sentence, kind: FailedKind::Failed });
    }
    // Files for whoever calls are opened as whoever calls.
    let sheets = match SheetFile::of(&verb) {
        Ok(sheets) => sheets,
        Err(failed) => return fail(&failed),
    };
    // Seen by whoever calls: the box's owner does not see the processes of others.
    let arrived_on = match &verb {
        Verb::Network { what: Network::Confirm { .. } } => ssh::own_end(),
        _ => Ok(None),
    };
    let arrived_on = match arrived_on {
        Ok(arrived_on) => arrived_on,
        Err(sentence) => return fail(&Failed { sentence, kind: FailedKind::Failed }),
    };
    // Those of bundles are opened later, so that is later too.
    if !matches!(verb, Verb::Bundle { .. })
        && let Err(e) = app::act_as_owner(&dir)
    {
        return fail(&e.into());
    }
    keep_secrets_in();
    let (command, form) = match verb {
        Verb::Init => return init(&dir),
        Verb::Run { listen, machine_port, portal_listen, portal_port } => {
            let options = RunOptions { listen, machine_port, portal_listen, portal_port };
            return app::run(&dir, &options).map_or_else(|e| fail(&e.into()), |()| ExitCode::SUCCESS);
        }
        Verb::Rebuild { form } => return end(app::rebuild(&dir, &mut |line| eprintln!("{line}")), form),
        Verb::EnrolCode { machine, profile, address, form } => (Command::EnrolCode { machine, profile, address }, form),
        Verb::Status { form } => (Command::Status, form),
        Verb::Verify { sample, form } => (Command::Verify { sample }, form),
        Verb::Prune { dry_run, force, grace, form } => {
            (Command::Prune { dry_run, force, grace: grace.map(Seconds) }, form)
        }
        Verb::Kit { sheets, from, form } => match community::kit(sheets, &from) {
            Ok(command) => (command, form),
            Err(refused) => return fail(&refused),
        },
        Verb::Policy { machine, new, every, local, external, form } => {
            (Command::Policy { machine, new, every, local, external }, form)
        }
        Verb::Commission { only, form, .. } => (Command::Commission { only }, form),
        Verb::Machines { form } => (Command::Machines, form),
        Verb::Pause { machine, length, form } => (Command::Pause { machine, length }, form),
        Verb::Resume { machine, form } => (Command::Resume { machine }, form),
        Verb::Retire { machine, form } => (Command::Retire { machine }, form),
        Verb::Network { what } => match what.command(arrived_on) {
            Ok(command) => command,
            Err(refused) => return fail(&refused),
        },
        Verb::Auth { what } => what.command(),
        Verb::Bandwidth { what } => what.command(),
        Verb::Bundle { what } => return bundle::run(what, &dir),
        Verb::Community { what } => return community::run(what, &dir),
        Verb::Drill { kit, form } => match community::drill(&kit) {
            Ok(command) => (command, form),
            Err(refused) => return fail(&refused),
        },
        Verb::Recover { kit, peer, near, without_lost, one_peer, form } => {
            let consent = Consent { without_lost, one_peer };
            return community::recover(&dir, &kit, &peer, (near, consent), form);
        }
    };
    let answered = app::command(&dir, &command, &mut |line| eprintln!("{line}"));
    // What was found is on the sheets, so they come after it.
    let written = if answered.is_ok() { sheets.into_iter().try_for_each(|sheet| sheet.write(&dir)) } else { Ok(()) };
    let ended = end(answered, form);
    written.map_or_else(|failed| fail(&failed), |()| ended)
}

fn init(dir: &DataDir) -> ExitCode {
    app::init(dir, &mut |made| eprintln!("{made}")).map_or_else(|e| fail(&e.into()), |text| print(&format!("{text}\n")))
}

fn end(result: Result<Answer, Failed>, form: Form) -> ExitCode {
    match result {
        Ok(answer) => show(&answer, form),
        Err(failed) => fail(&failed),
    }
}

fn show(answer: &Answer, form: Form) -> ExitCode {
    let printed = if form.json { print(&format!("{}\n", answer.json)) } else { print(&answer.text) };
    match answer.outcome {
        Outcome::Done => printed,
        Outcome::Attention => ExitCode::from(ATTENTION),
    }
}

fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn fail(failed: &Failed) -> ExitCode {
    eprintln!("datisd: {}", failed.sentence);
    ExitCode::from(match failed.kind {
        FailedKind::Failed => FAILED,
        FailedKind::Brake => ATTENTION,
        FailedKind::Durability => DURABILITY,
    })
}

fn start_log(filter: &str, as_json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        format!("`{filter}` is no log filter ({e}); write a level such as `debug`, or `info,actix_server=warn`")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if as_json {
        log.json().try_init()
    } else {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        log.with_ansi(on_terminal).try_init()
    };
    started.map_err(|e| format!("the log cannot be started ({e})"))
}

/// Keys are in memory: no core dump holds them, and new files are for their owner only.
fn keep_secrets_in() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};
    if let Err(e) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(error = %e, "Core dumps could not be switched off");
    }
    umask(rustix::fs::Mode::from_bits_truncate(0o077));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_data_may_stand_on_either_side() {
        Cli::command().debug_assert();
        for line in ["datisd --data /x status --json", "datisd status --json --data /x"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.data, PathBuf::from("/x"));
            assert!(matches!(cli.verb, Verb::Status { form: Form { json: true } }));
        }
    }

    #[test]
    fn nonsense_is_refused_before_anything_is_opened() {
        for line in [
            "datisd",
            "datisd enrol-code --machine a/b --profile server",
            "datisd enrol-code --machine a --profile fridge",
            "datisd enrol-code --machine a --profile server --address a:b",
            "datisd verify --sample 0%",
            "datisd verify --sample 101%",
            "datisd policy --every 1h",
            "datisd policy --machine a --local 30d",
            "datisd policy --new fridge --every 1h",
            "datisd policy --new server --machine a",
            "datisd bundle",
            "datisd bundle apply --key abcd",
            "datisd bundle sign what.json --out bundle.json",
            "datisd run --machine-port 70000",
            "datisd commission --only lan",
            "datisd commission --certificate /x --language de",
            "datisd auth support",
            "datisd auth support --hours 73",
            "datisd auth support --hours 1 --close",
            "datisd network set",
            "datisd network set --dhcp --address 10.0.0.1/8",
            "datisd network set --dhcp --gateway 10.0.0.1",
            "datisd forget",
        ] {
            let refused = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(refused.exit_code(), 2, "{line}");
        }
        let sampled = Cli::try_parse_from(["datisd", "verify", "--sample", "10%"]).expect("sample");
        assert!(matches!(sampled.verb, Verb::Verify { sample: Some(10), .. }));
    }
}
