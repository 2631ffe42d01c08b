//! Rows that cannot be decrypted: an error everywhere, and never taken for rows that are not there.

use super::Context;
use crate::credential::Credential;
use crate::error::Error;
use crate::reference::Wanted;
use crate::store::Opened;

/// The one credential that is meant; where some cannot be decrypted it may be among those.
pub(super) fn meant(wanted: &Wanted, opened: Opened<Credential>) -> Result<Credential, Error> {
    let n_broken = opened.broken.len();
    match wanted.among(opened.rows) {
        Err(Error::NotFound { .. }) if n_broken > 0 => {
            Err(Error::PerhapsBroken { service: wanted.service.clone(), n_broken })
        }
        other => other,
    }
}

/// An error when there are rows that cannot be decrypted, after what could be done is done.
pub(super) fn refuse(context: &mut Context, broken: Vec<i64>) -> anyhow::Result<()> {
    if broken.is_empty() {
        return Ok(());
    }
    context.out.flush()?;
    Err(Error::Undecryptable { path: context.home.vault(), ids: broken }.into())
}
