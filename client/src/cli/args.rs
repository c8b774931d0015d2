//! The command line, as clap reads it. What the commands do stands elsewhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{SourceKind, SourceName};

use crate::platform::names::bytes_of;
use crate::requests::{Beforehand, Mark};
use crate::restore::Mode;
use crate::snapshots::Selector;

/// Backs this machine up to its Datis box, and gets everything back.
#[derive(Debug, Parser)]
#[command(
    name = "datis",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong command line · 3 done but for some entries · 4 postponed · \
    10 not enrolled · 11 busy · 12 key or certificate refused · 13 box unreachable · 14 box full · 130 interrupted."
)]
pub(super) struct Arguments {
    /// Where this machine's enrolment and caches are [default: /var/lib/datis-client for root, else ~/.local/state/datis]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(super) state: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Join a box, with the URI that its admin made for this machine
    Enrol(EnrolArguments),
    /// Make a snapshot of files or of a stream on the box
    Backup(BackupArguments),
    /// List this machine's snapshots, newest first
    Snapshots(SnapshotsArguments),
    /// List what a snapshot lacks because it could not be read
    Problems(ProblemsArguments),
    /// List what is in a snapshot
    Ls(LsArguments),
    /// Search for names, in all snapshots or in one
    Find(FindArguments),
    /// Show what is different between two snapshots
    Diff(DiffArguments),
    /// Write one file to standard output
    Cat(CatArguments),
    /// Get files back
    Restore(RestoreArguments),
    /// Show all snapshots as a read-only file system, until it is unmounted or this is stopped
    Mount(MountArguments),
    /// What the box's admin asks to put back on this machine: list it, agree to it or refuse it
    Requests(RequestsArguments),
    /// Say how this machine, its box and its sources stand
    Status(StatusArguments),
    /// Back up whatever is due by the box's policy, until this is stopped
    Service,
}

