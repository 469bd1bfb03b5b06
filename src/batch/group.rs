//! Work that many hand in and one does for all, while the others go on.
//!
//! Whoever finds nobody at it does what has been handed in by then, and then what has come meanwhile: a single piece is
//! done at once, and many that come fast share what they cost. What the work is, is not known here.

use std::sync::{Condvar, Mutex, MutexGuard};

/// Pieces of work, and whether somebody is at it.
#[derive(Debug)]
pub struct Group<T> {
    /// So many pieces wait at most; whoever brings one more waits, too.
    most: usize,
    state: Mutex<State<T>>,
    taken: Condvar,
}

#[derive(Debug)]
struct State<T> {
    pending: Vec<T>,
    is_busy: bool,
}

impl<T> Group<T> {
    /// One in which at most so many pieces wait, while as many are worked on.
    pub fn new(most: usize) -> Group<T> {
        Group { most, state: Mutex::new(State { pending: Vec::new(), is_busy: false }), taken: Condvar::new() }
    }

    /// Hands in a piece. When this returns it is done, or somebody who is at it will do it before they return.
    pub fn hand_in(&self, piece: T, work: impl Fn(Vec<T>)) {
        let mut state = self.lock();
        while state.is_busy && state.pending.len() >= self.most {
            state = self.taken.wait(state).expect("no holder of this lock panics");
        }
        state.pending.push(piece);
        if state.is_busy {
            return;
        }
        state.is_busy = true;
        while !state.pending.is_empty() {
            let pieces = std::mem::take(&mut state.pending);
            drop(state);
            self.taken.notify_all();
            work(pieces);
            state = self.lock();
        }
        state.is_busy = false;
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_comes_meanwhile_is_done_together_by_the_first() {
        let group = Group::new(3);
        let (began, has_begun) = channel();
        let (go_on, may_go_on) = channel();
        let may_go_on = Mutex::new(may_go_on);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                group.hand_in(0, |pieces| {
                    began.send(()).expect("somebody waits");
                    may_go_on.lock().expect("a lock").recv().expect("somebody says so");
                    done.lock().expect("a lock").push(pieces);
                });
            });
            has_begun.recv().expect("the first has begun");
            for piece in 1..=3 {
                group.hand_in(piece, |_| panic!("the first is at it"));
            }
            go_on.send(()).and_then(|()| go_on.send(())).expect("the first waits");
        });
        assert_eq!(*done.lock().expect("a lock"), [vec![0], vec![1, 2, 3]]);
    }

    #[test]
    fn everything_is_done_once_however_many_hand_it_in() {
        let (group, done) = (Group::new(5), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (group, done) = (&group, &done);
                scope.spawn(move || {
                    for piece in 0..500 {
                        group.hand_in(thread * 500 + piece, |pieces| {
                            assert!(pieces.len() <= 5);
                            done.lock().expect("a lock").extend(pieces);
                        });
                    }
                });
            }
        });
        let mut done = done.into_inner().expect("a lock");
        done.sort_unstable();
        assert_eq!(done, (0..4000).collect::<Vec<_>>());
    }
}
