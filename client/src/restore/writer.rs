//! The threads that fetch, check and write. Each has a connection, a decoder and a few open directories of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::RestoreError;
use super::site::{OpenDirs, Site, held};
use super::target::{PieceError, Run, Target};
use super::window::{Batch, Fetch, Job, Outstanding, Unit};
use crate::link::Link;
use crate::reader::{Fetcher, ReadError, Segment};

/// A segment with many files is shared among the threads, this many files or bytes at a time.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 1 << 20;

/// The most decode buffers that are kept for the next segment.
const BUFFERS_MAX: usize = 8;

/// Jobs that wait for a thread. Batches come first, so that few decoded segments are alive.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    others: VecDeque<Job>,
    is_closed: bool,
    buffers: Vec<Vec<u8>>,
}

impl Queue {
    /// Adds the jobs of a window; they must be counted in its [`Outstanding`] already.
    pub(super) fn add(&self, jobs: Vec<Job>) {
        held(&self.waiting).others.extend(jobs);
        self.changed.notify_all();
    }

    fn share(&self, batches: Vec<Batch>) {
        held(&self.waiting).batches.extend(batches);
        self.changed.notify_all();
    }

    /// No more jobs will come.
    pub(super) fn close(&self) {
        held(&self.waiting).is_closed = true;
        self.changed.notify_all();
    }

