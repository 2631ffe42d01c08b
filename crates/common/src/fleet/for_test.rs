//! Fleet databases for tests: in a file, or on the server that `AGENT_PLUMBING_TEST_POSTGRES` names.
//!
//! The same tests run on both: each gets a database of its own, and does not see which it is.

use std::path::Path;

use super::{Database, Place};
use crate::error::Error;
use crate::sqlite;

/// A fleet database of its own for a test of a store. What is in `folder` must outlive it.
///
/// # Errors
/// Those of opening it.
pub fn open_for_test(folder: &Path) -> Result<Database, Error> {
    let place = match fresh_on_server() {
        Some(url) => Place::of(Path::new(&url))?,
        None => Place::File(folder.join("state.db")),
    };
    Database::open(place, sqlite::BUSY_TIMEOUT)
}

/// The URL of a new, empty database on the server that tests are to use; `None` when they use files.
///
/// It goes away with the thread that asks, which is that of one test.
pub fn fresh_on_server() -> Option<String> {
    #[cfg(feature = "postgres")]
    return on_server::fresh();
    #[cfg(not(feature = "postgres"))]
    None
}

#[cfg(feature = "postgres")]
mod on_server {
    use std::cell::RefCell;
    use std::mem;
    use std::thread;

    use crate::postgres::scratch::Scratch;

    /// The databases of one test.
    struct Ours(Vec<Scratch>);

    impl Drop for Ours {
        fn drop(&mut self) {
            // A thread that ends has no place any more for what a connection keeps there.
            let ours = mem::take(&mut self.0);
            let _ = thread::spawn(move || drop(ours)).join();
        }
    }

    pub(super) fn fresh() -> Option<String> {
        thread_local! {
            static OURS: RefCell<Ours> = const { RefCell::new(Ours(Vec::new())) };
        }
        let scratch = Scratch::from_environment()?;
        let url = scratch.url();
        OURS.with_borrow_mut(|ours| ours.0.push(scratch));
        Some(url)
    }
}
