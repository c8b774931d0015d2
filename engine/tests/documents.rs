//! What the documents promise and say in numbers, held against the code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use datis_engine::chunk::cut::{CHUNK_MAX, CutProfile, WHOLE_FILE_MAX};
use datis_engine::chunk::seal::SEGMENT_PLAIN_MAX;
use datis_engine::community::{address, entry, head, invitation, ledger, log, roster};
use datis_engine::erasure;
use datis_engine::format::{content, directory, encode, listing, path, snapshot};
use datis_engine::ids::{EntryHash, InvitationId, ShardId, SourceKind, SpkiPin};
use datis_engine::pack::{PACK_MAX, PACK_TARGET};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{self, Message, RefusalCode, peers, reach};
use minicbor::bytes::ByteVec;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn document(name: &str) -> String {
    fs::read_to_string(docs().join(name)).expect(name)
}

/// Every `[text](target)` of a document.
fn links(document: &str) -> Vec<(&str, &str)> {
    document
        .match_indices("](")
        .filter_map(|(at, _)| {
            let text = document[..at].rsplit_once('[')?.1;
            let target = document[at + 2..].split_once(')')?.0;
            Some((text, target))
        })
        .collect()
}

/// 1048576 as `1 048 576`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut wrong = String::new();
    let mut named = 0;
    for file in fs::read_dir(docs()).expect("docs") {
        let path = file.expect("entry").path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("document");
        for (text, target) in links(&text) {
            let is_outside = target.starts_with("http") || target.starts_with('#');
            let place = docs().join(target.split('#').next().unwrap_or_default());
            // Pictures are linked too.
            let text_of = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            let source = if place.is_dir() { Some(String::new()) } else { fs::read(&place).ok().map(text_of) };
            let sound = match (source, text.strip_prefix('`').and_then(|t| t.strip_suffix('`'))) {
                _ if is_outside => true,
                (None, _) => false,
                (Some(source), Some(test)) if target.ends_with(".rs") && !test.contains(['/', '.']) => {
                    named += 1;
                    source.contains(&format!("fn {test}("))
                }
                (Some(_), _) => true,
            };
            if !sound {
                writeln!(wrong, "{}: [{text}]({target})", path.display()).expect("text");
            }
        }
    }
    assert!(wrong.is_empty(), "these links lead nowhere:\n{wrong}");
    assert!(named > 40, "only {named} tests are named");
}

#[test]
fn the_table_of_fuzz_targets_has_each_of_them() {
    let programs = fs::read_dir(docs().join("../tests/fuzz/src/bin")).expect("fuzz targets");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("a file").path();
        path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned()
    };
    let programs: BTreeSet<String> = programs.map(name).collect();
    let text = document("TESTING.md");
    let (_, table) = text.split_once("| target | input |").expect("the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let targets = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    assert_eq!(targets.map(str::to_owned).collect::<BTreeSet<_>>(), programs);
}

