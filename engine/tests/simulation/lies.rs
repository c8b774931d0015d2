//! What a host says that is not so.

use datis_engine::erasure::answer::Answer as ShortAnswer;
use datis_engine::ids::ShardId;
use datis_engine::life::audit::Answer;
use datis_engine::life::hosting::HeldShard;

/// What a host lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It signs for what it is given, and keeps none of it.
    KeepsNothing,
    /// It denies what it has.
    Denies,
    /// It answers audits with other bytes than it was asked for.
    OtherBytes,
    /// It has lost some, and repeats what it answered to an earlier question.
    Replays,
    /// Its lists leave out every second shard.
    Omits,
    /// Its lists name what it never got.
    Invents,
    /// It agrees to whatever list a lease names.
    Agrees,
    /// It shows the first head for the newest.
    OldHead,
    /// It shows heads that the owner did not sign.
    ForgedHead,
    /// It shows another head of the same number: the owner's key was in two hands.
    ForkedHead,
}

pub(crate) const LIES: [Lie; 10] = [
    Lie::KeepsNothing,
    Lie::Denies,
    Lie::OtherBytes,
    Lie::Replays,
    Lie::Omits,
    Lie::Invents,
    Lie::Agrees,
    Lie::OldHead,
    Lie::ForgedHead,
    Lie::ForkedHead,
];

/// Of a question that was asked before the shard was lost.
const EARLIER: [u8; 32] = [9; 32];

impl Lie {
    /// Whether what such a host holds is as good as lost.
    pub(crate) const fn costs_shards(self) -> bool {
        matches!(self, Self::KeepsNothing | Self::Denies | Self::OtherBytes | Self::Replays)
    }

    /// `is_here`: whether it truly has the shard.
    pub(crate) fn answer(self, id: &ShardId, is_here: bool, nonce: &[u8; 32]) -> Answer {
        match self {
            Self::Denies => Answer::NotFound,
            Self::OtherBytes => with_other_bytes(id, nonce),
            _ if is_here => Answer::Served { matches: true },
            Self::Replays => compared(id, nonce, answered(id, &EARLIER, id.as_bytes())),
            _ => with_other_bytes(id, nonce),
        }
    }

    pub(crate) fn list(self, mut listed: Vec<(ShardId, HeldShard)>) -> Vec<(ShardId, HeldShard)> {
        match self {
            Self::Omits => listed.into_iter().step_by(2).collect(),
            Self::Invents => {
                let mut invented = listed.clone();
                invented.iter_mut().for_each(|(id, _)| *id = ShardId::from_bytes(id.as_bytes().map(|byte| !byte)));
                listed.append(&mut invented);
                listed.sort_by_key(|(id, _)| *id);
                listed
            }
            _ => listed,
        }
    }
}

/// An answer over bytes that are not those of the shard, as the owner judges it.
pub(crate) fn with_other_bytes(id: &ShardId, nonce: &[u8; 32]) -> Answer {
    compared(id, nonce, answered(id, nonce, b"other bytes"))
}

/// For this purpose the bytes of a shard are those of its name.
fn compared(id: &ShardId, nonce: &[u8; 32], given: [u8; 32]) -> Answer {
    Answer::Served { matches: given == answered(id, nonce, id.as_bytes()) }
}

fn answered(id: &ShardId, nonce: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut answer = ShortAnswer::new(nonce);
    answer.add(*id, 0, bytes);
    answer.finish()
}
