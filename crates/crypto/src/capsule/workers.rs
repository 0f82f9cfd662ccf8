use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::stretch::Stretch;
use crate::CryptoError;

/// Threads and buffers for sealing and opening capsules, made once and used for many.
///
/// Starting threads and touching fresh memory costs more than sealing a small document; several
/// calls may share one set at the same time. Dropping it ends the threads and wipes the buffers.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What is done to a stretch.
pub(crate) type Work = Arc<dyn Fn(&mut Stretch) -> Result<(), CryptoError> + Send + Sync>;

/// A stretch that was worked on, or what stopped that.
pub(crate) type Worked = Result<Result<Stretch, CryptoError>, Box<dyn Any + Send>>;

/// A stretch to work on, and where it goes afterwards.
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) stretch: Stretch,
    pub(crate) work: Work,
    pub(crate) back: Sender<(u64, Worked)>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    spare: Mutex<Vec<Stretch>>,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    closed: bool,
}

impl Workers {
    /// Starts this many threads.
    pub fn new(threads: NonZeroUsize) -> Self {
        let shared = Arc::<Shared>::default();
        let start = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work_off())
        };
        let threads = (0..threads.get()).map(start).collect();
        Self { shared, threads }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many stretches of one capsule are in memory at most: two for each thread, and one each
    /// for reading and writing.
    pub(crate) fn in_flight(&self) -> usize {
        2 * self.threads() + 2
    }

    pub(crate) fn submit(&self, task: Task) {
        lock(&self.shared.queue).tasks.push_back(task);
        self.shared.filled.notify_one();
    }

    pub(crate) fn take_buffer(&self) -> Stretch {
        let spare = lock(&self.shared.spare).pop();
        spare.unwrap_or_else(Stretch::new)
    }

    pub(crate) fn give_back(&self, stretch: Stretch) {
        let mut spare = lock(&self.shared.spare);
        if spare.len() < self.in_flight() {
            spare.push(stretch);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches what it panics with and hands it to the caller.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work_off(&self) {
        while let Some(mut task) = self.next_task() {
            let worked = catch_unwind(AssertUnwindSafe(|| (task.work)(&mut task.stretch)));
            let worked = worked.map(|done| done.map(|()| task.stretch));
            // Nobody waits any more if the call failed elsewhere.
            let _ = task.back.send((task.number, worked));
        }
    }

    fn next_task(&self) -> Option<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            if queue.closed {
                return None;
            }
            queue = self
                .filled
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Nothing is left half-done under these locks, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
