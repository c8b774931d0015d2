//! Why the computer under the box is not changed.

use std::net::Ipv4Addr;

use crate::files::FileError;
use crate::hand::HelperError;
use crate::operations::OperationError;

/// Why the computer under the box is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error(transparent)]
    Hand(#[from] HelperError),
    #[error("this computer has no network port; plug one in")]
    NoPort,
    #[error("the network cannot be looked at: {0}")]
    Untold(String),
    #[error(
        "neither systemd-networkd nor NetworkManager manages port {port}, so the box cannot change its address; set it where \
         this computer's network is set, or let one of the two manage the port"
    )]
    Unmanaged { port: String },
    #[error("{address} is used already, by the device with the hardware address {mac}; choose another one")]
    Taken { address: Ipv4Addr, mac: String },
    #[error("whether {address} is free could not be seen, so nothing was changed: {reason}")]
    Unprobed { address: Ipv4Addr, reason: String },
    #[error("another address is being tried; confirm it or take it back first")]
    Busy,
    #[error("no address is being tried, or its time is over")]
    NothingTried,
    #[error(
        "this came in by another way than {wanted}; confirm from there, so that it is sure that the box is reached"
    )]
    FromElsewhere { wanted: String },
    #[error("the new address is not on yet; say it again in a moment")]
    NotYet,
    #[error("the time was over, and the address was taken back; try again")]
    TooLate,
    #[error("it could not be done, and the box has its old address: {0}")]
    Failed(String),
    #[error(
        "it was taken back, but the setting that was there before does not come up: {0}; see to the cable and the network"
    )]
    Down(String),
    #[error("it could not be taken back now: {0}; the box takes it back at its next start")]
    Stuck(String),
    #[error("that an address is tried could not be noted, so nothing was changed")]
    Note(#[source] FileError),
    #[error("a thread could not be started, so nothing was changed")]
    Thread(#[source] std::io::Error),
    #[error("there are no random numbers")]
    Random,
}
