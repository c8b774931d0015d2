//! The lies: what a snapshot says that must not be believed, one a case, and what has to come of it.

use datis_engine::format::VERSION;
use datis_engine::format::content::Ref;
use datis_engine::format::listing::{Entry, ListingRoot, Node};
use datis_engine::ids::ChunkId;

use crate::forge::{DATA, Forge, directory, entry, file_of, leaf, link, linked, raw_leaf, tree_file, with_mode};

/// What a restore into an empty directory must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Everything is restored: strange, but sound.
    Whole,
    /// Something is refused, and told; these files, out of the case, are restored all the same.
    Partly(&'static [&'static str]),
    /// Nothing at all is restored.
    Nothing,
    /// Depends on user or file system; only that it does no harm is asked for.
    NoHarm,
}

/// One lie.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) wants: Wants,
    pub(crate) make: Make,
}

type Make = Box<dyn Fn(&mut Forge, &str) -> ListingRoot>;

fn case(name: impl Into<String>, wants: Wants, make: impl Fn(&mut Forge, &str) -> ListingRoot + 'static) -> Case {
    Case { name: name.into(), wants, make: Box::new(make) }
}

/// All of them. `make` is given the path of a directory outside of the target.
pub(crate) fn corpus() -> Vec<Case> {
    let mut all = bad_paths();
    all.extend(strange_names());
    all.extend(links());
    all.extend(listings());
    all.extend(entries());
    all.extend(contents());
    all
}

/// Paths that no snapshot may hold: the part of the listing that has one is refused.
fn bad_paths() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        &b".."[..],
        b"../planted",
        b"../outside/planted",
        b"a/../planted",
        b"a/../../outside/planted",
        b"a/..",
        b"/",
        b"/planted",
        b"",
        b".",
        b"./planted",
        b"a/./planted",
        b"a/.",
        b"a//planted",
        b"planted/",
        b"a\0b",
        b"\0",
        b"a/\0/b",
        &[b'n'; 256],
    ]
    .into_iter()
    .map(|path| {
        let path = path.to_vec();
        let shown: String = String::from_utf8_lossy(&path).escape_default().take(40).collect();
        case(format!("path `{shown}`"), Wants::Nothing, move |f, _| {
            let file = f.file();
            f.leaf(&[(&path, file)])
        })
    })
    .collect();
    cases.push(case("an absolute path to a place that is there", Wants::Nothing, |f, outside| {
        let file = f.file();
        f.leaf(&[(format!("{outside}/planted").as_bytes(), file)])
    }));
    cases.push(case("a path longer than any", Wants::Nothing, |f, _| {
        let file = f.file();
        f.leaf(&[(&b"dir/".repeat(8_193), file)])
    }));
    cases.push(case("dots put together out of a shared beginning", Wants::Nothing, |f, _| {
        let (dir, file) = (directory().encode(), f.file().encode());
        f.root(&raw_leaf(VERSION, 2, &[(0, b"a.", dir), (1, b"/../../outside/planted", file)]), 0)
    }));
    cases.push(case("a path that shares more than there is", Wants::Nothing, |f, _| {
        let (dir, file) = (directory().encode(), f.file().encode());
        f.root(&raw_leaf(VERSION, 2, &[(0, b"a", dir), (u32::MAX, b"b", file)]), 0)
    }));
    cases
}

/// Names that are allowed on Linux, and only there, or that mislead people.
fn strange_names() -> Vec<Case> {
    let names = [
        &b"C:"[..],
        b"CON",
        b"C:\\Windows\\planted",
        b"..\\outside\\planted",
        b"file:stream",
        b"trailing. ",
        b"-rf",
        b"~",
        b"$(touch planted)",
        b"%2e%2e%2fplanted",
        b"...",
        b". ",
        b"line\nbreak",
        b"\x1b[2J\x1b]0;title\x07",
        b"\xff\xfe",
        "\u{202e}fdp.exe".as_bytes(),
        b".datis-restore-probe",
        b".datis-restore-1-1",
        b"lost+found",
        &[b'n'; 255],
    ];
    let mut cases: Vec<Case> = names
        .into_iter()
        .map(|name| {
            let name = name.to_vec();
            let shown: String = String::from_utf8_lossy(&name).escape_default().take(40).collect();
            case(format!("name `{shown}`"), Wants::Whole, move |f, _| {
                let file = f.file();
                f.leaf(&[(&name, file)])
            })
        })
        .collect();
    cases.push(case("names that are one on other systems", Wants::Whole, |f, _| {
        let items: [&[u8]; 4] = [b"A", b"a", "e\u{301}".as_bytes(), "\u{e9}".as_bytes()];
        let items: Vec<_> = items.into_iter().map(|name| (name, f.file())).collect();
        f.leaf(&items)
    }));
    cases
}

