//! Messages on a channel: one byte of length, then CBOR.

use std::io;
use std::time::Duration;

use datis_engine::wire::reach::{CHANNEL_MESSAGE_MAX, channel_frame, read_channel_message};
use minicbor::{Decode, Encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Sends a message.
///
/// # Errors
/// The connection's.
pub(crate) async fn write_message(pipe: &mut (impl AsyncWrite + Unpin), message: &impl Encode<()>) -> io::Result<()> {
    pipe.write_all(&channel_frame(message)).await?;
    pipe.flush().await
}

/// Reads a message that has to come within `patience`.
///
/// # Errors
/// The connection's; [`io::ErrorKind::InvalidData`] for what is no message.
pub(crate) async fn read_message<T: for<'b> Decode<'b, ()>>(
    pipe: &mut (impl AsyncRead + Unpin),
    patience: Duration,
) -> io::Result<T> {
    let read = async {
        let len = usize::from(pipe.read_u8().await?);
        if len > CHANNEL_MESSAGE_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let mut body = vec![0; len];
        pipe.read_exact(&mut body).await?;
        read_channel_message(&body).map_err(|_| io::ErrorKind::InvalidData.into())
    };
    timeout(patience, read).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
