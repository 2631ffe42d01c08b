//! A number that is derived from a name, the same every day and on every machine.

/// A fraction from 0 up to, not including, 1.
pub(crate) fn fraction(name: &str) -> f64 {
    // FNV-1a, then a finisher, since names that differ only at their end must not come out close together.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    let high = u32::try_from(hash >> 32).unwrap_or_default();
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::fraction;

    #[test]
    fn names_are_spread_and_each_keeps_its_place() {
        let mut fractions: Vec<f64> = (0..100).map(|n| fraction(&format!("job-{n}"))).collect();
        assert!(fractions.iter().all(|place| (0.0..1.0).contains(place)));
        assert!((fraction("job-7") - fractions[7]).abs() < f64::EPSILON);
        fractions.sort_by(f64::total_cmp);
        for quarter in 0..4 {
            let low = f64::from(quarter) / 4.0;
            let n_inside = fractions.iter().filter(|p| (low..low + 0.25).contains(*p)).count();
            assert!((10..=45).contains(&n_inside), "{n_inside} of 100 in quarter {quarter}");
        }
    }
}
