//! Reading, working and writing at the same time: stretches go from a reader thread over the
//! workers, each taking every n-th, back to the calling thread, which gets them in order.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::stretch::Stretch;
use crate::CryptoError;

/// What happens to each stretch. `fill` and `drain` see them in order, one at a time.
pub(crate) struct Steps<F, W, D> {
    pub(crate) fill: F,
    pub(crate) work: W,
    pub(crate) drain: D,
}

/// So few stretches stay on the calling thread: starting others would take longer.
const ALONE: u64 = 2;

type Worked = Result<Stretch, CryptoError>;

/// Runs `count` stretches through the steps.
pub(crate) fn run<F, W, D>(
    count: u64,
    threads: NonZeroUsize,
    steps: Steps<F, W, D>,
) -> Result<(), CryptoError>
where
    F: FnMut(u64, &mut Stretch) -> Result<(), CryptoError> + Send,
    W: Fn(&mut Stretch) -> Result<(), CryptoError> + Sync,
    D: FnMut(&Stretch) -> Result<(), CryptoError>,
{
    let Steps {
        mut fill,
        work,
        mut drain,
    } = steps;
    if count <= ALONE {
        let mut stretch = Stretch::new();
        return (0..count).try_for_each(|number| {
            fill(number, &mut stretch)?;
            work(&mut stretch)?;
            drain(&stretch)
        });
    }
    let workers = usize::try_from(count).map_or(threads.get(), |count| count.min(threads.get()));
    // Two stretches for each worker, and one each for the reader and the writer.
    let in_flight =
        usize::try_from(count).map_or(2 * workers + 2, |count| count.min(2 * workers + 2));
    thread::scope(|scope| {
        let (give_back, free) = sync_channel(in_flight);
        for _ in 0..in_flight {
            // The channel has room for all of them and its receiver is here.
            let _ = give_back.send(Stretch::new());
        }
        let (mut to_workers, mut from_workers) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (to_worker, filled) = sync_channel(in_flight);
            let (to_writer, worked) = sync_channel(in_flight);
            let work = &work;
            scope.spawn(move || work_off(&filled, &to_writer, work));
            to_workers.push(to_worker);
            from_workers.push(worked);
        }
        let reader = scope.spawn(move || read_ahead(count, &free, &to_workers, &mut fill));
        let drained = drain_in_order(count, &from_workers, &give_back, &mut drain);
        // Lets the reader and the workers stop if the writer did.
        drop((from_workers, give_back));
        match reader.join() {
            Ok(read) => drained.and_then(|all| {
                if all {
                    Ok(())
                } else {
                    read.and(Err(CryptoError::Damaged))
                }
            }),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    })
}

fn read_ahead(
    count: u64,
    free: &Receiver<Stretch>,
    to_workers: &[SyncSender<Stretch>],
    fill: &mut impl FnMut(u64, &mut Stretch) -> Result<(), CryptoError>,
) -> Result<(), CryptoError> {
    for (number, to_worker) in (0..count).zip(to_workers.iter().cycle()) {
        let Ok(mut stretch) = free.recv() else {
            return Ok(());
        };
        fill(number, &mut stretch)?;
        if to_worker.send(stretch).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn work_off(
    filled: &Receiver<Stretch>,
    to_writer: &SyncSender<Worked>,
    work: &impl Fn(&mut Stretch) -> Result<(), CryptoError>,
) {
    while let Ok(mut stretch) = filled.recv() {
        let worked = work(&mut stretch).map(|()| stretch);
        let failed = worked.is_err();
        if to_writer.send(worked).is_err() || failed {
            return;
        }
    }
}

/// Whether all stretches came; fewer come when the reader failed.
fn drain_in_order(
    count: u64,
    from_workers: &[Receiver<Worked>],
    give_back: &SyncSender<Stretch>,
    drain: &mut impl FnMut(&Stretch) -> Result<(), CryptoError>,
) -> Result<bool, CryptoError> {
    for (_, from_worker) in (0..count).zip(from_workers.iter().cycle()) {
        let Ok(worked) = from_worker.recv() else {
            return Ok(false);
        };
        let stretch = worked?;
        drain(&stretch)?;
        // The reader may have read everything and be gone.
        let _ = give_back.send(stretch);
    }
    Ok(true)
}
