//! Whose turn it is: jobs are taken and begun in their order, so many at a time, as far as there is memory for them.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The jobs' turns.
pub struct Turns {
    jobs: usize,
    /// How many may be painted at a time.
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first job that nobody has taken.
    taken: usize,
    /// The first one that has neither begun nor ended.
    first: usize,
    /// Jobs behind it that have ended without having begun.
    ended: BTreeSet<usize>,
    /// How many are being painted, and the bytes that they take.
    painted: usize,
    bytes: u64,
    /// Whether one has had to wait for memory, and whether that is known.
    is_short: bool,
    is_known: bool,
    is_stopped: bool,
}

/// The turn of a job; it ends when it is dropped.
pub struct Turn<'a> {
    turns: &'a Turns,
    /// The job's index.
    pub job: usize,
    begin: Instant,
    progress: Progress,
}

/// How far a job is.
enum Progress {
    Waits,
    /// It is painted in so many bytes.
    Painted(u64),
    IsPainted,
}

impl Turns {
    /// Turns for so many jobs, of which `most` may be painted at a time.
    pub fn new(jobs: usize, most: usize) -> Turns {
        Turns {
            jobs,
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The turn of the next job, if there is one.
    pub fn take(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if state.is_stopped || state.taken == self.jobs {
            return None;
        }
        state.taken += 1;
        Some(Turn {
            turns: self,
            job: state.taken - 1,
            begin: Instant::now(),
            progress: Progress::Waits,
        })
    }

    /// From now on there are no more turns.
    pub fn stop(&self) {
        self.lock().is_stopped = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, is_so: impl Fn(&mut State) -> bool) -> MutexGuard<'_, State> {
        let wait = self.changed.wait_while(self.lock(), |state| !is_so(state));
        wait.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until its pictures may be read: it is among the first in the line, or the first where memory is short.
    pub fn approach(&self) {
        let Turns { most, .. } = *self.turns;
        drop(self.turns.wait_until(|state| {
            let ahead = if state.is_short { 1 } else { most };
            self.job < state.first + ahead
        }));
    }

    /// Waits until all before it have begun, and there is a place and memory for it: it takes so many `bytes`, and `fits`
    /// says whether they have room beside what others take. Alone it always has. True once, after the first wait for memory.
    pub fn begin(&mut self, bytes: u64, fits: impl Fn(u64) -> bool) -> bool {
        let mut state = self.turns.wait_until(|state| {
            let is_free = state.first == self.job && state.painted < self.turns.most;
            let has_room = state.painted == 0 || fits(state.bytes);
            state.is_short |= is_free && !has_room;
            is_free && has_room
        });
        state.pass(self.job);
        state.painted += 1;
        state.bytes += bytes;
        let is_news = state.is_short && !state.is_known;
        state.is_known = state.is_short;
        drop(state);
        self.turns.changed.notify_all();
        self.begin = Instant::now();
        self.progress = Progress::Painted(bytes);
        is_news
    }

    /// Leaves its place to another; what is left to do takes neither threads nor memory.
    pub fn leave(&mut self) {
        let Progress::Painted(bytes) = self.progress else {
            return;
        };
        self.progress = Progress::IsPainted;
        let mut state = self.turns.lock();
        state.painted -= 1;
        state.bytes -= bytes;
        drop(state);
        self.turns.changed.notify_all();
    }

    /// The time since it was begun, or else taken.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if matches!(self.progress, Progress::Waits) {
            self.turns.lock().pass(self.job);
            self.turns.changed.notify_all();
        }
        self.leave();
    }
}

impl State {
    /// Lets those behind a job come forward.
    fn pass(&mut self, job: usize) {
        self.ended.insert(job);
        while self.ended.remove(&self.first) {
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// The order in which jobs of one byte begin, and the most that are painted at a time in so many bytes.
    fn begun(jobs: usize, most: usize, room: u64) -> (Vec<usize>, usize) {
        let turns = Turns::new(jobs, most);
        let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let order = Mutex::new(Vec::new());
        let work = || {
            while let Some(mut turn) = turns.take() {
                // Every fifth is there already.
                if turn.job % 5 == 4 {
                    continue;
                }
                turn.approach();
                turn.begin(1, |others| others < room);
                order.lock().unwrap().push(turn.job);
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(2));
                now.fetch_sub(1, Ordering::SeqCst);
            }
        };
        thread::scope(|scope| (0..=most).for_each(|_| drop(scope.spawn(work))));
        (order.into_inner().unwrap(), peak.into_inner())
    }

    #[test]
    fn jobs_begin_in_their_order_so_many_at_a_time_as_memory_allows() {
        let all: Vec<usize> = (0..20).filter(|job| job % 5 != 4).collect();
        let (order, peak) = begun(20, 1, 100);
        assert_eq!((order, peak), (all.clone(), 1));
        let (order, peak) = begun(20, 3, 100);
        assert_eq!((order.len(), peak), (all.len(), 3));
        // Two have room; one that has none by itself is begun all the same.
        assert_eq!(begun(20, 4, 2).1, 2);
        assert_eq!(begun(20, 4, 0).1, 1);
    }

    #[test]
    fn the_first_wait_for_memory_is_told_and_no_turn_comes_after_a_stop() {
        let turns = Turns::new(4, 2);
        let (mut first, mut second) = (turns.take().unwrap(), turns.take().unwrap());
        assert!(!first.begin(5, |_| false));
        let told = thread::scope(|scope| {
            let waits = scope.spawn(|| second.begin(5, |others| others == 0));
            while !turns.lock().is_short {
                thread::yield_now();
            }
            first.leave();
            waits.join().unwrap()
        });
        assert!(told);
        turns.stop();
        assert!(turns.take().is_none());
    }
}
