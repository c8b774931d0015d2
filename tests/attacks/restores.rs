//! Every lie of the corpus, restored into empty targets and into targets with traps, by root and by a user without rights.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::arena::{Arena, Ended, Seen, Verdict, Who, census, ensure};
use crate::corpus::{Case, Wants, corpus};
use crate::forge::{DATA, Forge};
use crate::hostile::Script;

impl Case {
    fn script(&self, arena: &Arena) -> Script {
        let mut forge = Forge::new();
        let root = (self.make)(&mut forge, arena.outside().to_str().expect("UTF-8"));
        forge.sign(root, arena.key())
    }
}

/// Restores every case with `more` arguments and looks at everything outside of the target before and after. All are
/// tried, so that one run shows all that is wrong.
fn restore_all(who: Who, more: &[&str], prepare: &dyn Fn(&Path), check: &dyn Fn(&Case, &Arena, &Ended) -> Verdict) {
    let arena = Arena::new(who);
    let failures: Vec<String> = corpus().iter().filter_map(|case| trial(&arena, case, more, prepare, check)).collect();
    assert!(failures.is_empty(), "{} lies did harm:\n{}", failures.len(), failures.join("\n"));
}

/// What went wrong with one case.
fn trial(
    arena: &Arena,
    case: &Case,
    more: &[&str],
    prepare: &dyn Fn(&Path),
    check: &dyn Fn(&Case, &Arena, &Ended) -> Verdict,
) -> Option<String> {
    arena.play(case.script(arena));
    prepare(&arena.fresh_target());
    let before = arena.surroundings();
    let ended = arena.restore(more);
    let verdict = unchanged(&before, &arena.surroundings())
        .and_then(|()| ended.is_civil())
        .and_then(|()| check(case, arena, &ended));
    verdict.err().map(|why| format!("{}: it {why}: {}", case.name, ended.short()))
}

fn unchanged(before: &BTreeMap<PathBuf, Seen>, after: &BTreeMap<PathBuf, Seen>) -> Verdict {
    for (path, seen) in before {
        ensure(after.get(path) == Some(seen), || format!("changed {}", path.display()))?;
    }
    let new = after.keys().find(|path| !before.contains_key(*path));
    ensure(new.is_none(), || format!("made {new:?}"))
}

fn check_fresh(case: &Case, arena: &Arena, ended: &Ended) -> Verdict {
    let restored: Vec<_> = census(&arena.target(), None).into_keys().filter(|path| *path != arena.target()).collect();
    let ended_with = |codes: &[i32]| ensure(codes.contains(&ended.code()), || format!("did not end with {codes:?}"));
    match case.wants {
        Wants::Whole => {
            ended_with(&[0])?;
            ensure(!restored.is_empty() || case.name == "an empty listing", || "restored nothing".to_owned())
        }
        Wants::Partly(names) => {
            ended_with(&[3])?;
            for name in names {
                let found = fs::read(arena.target().join(name)).ok();
                ensure(found.as_deref() == Some(DATA), || format!("did not restore {name}"))?;
            }
            ensure(restored.len() == names.len(), || format!("restored {restored:?}"))
        }
        Wants::Nothing => {
            ended_with(&[1, 3])?;
            ensure(restored.is_empty(), || format!("restored {restored:?}"))
        }
        Wants::NoHarm => Ok(()),
    }
}

#[test]
fn a_lying_snapshot_restored_into_an_empty_directory_does_no_harm_and_what_is_sound_of_it_is_restored() {
    restore_all(Who::Self_, &[], &|_| (), &check_fresh);
}

#[test]
fn a_user_without_rights_gets_no_device_no_set_id_and_nothing_outside_of_the_target() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    restore_all(Who::Nobody, &[], &|_| (), &|case, arena, ended| {
        check_fresh(case, arena, ended)?;
        for path in census(&arena.target(), None).into_keys() {
            let meta = path.symlink_metadata().expect("stat");
            let kind = meta.file_type();
            let is_device = kind.is_block_device() || kind.is_char_device();
            ensure(!is_device && meta.mode() & 0o6000 == 0, || format!("made {} with rights", path.display()))?;
        }
        Ok(())
    });
}