/// Links that lead out, and what would be written through them.
fn links() -> Vec<Case> {
    vec![
        case("a symbolic link that leads out, alone", Wants::Whole, |f, outside| {
            f.leaf(&[(b"a", link(outside.as_bytes())), (b"b", link(b"../outside/secret"))])
        }),
        case("a file below a symbolic link", Wants::NoHarm, |f, outside| {
            let file = f.file();
            f.leaf(&[(b"a", link(outside.as_bytes())), (b"a/planted", file)])
        }),
        case("a directory and a file below a symbolic link", Wants::NoHarm, |f, _| {
            let file = f.file();
            f.leaf(&[(b"a", link(b"../outside")), (b"a/d", directory()), (b"a/d/planted", file)])
        }),
        case("a link below a symbolic link", Wants::NoHarm, |f, _| {
            f.leaf(&[(b"a", link(b"../outside")), (b"a/planted", link(b"x"))])
        }),
        case("a file below a link to the root", Wants::NoHarm, |f, _| {
            let file = f.file();
            f.leaf(&[(b"a", link(b"/proc/self/root")), (b"a/planted", file)])
        }),
        case("a file below a file", Wants::NoHarm, |f, _| {
            let (one, two) = (f.file(), f.file());
            f.leaf(&[(b"a", one), (b"a/planted", two)])
        }),
        case("a chain of links", Wants::NoHarm, |f, _| {
            let file = f.file();
            f.leaf(&[(b"a", link(b"b")), (b"b", link(b"../outside")), (b"b/planted", file)])
        }),
        case("a link to itself", Wants::Whole, |f, _| f.leaf(&[(b"a", link(b"a"))])),
        case("a directory that is a link in the next leaf", Wants::NoHarm, |f, _| {
            let (one, two) = (f.file(), f.file());
            let first = f.leaf(&[(b"a", directory()), (b"a/b", one)]);
            let second = f.leaf(&[(b"a", link(b"../outside")), (b"a/planted", two)]);
            f.inner(1, &[(b"a", first), (b"a/c", second)])
        }),
        case("a second name of a link that leads out", Wants::NoHarm, |f, _| {
            let (out, file) = (linked(link(b"../outside/secret"), 7), linked(f.file(), 7));
            f.leaf(&[(b"a", out), (b"b", file)])
        }),
        case("a second name of a directory", Wants::NoHarm, |f, _| {
            let file = linked(f.file(), 7);
            f.leaf(&[(b"a", linked(directory(), 7)), (b"b", file)])
        }),
        case("a second name of a file that cannot be restored", Wants::Partly(&[]), |f, _| {
            let lost = ChunkId::from_bytes([9; ChunkId::LEN]);
            let first = linked(file_of(vec![Ref { id: lost, len: 8 }]), 7);
            let second = linked(f.file(), 7);
            f.leaf(&[(b"a", first), (b"b", second)])
        }),
        case("second names of one file in many places", Wants::Whole, |f, _| {
            let file = linked(f.file(), u64::MAX);
            let paths: Vec<_> = (0..200).map(|n| format!("f{n:03}")).collect();
            let items: Vec<_> = paths.iter().map(|path| (path.as_bytes(), file.clone())).collect();
            f.leaf(&items)
        }),
    ]
}

