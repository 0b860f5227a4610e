//! Usage and adoption, one window and one row at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::DAY;
use crate::seen::Seen;
use crate::signals::{Values, change, divide};
use crate::world::UsageRow;

/// Uses in `[as_of - older, as_of - newer)`.
pub(crate) fn uses<'w>(seen: &Seen<'w>, newer: i64, older: i64) -> Vec<&'w UsageRow> {
    seen.usage.iter().copied().filter(|row| seen.between(row.at, newer, older)).collect()
}

pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

pub(crate) fn quantity(rows: &[&UsageRow]) -> f64 {
    rows.iter().map(|row| row.quantity).sum()
}

pub(crate) fn active_days(rows: &[&UsageRow]) -> BTreeSet<i64> {
    rows.iter().map(|row| row.at.div_euclid(DAY)).collect()
}

fn features(rows: &[&UsageRow]) -> BTreeSet<usize> {
    rows.iter().map(|row| row.feature).collect()
}

pub(crate) fn users(rows: &[&UsageRow]) -> BTreeSet<usize> {
    rows.iter().filter_map(|row| row.user).collect()
}

/// `board` and `docs` are the declared value moments.
pub(crate) fn value_moments(rows: &[&UsageRow]) -> f64 {
    number(rows.iter().filter(|row| [1, 3].contains(&row.feature)).count())
}

/// `Some(())` when the history is at least that long.
pub(crate) fn reaches(seen: &Seen<'_>, days: i64) -> Option<()> {
    if seen.history()? >= days { Some(()) } else { None }
}

pub(crate) fn counts(seen: &Seen<'_>, out: &mut Values) {
    for w in [7, 28, 90, 365] {
        let now = uses(seen, 0, w);
        out.set(format!("usage_events_{w}d"), Some(number(now.len())));
        out.set(format!("usage_quantity_{w}d"), Some(quantity(&now)));
        out.set(format!("usage_active_days_{w}d"), Some(number(active_days(&now).len())));
        out.set(format!("adoption_features_{w}d"), Some(number(features(&now).len())));
        out.set(format!("adoption_active_users_{w}d"), Some(number(users(&now).len())));
    }
    let month = uses(seen, 0, 28);
    let seats = seen.subscription().and_then(|row| row.seats);
    out.set("usage_events_per_active_user_28d", divide(number(month.len()), Some(number(users(&month).len()))));
    out.set("usage_events_per_seat_28d", divide(number(month.len()), seats));
    out.set("adoption_users_per_seat_28d", divide(number(users(&month).len()), seats));
    out.set("usage_days_since_last", seen.usage.iter().map(|row| seen.days_ago(row.at)).min().map(|days| days as f64));
    let months = (0..12).filter(|month| !uses(seen, 30 * month, 30 * month + 30).is_empty()).count();
    out.set("usage_active_months_12m", Some(number(months)));
    let looked_at = seen.history().filter(|days| *days > 0).map(|days| days.min(90));
    let active = active_days(&uses(seen, 0, 90));
    out.set("usage_active_day_share_90d", divide(number(active.len()), looked_at.map(|days| days as f64)));
    out.set("usage_longest_gap_days_90d", looked_at.map(|days| longest_gap(seen.day, days, &active)));
}

