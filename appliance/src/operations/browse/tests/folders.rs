//! Folders, entries, and who may see them.

use super::*;

fn names(site: &Arc<Site>, id: &SnapshotId, at: Option<&str>) -> Vec<String> {
    let at = at.map(path);
    let page = folder(site, &Scope::All, id, at.as_ref(), None, PAGE_MAX).expect("folder");
    assert_eq!(page.next, None);
    let shown = |e: &FolderEntry| format!("{} {}", String::from_utf8_lossy(&e.name), e.kind.word());
    page.entries.iter().map(shown).collect()
}

#[test]
fn a_folder_shows_what_is_directly_in_it_folders_first() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let receipt = client.back_up_tree(
        site,
        tree(&[
            ("home", Planted::Dir),
            ("home/a.txt", file(b"12345")),
            ("home/link", Planted::Symlink(b"/etc")),
            ("home/pipe", Planted::Fifo),
            ("home/z", Planted::Dir),
            ("home/z/deep", file(b"1")),
            ("home/z-", file(b"")),
            // Nothing says what `srv` and `srv/data` are: they are only on the way.
            ("srv/data/x", file(b"x")),
            ("top", file(b"t")),
        ]),
    );
    let id = receipt.snapshot;
    assert_eq!(names(site, &id, None), ["home dir", "srv dir", "top file"]);
    assert_eq!(names(site, &id, Some("home")), ["z dir", "a.txt file", "link symlink", "pipe fifo", "z- file"]);
    assert_eq!(names(site, &id, Some("srv")), ["data dir"]);
    assert_eq!(names(site, &id, Some("srv/data")), ["x file"]);
    for absent in ["home/a.txt", "home/q", "hom", "srv/data/x", "srv/dat"] {
        assert!(is_not_found(folder(site, &Scope::All, &id, Some(&path(absent)), None, 10)), "{absent}");
    }
    let page = folder(site, &Scope::All, &id, None, None, 10).expect("folder");
    let known: Vec<_> = page.entries.iter().map(|e| e.known.map(|(time, mode)| (time.seconds, mode))).collect();
    assert_eq!(known, [Some((1_700_000_000, 0o755)), None, Some((1_700_000_000, 0o644))]);

    let link = entry(site, &Scope::All, &id, &path("home/link")).expect("entry");
    assert_eq!((link.kind, link.target.as_deref()), (EntryKind::Symlink, Some(&b"/etc"[..])));
    assert_eq!(entry(site, &Scope::All, &id, &path("home/a.txt")).expect("entry").size, 5);
    assert!(is_not_found(entry(site, &Scope::All, &id, &path("srv"))));
}

#[test]
fn an_empty_snapshot_has_an_empty_top() {
    let test = TestBox::start();
    let client = Client::enrol(test.site(), "alice");
    let id = client.back_up_tree(test.site(), Vec::new()).snapshot;
    assert_eq!(names(test.site(), &id, None), [""; 0]);
}

#[test]
fn pages_give_every_entry_once_whatever_their_length() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let mut entries = vec![("d".to_owned(), Planted::Dir)];
    for number in 0..120 {
        entries.push((format!("d/f{number:03}"), file(b"")));
        entries.push((format!("d/s{number:03}"), Planted::Dir));
        entries.push((format!("d/s{number:03}/below"), file(b"")));
    }
    let entries: Vec<_> = entries.into_iter().map(|(path, planted)| (path.into_bytes(), planted)).collect();
    let id = client.back_up_tree(site, entries).snapshot;
    for limit in [1, 7, 120, 239, 240, 1_000] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = folder(site, &Scope::All, &id, Some(&path("d")), after.as_ref(), limit).expect("folder");
            assert!(page.entries.len() <= limit && !page.entries.is_empty());
            all.extend(page.entries);
            let Some(next) = page.next else { break };
            // Through its text form, as a page's address has it.
            after = Some(next.to_string().parse().expect("cursor"));
        }
        assert_eq!(all.len(), 240, "{limit}");
        assert!(
            all.windows(2).all(|pair| (pair[0].kind != EntryKind::Dir, &pair[0].name)
                < (pair[1].kind != EntryKind::Dir, &pair[1].name))
        );
    }
}

#[test]
fn a_very_large_folder_comes_in_pages_of_the_listing() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let entries = (0..25_000).map(|n| (format!("many/{n:05}").into_bytes(), Planted::Fifo)).collect();
    let id = client.back_up_tree(site, entries).snapshot;
    let (mut count, mut after) = (0, None);
    loop {
        let page = folder(site, &Scope::All, &id, Some(&path("many")), after.as_ref(), PAGE_MAX).expect("folder");
        assert_eq!(page.entries[0].name, format!("{count:05}").into_bytes());
        count += page.entries.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(count, 25_000);
}

#[test]
fn places_in_a_folder_that_nobody_gave_do_no_harm() {
    for bad in ["", "d", "x61", "d6", "dzz", "d2f", "d00zz", "é61", "d616G"] {
        assert!(bad.parse::<PageCursor>().is_err(), "{bad}");
    }
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let id = client.back_up_tree(site, tree(&[("a", file(b"1")), ("b", Planted::Dir)])).snapshot;
    for odd in ["d2e2e", "nff", "f00", "n7a"] {
        let page = folder(site, &Scope::All, &id, None, Some(&odd.parse().expect(odd)), 10);
        assert!(matches!(&page, Ok(page) if page.entries.len() <= 2) || is_not_found(page), "{odd}");
    }
}

#[test]
fn what_is_not_in_the_scope_looks_like_what_is_not_there() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let id = alice.back_up_tree(site, tree(&[("a", file(b"1"))])).snapshot;
    for (scope, sees) in [
        (Scope::All, true),
        (only(&[alice.machine.id, bob.machine.id]), true),
        (only(&[bob.machine.id]), false),
        (only(&[]), false),
    ] {
        let looks = [
            is_not_found(folder(site, &scope, &id, None, None, 10)),
            is_not_found(entry(site, &scope, &id, &path("a"))),
            is_not_found(timeline(site, &scope, &alice.machine.id, &source())),
        ];
        assert_eq!(looks, [!sees; 3], "{scope:?}");
    }
    assert!(is_not_found(folder(site, &Scope::All, &SnapshotId::from_bytes([7; 32]), None, None, 10)));
    assert!(is_not_found(timeline(site, &Scope::All, &MachineId::from_bytes([7; 16]), &source())));
    assert!(is_not_found(timeline(site, &Scope::All, &bob.machine.id, &source())));
}

#[test]
fn the_timeline_has_every_snapshot_newest_first() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let first = client.back_up_tree(site, tree(&[("a", file(b"12"))]));
    let second = client.back_up_tree(site, tree(&[("a", file(b"12")), ("b", file(b"345"))]));
    let moments = timeline(site, &Scope::All, &client.machine.id, &source()).expect("timeline");
    let seen: Vec<_> = moments.iter().map(|m| (m.id, m.received_at, m.entries, m.bytes, m.state.word())).collect();
    assert_eq!(
        seen,
        [
            (second.snapshot, second.received_at, 2, 5, "complete"),
            (first.snapshot, first.received_at, 1, 2, "complete")
        ]
    );
}

#[test]
fn a_folder_whose_packs_are_gone_says_so() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let id = client.back_up_tree(site, tree(&[("a", file(b"12"))])).snapshot;
    lose_packs(site);
    assert!(folder(site, &Scope::All, &id, None, None, 10).expect("an answer").is_damaged);
    assert!(matches!(entry(site, &Scope::All, &id, &path("a")), Err(BrowseError::Unreadable(_))));
}
