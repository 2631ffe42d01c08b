//! What `/proc/PID/stat` says of a process; only Linux has it.

use std::str::Split;

/// The fields of such a file from the state of the process on. The name before them stands in parentheses and can
/// hold anything, so they are counted behind the last one.
pub(crate) fn fields(stat: &str) -> Option<Split<'_, char>> {
    Some(stat.rsplit_once(") ")?.1.split(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_no_field() {
        let found: Vec<_> = fields("7 (a) Z 1 (b) S 1 7").into_iter().flatten().collect();
        assert_eq!(found, ["S", "1", "7"]);
        assert!(fields("").is_none());
    }
}
