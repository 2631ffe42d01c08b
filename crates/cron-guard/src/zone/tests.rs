//! Zones of the table and of rules, against chrono-tz.

use super::*;

/// Offsets in seconds: none, one or two.
fn seconds<O: Offset>(found: &MappedLocalTime<O>) -> Vec<i32> {
    match found {
        MappedLocalTime::None => vec![],
        MappedLocalTime::Single(one) => vec![one.fix().local_minus_utc()],
        MappedLocalTime::Ambiguous(a, b) => {
            vec![a.fix().local_minus_utc(), b.fix().local_minus_utc()]
        }
    }
}

#[test]
fn every_zone_agrees_with_another_reader_of_the_same_data() {
    // Around every change of some years, and every few days of a century.
    let mut n_zones = 0;
    for name in [
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/Nuuk",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Asia/Tokyo",
        "Africa/Cairo",
        "Pacific/Auckland",
        "Pacific/Apia",
        "Antarctica/Troll",
        "UTC",
        "Etc/GMT+5",
        "US/Pacific",
    ] {
        let theirs: chrono_tz::Tz = name.parse().unwrap();
        let ours = Zone::named(name).unwrap();
        n_zones += 1;
        let start = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap().and_hms_opt(0, 30, 0).unwrap();
        for step in 0..30_000_i64 {
            let moment = start + chrono::TimeDelta::hours(step * 13);
            assert_eq!(
                ours.offset_from_utc_datetime(&moment).fix(),
                theirs.offset_from_utc_datetime(&moment).fix(),
                "{name} at {moment} UTC"
            );
            assert_eq!(
                seconds(&ours.offset_from_local_datetime(&moment)),
                seconds(&theirs.offset_from_local_datetime(&moment)),
                "{name} at {moment} local"
            );
        }
        let spring = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        for step in 0..365 * 48 {
            let moment = spring + chrono::TimeDelta::minutes(step * 30);
            assert_eq!(
                seconds(&ours.offset_from_local_datetime(&moment)),
                seconds(&theirs.offset_from_local_datetime(&moment)),
                "{name} at {moment} local"
            );
        }
    }
    assert_eq!(n_zones, 17);
}

#[test]
fn what_is_no_zone_is_none() {
    for name in ["", "Berlin", "../etc/passwd", "Europe/Atlantis"] {
        assert!(Zone::named(name).is_none(), "{name}");
    }
}
