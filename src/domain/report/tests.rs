use super::{ReportFact, ReportRecord, ReportSaid};
use crate::domain::{ReportKey, ReportKind, Time};

/// The seconds at which it happened, of those at which it was told.
fn happened(told: &[i64], id: Option<&str>) -> Vec<i64> {
    let says = ReportSaid {
        kind: ReportKind::Deploy,
        labels: Vec::new(),
        result: None,
        commits: Vec::new(),
        is_fix: false,
        id: id.map(str::to_owned),
    };
    let fact = |second: &i64| ReportFact {
        key: ReportKey::new("fabrikam", "shop", "deploy"),
        said: Time::from_ticks(second * 10_000_000),
        says: says.clone(),
    };
    let mut record = ReportRecord::of(&fact(&told[0]));
    told.iter().for_each(|second| record.add(&fact(second)));
    record.happened().into_iter().map(|time| time.ticks() / 10_000_000).collect()
}

#[test]
fn what_is_told_again_soon_is_the_same() {
    assert_eq!(happened(&[0, 30, 600, 1_200], None), [0]);
    assert_eq!(happened(&[1_200, 0], None), [0, 1_200], "in any order");
    assert_eq!(happened(&[0, 86_400, 86_401], None), [0, 86_400]);
}

#[test]
fn what_has_an_id_happened_once() {
    assert_eq!(happened(&[86_400, 0, 172_800], Some("build-7")), [0]);
}

#[test]
fn only_so_many_times_are_kept() {
    let told: Vec<i64> = (0..700).map(|day| day * 86_400).collect();
    assert_eq!(happened(&told, None).len(), 500);
}
