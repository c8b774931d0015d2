-- What every page of the portal counts, out of indexes alone: snapshots of each source, packs of each machine.

CREATE INDEX snapshot_totals ON snapshot (machine, source, lifecycle, received_at, state);
CREATE INDEX pack_totals ON pack (state, machine, bytes, chunks);
