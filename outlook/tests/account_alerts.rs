//! Alerts and changes of accounts: known answers, and a slow twin of the hysteresis.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod account_world;

use account_world::{Score, business, date, outlook_of, usage, with_usage, write_scores};
use bellwether_features::facts::{ContactFact, Facts, Grouped, Role, SubscriptionFact, UsageFact};
use bellwether_features::time::Instant;
use bellwether_outlook::account::AccountSettings;
use bellwether_outlook::account::alert::{Alert, Dates, Meaning, Watched};
use bellwether_outlook::account::since::{Change, ChangeKind};
use bellwether_outlook::account::trigger::{Lines, Reach, Worse};
use proptest::prelude::*;

/// Dates four weeks apart.
const DATES: [&str; 3] = ["2025-11-03", "2025-12-01", "2025-12-29"];

/// Account `a` has so many days with use before each of the dates, with so large a quantity each.
fn used(windows: &[(i64, f64)]) -> Facts {
    let rows = DATES
        .iter()
        .zip(windows)
        .flat_map(|(until, (days, quantity))| (1..=*days).map(move |day| (0, usage(until, -day, *quantity))));
    with_usage(business(&["a"]), rows.collect())
}

/// Scores of the dates.
fn scored(rows: [&[Score]; 3]) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    for (as_of, rows) in DATES.iter().zip(rows) {
        write_scores(out.path(), date(as_of), rows);
    }
    out
}

/// The manifest of the run that scored the last of the dates: where the bands of churn begin.
fn write_run(out: &std::path::Path, model: &str, medium: f64, high: f64) {
    let run = out.join("runs").join(format!("as_of={}", DATES[2])).join("20251229T060000000Z-1");
    std::fs::create_dir_all(&run).unwrap();
    let text = format!(
        r#"{{"exit_code": 0, "model": {{"identity": "{model}"}}, "cut_offs": {{"bands": {{"churn_90d": {{"medium": {medium}, "high": {high}}}}}}}}}"#
    );
    std::fs::write(run.join("manifest.json"), text).unwrap();
}

fn plain() -> tempfile::TempDir {
    let rows = [Score::new("a", 0.1)];
    scored([&rows, &rows, &rows])
}

fn alerts(facts: &Facts, out: &tempfile::TempDir) -> Vec<Alert> {
    outlook_of(facts, out.path(), DATES[2], &AccountSettings::default(), |outlook| outlook.alerts.clone())
}

fn changes(facts: &Facts, out: &tempfile::TempDir) -> Vec<Change> {
    outlook_of(facts, out.path(), DATES[2], &AccountSettings::default(), |outlook| outlook.changes.clone())
}

fn told(alerts: &[Alert]) -> Vec<(Watched, Meaning, &str, &str)> {
    alerts.iter().map(|alert| (alert.watched, alert.meaning, alert.from, alert.to)).collect()
}

/// known-answers 10, first half.
#[test]
fn eleven_active_days_and_then_nine_is_one_alert_and_nine_again_is_none() {
    let found = alerts(&used(&[(11, 1.0), (11, 1.0), (9, 1.0)]), &plain());
    assert_eq!(told(&found), [(Watched::ActiveDays, Meaning::Risk, "normal", "warning")]);
    assert_eq!((found[0].before, found[0].now), (Some(11.0), Some(9.0)));
    assert_eq!(alerts(&used(&[(11, 1.0), (9, 1.0), (9, 1.0)]), &plain()), []);
    assert_eq!(
        alerts(&used(&[(11, 1.0), (9, 1.0), (12, 1.0)]), &plain()),
        [],
        "not yet back by half the distance of the lines"
    );
    let back = alerts(&used(&[(11, 1.0), (9, 1.0), (13, 1.0)]), &plain());
    assert_eq!(told(&back), [(Watched::ActiveDays, Meaning::Recovery, "warning", "normal")]);
}

