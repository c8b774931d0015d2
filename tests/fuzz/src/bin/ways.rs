//! Messages about the ways between boxes, and the first ones on a channel.
#![no_main]

use datis_engine::wire::reach::{ChannelAnswer, DialBack, DialledBack, OpenChannel, Ping};
use datis_fuzz::comes_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    comes_back::<Ping>(data);
    comes_back::<DialBack>(data);
    comes_back::<DialledBack>(data);
    comes_back::<OpenChannel>(data);
    comes_back::<ChannelAnswer>(data);
});
