//! What something took: time, processor time of all processes that took part, and memory.

use std::time::Instant;

/// Ticks of the processor time in `/proc/PID/stat` in a second (USER_HZ, the same on all our systems).
const TICKS: f64 = 100.0;

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// Of all processes together.
    pub(crate) cpu_seconds: f64,
}

impl Cost {
    /// Does `work` and says what it took, with what the processes `pids` spent meanwhile.
    pub(crate) fn of(pids: &[u32], work: impl FnOnce()) -> Self {
        let watch = Watch::start(pids);
        work();
        watch.stop()
    }

    pub(crate) fn mib_per_second(&self, bytes: u64) -> f64 {
        mib(bytes) / self.seconds.max(0.001)
    }

    /// Processor time for a GiB: does not depend on what else the machine does.
    pub(crate) fn cpu_per_gib(&self, bytes: u64) -> f64 {
        self.cpu_seconds / (mib(bytes) / 1024.0).max(0.001)
    }
}

/// Cost that is being counted.
pub(crate) struct Watch {
    pids: Vec<u32>,
    cpu_seconds: f64,
    began: Instant,
}

impl Watch {
    pub(crate) fn start(pids: &[u32]) -> Self {
        Self { pids: pids.to_vec(), cpu_seconds: pids.iter().map(|pid| cpu(*pid)).sum(), began: Instant::now() }
    }

    pub(crate) fn stop(&self) -> Cost {
        let spent = self.pids.iter().map(|pid| cpu(*pid)).sum::<f64>() - self.cpu_seconds;
        Cost { seconds: self.began.elapsed().as_secs_f64(), cpu_seconds: spent }
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Processor seconds of a process and of those that it has waited for (proc(5), fields 14 to 17 of `stat`).
pub(crate) fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    fields[11..15].iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// From here on the largest resident set is counted anew.
pub(crate) fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process runs");
}

/// The largest resident set since [`forget_peak`], in MiB.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
