//! The one who writes to SQLite: whatever waits goes into one transaction.
//!
//! A commit waits for the disk, a millisecond or more, and SQLite takes one writer at a time. So
//! those who come while one commit is under way share the next: each is answered once it is on
//! the disk. Order is that of arrival.
//!
//! A change that is refused, such as a fenced save, has changed nothing, and the others go on. One
//! that fails ends its batch: what came before it is committed, since SQLite may have given up the
//! transaction, and then the commit says so to all of them.

use std::{future::Future, pin::Pin, sync::Arc};

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use crate::{
    StoreError,
    engine::{Engine, Transaction},
    fault::Fault,
};

/// Changes in one transaction at most: some milliseconds of work.
const BATCH: usize = 256;
/// Changes that wait; whoever comes later waits for room, within its deadline.
const QUEUE: usize = 1_024;

/// A change under way in a transaction.
pub(crate) type Working<'t, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 't>>;
type Work<T> = Box<dyn for<'t> FnOnce(&'t mut Transaction) -> Working<'t, T> + Send>;

/// Takes changes. The last clone's end is the end of the writer's task.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    changes: mpsc::Sender<Box<dyn Change>>,
}

impl Writer {
    /// Starts the writer's task, on a pool of one connection.
    pub(crate) fn start(pool: SqlitePool, place: &str) -> Self {
        let (changes, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(pool, waiting, place.into()));
        Self { changes }
    }

    /// Makes a change, and returns once it is on the disk. Given up before its turn, it is not
    /// made.
    pub(crate) async fn change<T: Send + 'static>(&self, work: Work<T>) -> Result<T, Fault> {
        let (answer, answered) = oneshot::channel();
        let change = Box::new(Asked { work: Some(work), done: None, answer });
        let gone = || Fault::from(sqlx::Error::PoolClosed);
        self.changes.send(change).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// How a change went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    /// Made, or refused without a trace.
    On,
    /// The database failed.
    Wrong,
}

/// A change whatever it returns.
trait Change: Send {
    fn is_given_up(&self) -> bool;

    fn make<'t>(
        &'t mut self,
        transaction: &'t mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Went> + Send + 't>>;

    /// Tells what came of it, which an error of the whole transaction overrules.
    fn tell(self: Box<Self>, whole: Result<(), StoreError>);
}

struct Asked<T> {
    work: Option<Work<T>>,
    done: Option<Result<T, Fault>>,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T: Send> Change for Asked<T> {
    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    fn make<'t>(
        &'t mut self,
        transaction: &'t mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Went> + Send + 't>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Went::On };
            let done = work(transaction).await;
            let went = match &done {
                Ok(_) | Err(Fault::Answer(_)) => Went::On,
                Err(_) => Went::Wrong,
            };
            self.done = Some(done);
            went
        })
    }

    fn tell(self: Box<Self>, whole: Result<(), StoreError>) {
        let done = match (self.done, whole) {
            // What was refused or failed by itself stays so.
            (Some(Err(fault)), _) => Err(fault),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(done)), Ok(())) => Ok(done),
            (None, Ok(())) => return, // given up: nobody listens
        };
        let _ = self.answer.send(done);
    }
}

async fn write(pool: SqlitePool, mut waiting: mpsc::Receiver<Box<dyn Change>>, place: Arc<str>) {
    let mut batch = Vec::new();
    while !batch.is_empty() || waiting.recv_many(&mut batch, BATCH).await > 0 {
        let rest = write_together(&pool, batch, &place).await;
        batch = rest;
    }
}

/// Makes the changes in one transaction and tells all of them; returns those whose turn has not
/// come because one before them failed.
async fn write_together(
    pool: &SqlitePool,
    mut batch: Vec<Box<dyn Change>>,
    place: &str,
) -> Vec<Box<dyn Change>> {
    batch.retain(|change| !change.is_given_up());
    if batch.is_empty() {
        return batch;
    }
    let mut made = 0;
    let whole = async {
        // `IMMEDIATE` takes the write lock at once: a plain transaction that reads first and then
        // writes fails, without waiting, if another process wrote in between.
        let mut transaction = Engine::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?);
        for change in &mut batch {
            made += 1;
            if change.make(&mut transaction).await == Went::Wrong {
                break;
            }
        }
        transaction.commit().await
    };
    let whole = whole.await.map_err(|error| {
        let error = Fault::from(error).at(place);
        tracing::warn!(%error, changes = batch.len(), "a transaction failed");
        error
    });
    let rest = if whole.is_ok() { batch.split_off(made) } else { Vec::new() };
    for change in batch {
        change.tell(whole.clone());
    }
    rest
}

#[cfg(test)]
mod tests;