#[test]
fn what_wavers_about_the_line_is_told_once_as_the_history_knows() {
    // 10 is not yet back, so nine again is nothing new.
    assert_eq!(alerts(&used(&[(9, 1.0), (10, 1.0), (9, 1.0)]), &plain()), []);
    // Without that history, it is: 10 is on the right side of the line.
    let out = plain();
    std::fs::remove_dir_all(bellwether_outlook::scored::partition(out.path(), date(DATES[0]))).unwrap();
    assert_eq!(alerts(&used(&[(9, 1.0), (10, 1.0), (9, 1.0)]), &out).len(), 1);
}

/// The lines of a probability are the cut-offs of the model, not what accounts happen to have: also where nobody is high.
#[test]
fn a_probability_crosses_where_the_band_of_the_model_begins() {
    let rows = |churn: f64| [Score::new("a", churn)];
    let out = scored([&rows(0.12), &rows(0.12), &rows(0.16)]);
    let facts = used(&[(20, 1.0), (20, 1.0), (20, 1.0)]);
    assert_eq!(alerts(&facts, &out), [], "nothing says where bands begin");
    let unwatched =
        outlook_of(&facts, out.path(), DATES[2], &AccountSettings::default(), |found| found.unwatched.clone());
    assert_eq!(unwatched, [0, 1], "and that is told");
    let manifest = |model: &str, medium: f64| write_run(out.path(), model, medium, 0.5);
    manifest("test/1", 0.15);
    assert_eq!(told(&alerts(&facts, &out)), [(Watched::Churn, Meaning::Risk, "normal", "warning")]);
    manifest("test/1", 0.10);
    assert_eq!(alerts(&facts, &out), [], "it was beyond the line before");
    manifest("other/1", 0.15);
    assert_eq!(alerts(&facts, &out), [], "a run of another model says nothing of these scores");
}

/// known-answers 10, second half: 799 and 801 of 1,000 per 30 days, told in 28 days.
#[test]
fn eight_hundred_of_a_thousand_is_one_expansion_alert() {
    let of = |windows: [f64; 3]| {
        let mut facts = used(&windows.map(|quantity| (20, quantity / 20.0 * 28.0 / 30.0)));
        let limited =
            SubscriptionFact { usage_limit: Some(1_000.0), ..account_world::subscription("2020-01-01", 100.0) };
        facts.subscriptions = Some(Grouped { offsets: vec![0, 1], rows: vec![limited] });
        alerts(&facts, &plain())
    };
    let found = of([799.0, 799.0, 801.0]);
    assert_eq!(told(&found), [(Watched::Limit, Meaning::Expansion, "normal", "warning")]);
    assert!((found[0].now.unwrap() - 0.801).abs() < 1e-9);
    assert_eq!(of([799.0, 801.0, 801.0]), []);
    assert_eq!(of([799.0, 801.0, 799.0]), [], "not yet a margin back");
    assert_eq!(told(&of([799.0, 801.0, 690.0])), [(Watched::Limit, Meaning::ExpansionPast, "warning", "normal")]);
}

#[test]
fn rising_and_then_falling_use_is_told_when_it_turns() {
    // Several uses a day, so that days with use stay the same.
    let of = |uses: [i64; 3]| {
        let rows = DATES
            .iter()
            .zip(uses)
            .flat_map(|(until, uses)| (0..uses).map(move |place| (0, usage(until, -1 - place % 20, 1.0))));
        alerts(&with_usage(business(&["a"]), rows.collect()), &plain())
    };
    assert_eq!(told(&of([100, 200, 100])), [(Watched::Trend, Meaning::Risk, "rising", "falling")]);
    assert_eq!(of([100, 200, 190]), [], "as chance has it");
    assert_eq!(of([100, 200, 200]), []);
    assert_eq!(of([100, 50, 25]), [], "it was falling before");
    assert_eq!(told(&of([100, 50, 100])), [(Watched::Trend, Meaning::Recovery, "falling", "rising")]);
}

