//! What was acknowledged is there: after kills, power cuts, broken and full disks, and clocks that jump.
//!
//! Every scenario prints its seed when it fails; `DATIS_SEED` repeats it, as far as the order of processes allows, and
//! `DATIS_CYCLES` sets how long it goes on. `docs/TESTING.md` says which planted bug each of them has to find.

mod clocks;
mod disk_faults;
mod killed;
mod lies;
mod planted;
mod power_cut;
mod rig;
