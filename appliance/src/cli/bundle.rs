//! `datisd bundle`: what resellers do on their own computer, and what is asked of a box.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use data_encoding::BASE64;
use datis_engine::units::UnixMillis;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Form, end, fail};
use crate::app;
use crate::bundle::{self, Content, ENVELOPE_MAX, Envelope};
use crate::config::{DataDir, KeyPrint};
use crate::control::{Answer, BundleCommand, Command, Failed, FailedKind, Outcome, with_causes};
use crate::files;

/// Files that are read here are no longer, in bytes.
const FILE_MAX: u64 = ENVELOPE_MAX as u64;

#[derive(Debug, Subcommand)]
pub(super) enum Bundle {
    /// Make a key that bundles are signed with, for resellers, and print its fingerprint. Keep it away from boxes.
    Key {
        /// Where to write it; nothing is replaced.
        file: PathBuf,
        #[command(flatten)]
        form: Form,
    },
    /// Check what a bundle is to say, and sign it.
    Sign {
        /// What it is to say, JSON.
        content: PathBuf,
        /// The key to sign with.
        #[arg(long, value_name = "FILE")]
        signing_key: PathBuf,
        /// Where to write the bundle.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        form: Form,
    },
    /// Check a bundle, and say whose it is and what it sets. No box is needed, and nothing is changed.
    Check {
        /// The bundle.
        file: PathBuf,
        /// The fingerprint of the key that is to have signed it.
        #[arg(long, value_name = "FINGERPRINT")]
        key: Option<KeyPrint>,
        #[command(flatten)]
        form: Form,
    },
    /// Set what a bundle says. Only as long as the box has no admin.
    Apply {
        /// The bundle [default: DIR/bundle.json, else `bundle.url` of datisd.toml].
        file: Option<PathBuf>,
        /// The fingerprint of the key that is believed [default: `bundle.key` of datisd.toml].
        #[arg(long, value_name = "FINGERPRINT")]
        key: Option<KeyPrint>,
        /// Also one that is older than the one before.
        #[arg(long)]
        older: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Show which bundle was applied, and why the last one was not taken.
    Show {
        #[command(flatten)]
        form: Form,
    },
}

/// Does what was asked: files first, as whoever calls, and only then whatever the box has to do, as its owner.
pub(super) fn run(what: Bundle, dir: &DataDir) -> ExitCode {
    match what {
        Bundle::Key { file, form } => end(make_key(&file), form),
        Bundle::Sign { content, signing_key, out, form } => end(sign(&content, &signing_key, &out), form),
        Bundle::Check { file, key, form } => end(check(&file, key), form),
        Bundle::Apply { file, key, older, form } => match file.map(|file| read(&file)).transpose() {
            Ok(bytes) => ask(dir, BundleCommand::Apply { file: bytes.map(|b| BASE64.encode(&b)), key, older }, form),
            Err(failed) => fail(&failed),
        },
        Bundle::Show { form } => ask(dir, BundleCommand::Show, form),
    }
}

fn ask(dir: &DataDir, what: BundleCommand, form: Form) -> ExitCode {
    match app::act_as_owner(dir) {
        Ok(()) => end(app::command(dir, &Command::Bundle { what }, &mut |line| eprintln!("{line}")), form),
        Err(e) => fail(&e.into()),
    }
}

fn make_key(path: &Path) -> Result<Answer, Failed> {
    let pem = bundle::new_key_pem().map_err(|e| failed(&e))?;
    let key = bundle::key_from_pem(pem.as_bytes()).map_err(|e| failed(&e))?;
    // The file itself, and nothing beside it: no leftover holds a key.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|e| at(path, &e))?;
    let print = KeyPrint::of(&key.public_key());
    let text = format!(
        "The key is in {}. Keep it away from boxes, and a copy of it elsewhere.\nIts fingerprint, for datisd.toml or for \
         paper:\n{print}\n",
        path.display()
    );
    Ok(Answer { text, json: json!({ "key": print }), outcome: Outcome::Done })
}

fn sign(content: &Path, key: &Path, out: &Path) -> Result<Answer, Failed> {
    for input in [content, key] {
        if is_same(input, out) {
            let sentence = format!("{} is what is read; choose another name for the bundle", out.display());
            return Err(Failed { sentence, kind: FailedKind::Failed });
        }
    }
    let bytes = read(content)?;
    let parsed = Content::parse(&bytes).map_err(|e| at(content, &e))?;
    in_time(content, &parsed)?;
    let key = bundle::key_from_pem(&Zeroizing::new(read(key)?)).map_err(|e| at(key, &e))?;
    let sealed = Envelope::seal(&bytes, &key).map_err(|e| failed(&e))?;
    put(out, &sealed).map_err(|e| at(out, &e))?;
    Ok(said(&parsed, KeyPrint::of(&key.public_key()), &format!("Signed: {}", out.display())))
}

/// Whether both lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    file(one).is_some_and(|one| file(other) == Some(one))
}

