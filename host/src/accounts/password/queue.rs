//! Schedules password hashing fairly: the passwords of rooms cannot occupy all workers, so that log-ins always have some, and
//! accounts and addresses that hash for rooms take turns.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::accounts::throttle::Origin;
use crate::error::{Error, Result};
use crate::protocol::AccountId;

/// The most log-in jobs, and the most room jobs, that wait per worker; further ones are refused.
const MAX_WAITING_PER_WORKER: usize = 64;
/// The most waiting jobs of one account or address.
const MAX_WAITING_PER_SHARE: usize = 8;
/// While both kinds wait, every n-th job is a room's.
const ROOM_JOB_INTERVAL: u32 = 4;

/// On whose behalf a password is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Signing up, logging in, changing passwords.
    LogIns,
    /// Plugins on behalf of an account or an address, for rooms.
    Account(AccountId),
    Origin(Origin),
    /// Plugins on their own behalf.
    Plugins,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Waiting {
    log_ins: VecDeque<Job>,
    rooms: HashMap<Share, VecDeque<Job>>,
    /// The keys of `rooms`, in the order of their turns.
    turns: VecDeque<Share>,
    room_jobs: usize,
    rooms_running: usize,
    since_room_turn: u32,
}

pub(super) struct Queue {
    /// A few threads for all hashes: the allocator keeps the memory of a hash for each thread that ever made one.
    workers: ThreadPool,
    waiting: Mutex<Waiting>,
    /// The most workers that hash for rooms at a time.
    room_workers: usize,
    max_waiting: usize,
}

impl Queue {
    pub(super) fn new(workers: usize) -> Result<Arc<Self>> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|index| format!("password-hasher-{index}"))
            .build()
            .map_err(Error::internal)?;
        Ok(Arc::new(Self {
            workers: pool,
            waiting: Mutex::default(),
            room_workers: workers.saturating_sub(1).clamp(1, workers.div_ceil(2)),
            max_waiting: workers * MAX_WAITING_PER_WORKER,
        }))
    }

    /// Queues a job; an error if too many wait.
    pub(super) fn push(self: &Arc<Self>, share: Share, job: impl FnOnce() + Send + 'static) -> Result<()> {
        let busy = || Error::Unavailable("too many passwords are being checked just now; try again in a moment".into());
        {
            let mut waiting = self.waiting.lock();
            if share == Share::LogIns {
                if waiting.log_ins.len() >= self.max_waiting {
                    return Err(busy());
                }
                waiting.log_ins.push_back(Box::new(job));
            } else {
                let of_one = waiting.rooms.get(&share).map_or(0, VecDeque::len);
                if waiting.room_jobs >= self.max_waiting || of_one >= MAX_WAITING_PER_SHARE {
                    return Err(busy());
                }
                if of_one == 0 {
                    waiting.turns.push_back(share);
                }
                waiting.rooms.entry(share).or_default().push_back(Box::new(job));
                waiting.room_jobs += 1;
            }
        }
        let queue = self.clone();
        self.workers.spawn(move || queue.work());
        Ok(())
    }

    /// Runs jobs until none may run.
    fn work(&self) {
        while let Some((job, is_room)) = self.next() {
            // A panic fails one request, since its result channel is dropped; waiting jobs still run.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
            if is_room {
                self.waiting.lock().rooms_running -= 1;
            }
        }
    }

    fn next(&self) -> Option<(Job, bool)> {
        let mut waiting = self.waiting.lock();
        let rooms_may = waiting.room_jobs > 0 && waiting.rooms_running < self.room_workers;
        let rooms_turn = rooms_may && (waiting.log_ins.is_empty() || waiting.since_room_turn + 1 >= ROOM_JOB_INTERVAL);
        if !rooms_turn {
            waiting.since_room_turn = waiting.since_room_turn.saturating_add(1);
            return waiting.log_ins.pop_front().map(|job| (job, false));
        }
        let share = waiting.turns.pop_front()?;
        let jobs = waiting.rooms.get_mut(&share)?;
        let job = jobs.pop_front()?;
        if jobs.is_empty() {
            waiting.rooms.remove(&share);
        } else {
            waiting.turns.push_back(share);
        }
        waiting.room_jobs -= 1;
        waiting.rooms_running += 1;
        waiting.since_room_turn = 0;
        Some((job, true))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A queue whose workers are all busy until the sender is dropped.
    fn busy(workers: usize) -> (Arc<Queue>, mpsc::SyncSender<()>) {
        let queue = Queue::new(workers).unwrap();
        let (free, wait) = mpsc::sync_channel::<()>(1);
        let wait = Arc::new(Mutex::new(wait));
        let (started, all_started) = mpsc::sync_channel(100);
        for _ in 0..workers {
            let (wait, started) = (wait.clone(), started.clone());
            queue
                .push(Share::LogIns, move || {
                    started.send(()).unwrap();
                    let _ = wait.lock().recv();
                })
                .unwrap();
        }
        for _ in 0..workers {
            all_started.recv().unwrap();
        }
        (queue, free)
    }

    fn account() -> Share {
        Share::Account(AccountId::new())
    }

    #[test]
    fn log_ins_overtake_waiting_rooms_without_starving_them() {
        let (queue, free) = busy(1);
        let (done, order) = mpsc::sync_channel(100);
        for n in 0..20 {
            let done = done.clone();
            queue.push(account(), move || done.send(format!("room {n}")).unwrap()).unwrap();
        }
        for n in 0..6 {
            let done = done.clone();
            queue.push(Share::LogIns, move || done.send(format!("log-in {n}")).unwrap()).unwrap();
        }
        drop((done, free));
        let order: Vec<String> = order.iter().collect();
        let last_log_in = order.iter().rposition(|job| job.starts_with("log-in")).unwrap();
        assert_eq!(order.len(), 26);
        assert!(last_log_in < 9, "{order:?}");
        assert!(order[..last_log_in].iter().any(|job| job.starts_with("room")), "{order:?}");
    }

    #[test]
    fn one_account_cannot_fill_the_queue_of_rooms() {
        let (queue, free) = busy(1);
        let (greedy, modest) = (account(), account());
        let (done, order) = mpsc::sync_channel(100);
        let push = |share, what: &'static str| {
            let done = done.clone();
            queue.push(share, move || done.send(what).unwrap())
        };
        for _ in 0..MAX_WAITING_PER_SHARE {
            push(greedy, "greedy").unwrap();
        }
        assert!(matches!(push(greedy, "greedy"), Err(Error::Unavailable(_))));
        push(modest, "modest").unwrap();
        drop((done, free));
        let order: Vec<&str> = order.iter().collect();
        assert_eq!(order.iter().position(|who| *who == "modest"), Some(1), "{order:?}");
    }

    #[test]
    fn rooms_leave_a_worker_to_log_ins() {
        let queue = Queue::new(2).unwrap();
        let (free, wait) = mpsc::sync_channel::<()>(1);
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..10 {
            let wait = wait.clone();
            queue.push(account(), move || _ = wait.lock().recv()).unwrap();
        }
        let (done, log_in) = mpsc::sync_channel(100);
        queue.push(Share::LogIns, move || done.send(()).unwrap()).unwrap();
        log_in.recv().expect("the log-in is done while rooms are hashed for");
        drop(free);
    }

    #[test]
    fn a_panicking_job_does_not_end_its_worker() {
        let queue = Queue::new(1).unwrap();
        queue.push(account(), || panic!("on purpose")).unwrap();
        let (done, next) = mpsc::sync_channel(100);
        queue.push(account(), move || done.send(()).unwrap()).unwrap();
        next.recv().expect("the next job is done");
    }
}