/// Listings that are not what a listing is.
fn listings() -> Vec<Case> {
    let mut cases = vec![
        case("one name twice", Wants::Nothing, |f, outside| {
            let file = f.file();
            f.leaf(&[(b"a", link(outside.as_bytes())), (b"a", file)])
        }),
        case("paths out of order", Wants::Nothing, |f, _| {
            let (one, two) = (f.file(), f.file());
            f.leaf(&[(b"b", one), (b"a", two)])
        }),
        case("a sibling between a directory and its content", Wants::Nothing, |f, _| {
            let (one, two) = (f.file(), f.file());
            f.leaf(&[(b"a", directory()), (b"a.b", one), (b"a/c", two)])
        }),
        case("a leaf that comes after a later one", Wants::Partly(&["m"]), |f, _| {
            let (one, two) = (f.file(), f.file());
            let (late, early) = (f.leaf(&[(b"m", one)]), f.leaf(&[(b"b", two)]));
            f.inner(1, &[(b"m", late), (b"n", early)])
        }),
        case("one leaf under two names", Wants::Partly(&["m"]), |f, _| {
            let file = f.file();
            let one = f.leaf(&[(b"m", file)]);
            f.inner(1, &[(b"m", one), (b"n", one)])
        }),
        case("children out of order", Wants::Nothing, |f, _| {
            let (one, two) = (f.file(), f.file());
            let (one, two) = (f.leaf(&[(b"a", one)]), f.leaf(&[(b"b", two)]));
            f.inner(1, &[(b"b", two), (b"a", one)])
        }),
        case("a leaf where a node should be", Wants::Nothing, |f, _| {
            let file = f.file();
            let root = f.leaf(&[(b"a", file)]);
            ListingRoot { level: 1, ..root }
        }),
        case("a node where a leaf should be", Wants::Nothing, |f, _| {
            let file = f.file();
            let one = f.leaf(&[(b"a", file)]);
            ListingRoot { level: 0, ..f.inner(1, &[(b"a", one)]) }
        }),
        case("a node without children", Wants::Nothing, |f, _| f.inner(1, &[])),
        case("more levels than any listing has", Wants::Nothing, |f, _| {
            let file = f.file();
            let mut root = f.leaf(&[(b"a", file)]);
            for level in 1..=40 {
                root = f.inner(level, &[(b"a", root)]);
            }
            root
        }),
        case("a level of 255", Wants::Nothing, |f, _| {
            let file = f.file();
            ListingRoot { level: 255, ..f.leaf(&[(b"a", file)]) }
        }),
        case("a root that is nowhere", Wants::Nothing, |_, _| ListingRoot {
            id: ChunkId::from_bytes([8; ChunkId::LEN]),
            level: 0,
            len: 10,
        }),
        case("a root of other bytes than its name says", Wants::Nothing, |f, _| {
            let file = f.file();
            let id = ChunkId::from_bytes([8; ChunkId::LEN]);
            f.add_as(id, &leaf(&[(b"a", file)]));
            ListingRoot { id, level: 0, len: 10 }
        }),
        case("a listing of a later version", Wants::Nothing, |f, _| {
            let file = f.file().encode();
            f.root(&raw_leaf(2, 1, &[(0, b"a", file)]), 0)
        }),
        case("fewer entries than are declared", Wants::Nothing, |f, _| {
            let file = f.file().encode();
            f.root(&raw_leaf(VERSION, u64::MAX, &[(0, b"a", file)]), 0)
        }),
        case("more entries than are declared", Wants::Nothing, |f, _| {
            let file = f.file().encode();
            f.root(&raw_leaf(VERSION, 0, &[(0, b"a", file)]), 0)
        }),
        case("nothing but opening brackets", Wants::Nothing, |f, _| f.root(&[0x9f; 100_000], 0)),
        case("nothing but tags", Wants::Nothing, |f, _| f.root(&[0xc6; 100_000], 0)),
        case("an empty chunk as listing", Wants::Nothing, |f, _| f.root(&[], 0)),
        case("text as listing", Wants::Nothing, |f, _| f.root(b"this is not CBOR", 0)),
        case("an empty listing", Wants::Whole, |f, _| f.leaf(&[])),
    ];
    cases.push(case("the same node as its neighbour, twelve levels deep", Wants::NoHarm, |f, _| {
        let file = f.file();
        let mut root = f.leaf(&[(b"a", file)]);
        for level in 1..=12 {
            let firsts: Vec<_> = (0..60).map(|n| format!("f{n:03}")).collect();
            let children: Vec<_> = firsts.iter().map(|first| (first.as_bytes(), root)).collect();
            root = f.inner(level, &children);
        }
        root
    }));
    cases.push(case("a leaf whose paths share 30 KB each", Wants::Nothing, |f, _| {
        let (long, body) = ([&[b'd'; 250][..], b"/"].concat().repeat(120), entry(Node::Fifo).encode());
        let shared = u32::try_from(long.len()).expect("short");
        let mut items = vec![(0, [&long[..], b"0"].concat(), body.clone())];
        items.extend((10_000..50_000_u32).map(|n| (shared, n.to_string().into_bytes(), body.clone())));
        let items: Vec<_> = items.iter().map(|(n, path, body)| (*n, path.as_slice(), body.clone())).collect();
        f.root(&raw_leaf(VERSION, items.len() as u64, &items), 0)
    }));
    for depth in [1_000, 2_000, 16_000] {
        let wants = if depth > 10_000 { Wants::Nothing } else { Wants::NoHarm };
        cases.push(case(format!("a file {depth} directories deep, none of them listed"), wants, move |f, _| {
            let file = f.file();
            f.leaf(&[([&b"d/".repeat(depth)[..], b"planted"].concat().as_slice(), file)])
        }));
    }
    cases.push(case("1 000 directories in one another, each listed", Wants::NoHarm, |f, _| {
        let paths: Vec<_> = (1..=1_000).map(|n| vec!["d"; n].join("/")).collect();
        let items: Vec<_> = paths.iter().map(|path| (path.as_bytes(), directory())).collect();
        f.leaf(&items)
    }));
    cases
}