/// Beside it first: a link in its place is replaced and not followed, and the one before stays until this one is whole.
fn put(out: &Path, sealed: &[u8]) -> std::io::Result<()> {
    let mut name = out.file_name().ok_or(std::io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = out.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    // It holds no secret, and whoever puts it onto boxes has to read it.
    let written = file.set_permissions(PermissionsExt::from_mode(0o644)).and_then(|()| file.write_all(sealed));
    let put = written.and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&beside, out));
    if put.is_err() {
        // What was refused says more than what cannot be removed.
        let _ = std::fs::remove_file(&beside);
    }
    put
}

fn check(path: &Path, wanted: Option<KeyPrint>) -> Result<Answer, Failed> {
    let envelope = Envelope::open(&read(path)?).map_err(|e| at(path, &e))?;
    let found = envelope.key_print();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        let sentence = format!("{} is signed with the key {found}, not with {wanted}", path.display());
        return Err(Failed { sentence, kind: FailedKind::Failed });
    }
    let content = Content::parse(&envelope.content).map_err(|e| at(path, &e))?;
    in_time(path, &content)?;
    Ok(said(&content, found, "A box that believes this key would take it."))
}

/// Boxes have a clock of their own; this is what they would say by this one.
fn in_time(path: &Path, content: &Content) -> Result<(), Failed> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    if content.not_after.is_over(UnixMillis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))) {
        let sentence = format!("{}: no box would take it, its last day {} is over", path.display(), content.not_after);
        return Err(Failed { sentence, kind: FailedKind::Failed });
    }
    Ok(())
}

fn said(content: &Content, key: KeyPrint, last: &str) -> Answer {
    let mut lines = bundle::sentences(content);
    lines.push(format!("signed with the key {key}"));
    lines.push(last.to_owned());
    Answer {
        text: lines.join("\n") + "\n",
        json: json!({ "key": key, "serial": content.serial, "reseller": content.reseller.name.as_str() }),
        outcome: Outcome::Done,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    let read = files::read_if_there(path, FILE_MAX).map_err(|e| failed(&e))?;
    read.ok_or_else(|| Failed { sentence: format!("{} is not there", path.display()), kind: FailedKind::Failed })
}

fn at(path: &Path, error: &dyn std::error::Error) -> Failed {
    Failed { sentence: format!("{}: {}", path.display(), with_causes(error)), kind: FailedKind::Failed }
}

fn failed(error: &dyn std::error::Error) -> Failed {
    Failed { sentence: with_causes(error), kind: FailedKind::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_replaces_neither_what_it_is_made_of_nor_what_a_link_leads_to() {
        let dir = tempfile::tempdir().expect("dir");
        let path = |name: &str| dir.path().join(name);
        make_key(&path("key.pem")).map_err(|e| e.sentence).expect("key");
        let mode = |name: &str| std::fs::symlink_metadata(path(name)).expect("there").mode() & 0o7777;
        assert_eq!(mode("key.pem"), 0o600);
        assert!(make_key(&path("key.pem")).is_err(), "nothing is replaced");
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).expect("link");
        assert!(make_key(&path("dangling")).is_err() && !path("nowhere").exists());
        let content =
            "{\"format\":1,\"reseller\":{\"name\":\"x\",\"contact\":\"y\"},\"serial\":1,\"not_after\":\"2099-12-31\"}";
        std::fs::write(path("content.json"), content).expect("content");
        std::os::unix::fs::symlink(path("key.pem"), path("link")).expect("link");
        let key = std::fs::read(path("key.pem")).expect("key");
        for out in ["content.json", "key.pem", "link"] {
            assert!(sign(&path("content.json"), &path("key.pem"), &path(out)).is_err(), "{out}");
        }
        assert_eq!(std::fs::read(path("key.pem")).expect("key"), key);
        std::fs::write(path("precious"), "precious").expect("file");
        std::os::unix::fs::symlink(path("precious"), path("out")).expect("link");
        let signed = sign(&path("content.json"), &path("key.pem"), &path("out"));
        signed.map_err(|e| e.sentence).expect("signed");
        assert_eq!((mode("out"), std::fs::read(path("precious")).expect("file")), (0o644, b"precious".to_vec()));
        assert!(Envelope::open(&std::fs::read(path("out")).expect("bundle")).is_ok());
        assert!(
            std::fs::read_dir(dir.path()).expect("dir").all(|e| !e
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .ends_with(".new"))
        );
    }
}
