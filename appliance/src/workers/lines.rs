//! How the workers of mutual backup talk to one other box at a time. In tests there is no network below.

use bytes::Bytes;
use datis_engine::community::signed::Signed;
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::wire::peers::{
    AgreeStatement, Audit, Audited, Condemn, Condemned, HeadKept, HeadPage, KeepHead, LeaseAnswer, ListHeads,
    ListShards, OfferShard, RenewLease, ShardOffer, ShardPage, StatementAnswer,
};

use crate::links::peers::{PeerLink, PeerLinkError};
use crate::operations::chain;
use crate::peers::{PATIENCE, Peers};

/// Why a box did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// It does not want to; it may be asked other things.
    #[error("the other box refuses: {0}")]
    Refused(String),
    /// There is no connection, or not any more.
    #[error("the other box does not answer: {0}")]
    Broken(String),
}

/// Where connections come from.
pub(super) trait Lines: Sync {
    /// One connection.
    type Line: Line;

    /// Connects to the present box of a member.
    fn open(&self, member: MemberId) -> Result<Self::Line, LineError>;
}

/// One connection to one box, one question at a time.
pub(super) trait Line {
    /// Asks for room.
    fn offer(&mut self, offer: &OfferShard) -> Result<ShardOffer, LineError>;
    /// Sends some bytes of a shard; after the last one there is a receipt.
    fn put(&mut self, shard: ShardId, from: u32, total: u32, bytes: Bytes) -> Result<Option<Signed>, LineError>;
    /// Gives a head to keep.
    fn keep_head(&mut self, head: &KeepHead) -> Result<HeadKept, LineError>;
    /// Asks for the newest heads that are there.
    fn list_heads(&mut self, list: &ListHeads) -> Result<HeadPage, LineError>;
    /// Tells what is not needed.
    fn condemn(&mut self, condemn: &Condemn) -> Result<Condemned, LineError>;
    /// Asks for a proof.
    fn audit(&mut self, audit: &Audit) -> Result<Audited, LineError>;
    /// Says that the box lives and what it believes to have there.
    fn renew_lease(&mut self, lease: &RenewLease) -> Result<LeaseAnswer, LineError>;
    /// Asks what is there.
    fn list_shards(&mut self, list: &ListShards) -> Result<ShardPage, LineError>;
    /// Compares books.
    fn agree_statement(&mut self, statement: &AgreeStatement) -> Result<StatementAnswer, LineError>;
}

impl Lines for Peers {
    type Line = PeerLink;

    fn open(&self, member: MemberId) -> Result<PeerLink, LineError> {
        let connected = self.connect(member).map_err(|error| LineError::Broken(chain(&error)))?;
        // Who was reached before is dialled with little patience; what is sent now may be long, and the line slow.
        Ok(connected.with_patience(PATIENCE))
    }
}

fn told(error: PeerLinkError) -> LineError {
    match error {
        PeerLinkError::Refused(refusal) => LineError::Refused(refusal.to_string()),
        other => LineError::Broken(chain(&other)),
    }
}

impl Line for PeerLink {
    fn offer(&mut self, offer: &OfferShard) -> Result<ShardOffer, LineError> {
        self.ask(offer).map_err(told)
    }

    fn put(&mut self, shard: ShardId, from: u32, total: u32, bytes: Bytes) -> Result<Option<Signed>, LineError> {
        self.put_shard(shard, from, total, bytes).map_err(told)
    }

    fn keep_head(&mut self, head: &KeepHead) -> Result<HeadKept, LineError> {
        self.ask(head).map_err(told)
    }

    fn list_heads(&mut self, list: &ListHeads) -> Result<HeadPage, LineError> {
        self.ask(list).map_err(told)
    }

    fn condemn(&mut self, condemn: &Condemn) -> Result<Condemned, LineError> {
        self.ask(condemn).map_err(told)
    }

    fn audit(&mut self, audit: &Audit) -> Result<Audited, LineError> {
        self.ask(audit).map_err(told)
    }

    fn renew_lease(&mut self, lease: &RenewLease) -> Result<LeaseAnswer, LineError> {
        self.ask(lease).map_err(told)
    }

    fn list_shards(&mut self, list: &ListShards) -> Result<ShardPage, LineError> {
        self.ask(list).map_err(told)
    }

    fn agree_statement(&mut self, statement: &AgreeStatement) -> Result<StatementAnswer, LineError> {
        self.ask(statement).map_err(told)
    }
}