/// Whatever the corpus restores, something is there already that leads out.
fn set_traps(target: &Path) {
    for (name, leads_to) in [
        ("a", "../outside"),
        ("b", "../outside/secret"),
        ("d", "../outside"),
        ("m", "../outside/planted"),
        ("planted", "../outside/planted"),
        ("sound", "../outside/secret"),
        (".datis-restore-probe", "../outside/planted"),
    ] {
        symlink(leads_to, target.join(name)).expect("symlink");
    }
    let fifo = target.join("c");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("mkfifo");
}

#[test]
fn links_that_stand_in_the_target_are_replaced_and_never_written_through() {
    restore_all(Who::Self_, &["--mode", "overwrite"], &set_traps, &|case, arena, ended| {
        let Wants::Partly(names) = case.wants else { return Ok(()) };
        ensure(ended.code() == 3, || "did not end with 3".to_owned())?;
        let found = |name| arena.target().join(name).symlink_metadata().is_ok_and(|meta| meta.is_file());
        ensure(names.iter().all(found), || format!("did not restore {names:?}"))
    });
}

#[test]
fn what_is_restored_beside_links_leaves_them_as_they_are() {
    restore_all(Who::Self_, &["--mode", "beside"], &set_traps, &|_, arena, _| {
        let gone = ["a", "b", "d", "m", "sound"].into_iter().find(|name| !arena.target().join(name).is_symlink());
        ensure(gone.is_none(), || format!("took {gone:?} away"))
    });
}

#[test]
fn a_file_that_has_a_second_name_outside_of_the_target_is_replaced_and_not_written_into() {
    let arena = Arena::new(Who::Self_);
    let target = arena.fresh_target();
    fs::hard_link(arena.outside().join("secret"), target.join("a")).expect("link");
    let mut forge = Forge::new();
    let file = forge.file();
    let root = forge.leaf(&[(b"a", file)]);
    arena.play(forge.sign(root, arena.key()));
    let ended = arena.restore(&["--mode", "overwrite"]);
    assert_eq!(ended.code(), 0, "{}", ended.short());
    assert_eq!(fs::read(target.join("a")).expect("restored"), DATA);
    assert_eq!(fs::read(arena.outside().join("secret")).expect("there"), b"not yours");
}

#[test]
fn a_lying_snapshot_can_be_looked_at_without_harm() {
    let arena = Arena::new(Who::Self_);
    let mut failures = Vec::new();
    for case in corpus() {
        arena.play(case.script(&arena));
        for args in [&["ls", "latest", "-R"][..], &["find", "planted"]] {
            let ended = arena.run(args);
            if let Err(why) = ended.is_civil() {
                failures.push(format!("{args:?} of {}: it {why}: {}", case.name, ended.short()));
            }
        }
    }
    assert!(failures.is_empty(), "{} did harm:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_printed_of_a_lying_file_is_never_called_complete() {
    let arena = Arena::new(Who::Self_);
    let mut failures = Vec::new();
    for case in corpus().into_iter().filter(|case| matches!(case.wants, Wants::Partly(["sound"]) | Wants::Nothing)) {
        arena.play(case.script(&arena));
        let ended = arena.run(&["cat", "latest:a"]);
        let refused = ensure([1, 3].contains(&ended.code()), || "was called complete, or did not end".to_owned());
        if let Err(why) = refused.and_then(|()| ended.is_civil()) {
            failures.push(format!("{}: it {why}: {}", case.name, ended.short()));
        }
    }
    assert!(failures.is_empty(), "{} did harm:\n{}", failures.len(), failures.join("\n"));
}