#[test]
fn what_the_whole_base_does_is_nobodys_turn() {
    let ids: Vec<&'static str> = (0..40).map(|account| &*Box::leak(format!("{account:02}").into_boxed_str())).collect();
    let rows: Vec<Score> = ids.iter().map(|id| Score::new(id, 0.1)).collect();
    // Everybody rises and then falls by half, but for account 7, which stays, and with the base staying: which falls.
    let of = |everybody: [i64; 3], seventh: [i64; 3]| {
        let uses = (0..40_u32).flat_map(|account| {
            let of = if account == 7 { seventh } else { everybody };
            DATES.iter().zip(of).flat_map(move |(until, uses)| {
                (0..uses).map(move |place| (account, usage(until, -1 - place % 20, 1.0)))
            })
        });
        let found = alerts(&with_usage(business(&ids), uses.collect()), &scored([&rows, &rows, &rows]));
        found.into_iter().map(|alert| (alert.account, alert.meaning)).collect::<Vec<_>>()
    };
    assert_eq!(of([100, 200, 100], [100, 200, 100]), []);
    assert_eq!(of([100, 100, 100], [100, 200, 100]), [(7, Meaning::Risk)]);
    assert_eq!(of([100, 200, 100], [200, 200, 200]), [(7, Meaning::Recovery)], "it rises where the others fall");
}

#[test]
fn a_sponsor_who_leaves_is_told_once() {
    let mut facts = business(&["a"]);
    let since = account_world::moment("2025-01-01");
    let left = account_world::moment("2025-12-10");
    let there = ContactFact { contact: 1, role: Role::Sponsor, since, known_at: since, until: None };
    let gone = ContactFact { known_at: left, until: Some(left), ..there };
    facts.contacts = Some(Grouped { offsets: vec![0, 2], rows: vec![there, gone] });
    assert_eq!(told(&alerts(&facts, &plain())), [(Watched::Sponsor, Meaning::Risk, "present", "lost")]);
    let settings = AccountSettings::default();
    let before = outlook_of(&facts, plain().path(), DATES[1], &settings, |outlook| outlook.alerts.clone());
    assert_eq!(before, [], "not yet");
}

#[test]
fn a_probability_crosses_where_the_bands_begin_and_health_turns() {
    let calm = Score::new("a", 0.1);
    let of = |scores: [Score; 3]| {
        let [first, second, third] = scores.map(|score| vec![score]);
        let out = scored([&first, &second, &third]);
        write_run(out.path(), "test/1", 0.2, 0.3);
        alerts(&business(&["a"]), &out)
    };
    let at = |churn: f64| Score { churn: Some(churn), ..calm.clone() };
    assert_eq!(told(&of([at(0.1), at(0.1), at(0.35)])), [(Watched::Churn, Meaning::Risk, "normal", "crossed")]);
    assert_eq!(of([at(0.35), at(0.29), at(0.31)]), [], "0.29 is not half of the distance back");
    assert_eq!(told(&of([at(0.35), at(0.35), at(0.24)])), [(Watched::Churn, Meaning::Recovery, "crossed", "warning")]);
    assert_eq!(of([calm.clone(), calm.clone(), Score { churn: None, ..calm.clone() }]), [], "not scored is no change");
    let health = |health: &'static str| Score { health, ..calm.clone() };
    let turned = of([health("champion"), health("champion"), health("at_risk")]);
    assert_eq!(told(&turned), [(Watched::Health, Meaning::Risk, "champion", "at_risk")]);
    assert_eq!(of([health("at_risk"), health("champion"), health("at_risk")]), [], "it never was well for two dates");
    let well = of([health("at_risk"), health("sleeper"), health("champion")]);
    assert_eq!(told(&well), [(Watched::Health, Meaning::Recovery, "at_risk", "sleeper")]);
    assert_eq!(of([health("champion"), health("champion"), health("unknown")]), [], "not known is no change");
}

