//! Reading threads: SQLite blocks, so readers wait here and not on the runtime.
//!
//! Two threads with a connection each, so that one long read holds nobody up. Deliberately absent: a cache.

use super::api::Error;
use super::engine::{Opener, Reading};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&dyn Reading) + Send>;

/// The threads; they end when this is closed or dropped.
pub(super) struct Readers {
    jobs: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(opener: &Opener) -> Result<Readers, Error> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::with_capacity(THREADS);
        for number in 0..THREADS {
            let (reader, queue) = (opener()?, Arc::clone(&queue));
            let thread = std::thread::Builder::new().name(format!("journal-read-{number}"));
            threads.push(thread.spawn(move || work(reader, &queue))?);
        }
        Ok(Readers { jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads) })
    }

    /// Runs one reading call on a thread; its statement is over when this returns.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Reading) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            // Nobody listens any more: not worth a word.
            answer.send(call(reader)).ok();
        });
        let sent = match self.jobs.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(jobs) => jobs.send(job).is_ok(),
            None => false,
        };
        if !sent {
            return Err(Error::Closed);
        }
        answered.await.unwrap_or(Err(Error::Closed))
    }

    /// Ends the threads after what is queued, and hands them over for joining.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn work(reader: Box<dyn Reading>, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(reader.as_ref()),
            Err(_) => return,
        }
    }
}
