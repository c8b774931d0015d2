//! The clocks of a simulated box: what its wall clock shows, what its kernel counts, and the counted time that machines see.

use datis_engine::life::clock::{CountedClock, Look};
use datis_engine::units::UnixMillis;

#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    wall_offset: i64,
    boot: u8,
    booted_at: u64,
    counted: CountedClock,
    saved: CountedClock,
}

impl Clocks {
    pub(crate) fn new(t: u64) -> Self {
        let counted = CountedClock::start(Look { wall: truth(t), boot: [0; 16], since_boot_ms: 0 });
        Self { wall_offset: 0, boot: 0, booted_at: t, counted, saved: counted }
    }

    /// Counted time, which is all that machines see.
    pub(crate) fn now(&mut self, t: u64) -> UnixMillis {
        let wall = UnixMillis(truth(t).0.saturating_add(self.wall_offset));
        let since_boot_ms = t.saturating_sub(self.booted_at);
        let now = self.counted.observe(Look { wall, boot: [self.boot; 16], since_boot_ms });
        assert!(now <= truth(t) || cfg!(feature = "plant"), "counted time is ahead of true time");
        now
    }

    pub(crate) fn set_wall(&mut self, offset_ms: i64) {
        self.wall_offset = offset_ms;
    }

    /// Writes the counted time down.
    pub(crate) fn save(&mut self) {
        self.saved = self.counted;
    }

    /// Power cut: what was not saved is lost, and the kernel begins to count anew at `back_at`.
    pub(crate) fn crash(&mut self, back_at: u64) {
        self.counted = self.saved;
        self.boot = self.boot.wrapping_add(1);
        self.booted_at = back_at;
    }

    /// The power is back at `t` already.
    pub(crate) fn wake(&mut self, t: u64) {
        self.booted_at = t;
    }
}

fn truth(t: u64) -> UnixMillis {
    UnixMillis(i64::try_from(t).expect("small"))
}