#[test]
fn the_numbers_of_the_format_document_are_the_engine_s() {
    let text = document("FORMAT.md");
    let long = 64 << 20;
    let profiles = [
        ("`database`", "any", CutProfile::choose(SourceKind::Database, None)),
        ("`image`", "any", CutProfile::choose(SourceKind::Image, None)),
        ("`files`", "length not known", CutProfile::choose(SourceKind::Files, None)),
        ("`files`", "up to 67 108 864 bytes", CutProfile::choose(SourceKind::Files, Some(long))),
        ("`files`", "longer", CutProfile::choose(SourceKind::Files, Some(long + 1))),
    ];
    for (source, stream, CutProfile { min, average, max }) in profiles {
        let [min, average, max] = [min, average, max].map(|n| grouped(n as u64));
        let row = format!("| {source} | {stream} | {min} | {average} | {max} |");
        assert!(text.contains(&row), "docs/FORMAT.md should say {row}");
    }
    let limits = [
        ("plain bytes of a chunk", CHUNK_MAX as u64),
        ("plain bytes of a segment", SEGMENT_PLAIN_MAX as u64),
        ("chunks of a pack", directory::CHUNKS_MAX as u64),
        ("segments of a pack", directory::SEGMENTS_MAX as u64),
        ("bytes of an encoded directory", directory::ENCODED_MAX as u64),
        ("bytes of a pack", PACK_MAX),
        ("references in an entry", content::INLINE_MAX as u64),
        ("references in a content node", content::NODE_REFS_MAX as u64),
        ("levels of a content tree", u64::from(content::LEVEL_MAX)),
        ("levels of a listing above its leaves", u64::from(listing::LEVEL_MAX)),
        ("bytes of a path", path::PATH_MAX as u64),
        ("bytes of a component of a path", path::NAME_MAX as u64),
        ("bytes of the paths of a leaf", listing::LEAF_PATHS_MAX as u64),
        ("bytes of an entry's body", listing::BODY_MAX as u64),
        ("paths that were asked for", snapshot::ROOTS_MAX as u64),
        ("bytes of a snapshot file or record", snapshot::SNAPSHOT_FILE_MAX as u64),
        ("bytes of a pack that becomes a stripe", erasure::layout::PACK_LEN_MAX as u64),
        ("shards of a stripe", u64::from(erasure::scheme::WIDTH_MAX)),
        ("groups of a range proof", erasure::proof::PROOF_GROUPS_MAX as u64),
    ];
    for (what, limit) in limits {
        let row = format!("| {what} | {} |", grouped(limit));
        assert!(text.contains(&row), "docs/FORMAT.md should say {row}");
    }
    let parts = [erasure::layout::BLOCK_LEN, erasure::layout::BLOCK_PLAIN, erasure::proof::GROUP_LEN];
    for number in [WHOLE_FILE_MAX, PACK_TARGET, listing::NODE_MAX].into_iter().chain(parts) {
        assert!(text.contains(&grouped(number as u64)), "docs/FORMAT.md should say {number}");
    }
}

#[test]
fn the_numbers_of_the_protocol_document_are_the_engine_s() {
    let text = document("PROTOCOL.md");
    for code in RefusalCode::ALL {
        let number = minicbor::to_vec(code).expect("encode")[0];
        let row = format!("| {number} {code:?} | {} |", code.status());
        assert!(text.contains(&row), "docs/PROTOCOL.md should say {row}");
    }
    for (row, number) in [
        ("| body of a CBOR request | {} bytes for `commit`", wire::REQUEST_MAX),
        ("| body of a CBOR answer | {} bytes;", wire::Heartbeat::RESPONSE_MAX),
        (" `snapshots` {},", wire::ListSnapshots::RESPONSE_MAX),
        (" `locate` {},", wire::Locate::RESPONSE_MAX),
        (" `read` {} |", wire::ReadSegment::RESPONSE_MAX),
        ("| chunks in one `have` or `locate` | {} |", wire::BATCH_MAX),
        ("| snapshots in one page | {} |", wire::PAGE_MAX),
    ] {
        let row = row.replace("{}", &grouped(number as u64));
        assert!(text.contains(&row), "docs/PROTOCOL.md should say {row}");
    }
    let paths = [
        wire::Enrol::PATH,
        wire::Renew::PATH,
        wire::Heartbeat::PATH,
        wire::RunReport::PATH,
        wire::RestoreReport::PATH,
        wire::ListPutBacks::PATH,
        wire::TellPutBack::PATH,
        wire::Begin::PATH,
        wire::Have::PATH,
        wire::PACK_PATH,
        wire::Commit::PATH,
        wire::Abandon::PATH,
        wire::ListSnapshots::PATH,
        wire::Locate::PATH,
        wire::ReadSegment::PATH,
    ];
    for path in paths {
        assert!(text.contains(&format!("{path}` |")), "docs/PROTOCOL.md should have {path} in its table");
    }
    assert!(text.contains(&wire::MACHINE_PORT.to_string()));
}

/// The last part of a type's name.
fn name_of<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().expect("a name")
}

/// A message between boxes, as the tables of paths and sizes have it.
struct PeerMessage {
    path: &'static str,
    row: String,
    answer_max: usize,
}

