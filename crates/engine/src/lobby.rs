//! Places on the command socket: so many in all, for each local user and for each proved key. Who has proved nothing yet makes room when
//! somebody new comes to a full house, so that silent connections keep nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Refusal;
use sshwire::Fingerprint;
use tokio::sync::Notify;

/// Connections at the same time.
const MOST_CONNECTIONS: usize = 512;
/// Connections of one local user; front's carry everybody who comes through the gate.
const MOST_OF_ONE_USER: usize = 64;
/// Connections on which one key was proved: one person with a loop leaves room for the others.
const MOST_OF_ONE_KEY: usize = 128;

#[derive(Debug)]
pub(crate) struct Lobby {
    /// The user that front runs as.
    front: u32,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    guests: HashMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    uid: u32,
    proved: Option<Fingerprint>,
    shown_out: Arc<Notify>,
}

/// One connection's place; given back on drop.
#[derive(Debug)]
pub(crate) struct Visit {
    lobby: Arc<Lobby>,
    number: u64,
    shown_out: Arc<Notify>,
}

impl Lobby {
    pub(crate) fn of(front: u32) -> Arc<Self> {
        Arc::new(Self { front, inside: Mutex::default() })
    }

    /// `None`: the house is full of people whose keys are proved.
    pub(crate) fn enter(self: &Arc<Self>, uid: u32) -> Option<Visit> {
        let most_of_user = if uid == self.front { MOST_CONNECTIONS } else { MOST_OF_ONE_USER };
        let mut inside = self.hold();
        if inside.guests.values().filter(|guest| guest.uid == uid).count() >= most_of_user {
            inside.show_one_out(|guest| guest.uid == uid)?;
        }
        if inside.guests.len() >= MOST_CONNECTIONS {
            inside.show_one_out(|_| true)?;
        }
        let (number, shown_out) = (inside.next, Arc::new(Notify::new()));
        inside.next += 1;
        inside.guests.insert(number, Guest { uid, proved: None, shown_out: shown_out.clone() });
        Some(Visit { lobby: self.clone(), number, shown_out })
    }

    fn hold(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// The longest there of those who proved nothing. `None`: there is none.
    fn show_one_out(&mut self, among: impl Fn(&Guest) -> bool) -> Option<()> {
        let unproved = self.guests.iter().filter(|(_, guest)| guest.proved.is_none() && among(guest));
        let number = unproved.map(|(number, _)| *number).min()?;
        self.guests.remove(&number)?.shown_out.notify_one();
        Some(())
    }
}

impl Visit {
    /// Returns when somebody else needs the place.
    pub(crate) async fn shown_out(&self) {
        self.shown_out.notified().await;
    }

    /// From now on the place is kept.
    ///
    /// # Errors
    /// [`Refusal::TooFast`] where the key has as many places as one may have.
    pub(crate) fn proved(&self, key: Fingerprint) -> Result<(), Refusal> {
        let mut inside = self.lobby.hold();
        let others =
            inside.guests.iter().filter(|(number, guest)| **number != self.number && guest.proved == Some(key));
        if others.count() >= MOST_OF_ONE_KEY {
            return Err(Refusal::TooFast { wait_s: 1 });
        }
        if let Some(guest) = inside.guests.get_mut(&self.number) {
            guest.proved = Some(key);
        }
        Ok(())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.lobby.hold().guests.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sshwire::SoftSigner;

    const FRONT: u32 = 1_000;

    fn key(n: u8) -> Fingerprint {
        SoftSigner::from_seed(&[n; 32]).public_key().fingerprint()
    }

    fn is_shown_out(visit: &Visit) -> bool {
        !visit.lobby.hold().guests.contains_key(&visit.number)
    }

    #[test]
    fn in_a_full_house_the_longest_silent_makes_room_and_the_proved_stay() {
        let lobby = Lobby::of(FRONT);
        let proved = lobby.enter(FRONT).unwrap();
        proved.proved(key(1)).unwrap();
        let silent: Vec<_> = (1..MOST_CONNECTIONS).map(|_| lobby.enter(FRONT).unwrap()).collect();
        let late = lobby.enter(FRONT).unwrap();
        assert!(is_shown_out(&silent[0]) && !is_shown_out(&silent[1]));
        assert!(!is_shown_out(&proved) && !is_shown_out(&late));
        drop(silent);
        assert_eq!(lobby.hold().guests.len(), 2);
    }

    #[test]
    fn another_user_has_fewer_places_and_takes_none_of_the_others() {
        let lobby = Lobby::of(FRONT);
        let ours = lobby.enter(FRONT).unwrap();
        let theirs: Vec<_> = (0..2 * MOST_OF_ONE_USER).map(|_| lobby.enter(FRONT + 1).unwrap()).collect();
        assert_eq!(theirs.iter().filter(|visit| !is_shown_out(visit)).count(), MOST_OF_ONE_USER);
        assert!(!is_shown_out(&ours));
    }

    #[test]
    fn one_key_cannot_take_every_place() {
        let lobby = Lobby::of(FRONT);
        let held: Vec<_> = (0..MOST_OF_ONE_KEY).map(|_| lobby.enter(FRONT).unwrap()).collect();
        held.iter().for_each(|visit| visit.proved(key(1)).unwrap());
        let more = lobby.enter(FRONT).unwrap();
        assert_eq!(more.proved(key(1)), Err(Refusal::TooFast { wait_s: 1 }));
        more.proved(key(2)).unwrap();
        assert_eq!(held[0].proved(key(1)), Ok(()), "said again by one who is there");
    }
}
