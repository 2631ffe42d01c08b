//! A kettle.

use std::time::Duration;

/// The boiling point.
const BOILING: u32 = 100;

pub struct Kettle {
    degrees: u32,
}

pub enum State { Cold, Hot }

pub trait Heat {
    fn heat(&mut self, by: u32) -> State;
}

impl Heat for Kettle {
    fn heat(&mut self, by: u32) -> State {
        fn inner() {}
        self.degrees += by;
        if self.degrees >= BOILING { State::Hot } else { State::Cold }
    }
}

mod steam {
    pub(super) fn whistle(
        loudness: u8,
        duration: std::time::Duration,
    ) -> bool {
        loudness > 3
    }
}

macro_rules! pour {
    () => {};
}