fn message<M: Message>() -> PeerMessage {
    let row = format!("| `{}` | {} | {} |", M::PATH, name_of::<M>(), name_of::<M::Response>());
    PeerMessage { path: M::PATH, row, answer_max: M::RESPONSE_MAX }
}

fn peer_messages() -> Vec<PeerMessage> {
    vec![
        message::<peers::Exchange>(),
        message::<peers::AskToJoin>(),
        message::<peers::AskAgain>(),
        message::<peers::BeginSpoken>(),
        message::<peers::ConfirmSpoken>(),
        message::<peers::JoinSpoken>(),
        message::<peers::ClaimOwner>(),
        message::<peers::OfferShard>(),
        message::<peers::Audit>(),
        message::<peers::ListShards>(),
        message::<peers::Condemn>(),
        message::<peers::RenewLease>(),
        message::<peers::AgreeStatement>(),
        message::<peers::LiftBrake>(),
        message::<peers::KeepHead>(),
        message::<peers::ListHeads>(),
        message::<reach::Ping>(),
        message::<reach::DialBack>(),
    ]
}

#[test]
fn the_paths_and_sizes_between_boxes_are_the_engine_s() {
    let text = document("PROTOCOL.md");
    let messages = peer_messages();
    let sources = ["peers.rs", "reach.rs"]
        .map(|name| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire").join(name)).expect(name));
    let there = sources.iter().map(|source| source.matches("\nmessage!(").count()).sum::<usize>();
    assert_eq!(messages.len(), there, "this test does not know all messages");
    assert!(text.contains(&format!("`PUT {}` |", peers::SHARD_PATH)));
    assert!(text.contains(&format!("`GET {}` |", peers::SHARD_PATH)));

    let (_, sizes) = text.split_once("| path | longest request | longest answer |").expect("the table of sizes");
    let sizes: Vec<_> = sizes.lines().take_while(|line| line.is_empty() || line.starts_with('|')).collect();
    for PeerMessage { path, row, answer_max } in messages {
        assert!(text.contains(&row), "docs/PROTOCOL.md should say {row}");
        let own = sizes.iter().find(|line| line.contains(&format!("`{path}`")));
        let line = own.or_else(|| sizes.iter().find(|line| line.starts_with("| all others |"))).expect("others");
        let answer = format!("| {} |", grouped(answer_max as u64));
        assert!(line.ends_with(&answer), "docs/PROTOCOL.md should say that {path} is answered by {answer}");
    }
}

#[test]
fn the_limits_between_boxes_are_the_engine_s() {
    let text = document("PROTOCOL.md");
    for (row, number) in [
        ("| `/v1/peers/exchange` | {} |", wire::REQUEST_MAX),
        ("| a message on a channel | {} |", reach::CHANNEL_MESSAGE_MAX),
        ("| request to join | {} bytes |", invitation::JOIN_MAX),
        ("| entry with its signatures | {} bytes |", entry::ENTRY_MAX),
        ("| signatures of an entry | {} |", entry::SIGNATURES_MAX),
        ("| entries of a log | {} |", log::ENTRIES_MAX),
        ("| log | {} bytes |", log::LOG_MAX),
        ("| address record | {} bytes |", address::RECORD_MAX),
        ("| addresses in it | {} |", address::ADDRESSES_MAX),
        ("| head | {} bytes |", head::HEAD_MAX),
        ("| catalog in it | {} bytes |", head::CATALOG_MAX),
        ("| signed statement | {} bytes |", ledger::STATEMENT_MAX),
        ("| proposals | {} |", peers::PROPOSALS_MAX),
        ("| entries in an Exchange that this box asks with, or takes at once | {} bytes", peers::ENTRIES_AT_ONCE),
        ("goes over in parts of {} bytes", peers::ENTRIES_AT_ONCE),
        ("| shard | {} bytes |", erasure::layout::SHARD_LEN_MAX),
        ("| groups of a range proof | {} |", erasure::proof::PROOF_GROUPS_MAX),
        ("| hints in an invitation | {} |", invitation::HINTS_MAX),
        ("| members that are not removed | {} |", roster::MEMBERS_MAX),
        ("| device keys that a member has had before the present one | {} |", roster::BOXES_MAX),
        ("| OfferShard | 0 bytes 32: shard · 1 number: its bytes, 1 to {} ·", erasure::layout::SHARD_LEN_MAX),
        ("1 list of record AuditRange: 1 to {} ·", peers::PEER_BATCH_MAX),
        ("| Condemn | 0 list of bytes 32: at most {} shards", peers::PEER_BATCH_MAX),
        ("| ShardPage | 0 list of record ListedShard: by id, at most {};", peers::PEER_BATCH_MAX),
        ("| AuditRange | 0 bytes 32: shard · 1 number: first byte, a multiple of {} ·", erasure::proof::GROUP_LEN),
        ("1 bytes: padding, at least {} |", reach::DIAL_BACK_LEN),
        ("time to live in seconds, 1 to {} ·", usize::try_from(address::TTL_MAX.0).expect("seconds")),
    ] {
        let row = row.replace("{}", &grouped(number as u64));
        assert!(text.contains(&row), "docs/PROTOCOL.md should say {row}");
    }
    let label = std::str::from_utf8(peers::CHANNEL_LABEL).expect("text");
    assert_eq!(text.matches(&format!("label `{label}`")).count(), 2);
    let channels = std::str::from_utf8(reach::CHANNEL_PROTOCOL).expect("text");
    assert!(text.contains(&format!("whose ALPN is `{channels}`")));
}

/// What a constant of the appliance is set to; by its source, since the engine does not know the appliance.
fn set_to(file: &str, name: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../appliance/src").join(file);
    let source = fs::read_to_string(&source).expect(file);
    let (_, behind) = source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("{file} has no {name}"));
    let value = behind.split(';').next().and_then(|item| item.split_once(" = "));
    value.expect(name).1.to_owned()
}

