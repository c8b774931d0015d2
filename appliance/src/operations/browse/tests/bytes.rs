//! Bytes of files, whole and in parts.

use std::io::Read;

use super::*;

fn read(site: &Arc<Site>, id: &SnapshotId, at: &str, offset: u64, len: u64) -> Result<Vec<u8>, BrowseError> {
    let mut reader = read_file(site, &Scope::All, id, &path(at), offset, len)?;
    let mut bytes = Vec::new();
    let left = reader.left();
    while let Some(piece) = reader.next_piece()? {
        assert!(!piece.is_empty());
        bytes.extend_from_slice(piece);
    }
    assert_eq!((bytes.len() as u64, reader.left()), (left, 0));
    Ok(bytes)
}

#[test]
fn every_part_of_every_file_comes_out_as_it_went_in() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let large = noise(300_000, 1);
    let (data, mut sparse) = (noise(10_000, 2), vec![0; 40_000]);
    sparse[5_000..9_000].copy_from_slice(&data[..4_000]);
    sparse[20_000..26_000].copy_from_slice(&data[4_000..]);
    let files = [
        ("empty", file(b""), Vec::new()),
        ("hole", Planted::Sparse(30_000, vec![], vec![]), vec![0; 30_000]),
        ("large", file(&large), large.clone()),
        ("name-1", Planted::Linked(7, large.clone()), large.clone()),
        ("name-2", Planted::Linked(7, large.clone()), large.clone()),
        ("small", file(b"hello"), b"hello".to_vec()),
        ("sparse", Planted::Sparse(40_000, vec![(5_000, 4_000), (20_000, 6_000)], data), sparse),
    ];
    let entries: Vec<_> = files.iter().map(|(name, planted, _)| (*name, planted.clone())).collect();
    let id = client.back_up_tree(site, tree(&entries)).snapshot;
    for (name, _, whole) in &files {
        assert_eq!(&read(site, &id, name, 0, u64::MAX).expect(name), whole, "{name}");
        let len = whole.len();
        for (offset, count) in [
            (0, 0),
            (0, 1),
            (len / 2, 1),
            (len / 3, len / 3),
            (4_999, 2),
            (5_000, 4_000),
            (8_999, 11_002),
            (4_096, 4_096),
            (19_999, 1),
            (25_999, 2),
            (len, 1),
            (len + 7, 5),
        ] {
            let part = read(site, &id, name, offset as u64, count as u64).expect(name);
            let expected = &whole[offset.min(len)..(offset + count).clamp(offset.min(len), len)];
            assert_eq!(part, expected, "{name} {offset} {count}");
        }
    }
    let mut by_read = Vec::new();
    let mut reader = read_file(site, &Scope::All, &id, &path("large"), 3, u64::MAX).expect("open");
    reader.read_to_end(&mut by_read).expect("read");
    assert_eq!(by_read, large[3..]);
    assert_eq!(reader.detail().size, 300_000);
    assert!(read_file(site, &Scope::All, &id, &path("name-1"), 0, 0).expect("open").detail().hard_link.is_some());
}

#[test]
fn what_is_no_file_has_no_bytes_and_what_is_not_there_is_not_found() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let entries =
        tree(&[("d", Planted::Dir), ("f", file(b"1")), ("link", Planted::Symlink(b"f")), ("pipe", Planted::Fifo)]);
    let id = alice.back_up_tree(site, entries).snapshot;
    for (name, sort) in [("d", "dir"), ("link", "symlink"), ("pipe", "fifo")] {
        let refused = read(site, &id, name, 0, 1);
        assert!(matches!(refused, Err(BrowseError::NoFile { word }) if word == sort), "{name}");
    }
    assert!(is_not_found(read(site, &id, "g", 0, 1)));
    let foreign = read_file(site, &only(&[bob.machine.id]), &id, &path("f"), 0, 1);
    assert!(is_not_found(foreign.map(|reader| reader.left())));
}

#[test]
fn a_damaged_file_ends_with_an_error_and_the_sound_one_beside_it_does_not() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    client.back_up_tree(site, tree(&[("sound", file(&noise(9_000, 1)))]));
    let before = packs(site);
    // The second backup puts the new file into a pack of its own, and the listing into the same.
    let id = client.back_up_tree(site, tree(&[("new", file(&noise(9_000, 2))), ("sound", file(&noise(9_000, 1)))]));
    assert_eq!(packs(site).difference(&before).count(), 1);
    for name in before {
        site.store.delete(name).expect("delete");
    }
    assert_eq!(read(site, &id.snapshot, "new", 0, 9_000).expect("read"), noise(9_000, 2));
    assert!(matches!(read(site, &id.snapshot, "sound", 0, 9_000), Err(BrowseError::Unreadable(_))));
}
