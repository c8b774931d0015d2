//! Messages of the machine port: HTTP/1.1 over mutual TLS, bodies in CBOR. `docs/PROTOCOL.md` describes the exchange.
//!
//! Types only: `appliance::intake` serves them, `client::link` asks for them. A request names its path and its response,
//! so that neither side spells them twice.

use minicbor::{Decode, Encode};

use crate::format::encode;

/// Media type of all CBOR bodies.
pub const CBOR: &str = "application/cbor";

/// The default machine port.
pub const MACHINE_PORT: u16 = 20600;

/// The most chunks in one [`Have`] or [`Locate`].
pub const BATCH_MAX: usize = 16_384;

/// The longest CBOR request body, in bytes.
pub const REQUEST_MAX: usize = 4 << 20;

/// The longest CBOR response body that a client accepts unless the message says otherwise, in bytes.
const RESPONSE_MAX: usize = 1 << 20;

/// The most snapshots in one [`SnapshotPage`].
pub const PAGE_MAX: usize = 1_000;

/// A request that is one CBOR body, answered by one CBOR body.
pub trait Message: Encode<()> + for<'b> Decode<'b, ()> {
    /// What the box answers.
    type Response: Encode<()> + for<'b> Decode<'b, ()>;
    /// The path it is posted to.
    const PATH: &'static str;
    /// The longest response that a client accepts, in bytes.
    const RESPONSE_MAX: usize = RESPONSE_MAX;

    /// The response as it crosses the line: two parts, one after the other, so that many bytes need not be copied.
    fn parts(response: Self::Response) -> [Vec<u8>; 2] {
        [encode(&response), Vec::new()]
    }
}

macro_rules! message {
    ($request:ty => $response:ty, $path:literal $(, $max:expr $(, $parts:path)?)?) => {
        impl Message for $request {
            type Response = $response;
            const PATH: &'static str = $path;
            $(
                const RESPONSE_MAX: usize = $max;
                $(
                    fn parts(response: $response) -> [Vec<u8>; 2] {
                        $parts(response)
                    }
                )?
            )?
        }
    };
}

mod backup;
mod machine;
pub mod peers;
mod put_back;
pub mod reach;
mod refusal;
mod restore;
mod snapshots;

pub use backup::{
    Abandon, Begin, Begun, Commit, Have, Known, PACK_PATH, SESSION_IDLE_MAX, SessionId, pack_path, put_body_head,
};
pub use machine::{Enrol, Enrolled, Heartbeat, Policy, Renew, Renewed, RestoreReport, RunOutcome, RunReport};
pub use put_back::{
    ListPutBacks, PUT_BACK_PATHS_MAX, PUT_BACKS_MAX, PutBack, PutBackAnswer, PutBackMode, PutBackStep, PutBacks,
    TellPutBack,
};
pub use refusal::{Refusal, RefusalCode};
pub use restore::{ChunkPlace, Locate, Located, ReadSegment, ReceivedFrame, SegmentFrame};
pub use snapshots::{ListSnapshots, SnapshotInfo, SnapshotPage, SnapshotState};

/// Nothing more to say.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Done {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::decode_all;
    use crate::retention::RetentionPolicy;
    use crate::units::{Seconds, UnixMillis};

    proptest! {
        #[test]
        fn answers_to_have_keep_their_order(flags in proptest::collection::vec(any::<bool>(), 0..100)) {
            let known: Known = decode_all("known", &encode(&Known::from_flags(&flags))).expect("decode");
            let back: Vec<bool> = (0..flags.len()).map(|i| known.get(i)).collect();
            prop_assert_eq!(back, flags);
        }

        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_all::<Have>("have", &bytes).map(|m| m.items());
            let _ = decode_all::<Locate>("locate", &bytes).map(|m| m.items());
            let _ = decode_all::<Commit>("commit", &bytes);
            let _ = decode_all::<Located>("located", &bytes);
            let _ = decode_all::<Refusal>("refusal", &bytes);
            let _ = decode_all::<SnapshotPage>("snapshots", &bytes);
            let _ = decode_all::<PutBacks>("requests", &bytes);
            let _ = decode_all::<TellPutBack>("request", &bytes);
        }
    }

    #[test]
    fn a_policy_is_understood_by_those_who_know_less_or_more_of_it() {
        /// As it was before machines could be paused.
        #[derive(Encode, Decode)]
        struct Earlier {
            #[n(0)]
            every: Seconds,
            #[n(1)]
            local: RetentionPolicy,
            #[n(2)]
            external: RetentionPolicy,
            #[n(3)]
            now: UnixMillis,
        }
        let (local, external) = (RetentionPolicy::default_local(), RetentionPolicy::default_external());
        let now = UnixMillis(7);
        let plain = Policy { every: Seconds(5), local, external, now, paused_until: None, requests: None };
        let Policy { every, local, external, .. } = plain.clone();
        let earlier = encode(&Earlier { every, local, external, now });
        assert_eq!(decode_all::<Policy>("policy", &earlier).expect("decode"), plain);
        assert_eq!(encode(&plain), earlier, "who wants nothing new says nothing new");
        let paused = encode(&Policy { paused_until: Some(UnixMillis(9)), requests: Some(2), ..plain });
        assert_eq!(decode_all::<Earlier>("policy", &paused).expect("decode").now, now);
    }

    #[test]
    fn a_segment_in_parts_is_the_same_as_in_one() {
        for len in [0, 1, 23, 24, 300, 70_000] {
            let frame = SegmentFrame { whole: len % 2 == 0, plain_len: len, frame: vec![7; len as usize] };
            assert_eq!(encode(&frame), ReadSegment::parts(frame).concat(), "{len}");
        }
    }

    #[test]
    fn refusals_have_error_statuses() {
        assert!(RefusalCode::ALL.iter().all(|code| (400..600).contains(&code.status())));
    }
}