/// Bodies of entries that nobody could restore as they are, or should not.
fn entries() -> Vec<Case> {
    let altered = |name: &str, wants, change: fn(&mut Entry)| {
        case(name, wants, move |f: &mut Forge, _: &str| {
            let mut file = f.file();
            change(&mut file);
            f.leaf(&[(b"a", file)])
        })
    };
    vec![
        altered("more mode than there is", Wants::Nothing, |e| e.mode = 0o10_644),
        altered("a file type in the mode", Wants::Nothing, |e| e.mode = 0o120_777),
        altered("more than a second of nanoseconds", Wants::Nothing, |e| e.modified.nanoseconds = 1_000_000_000),
        altered("a time before everything", Wants::NoHarm, |e| e.modified.seconds = i64::MIN),
        altered("a time after everything", Wants::NoHarm, |e| e.modified.seconds = i64::MAX),
        altered("an owner that stands for none", Wants::Nothing, |e| (e.uid, e.gid) = (u32::MAX, u32::MAX)),
        altered("set-id of root", Wants::NoHarm, |e| e.mode = 0o6755),
        altered("an attribute without a name", Wants::Nothing, |e| e.xattrs = vec![(vec![], vec![1])]),
        altered("an attribute with a zero byte", Wants::Nothing, |e| e.xattrs = vec![(b"user.a\0b".to_vec(), vec![1])]),
        altered("an attribute twice", Wants::Nothing, |e| e.xattrs = vec![(b"user.a".to_vec(), vec![1]); 2]),
        altered("an attribute of no name space", Wants::NoHarm, |e| e.xattrs = vec![(b"planted".to_vec(), vec![1])]),
        altered("a capability", Wants::NoHarm, |e| e.xattrs = vec![(b"security.capability".to_vec(), vec![1; 20])]),
        altered("an access list of noise", Wants::NoHarm, |e| {
            e.xattrs = vec![(b"system.posix_acl_access".to_vec(), vec![0xff; 300])];
        }),
        altered("an attribute longer than any", Wants::NoHarm, |e| {
            e.xattrs = vec![(b"user.a".to_vec(), vec![1; 300_000])]
        }),
        altered("10 000 attributes", Wants::NoHarm, |e| {
            e.xattrs = (0..10_000).map(|n| (format!("user.{n:05}").into_bytes(), vec![1])).collect();
        }),
        case("an attribute on a link that leads out", Wants::NoHarm, |f, _| {
            let mut out = link(b"../outside/secret");
            out.xattrs = vec![(b"user.planted".to_vec(), vec![1])];
            out.mode = 0o777;
            (out.uid, out.gid) = (12_345, 12_345);
            f.leaf(&[(b"a", out)])
        }),
        case("a link without a target", Wants::Nothing, |f, _| f.leaf(&[(b"a", link(b""))])),
        case("a link with a zero byte", Wants::Nothing, |f, _| f.leaf(&[(b"a", link(b"x\0y"))])),
        case("a link longer than any", Wants::Nothing, |f, _| f.leaf(&[(b"a", link(&[b'x'; 4_097]))])),
        case("an unknown sort of entry", Wants::Nothing, |f, _| {
            let mut body = directory().encode();
            body[1] = 23;
            f.root(&raw_leaf(VERSION, 1, &[(0, b"a", body)]), 0)
        }),
        case("devices", Wants::NoHarm, |f, _| {
            let (block, char) = (Node::BlockDevice { major: 7, minor: 0 }, Node::CharDevice { major: 1, minor: 3 });
            f.leaf(&[(b"a", with_mode(entry(block), 0o666)), (b"b", with_mode(entry(char), 0o666))])
        }),
        case("devices with impossible numbers", Wants::NoHarm, |f, _| {
            let device = Node::CharDevice { major: u32::MAX, minor: u32::MAX };
            f.leaf(&[(b"a", entry(device))])
        }),
        case("pipes and sockets", Wants::Whole, |f, _| {
            let file = f.file();
            f.leaf(&[(b"a", entry(Node::Fifo)), (b"b", entry(Node::Socket)), (b"c", file)])
        }),
        case("a second name of a pipe that is a file", Wants::NoHarm, |f, _| {
            let file = linked(f.file(), 7);
            f.leaf(&[(b"a", linked(entry(Node::Fifo), 7)), (b"b", file)])
        }),
    ]
}