/// Such as `4_096` or `4 << 10`.
fn constant(file: &str, name: &str) -> u64 {
    let value = set_to(file, name);
    let number = |text: &str| text.replace('_', "").parse::<u64>().unwrap_or_else(|e| panic!("{name} = {value}: {e}"));
    match value.split_once(" << ") {
        Some((base, by)) => number(base) << number(by),
        None => number(&value),
    }
}

/// Such as `Duration::from_secs(60)`.
fn seconds(file: &str, name: &str) -> u64 {
    let value = set_to(file, name);
    let inner = value.strip_prefix("Duration::from_secs(").and_then(|value| value.strip_suffix(')'));
    inner.and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{name} = {value}"))
}

#[test]
fn the_limits_between_boxes_are_the_appliance_s() {
    let text = document("PROTOCOL.md");
    let text = text.split_once("\n## Between boxes: the community\n").expect("the part about boxes").1;
    // What is told in MiB and GiB.
    let binary = |file, name, unit: u32| constant(file, name) >> unit;
    let [edge, messages] = ["peering/mod.rs", "peering/messages.rs"];
    let [keeping, auditing] = ["operations/hosting/keeping.rs", "operations/hosting/auditing.rs"];
    let [spoken, pair] = ["operations/community/spoken.rs", "channels/pair.rs"];
    let open = constant("operations/community/coming_in.rs", "OPEN_MAX");
    let (small, batch) = (constant(messages, "SMALL"), constant(messages, "BATCH"));
    let (exchanges, coming) =
        (constant(spoken, "TALKS_MAX"), constant("operations/hosting/receiving.rs", "COMING_MAX"));
    for (row, numbers) in [
        (
            "| messages at a time | {}, of one member {}; the others wait |",
            vec![constant(edge, "MESSAGES_MAX"), constant(edge, "MESSAGES_PER_PEER_MAX")],
        ),
        (
            "| pieces and ranges at a time | {}, of one member {}; the others wait |",
            vec![constant(edge, "TRANSFERS_MAX"), constant(edge, "TRANSFERS_PER_PEER_MAX")],
        ),
        (
            "| audits at a time | {}, of one member {};",
            vec![constant(edge, "AUDITS_MAX"), constant(edge, "AUDITS_PER_PEER_MAX")],
        ),
        (
            "Strangers have {} places together, {} for each key.",
            vec![constant(edge, "STRANGERS_MAX"), constant(edge, "STRANGERS_PER_KEY_MAX")],
        ),
        (
            "| channels | {}, opened by one member {} |",
            vec![constant(edge, "CHANNELS_MAX"), constant(edge, "CHANNELS_PER_PEER_MAX")],
        ),
        ("| lent connections that wait, of one member | {};", vec![constant("channels/mod.rs", "LENT_PER_MEMBER_MAX")]),
        ("Who hears nothing for {} s ends it.", vec![seconds("channels/lent.rs", "SILENT_MAX")]),
        ("the lender says 1 too, within {} s,", vec![seconds("channels/lent.rs", "TAKEN_PATIENCE")]),
        ("the lender every {} s,", vec![seconds("channels/lent.rs", "ALIVE_EVERY")]),
        ("| a connection on which nothing moves | {} s |", vec![seconds("channels/splice.rs", "IDLE_MAX")]),
        (
            "| the first message on a channel | {} s; for a place {} s,",
            vec![seconds("peering/channels.rs", "PATIENCE"), seconds("peering/channels.rs", "WAIT")],
        ),
        (
            "| relayed connections | {}, between two members {}; of these over connections that a member has lent {},",
            vec![constant(pair, "ALL_MAX"), constant(pair, "PER_PAIR_MAX"), constant(pair, "LENT_PER_PAIR_MAX")],
        ),
        (
            "At most {} invitations are open, {} requests wait, and {} claims of one member count,",
            vec![open, open, constant("operations/community/claims.rs", "CLAIMS_MAX")],
        ),
        ("A box has at most\n{} codes and {} exchanges open", vec![constant(spoken, "CODES_MAX"), exchanges]),
        ("\nafter {} beginnings.", vec![constant(spoken, "BEGINNINGS")]),
        ("· 5: {} exchanges are under way, or {} requests wait |", vec![exchanges, open]),
        ("{} MiB together. The answer", vec![binary(auditing, "BYTES_MAX", 20)]),
        ("(of at most 256 groups, {} MiB together)", vec![binary(auditing, "PROVED_MAX", 20)]),
        ("the proofs asked for need more than {} GiB to be read", vec![binary(auditing, "READ_MAX", 30)]),
        ("The {} that came last stay", vec![constant(keeping, "HEADS_KEPT")]),
        ("{} a day are taken.", vec![constant(keeping, "HEADS_A_DAY")]),
        ("by at most {}; the same one again is a\nsuccess", vec![constant(keeping, "HEADS_JUMP_MAX")]),
        ("how many at most; more than {0} count as {0} ·", vec![constant(keeping, "HEADS_LISTED_MAX")]),
        ("· 5: {} came today ·", vec![constant(keeping, "HEADS_A_DAY")]),
        ("UTC, at most {} from the host's day |", vec![constant("operations/hosting/books.rs", "DAYS_APART")]),
        ("| shards of one owner that are offered and not there yet | {} |", vec![coming]),
        ("| `/v1/peers/join`, `/v1/peers/spoken-join` | {} |", vec![constant("peering/community.rs", "JOIN")]),
        ("| `/v1/peers/join-state`, `/v1/peers/claim` | {} |", vec![small]),
        ("| `/v1/peers/audit` | {} |", vec![batch]),
        ("| `/v1/peers/condemn` | {} |", vec![batch]),
        ("| `/v1/peers/head` | {} |", vec![head::HEAD_MAX as u64 + (1 << 10)]),
        ("| all others | {} |", vec![small]),
    ] {
        let row = numbers
            .iter()
            .fold(row.replace("{0}", &grouped(numbers[0])), |row, number| row.replacen("{}", &grouped(*number), 1));
        assert!(text.contains(&row), "docs/PROTOCOL.md should say {row}");
    }
}

