//! The values of a statement: an array of one kind of value, or what `params!` makes of several kinds.

use super::ToSql;

/// Values for `?1`, `?2` and so on.
pub trait Params {
    /// Hands the values to `take`, in their order.
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R;
}

impl Params for &[&dyn ToSql] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        take(self)
    }
}

/// `[]`, whose kind of value nobody needs to name.
impl Params for [&dyn ToSql; 0] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        take(&[])
    }
}

impl<T: ToSql> Params for [T; 1] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        let [first] = &self;
        take(&[first])
    }
}

impl<T: ToSql> Params for [T; 2] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        let [first, second] = &self;
        take(&[first, second])
    }
}
