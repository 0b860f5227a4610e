//! Workflows, the plan's limit and unusual days, one day and one use at a time.

use std::collections::BTreeMap;

use crate::calendar::DAY;
use crate::seen::Seen;
use crate::signals::{Values, change, divide, flag};
use crate::usage::{active_days, number, quantity, reaches, users, uses, value_moments};
use crate::world::WORKFLOWS;

pub(crate) fn depth(seen: &Seen<'_>, out: &mut Values) {
    let month = uses(seen, 0, 28);
    out.set("usage_events_per_active_day_28d", divide(number(month.len()), Some(number(active_days(&month).len()))));
    let quarter = uses(seen, 0, 90);
    let aimless = quarter.len() as f64 - value_moments(&quarter);
    out.set("usage_aimless_share_90d", divide(aimless, Some(number(quarter.len()))));
    let row = seen.subscription();
    let used = quantity(&month);
    out.set("usage_quantity_per_active_user_28d", divide(used, Some(number(users(&month).len()))));
    out.set("usage_quantity_per_seat_28d", divide(used, row.and_then(|row| row.seats)));
    out.set("usage_quantity_per_mrr_28d", divide(used, row.map(|row| row.mrr)));
    // Not known among as few accounts as these worlds have.
    out.set(crate::crowd::PERCENTILE, None);
    let year_ago = uses(seen, 364, 392);
    let known = reaches(seen, 392);
    out.set("usage_quantity_change_year_ago_28d", known.and_then(|()| change(used, quantity(&year_ago))));
    let days = [&month, &year_ago].map(|rows| number(active_days(rows).len()));
    out.set("usage_active_days_change_year_ago_28d", known.and_then(|()| change(days[0], days[1])));
    let limit = row.and_then(|row| row.limit).filter(|limit| *limit > 0.0);
    let at_limit = |limit: f64| (0..90).filter(|age| quantity(&uses(seen, *age, age + 30)) >= limit).count();
    out.set("usage_limit_days_90d", limit.map(|limit| number(at_limit(limit))));
    unusual(seen, out);
    for (name, steps) in WORKFLOWS {
        workflow(seen, name, &steps, out);
    }
}

fn per_day(seen: &Seen<'_>, newer: i64, older: i64) -> Vec<usize> {
    let mut days: BTreeMap<i64, usize> = BTreeMap::new();
    for row in uses(seen, newer, older) {
        *days.entry(row.at.div_euclid(DAY)).or_default() += 1;
    }
    days.into_values().collect()
}

fn unusual(seen: &Seen<'_>, out: &mut Values) {
    let mut usual = per_day(seen, 28, 118);
    usual.sort_unstable();
    let enough = usual.len() >= 5 && reaches(seen, 118).is_some();
    // The smallest value that at least so many hundredths of the days do not exceed.
    let percentile = |hundredths: usize| {
        let is_enough =
            |value: &&usize| usual.iter().filter(|other| *other <= *value).count() * 100 >= hundredths * usual.len();
        *usual.iter().find(is_enough).unwrap()
    };
    let days = per_day(seen, 0, 28);
    let quiet = enough.then(|| number(days.iter().filter(|uses| **uses < percentile(10)).count()));
    let busy = enough.then(|| number(days.iter().filter(|uses| **uses > percentile(90)).count()));
    out.set("usage_quiet_days_28d", quiet);
    out.set("usage_busy_days_28d", busy);
}

/// One piece of work: begun, how many steps done, completed.
struct Run {
    begun: i64,
    done: usize,
    completed: Option<i64>,
}

fn runs(seen: &Seen<'_>, steps: &[Option<usize>; 3]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for row in &seen.usage {
        let is = |step: usize| steps[step] == Some(row.feature);
        let ready = |runs: &[Run], done: usize| runs.iter().rposition(|run| run.done == done);
        let next = [2, 1].into_iter().filter(|step| is(*step)).find_map(|step| ready(&runs, step));
        if let Some(run) = next.map(|place| &mut runs[place]) {
            run.done += 1;
            run.completed = (run.done == 3).then_some(row.at);
        } else if is(0) {
            runs.push(Run { begun: row.at, done: 1, completed: None });
        }
    }
    runs
}

fn workflow(seen: &Seen<'_>, name: &str, steps: &[Option<usize>; 3], out: &mut Values) {
    let runs = runs(seen, steps);
    let recent: Vec<&Run> = runs.iter().filter(|run| seen.recent(run.begun, 90)).collect();
    let completed = recent.iter().filter(|run| run.completed.is_some()).count();
    let share = divide(number(completed), Some(number(recent.len())));
    out.set(format!("usage_workflow_{name}_completed_share_90d"), share);
    let done_in =
        |newer: i64, older: i64| runs.iter().any(|run| run.completed.is_some_and(|at| seen.between(at, newer, older)));
    let weeks = (0..13).filter(|week| done_in(7 * week, 7 * week + 7)).count();
    out.set(format!("usage_workflow_{name}_weeks_share_13w"), reaches(seen, 91).map(|()| number(weeks) / 13.0));
    let onboarding = || {
        let start = seen.row?.signed_up?.div_euclid(DAY);
        if seen.anybodys_first_use? >= (start + 1) * DAY {
            return None;
        }
        let in_time = runs.iter().any(|run| run.completed.is_some_and(|at| at < (start + 30) * DAY));
        (in_time || seen.day >= start + 30).then_some(flag(in_time))
    };
    out.set(format!("usage_workflow_{name}_in_first_30_days"), onboarding());
}
