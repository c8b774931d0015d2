//! A box that is saved at the others of its community, and what becomes of it when its site burns down.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use harness::community::{neighbour, unite, wait_until_outside};
use harness::people::admin;
use harness::raw::{Identity, Raw};
use harness::{Finished, Invocation, Random, TestBox, wait_for};

/// Until everything has spread over the community.
pub(crate) const SPREAD: Duration = Duration::from_secs(240);

/// Boxes that are started at a time: each has a vault and certificates to make.
const STARTED_AT_ONCE: usize = 4;

/// What members are called; in larger communities numbers follow.
const NAMES: [&str; 7] = ["harbour master", "bakery", "chandler", "smithy", "inn", "mill", "forge"];

/// A community of `names`, the first of which has founded it.
pub(crate) fn boxes<N: AsRef<str>>(names: &[N]) -> Vec<TestBox> {
    let mut boxes = Vec::with_capacity(names.len());
    for some in names.chunks(STARTED_AT_ONCE) {
        std::thread::scope(|scope| {
            let starting: Vec<_> = some.iter().map(|_| scope.spawn(|| neighbour().start())).collect();
            boxes.extend(starting.into_iter().map(|one| one.join().expect("a box starts")));
        });
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    unite(&boxes.iter().collect::<Vec<_>>(), &names);
    boxes
}

/// All files of a folder, by name.
pub(crate) fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                // Sockets are no files, and what the box is done with goes while this looks.
                if let Ok(bytes) = std::fs::read(&path) {
                    found.insert(name, bytes);
                }
            }
        }
    }
    found
}

/// Words that are nowhere but in what the lost box has.
pub(crate) const CANARIES: [&str; 3] = ["Dear all, of the harbour", "cash desk by the quay", "letter to everybody"];

/// A box that is saved outside, what its store had, and its kit; the others of its community, and what they are called.
pub(crate) struct Saved {
    pub(crate) lost: TestBox,
    pub(crate) others: Vec<TestBox>,
    pub(crate) names: Vec<String>,
    pub(crate) stored: BTreeMap<String, Vec<u8>>,
    pub(crate) kit: String,
    /// The same on three sheets.
    pub(crate) sheets: Vec<String>,
}

impl Saved {
    /// With four others.
    pub(crate) fn new() -> Self {
        Self::among(4)
    }

    /// With so many others.
    pub(crate) fn among(others: usize) -> Self {
        let name = |at: usize| NAMES.get(at).map_or_else(|| format!("house {at}"), |name| (*name).to_owned());
        let names: Vec<String> = (0..=others).map(name).collect();
        Self::in_community(boxes(&names), names)
    }

    /// The second of these boxes, which are in one community under these names.
    pub(crate) fn in_community(mut others: Vec<TestBox>, mut names: Vec<String>) -> Self {
        let _founded_by_another = names.remove(1);
        let lost = others.remove(1);
        let desk = lost.enrol(CANARIES[1]);
        let source = lost.beside().join("papers");
        std::fs::create_dir(&source).expect("a folder");
        std::fs::write(source.join("ledger"), Random::new(1).bytes(6_000_000)).expect("a file");
        std::fs::write(source.join(CANARIES[2]), CANARIES[0]).expect("a file");
        let _saved = desk.backup(&source);
        std::fs::write(source.join(CANARIES[2]), format!("{}, once more", CANARIES[0])).expect("a file");
        let _saved = desk.backup(&source);
        let _outside = wait_until_outside(&lost, SPREAD);
        let kit = lost.command(["kit"]).run().expect_success().text();
        assert!(kit.contains("# Community: ") && kit.contains("# Peer: "), "the kit says where to begin");
        let sheets = lost.command(["kit", "--sheets", "--json"]).run().expect_success().json();
        let sheets = sheets["sheets"].as_array().into_iter().flatten();
        let sheets = sheets.filter_map(|sheet| sheet.as_str().map(str::to_owned)).collect();
        let stored = files_of(&lost.data().join("store"));
        Self { lost, others, names, stored, kit, sheets }
    }

    /// So many packs more of some 600 KB.
    pub(crate) fn save_more(&mut self, packs: u64) {
        let desk = self.lost.machine(CANARIES[1]);
        for seed in 0..packs {
            let content = Random::new(100 + seed).bytes(600_000);
            std::fs::write(self.lost.beside().join(format!("papers/more {seed}")), content).expect("a file");
            let _saved = desk.backup(&self.lost.beside().join("papers"));
        }
        let _outside = wait_until_outside(&self.lost, SPREAD);
        self.stored = files_of(&self.lost.data().join("store"));
    }

