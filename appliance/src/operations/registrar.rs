//! Makes received packs durable and enters them into the catalog, while further packs are still coming in.
//!
//! One thread takes whatever is queued at a time, so that a fast upload costs few syncs and few transactions. A pack is
//! in the catalog before any snapshot can name it, and stays there when its backup dies: the next run finds it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use datis_engine::store::{ObjectName, PackStore, Staged};
use datis_engine::wire::{Refusal, RefusalCode};

use super::error::{Failure, OperationError};
use super::sessions::Session;
use super::site::{Clock, Poison, lock};
use crate::catalog::packs::NewPack;
use crate::catalog::{Catalog, packs};

/// How many received packs may wait; whoever has one more waits with its upload.
const QUEUE: usize = 8;

/// Where the registrar puts things.
pub(super) struct Shelves {
    pub(super) catalog: Catalog,
    pub(super) store: Arc<dyn PackStore>,
    pub(super) poison: Arc<Poison>,
    pub(super) objects: Arc<Mutex<()>>,
    pub(super) clock: Arc<Clock>,
}

/// A pack whose last byte has come and whose name was found right.
pub(super) struct Received {
    pub(super) pack: NewPack,
    pub(super) staged: Staged,
    /// Waits for this pack; counted as outstanding there already.
    pub(super) session: Arc<Session>,
}

enum Order {
    Register(Box<Received>),
    Stop,
}

/// The thread and the way to it.
pub(super) struct Registrar {
    queue: RegistrarQueue,
    thread: Option<JoinHandle<()>>,
}

/// The way to the registrar alone.
#[derive(Clone)]
pub(super) struct RegistrarQueue(SyncSender<Order>);

impl RegistrarQueue {
    /// Queues a pack; waits while the queue is full.
    pub(super) fn register(&self, received: Received) -> Result<(), Refusal> {
        self.0
            .send(Order::Register(Box::new(received)))
            .map_err(|_| Refusal::new(RefusalCode::Stopping, "the box is stopping; try again in a minute"))
    }
}

impl Registrar {
    pub(super) fn start(shelves: Shelves) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let run = move || serve(&shelves, &receiver);
        let thread = std::thread::Builder::new().name("registrar".to_owned()).spawn(run)?;
        Ok(Self { queue: RegistrarQueue(sender), thread: Some(thread) })
    }

    pub(super) fn queue(&self) -> RegistrarQueue {
        self.queue.clone()
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        // A closed queue means that the thread has ended already.
        let _ = self.queue.0.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The registrar ended with a panic");
        }
    }
}

fn serve(shelves: &Shelves, orders: &Receiver<Order>) {
    while let Ok(first) = orders.recv() {
        let mut batch = Vec::new();
        let mut stop = false;
        for order in std::iter::once(first).chain(orders.try_iter().take(QUEUE)) {
            match order {
                Order::Register(received) => batch.push(*received),
                Order::Stop => stop = true,
            }
        }
        register(shelves, batch);
        if stop {
            return;
        }
    }
}

fn register(shelves: &Shelves, batch: Vec<Received>) {
    let (mut objects, mut rows, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for Received { pack, staged, session } in batch {
        objects.push((ObjectName::Pack(pack.id), staged));
        rows.push(pack);
        sessions.push(session);
    }
    if rows.is_empty() {
        return;
    }
    let done = put_and_enter(shelves, objects, &rows).map_err(|e| shelves.poison.refusal(Failure::Fault(e)));
    for session in sessions {
        session.registered(done.clone());
    }
}

fn put_and_enter(
    shelves: &Shelves,
    objects: Vec<(ObjectName, Staged)>,
    rows: &[NewPack],
) -> Result<(), OperationError> {
    if let Some(reason) = shelves.poison.reason() {
        return Err(OperationError::Poisoned { reason });
    }
    // Until its row is written nobody may take the object for one that nothing needs.
    let _gate = lock(&shelves.objects);
    shelves.store.put_new_many(objects)?;
    let at = shelves.clock.now();
    Ok(shelves.catalog.writer().write(|tx| packs::insert_many(tx, rows, at))?)
}
