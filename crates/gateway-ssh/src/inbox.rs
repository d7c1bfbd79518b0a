//! What arrived on one channel and waits to be carried on: ordered, and counted at the valve of the leg it came from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::valve::Valve;

/// Counted for each event besides its bytes, so that many empty ones are not free.
const EVENT_COST: usize = 96;
/// Data below this joins data before it.
const JOIN_BELOW: usize = 2048;

/// Something that arrived on a channel.
pub(crate) trait Event: Sized {
    fn bytes(&self) -> usize;

    /// The bytes of another event may be put behind this one's where that changes nothing.
    fn join(&mut self, next: &Self) -> bool;
}

/// Puts small data behind small data.
pub(crate) fn join_small(before: &mut Vec<u8>, next: &[u8]) -> bool {
    let small = before.len() < JOIN_BELOW && next.len() < JOIN_BELOW;
    if small {
        before.extend_from_slice(next);
    }
    small
}

#[derive(Debug)]
pub(crate) struct Inbox<E> {
    events: Mutex<VecDeque<(E, usize)>>,
    arrived: Notify,
    valve: Arc<Valve>,
}

impl<E: Event> Inbox<E> {
    pub(crate) fn new(valve: Arc<Valve>) -> Arc<Self> {
        Arc::new(Self { events: Mutex::new(VecDeque::new()), arrived: Notify::new(), valve })
    }

    pub(crate) fn push(&self, event: E) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = event.bytes();
        let joined = events.back_mut().is_some_and(|(last, weight)| {
            let joined = last.join(&event);
            *weight += if joined { bytes } else { 0 };
            joined
        });
        if joined {
            self.valve.add(bytes);
        } else {
            self.valve.add(bytes + EVENT_COST);
            events.push_back((event, bytes + EVENT_COST));
        }
        drop(events);
        self.arrived.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The next event, with what it weighs until it is dropped. One taker at a time.
    pub(crate) async fn pop(&self) -> Taken<E> {
        loop {
            if let Some(taken) = self.try_pop() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    fn try_pop(&self) -> Option<Taken<E>> {
        let next = self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.map(|(event, weight)| Taken { event, _weight: Weight { weight, valve: self.valve.clone() } })
    }
}

impl<E> Drop for Inbox<E> {
    fn drop(&mut self) {
        let left = self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).map(|(_, weight)| weight).sum();
        self.valve.take(left);
    }
}

/// An event on its way; it weighs on its valve until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken<E> {
    pub(crate) event: E,
    _weight: Weight,
}

#[derive(Debug)]
struct Weight {
    weight: usize,
    valve: Arc<Valve>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.valve.take(self.weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::valve::WhenFull;

    #[derive(Debug, PartialEq)]
    enum Thing {
        Data(Vec<u8>),
        End,
    }

    impl Event for Thing {
        fn bytes(&self) -> usize {
            match self {
                Self::Data(data) => data.len(),
                Self::End => 0,
            }
        }

        fn join(&mut self, next: &Self) -> bool {
            match (self, next) {
                (Self::Data(before), Self::Data(next)) => join_small(before, next),
                _ => false,
            }
        }
    }

    #[tokio::test]
    async fn events_weigh_until_they_were_carried() {
        let valve = Valve::new(WhenFull::Hold);
        let inbox = Inbox::new(valve.clone());
        inbox.push(Thing::Data(vec![1; 5000]));
        inbox.push(Thing::End);
        assert_eq!(valve.waiting(), 5000 + 2 * EVENT_COST);
        let data = inbox.pop().await;
        assert_eq!(valve.waiting(), 5000 + 2 * EVENT_COST);
        drop(data);
        assert_eq!(inbox.pop().await.event, Thing::End);
        assert_eq!(valve.waiting(), 0);
    }

    #[tokio::test]
    async fn crumbs_join_and_never_cross_an_end() {
        let inbox = Inbox::new(Valve::new(WhenFull::Hold));
        for event in [Thing::Data(vec![1]), Thing::Data(vec![2]), Thing::End, Thing::Data(vec![3])] {
            inbox.push(event);
        }
        assert_eq!(inbox.len(), 3);
        assert_eq!(inbox.pop().await.event, Thing::Data(vec![1, 2]));
        assert_eq!(inbox.pop().await.event, Thing::End);
        assert_eq!(inbox.pop().await.event, Thing::Data(vec![3]));
    }

    #[tokio::test]
    async fn what_nobody_takes_stops_weighing_with_its_inbox() {
        let valve = Valve::new(WhenFull::Hold);
        let inbox = Inbox::new(valve.clone());
        inbox.push(Thing::Data(vec![0; 9000]));
        drop(inbox);
        assert_eq!(valve.waiting(), 0);
    }
}
