//! A box with two machines that have backed up, one that was retired, and everybody else who may knock.

use std::time::Duration;

use datis_engine::ids::{ChunkId, PackId, SnapshotId, Witness};
use datis_engine::pack::FinishedPack;
use datis_engine::wire::SessionId;
use harness::TestBox;
use harness::raw::{Authority, Identity, Raw, RawMachine, Stored, fresh_key};

/// Longer than the box goes on with a machine that was just retired.
const RETIRED: Duration = Duration::from_millis(2_500);

/// What a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) session: SessionId,
    pub(crate) snapshot: SnapshotId,
    pub(crate) pack: PackId,
    pub(crate) chunk: (ChunkId, Witness),
}

impl Ids {
    /// Ids of the right form that nothing has.
    pub(crate) fn of_nothing() -> Self {
        Self {
            session: SessionId(0x5e55_1000_0000_0001),
            snapshot: SnapshotId::from_bytes([0xee; 32]),
            pack: PackId::from_bytes([0xdd; 32]),
            chunk: (ChunkId::from_bytes([0xcc; ChunkId::LEN]), Witness::from_bytes([0xbb; 16])),
        }
    }

    /// Their text forms, which the box may repeat in what it says.
    pub(crate) fn words(&self) -> [String; 4] {
        [self.session.0.to_string(), self.snapshot.to_string(), self.pack.to_string(), self.chunk.0.to_string()]
    }
}

/// A machine with a snapshot, an open backup, and a pack in it that is not committed.
pub(crate) struct Tenant {
    pub(crate) raw: RawMachine,
    pub(crate) stored: Stored,
    pub(crate) session: SessionId,
    pub(crate) uncommitted: FinishedPack,
}

impl Tenant {
    fn enrol(boxed: &TestBox, name: &str) -> Self {
        let raw = enrol(boxed, name);
        let [first, second] = [1, 2].map(|n| format!("file {n} of {name}, and of nobody else").into_bytes());
        let stored = raw.back_up("documents", &[("one", &first), ("two", &second)]);
        let mut connection = raw.connect();
        let session = raw.begin(&mut connection, "open").expect("begin");
        let uncommitted = raw.pack(&[format!("not committed by {name}").as_bytes()]);
        assert_eq!(raw.put(&mut connection, session, &uncommitted).expect("put").status, 204);
        Self { raw, stored, session, uncommitted }
    }

    pub(crate) fn ids(&self) -> Ids {
        let Stored { snapshot, pack, chunks } = &self.stored;
        Ids { session: self.session, snapshot: *snapshot, pack: *pack, chunk: chunks[0] }
    }

    pub(crate) fn connect(&self) -> Raw {
        self.raw.connect()
    }
}

pub(crate) struct Scene {
    pub(crate) boxed: TestBox,
    pub(crate) a: Tenant,
    pub(crate) b: Tenant,
}

impl Scene {
    pub(crate) fn set() -> Self {
        let boxed = TestBox::start();
        let (a, b) = (Tenant::enrol(&boxed, "machine-a"), Tenant::enrol(&boxed, "machine-b"));
        Self { boxed, a, b }
    }

    /// Those who get as far as a request, and no further: what they call themselves, and what they show.
    pub(crate) fn strangers(&self) -> Vec<(&'static str, Option<Identity>)> {
        let retired = enrol(&self.boxed, "retired");
        self.boxed.command(["retire", "--machine", "retired"]).run().expect_success();
        std::thread::sleep(RETIRED);
        let never = self.authority().certify(&fresh_key().serialize_der(), 2020..2090);
        vec![
            ("nobody, without a certificate", None),
            ("a retired machine", Some(retired.identity)),
            ("a key that was never enrolled", Some(never)),
        ]
    }

    /// The box's own authority, stolen from its folder: certificates that only the box could have signed.
    pub(crate) fn authority(&self) -> Authority {
        let key = std::fs::read(self.boxed.data().join("keys/machine-ca.pkcs8")).expect("the box's key");
        Authority::of_box(&key, &self.a.raw.identity.certificate)
    }
}

pub(crate) fn enrol(boxed: &TestBox, name: &str) -> RawMachine {
    RawMachine::enrol(&boxed.enrol_code(name, "server")).unwrap_or_else(|e| panic!("{name} is not enrolled: {e}"))
}