#[test]
fn the_largest_messages_that_are_allowed_fit_into_what_is_taken() {
    let bytes = |len: usize| ByteVec::from(vec![0; len]);
    let fits = |what: &str, len: usize, max: usize| assert!(len <= max, "{what}: {len} bytes do not fit into {max}");
    let taken = |file, name| usize::try_from(constant(file, name)).expect("a size");
    let (small, batch) = (taken("peering/messages.rs", "SMALL"), taken("peering/messages.rs", "BATCH"));
    let join = taken("peering/community.rs", "JOIN");
    let (shard, many) = (ShardId::from_bytes([0; ShardId::LEN]), peers::PEER_BATCH_MAX);

    let ranges = vec![peers::AuditRange { shard, start: u32::MAX, len: u32::MAX }; many];
    let audit = peers::Audit { nonce: [0; 32].into(), ranges, with_proofs: true };
    fits("an audit", encode(&audit).len(), batch);
    let condemn = peers::Condemn { shards: vec![shard; many], wish: peers::Wish::Spare };
    fits("a list of condemned shards", encode(&condemn).len(), batch);
    let (invitation, request) = (InvitationId::from_bytes([0; InvitationId::LEN]), bytes(invitation::JOIN_MAX));
    fits("a request to join", encode(&peers::AskToJoin { invitation, request }).len(), join);
    let statement = bytes(ledger::STATEMENT_MAX);
    fits("a statement", encode(&peers::AgreeStatement { statement }).len(), small);

    let listed = peers::ListedShard { shard, len: u32::MAX, received_at: UnixMillis(i64::MAX), is_kept: true };
    let page = peers::ShardPage { shards: vec![listed; many] };
    fits("a page of shards", encode(&page).len(), peers::ListShards::RESPONSE_MAX);
    let listed = taken("operations/hosting/keeping.rs", "HEADS_LISTED_MAX");
    let page = peers::HeadPage { heads: vec![bytes(head::HEAD_MAX); listed] };
    fits("a page of heads", encode(&page).len(), peers::ListHeads::RESPONSE_MAX);

    let records = vec![bytes(address::RECORD_MAX); roster::MEMBERS_MAX];
    let shown = peers::KitShown { pin: SpkiPin::from_bytes([0; SpkiPin::LEN]), at: UnixMillis(i64::MAX) };
    let told = peers::Exchanged {
        sequence: u64::MAX,
        last: EntryHash::from_bytes([0; EntryHash::LEN]),
        entries: vec![bytes(log::LOG_MAX / log::ENTRIES_MAX); log::ENTRIES_MAX],
        records: records.clone(),
        proposals: vec![bytes(entry::ENTRY_MAX); peers::PROPOSALS_MAX],
        kits_shown: vec![shown; peers::KITS_SHOWN_MAX],
    };
    fits("what a member knows", encode(&told).len(), peers::Exchange::RESPONSE_MAX);
    let asked = peers::Exchange {
        sequence: u64::MAX,
        last: told.last,
        entries: vec![bytes(peers::ENTRIES_AT_ONCE / log::ENTRIES_MAX); log::ENTRIES_MAX],
        records: records.clone(),
        proposals: told.proposals.clone(),
        entries_at_most: Some(u32::MAX),
    };
    fits("what a member asks and gives", encode(&asked).len(), wire::REQUEST_MAX);
    let len = encode(&peers::JoinAnswer::Admitted { log: bytes(log::LOG_MAX), records }).len();
    let kinds = [peers::AskToJoin::RESPONSE_MAX, peers::AskAgain::RESPONSE_MAX, peers::JoinSpoken::RESPONSE_MAX];
    kinds.into_iter().chain([peers::ClaimOwner::RESPONSE_MAX]).for_each(|max| fits("a community", len, max));

    // As many proofs as there may be, and each with hashes on both sides of its groups down to the lowest level.
    let (longest, group) = (erasure::layout::SHARD_LEN_MAX, erasure::proof::GROUP_LEN);
    let beside = erasure::proof::proof_len(longest, &(1..2)).expect("a proof") - group;
    let proofs = taken("operations/hosting/auditing.rs", "PROVED_MAX") + many * (2 * beside + 5);
    fits("proofs", 16 + proofs, peers::Audit::RESPONSE_MAX);
}