    fn take(&self) -> Option<Job> {
        let mut waiting = held(&self.waiting);
        loop {
            let job = waiting.batches.pop_front().map(Job::Batch).or_else(|| waiting.others.pop_front());
            if job.is_some() || waiting.is_closed {
                return job;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn buffer(&self) -> Vec<u8> {
        held(&self.waiting).buffers.pop().unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut waiting = held(&self.waiting);
        if waiting.buffers.len() < BUFFERS_MAX {
            waiting.buffers.push(buffer);
        }
    }
}

/// One thread's work, until the queue is closed and empty.
pub(super) fn work(site: &Site<'_>, queue: &Queue, link: &Link) {
    let mut writer = Writer { site, queue, dirs: OpenDirs::new(site), fetcher: None, link };
    while let Some(job) = queue.take() {
        writer.run(job);
    }
}

struct Writer<'r> {
    site: &'r Site<'r>,
    queue: &'r Queue,
    dirs: OpenDirs<'r>,
    /// Connected when there is something to fetch.
    fetcher: Option<Fetcher>,
    link: &'r Link,
}

impl Writer<'_> {
    fn run(&mut self, job: Job) {
        let window: Arc<Outstanding> = match &job {
            Job::Fetch(fetch) => fetch.window.clone(),
            Job::Batch(batch) => batch.fetch.window.clone(),
            Job::Empty(_, window) => window.clone(),
        };
        let _done = window.done_when_dropped();
        match job {
            Job::Fetch(fetch) => self.fetch(fetch),
            Job::Batch(batch) => self.batch(batch),
            Job::Empty(files, _) => files.iter().for_each(|file| self.whole(file, &[])),
        }
    }

    fn fetch(&mut self, fetch: Fetch) {
        let segment = match self.fetch_segment(&fetch) {
            Ok(segment) => Arc::new(segment),
            Err(error) => return self.nothing_fetched(&fetch, error),
        };
        let fetch = Arc::new(fetch);
        let mut batches: Vec<Batch> = cut(&fetch)
            .into_iter()
            .map(|units| Batch { fetch: fetch.clone(), segment: segment.clone(), units })
            .collect();
        drop(segment);
        let own = batches.pop();
        fetch.window.add(batches.len());
        self.queue.share(batches);
        if let Some(own) = own {
            self.batch(own);
        }
    }

    fn fetch_segment(&mut self, fetch: &Fetch) -> Result<Segment, PieceError> {
        if self.site.is_stopping() {
            return Err(PieceError::Stopped);
        }
        let fetcher = match &mut self.fetcher {
            Some(fetcher) => fetcher,
            empty => empty.insert(Fetcher::connect(self.link).map_err(|e| PieceError::Read(e.into()))?),
        };
        let segment = fetcher.segment(fetch.pack, fetch.segment, &fetch.wanted, || self.queue.buffer());
        let segment = segment.map_err(PieceError::Read)?;
        self.site.progress.bytes_read.add(segment.plain().len() as u64);
        Ok(segment)
    }

    /// All files of the segment lack something now. Each says why, unless it is the end of the whole restore.
    fn nothing_fetched(&mut self, fetch: &Fetch, error: PieceError) {
        let reason = match error {
            PieceError::Read(error) if error.is_local() => Some(error.chain()),
            PieceError::Read(error) => {
                self.site.stop(RestoreError::Read(error));
                None
            }
            PieceError::Write(_) | PieceError::Stopped => None,
        };
        for unit in &fetch.units {
            let error = match &reason {
                Some(reason) => PieceError::Read(ReadError::Repeated(reason.clone())),
                None => PieceError::Stopped,
            };
            self.skip(unit, error);
        }
    }

    fn skip(&mut self, unit: &Unit, error: PieceError) {
        if unit.is_whole_file() {
            unit.file.fail(error, self.site);
        } else {
            unit.file.settle(unit.pieces.len() as u64, Err(error), &mut self.dirs, self.site);
        }
    }

    fn batch(&mut self, batch: Batch) {
        let Batch { fetch, segment, units } = batch;
        for unit in &fetch.units[units] {
            if self.site.is_stopping() {
                self.skip(unit, PieceError::Stopped);
                continue;
            }
            let runs = match self.checked_runs(&fetch, &segment, unit) {
                Ok(runs) => runs,
                Err(error) => {
                    self.skip(unit, PieceError::Read(error));
                    continue;
                }
            };
            if unit.is_whole_file() {
                self.whole(&unit.file, &runs);
            } else {
                let written = unit.file.write_part(&runs, &mut self.dirs);
                self.count(&runs);
                let outcome = written.map(Some).map_err(PieceError::Write);
                unit.file.settle(unit.pieces.len() as u64, outcome, &mut self.dirs, self.site);
            }
        }
        if let Some(buffer) = Arc::into_inner(segment).map(Segment::into_buffer) {
            self.queue.give_back(buffer);
        }
    }

    fn whole(&mut self, file: &Target, runs: &[Run<'_>]) {
        if self.site.is_stopping() {
            return;
        }
        match file.write_whole(runs, &mut self.dirs, self.site) {
            Ok(()) => self.count(runs),
            Err(error) => file.fail(PieceError::Write(error), self.site),
        }
    }

    fn count(&self, runs: &[Run<'_>]) {
        let bytes = runs.iter().map(|run| run.bytes.len() as u64).sum();
        self.site.progress.bytes_seen.add(bytes);
    }

    /// The bytes of a unit, each chunk's name checked, neighbours joined.
    fn checked_runs<'s>(&self, fetch: &Fetch, segment: &'s Segment, unit: &Unit) -> Result<Vec<Run<'s>>, ReadError> {
        let mut runs: Vec<Run<'s>> = Vec::with_capacity(1);
        let mut end_in_segment = None;
        for stand in &fetch.stands[unit.pieces.clone()] {
            let index = stand.chunk as usize;
            let wanted = &fetch.wanted[index];
            let wrong = || ReadError::WrongBytes { id: wanted.id, pack: fetch.pack };
            let bytes = segment.chunk(index, wanted.len).ok_or_else(wrong)?;
            if self.site.keys.name(bytes).0 != wanted.id {
                return Err(wrong());
            }
            let start = segment.start(index).ok_or_else(wrong)? as usize;
            match runs.last_mut() {
                Some(run) if end_in_segment == Some(start) && run.offset + run.bytes.len() as u64 == stand.offset => {
                    let first = start - run.bytes.len();
                    run.bytes = &segment.plain()[first..start + bytes.len()];
                }
                Some(_) | None => runs.push(Run { offset: stand.offset, bytes }),
            }
            end_in_segment = Some(start + bytes.len());
        }
        Ok(runs)
    }
}

impl Unit {
    fn is_whole_file(&self) -> bool {
        self.file.pieces == Some(self.pieces.len())
    }
}

/// Ranges of units that are worth a turn of their own.
fn cut(fetch: &Fetch) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, unit) in fetch.units.iter().enumerate() {
        let lens = fetch.stands[unit.pieces.clone()].iter().map(|s| u64::from(fetch.wanted[s.chunk as usize].len));
        bytes += lens.sum::<u64>();
        if bytes >= BATCH_BYTES || index + 1 - start >= BATCH_FILES {
            ranges.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < fetch.units.len() {
        ranges.push(start..fetch.units.len());
    }
    ranges
}