fn longest_gap(day: i64, days: i64, active: &BTreeSet<i64>) -> f64 {
    let (mut run, mut longest) = (0, 0);
    for candidate in day - days..day {
        run = if active.contains(&candidate) { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    f64::from(longest)
}

pub(crate) fn changes(seen: &Seen<'_>, out: &mut Values) {
    for w in [7, 28, 90] {
        let value = || {
            reaches(seen, 2 * w)?;
            change(number(uses(seen, 0, w).len()), number(uses(seen, w, 2 * w).len()))
        };
        out.set(format!("usage_events_change_{w}d"), value());
    }
    let (now, then) = (uses(seen, 0, 28), uses(seen, 28, 56));
    let known = reaches(seen, 56);
    out.set("usage_quantity_change_28d", known.and_then(|()| change(quantity(&now), quantity(&then))));
    let days = |rows: &[&UsageRow]| number(active_days(rows).len());
    out.set("usage_active_days_change_28d", known.and_then(|()| change(days(&now), days(&then))));
    out.set("usage_value_moment_events_28d", Some(value_moments(&now)));
    out.set("usage_value_moment_change_28d", known.and_then(|()| change(value_moments(&now), value_moments(&then))));
    out.set("usage_value_moment_share_28d", divide(value_moments(&now), Some(number(now.len()))));
    let year_ago = number(uses(seen, 364, 392).len());
    let year = reaches(seen, 392).and_then(|()| change(number(now.len()), year_ago));
    out.set("usage_events_change_year_ago_28d", year);
    let (recent, before) = (number(uses(seen, 0, 30).len()) / 30.0, number(uses(seen, 30, 120).len()) / 90.0);
    out.set("usage_daily_mean_change_30d", reaches(seen, 120).and_then(|()| change(recent, before)));
    out.set("usage_spike_7d", reaches(seen, 63).and_then(|()| spike(seen)));
}

fn weekly(seen: &Seen<'_>, weeks: i64) -> Vec<f64> {
    (0..weeks).map(|week| number(uses(seen, 7 * week, 7 * week + 7).len())).collect()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { (values[half - 1] + values[half]) / 2.0 } else { values[half] }
}

fn spike(seen: &Seen<'_>) -> Option<f64> {
    let weeks = weekly(seen, 9);
    divide(weeks[0], Some(middle(weeks[1..].to_vec())))
}

/// The slope of a least-squares line, by the textbook formula `(n Σxy - Σx Σy) / (n Σx² - (Σx)²)`.
fn slope(values: &[f64]) -> f64 {
    let n = number(values.len());
    let (mut x_sum, mut y_sum, mut xy, mut xx) = (0.0, 0.0, 0.0, 0.0);
    for (place, y) in values.iter().enumerate() {
        let x = number(place);
        x_sum += x;
        y_sum += y;
        xy += x * y;
        xx += x * x;
    }
    (n * xy - x_sum * y_sum) / (n * xx - x_sum * x_sum)
}

pub(crate) fn trends(seen: &Seen<'_>, out: &mut Values) {
    for name in ["usage_slope_13w", "usage_acceleration_13w", "usage_plateau_weeks_13w"] {
        out.set(name, None);
    }
    out.set_text("usage_direction", None);
    let mut weeks = weekly(seen, 13);
    weeks.reverse();
    let mean = weeks.iter().sum::<f64>() / 13.0;
    if reaches(seen, 91).is_some() && mean > 0.0 {
        let [whole, old, new] = [&weeks[..], &weeks[..7], &weeks[7..]].map(|part| slope(part) / mean);
        out.set("usage_slope_13w", Some(whole));
        out.set("usage_acceleration_13w", Some(new - old));
        // "At least 2 %", whatever the rounding.
        let steep = |value: f64| value > 0.02 - 1e-9;
        let word = match () {
            () if steep(old) && steep(-new) || steep(-old) && steep(new) => "reversing",
            () if steep(whole) => "rising",
            () if steep(-whole) => "falling",
            () => "flat",
        };
        out.set_text("usage_direction", Some(word));
        let usual = middle(weeks.clone());
        let flat = weeks.iter().filter(|week| (**week - usual).abs() * 100.0 <= usual * 5.0).count();
        out.set("usage_plateau_weeks_13w", (usual > 0.0).then_some(number(flat)));
    }
}

pub(crate) fn limit(seen: &Seen<'_>, out: &mut Values) {
    let limit = seen.subscription().and_then(|row| row.limit).filter(|limit| *limit > 0.0);
    out.set("usage_limit_share_28d", divide(quantity(&uses(seen, 0, 28)) * 30.0 / 28.0, limit));
    let days = || {
        reaches(seen, 91)?;
        let room = limit? * 7.0 / 30.0 - quantity(&uses(seen, 0, 28)) / 4.0;
        let mut weeks: Vec<f64> = (0..13).map(|week| quantity(&uses(seen, 7 * week, 7 * week + 7))).collect();
        weeks.reverse();
        let slope = slope(&weeks);
        if room <= 0.0 {
            return Some(0.0);
        }
        (slope > 0.0).then(|| room / slope * 7.0)
    };
    out.set("usage_days_to_limit", days());
}

pub(crate) fn adoption(seen: &Seen<'_>, out: &mut Values) {
    let (now, then) = (uses(seen, 0, 28), uses(seen, 28, 56));
    let known = |value: usize| reaches(seen, 56).map(|()| number(value));
    let difference = number(features(&now).len()) - number(features(&then).len());
    out.set("adoption_features_change_28d", reaches(seen, 56).map(|()| difference));
    out.set("adoption_features_new_28d", known(features(&now).difference(&features(&then)).count()));
    out.set("adoption_features_dropped_28d", known(features(&then).difference(&features(&now)).count()));
    out.set("adoption_users_new_28d", known(users(&now).difference(&users(&then)).count()));
    out.set("adoption_users_lost_28d", known(users(&then).difference(&users(&now)).count()));
    for w in [28, 90] {
        let value = || {
            reaches(seen, 2 * w)?;
            change(number(users(&uses(seen, 0, w)).len()), number(users(&uses(seen, w, 2 * w)).len()))
        };
        out.set(format!("adoption_active_users_change_{w}d"), value());
    }
    // Declared: api, board, chat and one that is never used; advanced: api, export; integration: chat.
    let used = features(&uses(seen, 0, 90));
    let of = |declared: &[usize]| number(declared.iter().filter(|feature| used.contains(feature)).count());
    out.set("adoption_catalogue_share_90d", Some(of(&[0, 1, 2]) / 4.0));
    out.set("adoption_advanced_features_90d", Some(of(&[0, 4])));
    out.set("adoption_integrations_90d", Some(of(&[2])));
    shares(seen, out);
    let first_value = seen.usage.iter().filter(|row| [1, 3].contains(&row.feature)).map(|row| row.at).min();
    let signed_up = seen.row.and_then(|row| row.signed_up);
    // Signed up on an earlier day than anything on record: what came first was not seen.
    let recorded = |start: &i64| seen.anybodys_first_use.is_some_and(|at| seen.days_ago(at) >= seen.days_ago(*start));
    let days = first_value.zip(signed_up.filter(recorded));
    let days = days.map(|(value, start)| (seen.days_ago(start) - seen.days_ago(value)).max(0));
    out.set("adoption_days_to_first_value", days.map(|days| days as f64));
}

fn shares(seen: &Seen<'_>, out: &mut Values) {
    let quarter = uses(seen, 0, 90);
    let (mut by_feature, mut by_user) = (BTreeMap::new(), BTreeMap::new());
    for row in &quarter {
        *by_feature.entry(row.feature).or_insert(0.0) += 1.0;
        if let Some(user) = row.user {
            *by_user.entry(user).or_insert(0.0) += 1.0;
        }
    }
    let top = |counts: &BTreeMap<usize, f64>| {
        let total: f64 = counts.values().sum();
        counts.values().copied().reduce(f64::max).map(|most| most / total)
    };
    out.set("adoption_top_feature_share_90d", top(&by_feature));
    out.set("adoption_top_user_share_90d", top(&by_user));
    let total = number(quarter.len());
    let entropy = by_feature.values().map(|count| (count / total) * (total / count).ln()).sum();
    out.set("adoption_feature_entropy_90d", (!quarter.is_empty()).then_some(entropy));
}