#[derive(Debug, Args)]
pub(super) struct EnrolArguments {
    /// The whole line that starts with datis://
    // Parsed later: clap's message about an argument shows all of it, and the code in it is a secret.
    #[arg(value_name = "URI")]
    pub(super) uri: String,
    /// Replace an earlier enrolment; this machine's key is kept
    #[arg(long)]
    pub(super) again: bool,
}

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// Files and directories; links given here are followed, links found below are kept as links
    #[arg(value_name = "PATH", required_unless_present = "stdin", value_hint = ValueHint::AnyPath)]
    pub(super) paths: Vec<PathBuf>,
    /// Back up what comes on standard input, as one file named like the source
    #[arg(long, conflicts_with = "paths", requires = "source")]
    pub(super) stdin: bool,
    /// What to call it; snapshots of one name follow one another [default: the last part of PATH]
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<SourceName>,
    /// How to cut it: files, database (many small changes in place) or image [default: files; database with --stdin]
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<SourceKind>,
    /// Leave out what matches, in the manner of .gitignore; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Do not enter other file systems
    #[arg(long)]
    pub(super) one_file_system: bool,
    /// Print JSON lines: progress, then a summary
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SnapshotsArguments {
    /// Only those of one source
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<SourceName>,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ProblemsArguments {
    /// The first digits of its id, `latest`, or `SOURCE@latest`
    #[arg(value_name = "SNAPSHOT")]
    pub(super) snapshot: Selector,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LsArguments {
    /// A snapshot (the first digits of its id, `latest`, or `SOURCE@latest`), and which directory of it: the top, or PATH
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = Spot::parser())]
    pub(super) what: Spot,
    /// Also what is in the directories, all the way down
    #[arg(short = 'R', long)]
    pub(super) recursive: bool,
    /// With mode, owner, size and time
    #[arg(short, long)]
    pub(super) long: bool,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct FindArguments {
    /// A name, or a path from the top if it has a slash; *, ? and [] as in .gitignore
    #[arg(value_name = "PATTERN")]
    pub(super) pattern: String,
    /// Only in this snapshot [default: in all; each version once, with the newest snapshot that has it]
    #[arg(long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<Selector>,
    /// Only in snapshots of one source
    #[arg(long, value_name = "NAME", conflicts_with = "snapshot")]
    pub(super) source: Option<SourceName>,
    /// Take small and capital letters for the same
    #[arg(short, long)]
    pub(super) ignore_case: bool,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The earlier snapshot
    #[arg(value_name = "A")]
    pub(super) before: Selector,
    /// The later snapshot
    #[arg(value_name = "B")]
    pub(super) after: Selector,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CatArguments {
    /// A snapshot and the path of a file in it
    #[arg(value_name = "SNAPSHOT:PATH", value_parser = Spot::parser())]
    pub(super) what: Spot,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// A snapshot (the first digits of its id, `latest`, or `SOURCE@latest`), and what of it: all, or one path
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = Spot::parser())]
    pub(super) what: Spot,
    /// The directory to restore into; it is made if it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) to: PathBuf,
    /// Only into an empty directory, beside what is there (with a date), or over it
    #[arg(long, value_name = "empty|beside|overwrite", default_value = "empty")]
    pub(super) mode: Mode,
    /// Also wait until the disk has all of it
    #[arg(long)]
    pub(super) sync: bool,
    /// Only say what would be done, and whether there is room for it
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON lines: progress, then a summary
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MountArguments {
    /// An empty directory; below it are SOURCE/TIME/… and SOURCE/latest
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) dir: PathBuf,
    /// Let other users of this machine look too, as far as the files' modes allow
    #[arg(long)]
    pub(super) allow_other: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RequestsArguments {
    #[command(subcommand)]
    pub(super) what: Option<RequestsCommand>,
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RequestsCommand {
    /// Agree to a request: it is carried out at once
    Accept {
        /// Number and letters as the list shows them: what is agreed to is what was shown
        #[arg(value_name = "NUMBER-LETTERS")]
        mark: Mark,
    },
    /// Refuse a request
    Refuse {
        /// Its number in the list, with or without the letters
        #[arg(value_name = "NUMBER", value_parser = number)]
        request: u64,
    },
    /// Say which requests the service may carry out without asking: none, those that replace nothing, or all
    Allow {
        /// Which
        #[arg(value_name = "ask|beside|all")]
        agreed: Beforehand,
    },
    /// Carry out what was agreed to beforehand; the service does this
    #[command(hide = true)]
    Serve,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The number of a request, which may have the letters of its mark behind it.
fn number(raw: &str) -> Result<u64, String> {
    match raw.parse::<Mark>() {
        Ok(mark) => Ok(mark.request),
        Err(_) => raw.parse().map_err(|_| "use a number from `datis requests`".to_owned()),
    }
}

/// A snapshot and, if one is named, a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) snapshot: Selector,
    pub(super) path: Option<EntryPath>,
}

impl Spot {
    /// Paths need not be UTF-8, so this does not go through text.
    fn parser() -> impl clap::builder::TypedValueParser<Value = Self> {
        use clap::builder::TypedValueParser;
        clap::builder::OsStringValueParser::new().try_map(Self::parse)
    }

    fn parse(raw: OsString) -> Result<Self, String> {
        let raw = bytes_of(Path::new(&raw));
        let (snapshot, path) = match raw.iter().position(|b| *b == b':') {
            Some(colon) => (&raw[..colon], &raw[colon + 1..]),
            None => (&raw[..], &b""[..]),
        };
        let snapshot = String::from_utf8_lossy(snapshot).parse::<Selector>().map_err(|e| e.to_string())?;
        let is_everything = path.iter().all(|b| *b == b'/');
        let path = if is_everything { None } else { Some(EntryPath::from_user(path).map_err(|e| e.to_string())?) };
        Ok(Self { snapshot, path })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::platform::names::path_of;

    fn spot(raw: &[u8]) -> Result<Spot, String> {
        Spot::parse(path_of(raw).into_owned().into_os_string())
    }

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_snapshot_and_a_path_are_told_apart_at_the_first_colon() {
        let found = spot(b"my docs@latest:/home/a:b/\xff").expect("sound");
        assert_eq!(found.snapshot, Selector::LatestOf("my docs".parse().expect("name")));
        assert_eq!(found.path.expect("path").as_bytes(), b"home/a:b/\xff");
        for whole in [&b"latest"[..], b"latest:", b"latest:/"] {
            assert_eq!(spot(whole).expect("sound").path, None);
        }
        for bad in [&b""[..], b":/etc", b"latest:../x", b"xyz:/etc"] {
            assert!(spot(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn the_state_directory_may_be_named_before_or_after_the_command() {
        for line in [["datis", "--state", "/s", "snapshots"], ["datis", "snapshots", "--state", "/s"]] {
            assert_eq!(Arguments::try_parse_from(line).expect("sound").state, Some(PathBuf::from("/s")));
        }
        assert!(Arguments::try_parse_from(["datis", "backup"]).is_err(), "nothing to back up");
        assert!(Arguments::try_parse_from(["datis", "backup", "--stdin"]).is_err(), "a stream needs a name");
        assert!(Arguments::try_parse_from(["datis", "forget", "abcd"]).is_err(), "machines cannot delete");
    }
}