    /// The site burns down, and with it those of so many others.
    pub(crate) fn burn(&mut self, others: usize) {
        // Not the founder, whose word is needed later.
        self.burn_these(&(1..=others).collect::<Vec<_>>());
    }

    /// The site burns down, and with it those of these others.
    pub(crate) fn burn_these(&mut self, others: &[usize]) {
        self.lost.kill();
        std::fs::remove_dir_all(self.lost.data()).expect("it is gone");
        others.iter().for_each(|at| self.others[*at].kill());
    }

    /// Which of the others keep something.
    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..self.others.len()).filter(|at| !self.others[*at].shards().is_empty()).collect()
    }

    /// Files of the store that are not in this box's as they were.
    pub(crate) fn missing_in(&self, back: &TestBox) -> Vec<&String> {
        let after = files_of(&back.data().join("store"));
        self.stored.keys().filter(|name| after.get(*name) != self.stored.get(*name)).collect()
    }

    /// A blank box, and what happens when the kit is typed into it.
    pub(crate) fn recover(&self, blank: &TestBox) -> Finished {
        self.recover_with(blank, &[])
    }

    /// The same with more said.
    pub(crate) fn recover_with(&self, blank: &TestBox, words: &[&str]) -> Finished {
        self.recovery(blank, words).run()
    }

    /// The same, to be run.
    pub(crate) fn recovery(&self, blank: &TestBox, words: &[&str]) -> Invocation {
        let paper = blank.beside().join("kit.txt");
        // In words, without the line of letters.
        let is_typed = |line: &&str| !line.starts_with("AGE-SECRET-KEY-");
        let typed: Vec<&str> = self.kit.lines().filter(is_typed).collect();
        std::fs::write(&paper, typed.join("\n")).expect("the kit is typed");
        blank.command(["recover", "--near", "--json"]).args(words).arg("--kit").arg(&paper)
    }

    /// The same with some of the three sheets, each in a file of its own.
    pub(crate) fn recover_with_sheets(&self, blank: &TestBox, sheets: &[usize]) -> Finished {
        let mut recover = blank.command(["recover", "--near", "--json"]);
        for at in sheets {
            let paper = blank.beside().join(format!("sheet {at}.txt"));
            std::fs::write(&paper, &self.sheets[*at]).expect("the sheet is typed");
            recover = recover.arg("--kit").arg(&paper);
        }
        recover.run()
    }
}

/// Waits until nothing is with the others only.
pub(crate) fn wait_until_whole(of: &TestBox) {
    wait_for("the box is whole", SPREAD, || of.status()["coming_back"].is_null().then_some(()));
}

/// The file of this name in the newest backup, which is the last one of its folder, as an admin of the box downloads it: from the list
/// of machines through the folders to the file.
pub(crate) fn newest_file(of: &TestBox, name: &str) -> String {
    let mut admin = admin(of, "claire");
    let after = |page: &str, mark: &str| {
        let at = page.find(mark).unwrap_or_else(|| panic!("no {mark} in {page}"));
        page[at + mark.len()..].split('"').next().expect("a link").replace("&amp;", "&")
    };
    let sources = admin.get("/restore").body;
    let newest = format!("/restore/{}", after(&sources, "<a href=\"/restore/"));
    let first = admin.get(&newest).location;
    let mut page = admin.get(&first).body;
    while !page.contains(name) {
        let folder = page.split("<tbody>").nth(1).expect("a list").to_owned();
        page = admin.get(&after(&folder, "<span><a href=\"")).body;
    }
    let link = page.rsplit("class=\"take\" href=\"").next().expect("a link").to_owned();
    admin.get(&after(&format!("\"{link}"), "\"")).body
}

/// A place for a box that is to come back.
pub(crate) fn blank() -> TestBox {
    let blank = neighbour().prepare();
    std::fs::remove_dir_all(blank.data()).expect("a blank place");
    blank
}

/// Speaks to `host` as the box of `owner` does, with the key out of its folder.
pub(crate) fn as_the_box(owner: &TestBox, host: &TestBox) -> Raw {
    with_the_key(&key_in(owner.data()), host)
}

/// The key by which the box in this folder is known.
pub(crate) fn key_in(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("keys/tls.pkcs8")).expect("its key")
}

/// Speaks to `host` with a key that was taken out of a box's folder.
pub(crate) fn with_the_key(key: &[u8], host: &TestBox) -> Raw {
    Raw::open((Ipv4Addr::LOCALHOST, host.machine_port()).into(), Some(&Identity::of_box(key))).expect("a connection")
}
