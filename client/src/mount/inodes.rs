//! The numbers that the kernel knows files by. A number is made of what it stands for, so it is the same at every mount;
//! what it stands for is remembered as long as the kernel remembers the number.

use std::collections::HashMap;

use datis_engine::format::listing::HardLink;
use datis_engine::ids::SnapshotId;

use super::tree::Place;

/// The number of the top directory, as the kernel wants it.
pub(super) const TOP: u64 = 1;

/// The numbers that the kernel remembers.
#[derive(Debug, Default)]
pub(super) struct Inodes {
    held: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    place: Place,
    link: Option<(SnapshotId, HardLink)>,
    /// How many times the kernel was told the number.
    references: u64,
}

impl Inodes {
    /// What `number` stands for.
    pub(super) fn place(&self, number: u64) -> Option<Place> {
        if number == TOP { Some(Place::Top) } else { self.held.get(&number).map(|held| held.place.clone()) }
    }

    /// The number of `place`, which is about to be told to the kernel. `link`: the place's hard-link group; places of one
    /// group have one number.
    pub(super) fn hold(&mut self, place: &Place, link: Option<HardLink>) -> u64 {
        if matches!(place, Place::Top) {
            return TOP;
        }
        let link = place.snapshot().zip(link);
        let mut number = number_of(place, link.map(|(_, link)| link));
        loop {
            let held = self.held.entry(number).or_insert_with(|| Held { place: place.clone(), link, references: 0 });
            if held.place == *place || link.is_some() && held.link == link {
                held.references += 1;
                return number;
            }
            // Two places with one number: never seen, but a wrong file would be shown.
            number = beyond_top(number.wrapping_add(1));
        }
    }

    /// The kernel has forgotten `number`, which it was told `references` times.
    pub(super) fn forget(&mut self, number: u64, references: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.references = held.references.saturating_sub(references);
            if held.references == 0 {
                self.held.remove(&number);
            }
        }
    }
}

/// The number of a place, if no other one has it. `link`: its hard-link group.
pub(super) fn number_of(place: &Place, link: Option<HardLink>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    match place {
        Place::Top => return TOP,
        Place::Source(source) => hasher.update(b"source\0").update(source.as_str().as_bytes()),
        Place::Latest(source) => hasher.update(b"latest\0").update(source.as_str().as_bytes()),
        Place::Inside(snapshot, path) => {
            hasher.update(b"inside\0").update(snapshot.id.as_bytes());
            match (link, path) {
                (Some(link), _) => {
                    hasher.update(b"\0").update(&link.device.to_le_bytes()).update(&link.inode.to_le_bytes())
                }
                (None, Some(path)) => hasher.update(path.as_bytes()),
                (None, None) => &mut hasher,
            }
        }
    };
    let mut number = [0; 8];
    hasher.finalize_xof().fill(&mut number);
    beyond_top(u64::from_le_bytes(number))
}

const fn beyond_top(number: u64) -> u64 {
    if number <= TOP { TOP + 1 } else { number }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{inside, link};
    use super::*;

    #[test]
    fn a_number_is_remembered_until_the_kernel_has_forgotten_it_as_often_as_it_was_told() {
        let mut inodes = Inodes::default();
        let place = inside(1, Some("a/b"));
        let number = inodes.hold(&place, None);
        assert_eq!(inodes.hold(&place, None), number);
        assert_ne!(inodes.hold(&inside(2, Some("a/b")), None), number);
        assert_ne!(inodes.hold(&inside(1, Some("a")), None), number);
        inodes.forget(number, 1);
        assert_eq!(inodes.place(number), Some(place));
        inodes.forget(number, 1);
        assert_eq!(inodes.place(number), None);
        inodes.forget(number, 1);
        assert_eq!(inodes.place(TOP), Some(Place::Top));
    }

    #[test]
    fn names_of_one_file_have_one_number_within_their_snapshot() {
        let mut inodes = Inodes::default();
        let (first, second) = (inside(1, Some("a")), inside(1, Some("b")));
        let number = inodes.hold(&first, link(7));
        assert_eq!(inodes.hold(&second, link(7)), number);
        assert_ne!(inodes.hold(&second, link(8)), number);
        assert_ne!(inodes.hold(&inside(2, Some("a")), link(7)), number);
    }

    #[test]
    fn a_number_that_another_place_has_is_not_given_again() {
        let mut inodes = Inodes::default();
        let (place, other) = (inside(1, Some("a")), inside(1, Some("b")));
        let taken = number_of(&place, None);
        inodes.held.insert(taken, Held { place: other.clone(), link: None, references: 1 });
        let number = inodes.hold(&place, None);
        assert_eq!((number, inodes.place(number)), (taken + 1, Some(place)));
        assert_eq!(inodes.place(taken), Some(other));
    }
}