#[test]
fn what_changed_is_who_entered_left_and_moved_and_why() {
    let mut facts = business(&["a", "b", "c", "d", "e"]);
    let rows = (0..5).map(|account| {
        let mrr = if account == 2 { 0.0 } else { 100.0 };
        let at = if account == 2 { "2025-12-10" } else { "2020-01-01" };
        (account, account_world::subscription(at, mrr))
    });
    facts.subscriptions = Some(Grouped::new(5, rows.collect(), |row: &SubscriptionFact| row.effective_at));
    let stays = Score::new("a", 0.10);
    let then = [stays.clone(), Score::new("b", 0.10), Score::new("c", 0.10), Score::new("d", 0.10)];
    let why = Score { reasons: ["support.tickets:+", "usage.events:-"], ..Score::new("b", 0.40) };
    let now = [stays, why, Score::new("e", 0.2)];
    let found = changes(&facts, &scored([&then, &then, &now]));
    let told: Vec<(ChangeKind, &str)> = found.iter().map(|change| (change.kind, change.account_id.as_str())).collect();
    use ChangeKind::{Ended, Entered, Left, Moved, NewReason};
    assert_eq!(told, [(Entered, "e"), (Ended, "c"), (Left, "d"), (Moved, "b"), (NewReason, "b")]);
    assert_eq!((found[3].before, found[3].now), (Some(0.10), Some(0.40)));
    let reason = found[4].reason.as_ref().unwrap();
    assert_eq!((&*reason.name, reason.text.as_str()), ("support.tickets:+", "text of support.tickets:+"));
    assert_eq!(changes(&facts, &scored([&then, &now, &now])), [], "unchanged inputs say nothing");
    let low = [Score::new("a", 0.10), Score { churn: Some(0.10), ..now[1].clone() }, Score::new("e", 0.2)];
    let found = changes(&facts, &scored([&then, &then, &low]));
    assert!(found.iter().all(|change| change.kind != NewReason), "nobody asks why a low probability is low");
}

#[test]
fn a_date_to_compare_with_must_have_scores() {
    let (facts, out) = (business(&["a"]), plain());
    let settings = AccountSettings { since: Some(date(DATES[0])), ..AccountSettings::default() };
    outlook_of(&facts, out.path(), DATES[2], &settings, |outlook| assert_eq!(outlook.since, Some(date(DATES[0]))));
    let base = bellwether_outlook::scored::ScoredBase::read(out.path(), date(DATES[2]), 0).unwrap();
    let settings = AccountSettings { since: Some(date("2025-12-02")), ..AccountSettings::default() };
    let inputs =
        bellwether_outlook::account::AccountInputs { facts: &facts, base: &base, out: out.path(), settings: &settings };
    let error = bellwether_outlook::account::AccountOutlook::of(&inputs).unwrap_err();
    assert!(error.to_string().contains("expected the scores of 2025-12-02"), "{error}");
    outlook_of(&facts, out.path(), DATES[0], &AccountSettings::default(), |outlook| {
        assert_eq!((outlook.since, outlook.alerts.len(), outlook.changes.len()), (None, 0, 0));
    });
}

#[test]
fn the_dates_looked_at_are_as_many_as_wanted_up_to_the_one_compared_with() {
    let days: Vec<_> = (1..=9).map(|day| date(&format!("2025-12-0{day}"))).collect();
    let of = |since: Option<&str>| Dates::of(&days, date("2025-12-08"), since.map(date), 3).map(|dates| dates.history);
    assert_eq!(of(None).unwrap(), days[4..7]);
    assert_eq!(of(Some("2025-12-03")).unwrap(), [&days[..3], &days[4..7]].concat());
    assert_eq!(of(Some("2025-12-08")), None);
    assert_eq!(Dates::of(&days[8..], date("2025-12-08"), None, 3), None);
}

