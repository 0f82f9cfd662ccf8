//! Reading, working and writing at the same time, in constant memory: stretches are filled in
//! order, worked on by the workers in any order, and drained in order.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::stretch::Stretch;
use super::workers::{Task, Work, Worked, Workers};
use crate::CryptoError;

/// So few stretches stay on the calling thread: handing them over would take longer.
const ALONE: u64 = 2;

/// So many pay for a thread that only reads.
const WITH_READER: u64 = 32;

/// What happens to each stretch. `fill` and `drain` see them in order, one at a time.
pub(crate) struct Steps<F, D> {
    pub(crate) fill: F,
    pub(crate) work: Work,
    pub(crate) drain: D,
}

/// Runs `count` stretches through the steps.
pub(crate) fn run<F, D>(
    count: u64,
    workers: &Workers,
    steps: Steps<F, D>,
) -> Result<(), CryptoError>
where
    F: FnMut(u64, &mut Stretch) -> Result<(), CryptoError> + Send,
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    if count <= ALONE {
        run_alone(count, workers, steps)
    } else if count < WITH_READER {
        run_with_workers(count, workers, steps)
    } else {
        run_with_reader(count, workers, steps)
    }
}

fn run_alone<F, D>(count: u64, workers: &Workers, steps: Steps<F, D>) -> Result<(), CryptoError>
where
    F: FnMut(u64, &mut Stretch) -> Result<(), CryptoError>,
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    let Steps {
        mut fill,
        work,
        mut drain,
    } = steps;
    let mut stretch = workers.take_buffer();
    for number in 0..count {
        fill(number, &mut stretch)?;
        work(&mut stretch)?;
        drain(&stretch)?;
    }
    workers.give_back(stretch);
    Ok(())
}

/// The calling thread reads ahead as far as buffers go, then writes what is done.
fn run_with_workers<F, D>(
    count: u64,
    workers: &Workers,
    steps: Steps<F, D>,
) -> Result<(), CryptoError>
where
    F: FnMut(u64, &mut Stretch) -> Result<(), CryptoError>,
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    let Steps {
        mut fill,
        work,
        drain,
    } = steps;
    let (back, worked) = channel();
    let mut order = InOrder::new(worked, drain);
    let ahead = workers.in_flight() as u64;
    for number in 0..count {
        while number - order.drained >= ahead {
            workers.give_back(order.drain_next()?);
        }
        let mut stretch = workers.take_buffer();
        fill(number, &mut stretch)?;
        workers.submit(Task {
            number,
            stretch,
            work: Work::clone(&work),
            back: Sender::clone(&back),
        });
        order.drain_ready(|stretch| workers.give_back(stretch))?;
    }
    while order.drained < count {
        workers.give_back(order.drain_next()?);
    }
    Ok(())
}

/// A thread of its own reads, the calling thread writes.
fn run_with_reader<F, D>(
    count: u64,
    workers: &Workers,
    steps: Steps<F, D>,
) -> Result<(), CryptoError>
where
    F: FnMut(u64, &mut Stretch) -> Result<(), CryptoError> + Send,
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    let Steps {
        mut fill,
        work,
        drain,
    } = steps;
    let (back, worked) = channel();
    let (free, buffers) = channel();
    for _ in 0..workers.in_flight() {
        // The receiver is here.
        let _ = free.send(workers.take_buffer());
    }
    let mut order = InOrder::new(worked, drain);
    let (drained, read) = thread::scope(|scope| {
        let reader =
            scope.spawn(move || read_ahead(count, workers, &buffers, &mut fill, &work, &back));
        let drained = drain_all(count, &mut order, &free);
        drop(free);
        (
            drained,
            reader
                .join()
                .unwrap_or_else(|panicked| resume_unwind(panicked)),
        )
    });
    // Where the reader failed, the writer only knows that nothing came.
    let buffers = read?;
    drained?;
    for stretch in buffers {
        workers.give_back(stretch);
    }
    Ok(())
}

/// Fills and submits; ends early when the writer gave up. Returns the buffers that came back last.
fn read_ahead(
    count: u64,
    workers: &Workers,
    buffers: &Receiver<Stretch>,
    fill: &mut impl FnMut(u64, &mut Stretch) -> Result<(), CryptoError>,
    work: &Work,
    back: &Sender<(u64, Worked)>,
) -> Result<Vec<Stretch>, CryptoError> {
    for number in 0..count {
        let Ok(mut stretch) = buffers.recv() else {
            return Ok(Vec::new());
        };
        fill(number, &mut stretch)?;
        workers.submit(Task {
            number,
            stretch,
            work: Work::clone(work),
            back: Sender::clone(back),
        });
    }
    Ok(buffers.iter().collect())
}

fn drain_all<D>(
    count: u64,
    order: &mut InOrder<D>,
    free: &Sender<Stretch>,
) -> Result<(), CryptoError>
where
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    while order.drained < count {
        // The reader takes back what it may still need.
        let _ = free.send(order.drain_next()?);
    }
    Ok(())
}

/// Puts worked stretches back into order.
struct InOrder<D> {
    worked: Receiver<(u64, Worked)>,
    early: BTreeMap<u64, Stretch>,
    drained: u64,
    drain: D,
}

impl<D: FnMut(&Stretch) -> Result<(), CryptoError>> InOrder<D> {
    fn new(worked: Receiver<(u64, Worked)>, drain: D) -> Self {
        Self {
            worked,
            early: BTreeMap::new(),
            drained: 0,
            drain,
        }
    }

    /// Waits for the next stretch in order and drains it.
    fn drain_next(&mut self) -> Result<Stretch, CryptoError> {
        loop {
            if let Some(stretch) = self.early.remove(&self.drained) {
                (self.drain)(&stretch)?;
                self.drained += 1;
                return Ok(stretch);
            }
            // All senders are gone only if the reader failed, which it reports itself.
            let (number, worked) = self.worked.recv().map_err(|_| CryptoError::Damaged)?;
            self.keep(number, worked)?;
        }
    }

    /// Drains what needs no waiting.
    fn drain_ready(&mut self, mut done: impl FnMut(Stretch)) -> Result<(), CryptoError> {
        while let Ok((number, worked)) = self.worked.try_recv() {
            self.keep(number, worked)?;
        }
        while self.early.contains_key(&self.drained) {
            done(self.drain_next()?);
        }
        Ok(())
    }

    fn keep(&mut self, number: u64, worked: Worked) -> Result<(), CryptoError> {
        let stretch = worked.unwrap_or_else(|panicked| resume_unwind(panicked))?;
        self.early.insert(number, stretch);
        Ok(())
    }
}