/// Contents that are not what their entry says.
fn contents() -> Vec<Case> {
    let data = DATA.len() as u64;
    let sized = |name: &str, wants, size: u64, extents: Option<Vec<(u64, u64)>>| {
        case(name, wants, move |f: &mut Forge, _: &str| {
            let mut file = f.file();
            if let Node::File { size: own, extents: slot, .. } = &mut file.node {
                (*own, *slot) = (size, extents.clone());
            }
            f.leaf(&[(b"a", file)])
        })
    };
    let refs = |name: &str, wants, refs: fn(&mut Forge) -> Vec<Ref>| {
        case(name, wants, move |f: &mut Forge, _: &str| {
            let (file, sound) = (file_of(refs(f)), f.file());
            f.leaf(&[(b"a", file), (b"sound", sound)])
        })
    };
    let partly = Wants::Partly(&["sound"]);
    let mut cases = vec![
        sized("a size that is longer than the content", Wants::Nothing, 1 << 30, None),
        sized("a size that is shorter than the content", Wants::Nothing, 1, None),
        sized("extents that overlap", Wants::Nothing, 100, Some(vec![(0, 6), (5, 2)])),
        sized("extents out of order", Wants::Nothing, 100, Some(vec![(50, 4), (0, 4)])),
        sized("an empty extent", Wants::Nothing, 100, Some(vec![(0, 0), (10, data)])),
        sized("an extent beyond the end", Wants::Nothing, 5, Some(vec![(0, data)])),
        sized("an extent beyond all numbers", Wants::Nothing, u64::MAX, Some(vec![(u64::MAX - 3, data)])),
        sized("extents of more than the content", Wants::Nothing, 100, Some(vec![(0, data + 1)])),
        sized("a hole of 16 EiB", Wants::NoHarm, u64::MAX, Some(vec![(0, data)])),
        sized("a hole of 8 EiB before the data", Wants::NoHarm, 1 << 63, Some(vec![((1 << 63) - data, data)])),
        refs("bytes of another chunk", partly, |f| {
            let id = f.keys.name(b"something else").0;
            f.add_as(id, DATA);
            vec![Ref { id, len: DATA.len() as u64 }]
        }),
        refs("a chunk that is nowhere", partly, |_| vec![Ref { id: ChunkId::from_bytes([9; ChunkId::LEN]), len: 8 }]),
        refs("a chunk longer than it is", partly, |f| vec![Ref { id: f.add(DATA), len: 1 << 19 }]),
        refs("a chunk shorter than it is", partly, |f| vec![Ref { id: f.add(DATA), len: 3 }]),
        refs("chunks longer than all numbers", Wants::Nothing, |f| {
            vec![Ref { id: f.add(DATA), len: u64::MAX }, Ref { id: f.add(DATA), len: 8 }]
        }),
        refs("a chunk of 4 GiB and 8 bytes", partly, |f| vec![Ref { id: f.add(DATA), len: (1 << 32) + 8 }]),
        refs("more chunks in an entry than may be", Wants::Nothing, |f| vec![Ref { id: f.add(DATA), len: 8 }; 9]),
    ];
    let tree = |name: &str, wants, file: fn(&mut Forge) -> Entry| {
        case(name, wants, move |f: &mut Forge, _: &str| {
            let (file, sound) = (file(f), f.file());
            f.leaf(&[(b"a", file), (b"sound", sound)])
        })
    };
    cases.extend([
        tree("a content of nine levels", Wants::Nothing, |f| {
            let id = f.add(DATA);
            tree_file(9, vec![Ref { id, len: 8 }])
        }),
        tree("a content node that is nowhere", partly, |_| {
            tree_file(1, vec![Ref { id: ChunkId::from_bytes([9; ChunkId::LEN]), len: 8 }])
        }),
        tree("data where a content node should be", partly, |f| {
            let id = f.add(DATA);
            tree_file(2, vec![Ref { id, len: 8 }])
        }),
        tree("a content node of another level", partly, |f| {
            let chunk = Ref { id: f.add(DATA), len: 8 };
            let node = f.content_node(1, vec![chunk]);
            tree_file(2, vec![node])
        }),
        tree("a content node that holds more than is said", partly, |f| {
            let chunk = Ref { id: f.add(DATA), len: 8 };
            let node = f.content_node(1, vec![chunk; 3]);
            tree_file(1, vec![Ref { len: 8, ..node }])
        }),
        tree("a content node that names itself", partly, |f| {
            let own = ChunkId::from_bytes([7; ChunkId::LEN]);
            let node = f.content_node(1, vec![Ref { id: own, len: 8 }]);
            let bytes = f.script.segments.values().map(|s| s.frame[1..].to_vec()).find(|b| f.keys.name(b).0 == node.id);
            f.add_as(own, &bytes.expect("stored"));
            tree_file(2, vec![node])
        }),
        tree("a content node without references", partly, |f| {
            let id = f.add(&[0x84, 1, 1, 0x80, 0x40]);
            tree_file(1, vec![Ref { id, len: 8 }])
        }),
        tree("a content node that declares 2^60 references", partly, |f| {
            let id = f.add(&[0x84, 1, 1, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]);
            tree_file(1, vec![Ref { id, len: 8 }])
        }),
        tree("empty chunks, more than will ever end", Wants::Nothing, |f| {
            let mut node = Ref { id: f.add(b""), len: 0 };
            for level in 1..=8 {
                node = f.content_node(level, vec![node; 512]);
            }
            tree_file(8, vec![node])
        }),
        // 2^57 bytes: fewer than a file may have, and more than any disk.
        tree("a small chunk, more often than any disk holds", Wants::NoHarm, |f| {
            let mut node = Ref { id: f.add(DATA), len: 8 };
            for level in 1..=6 {
                node = f.content_node(level, vec![node; 512]);
            }
            tree_file(6, vec![node])
        }),
    ]);
    cases
}