/// The state of one line, from the end backwards: the last value that is clearly on one side decides.
fn twin(line: f64, back: f64, values: &[f64]) -> Reach {
    let side = |value: f64| {
        if value >= line {
            Some(Reach::Crossed)
        } else if value < line - back {
            Some(Reach::Normal)
        } else {
            None
        }
    };
    values.iter().rev().find_map(|value| side(*value)).unwrap_or(Reach::Normal)
}

proptest! {
    #[test]
    fn a_trigger_stands_where_the_last_clear_value_put_it(
        values in proptest::collection::vec(0.0_f64..1.0, 1..30),
        line in 0.2_f64..0.8,
        margin in 0.0_f64..0.5,
    ) {
        let lines = Lines { warning: line, threshold: line, margin, worse: Worse::From };
        let state = values.iter().fold(None, |state, value| Some(lines.next(state, *value)));
        prop_assert_eq!(state.unwrap(), twin(line, margin * line, &values));
        // A value that stays where it is raises nothing.
        let last = *values.last().unwrap();
        prop_assert_eq!(lines.next(state, last), state.unwrap());
        // The other side of the line is the mirror, but for the line itself.
        let mirror = Lines { warning: -line, threshold: -line, margin, worse: Worse::Below };
        if values.iter().all(|value| (value - line).abs() > 1e-9 && (value - line * (1.0 - margin)).abs() > 1e-9) {
            let mirrored = values.iter().fold(None, |state, value| Some(mirror.next(state, -value)));
            prop_assert_eq!(mirrored, state);
        }
    }

    /// Two lines are two triggers of one line each, as far as their margins go.
    #[test]
    fn two_lines_are_two_triggers(values in proptest::collection::vec(0.0_f64..1.0, 1..30)) {
        let lines = Lines { warning: 0.4, threshold: 0.7, margin: 0.2, worse: Worse::From };
        let state = values.iter().fold(None, |state, value| Some(lines.next(state, *value))).unwrap();
        let back = 0.2 * (0.7_f64 - 0.4).abs();
        let (warning, threshold) = (twin(0.4, back, &values), twin(0.7, back, &values));
        let expected = if threshold == Reach::Crossed {
            Reach::Crossed
        } else if warning == Reach::Crossed {
            Reach::Warning
        } else {
            Reach::Normal
        };
        prop_assert_eq!(state, expected);
    }

    /// What became known at or after `as_of`, and scores of later dates, change nothing.
    #[test]
    fn what_is_known_later_changes_nothing(
        uses in proptest::collection::vec((0_i64..400, 0_i64..60), 0..120),
        churn in proptest::collection::vec(0.0_f64..1.0, 3),
    ) {
        let moment = account_world::moment("2025-01-01");
        let all: Vec<(u32, UsageFact)> = uses
            .iter()
            .map(|(day, late)| {
                let at = moment.plus_days(*day);
                (0, UsageFact { at, known_at: at.plus_days(*late), user: None, feature: 0, quantity: 1.0 })
            })
            .collect();
        let as_of = account_world::moment(DATES[2]);
        let known: Vec<(u32, UsageFact)> =
            all.iter().filter(|(_, row)| row.at < as_of && row.known_at < as_of).copied().collect();
        let score = |place: usize| Score::new("a", churn[place]);
        let out = scored([&[score(0)], &[score(1)], &[score(2)]]);
        let settings = AccountSettings::default();
        let look = |facts: &Facts| {
            outlook_of(facts, out.path(), DATES[2], &settings, |outlook| format!("{outlook:?}"))
        };
        let before = look(&with_usage(business(&["a"]), known));
        write_scores(out.path(), date("2026-02-01"), &[Score::new("a", 0.9)]);
        prop_assert_eq!(look(&with_usage(business(&["a"]), all)), before);
    }
}

/// `Instant` is what the facts are in.
#[test]
fn the_dates_are_four_weeks_apart() {
    let days = DATES.map(|day| Instant::start_of(date(day)).day());
    assert_eq!([days[1] - days[0], days[2] - days[1]], [28, 28]);
}
