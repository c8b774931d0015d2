//! What the two edges behind the machine port share: `intake` for machines and `peering` for other boxes. What a connection
//! has proved stands in its data, and each edge looks for its own kind only.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod places;

use actix_web::HttpRequest;
use datis_engine::keys::PublicKey;
use datis_engine::wire::{Refusal, RefusalCode};

/// Below this path other boxes ask, and nobody else; they ask for nothing else.
pub(crate) const PEER_PATHS: &str = "/v1/peers/";

/// The key of a certificate that its holder signed itself. The handshake has proved that it has the key, and nothing more: who
/// that is stands in the community's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerKey(pub(crate) PublicKey);

impl PeerKey {
    /// The key of the connection that the request came on.
    ///
    /// # Errors
    /// [`RefusalCode::NoCertificate`].
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        request.conn_data::<Self>().copied().ok_or_else(|| {
            Refusal::new(RefusalCode::NoCertificate, "only other boxes ask for this, with a certificate of their own")
        })
    }
}

/// What both ends of the connection know of it and nobody else (RFC 9266, 32 bytes): signed, it counts on no other connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel(pub(crate) [u8; 32]);
