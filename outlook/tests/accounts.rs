//! Accounts: value, plays, prospects, calls, owners.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod account_world;

use account_world::{
    Score, account_row, business, date, leaving, outlook_of, subscription, usage, with_usage, write_scores,
};
use bellwether_features::facts::{
    AccountFact, Facts, Grouped, MeetingFact, MeetingKind, Names, SubscriptionFact, UsageFact,
};
use bellwether_models::policy::{Health, ServiceLevel, ValueTier};
use bellwether_outlook::account::AccountSettings;
use bellwether_outlook::account::calls::CallFor;
use bellwether_outlook::account::lifetime::expected_revenue;
use bellwether_outlook::account::plays::{LevelOptions, PlaysOptions};
use bellwether_outlook::account::prospect::{Outcomes, Prospect, UsePattern};
use bellwether_outlook::money::Cents;
use bellwether_outlook::tables;
use proptest::prelude::*;

const AS_OF: &str = "2025-12-29";

fn scores(rows: &[Score]) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    write_scores(out.path(), date(AS_OF), rows);
    out
}

fn play(name: &str) -> LevelOptions {
    LevelOptions {
        play: Some(name.to_owned()),
        owner: Some("team".to_owned()),
        due_days: Some(5),
        success_metric: Some("met".to_owned()),
        ..LevelOptions::default()
    }
}

#[test]
fn an_account_has_its_value_its_level_and_its_play() {
    let ids = ["a", "b", "c"];
    let rows = [
        Score { mrr: Some(50_000.0 / 12.0), ..Score::new("a", 0.1) },
        Score { mrr: Some(20_000.0 / 12.0), health: "hostage", ..Score::new("b", 0.1) },
        Score { mrr: None, health: "unknown", ..Score::new("c", 0.1) },
    ];
    let options = LevelOptions { save_rate: Some(0.6), value: Some(20_000.0), cost: Some(200.0), ..play("call") };
    let settings = AccountSettings {
        plays: PlaysOptions { medium_at_risk: Some(options), ..PlaysOptions::default() }.resolve().unwrap(),
        churn: Some(leaving()),
        ..AccountSettings::default()
    };
    outlook_of(&business(&ids), scores(&rows).path(), AS_OF, &settings, |outlook| {
        let [a, b, c] = &outlook.rows[..] else { panic!("three accounts") };
        let value = a.lifetime.unwrap();
        assert_eq!(value.value, expected_revenue(50_000.0 / 12.0, 0.1, 90.0));
        assert_eq!(value.low, expected_revenue(50_000.0 / 12.0, 0.1 * 1.5, 90.0), "from the highest probability");
        assert_eq!(value.high, expected_revenue(50_000.0 / 12.0, 0.1 / 2.0, 90.0));
        assert_eq!((a.tier, a.level), (Some(ValueTier::High), Some(ServiceLevel::HighHealthy)));
        assert_eq!((a.is_at_risk, a.play), (Some(false), None), "no play is declared for it");
        assert_eq!((b.tier, b.level), (Some(ValueTier::Medium), Some(ServiceLevel::MediumAtRisk)));
        assert_eq!(b.play.map(|play| play.name.as_str()), Some("call"));
        assert_eq!(b.due, Some(date("2026-01-03")));
        // known-answers 16 at a probability of 0.1: 0.1 x 0.6 x 20,000 - 200.
        assert_eq!(b.worth, Some(Cents(100_000)));
        assert_eq!((c.health, c.lifetime, c.tier, c.level), (Some(Health::Unknown), None, None, None));
        assert_eq!(c.is_at_risk, Some(false), "the band is known");
    });
}

/// Accounts used every day of the past year, of which some are wound down from a day on and some end on a day.
fn world(accounts: &[(Option<i64>, Option<i64>)]) -> Facts {
    let ids: Vec<String> = (0..accounts.len()).map(|account| format!("{account:04}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (mut uses, mut paid): (Vec<(u32, UsageFact)>, Vec<(u32, SubscriptionFact)>) = (Vec::new(), Vec::new());
    for (account, (winds_down, ends)) in (0..).zip(accounts) {
        // Nine days in 28: below the warning line, so that each looks at risk.
        let day = |day: i64| day % 28 < 9 && winds_down.is_none_or(|from| day < from);
        uses.extend((0..500).filter(|one| day(*one)).map(|one| (account, usage("2024-09-01", one, 1.0))));
        paid.push((account, subscription("2024-01-01", 100.0)));
        paid.extend(ends.map(|end| {
            let at = account_world::moment("2024-09-01").plus_days(end);
            (account, SubscriptionFact { effective_at: at, known_at: at, ..subscription("2024-01-01", 0.0) })
        }));
    }
    let mut facts = with_usage(business(&names), uses);
    let key = |row: &SubscriptionFact| (row.effective_at, row.known_at);
    facts.subscriptions = Some(Grouped::new(accounts.len(), paid, key));
    facts
}

#[test]
fn prospects_are_what_became_of_accounts_used_alike() {
    // As of 2025-12-29 (day 484) the latest date with a known outcome is 104 days before: day 380. Sixty are used on, of
    // which 3 end within 90 days; forty stop being used on day 340, of which 30 end.
    let of = |account: usize| match account {
        0..3 => (None, Some(400)),
        3..60 => (None, None),
        60..90 => (Some(340), Some(400)),
        _ => (Some(340), None),
    };
    let facts = world(&(0..100).map(of).collect::<Vec<_>>());
    let rows = [
        Score { health: "at_risk", ..Score::new("0010", 0.1) },
        Score { health: "at_risk", ..Score::new("0095", 0.1) },
    ];
    let settings = AccountSettings { churn: Some(leaving()), ..AccountSettings::default() };
    outlook_of(&facts, scores(&rows).path(), AS_OF, &settings, |outlook| {
        // All of them looked at risk at that date, so none counts at an earlier one, when all were engaged and nobody left.
        assert_eq!(outlook.evidence.dates, [date("2025-09-16")]);
        assert_eq!(outlook.evidence.winding_down, Outcomes { accounts: 40, stayed: 10 });
        let engaged = outlook.evidence.engaged;
        assert_eq!(engaged, Outcomes { accounts: 60, stayed: 57 });
        assert_eq!(outlook.rows[0].pattern, Some(UsePattern::Engaged));
        assert_eq!(outlook.rows[0].prospect, Some(Prospect::Saveable));
        // Silent for 112 days: wound down.
        assert_eq!(
            (outlook.rows[1].pattern, outlook.rows[1].prospect),
            (Some(UsePattern::WindingDown), Some(Prospect::Lost))
        );
    });
    // Where both stay alike, nothing is said.
    let facts = world(&(0..100).map(|account| ((account >= 60).then_some(340), None)).collect::<Vec<_>>());
    outlook_of(&facts, scores(&rows).path(), AS_OF, &settings, |outlook| {
        assert_eq!(outlook.rows.iter().map(|row| row.prospect).collect::<Vec<_>>(), [None, None]);
        assert_eq!(outlook.rows[1].pattern, Some(UsePattern::WindingDown));
    });
}

#[test]
fn owners_have_their_accounts_and_reviews_past_due() {
    let mut facts = business(&["a", "b", "c", "d"]);
    let owners = [Some(1), Some(0), Some(1), None];
    let rows = (0..).zip(owners).map(|(account, owner)| (account, account_row("2025-11-01", owner)));
    facts.account_rows = Some(Grouped::new(4, rows.collect(), |row: &AccountFact| row.known_at));
    facts.owners = Names { names: vec!["Ada".to_owned(), "Ben".to_owned()], is_there: true };
    let meeting = |at: &str, attended: bool| MeetingFact {
        at: account_world::moment(at),
        known_at: account_world::moment(at),
        kind: MeetingKind::Review,
        contact: None,
        attended,
    };
    // a: held in time; b: long ago; c: nobody came, so that its start counts; d: none.
    let meetings =
        vec![(0, meeting("2025-12-15", true)), (1, meeting("2025-11-10", true)), (2, meeting("2025-12-15", false))];
    facts.meetings = Some(Grouped::new(4, meetings, |row: &MeetingFact| row.at));
    let rows = ["a", "b", "c", "d"].map(|id| Score::new(id, 0.1));
    let settings = AccountSettings { review_interval_days: Some(30), capacity: 1, ..AccountSettings::default() };
    outlook_of(&facts, scores(&rows).path(), AS_OF, &settings, |outlook| {
        let told: Vec<_> = outlook
            .owners
            .iter()
            .map(|load| (load.owner.as_deref(), load.accounts, load.mrr.0, load.overdue_reviews, load.calls))
            .collect();
        let expected =
            [(None, 1, 10_000, Some(1), 0), (Some("Ada"), 1, 10_000, Some(1), 0), (Some("Ben"), 2, 20_000, Some(1), 1)];
        assert_eq!(told, expected);
        assert_eq!(outlook.rows[1].review_overdue_days, Some(49 - 30));
    });
    let unsaid = AccountSettings::default();
    outlook_of(&facts, scores(&rows).path(), AS_OF, &unsaid, |outlook| {
        assert!(outlook.owners.iter().all(|load| load.overdue_reviews.is_none()));
    });
}

#[test]
fn a_call_says_what_it_is_about_and_why() {
    let rows = [
        Score { at_risk: Some(5.0), to_gain: Some(20.0), ..Score::new("a", 0.1) },
        Score { at_risk: Some(40.0), to_gain: None, ..Score::new("b", 0.4) },
        Score { at_risk: Some(25.0), to_gain: Some(0.0), ..Score::new("c", 0.3) },
        Score { at_risk: None, to_gain: None, ..Score::new("d", 0.9) },
        Score { at_risk: Some(0.0), to_gain: Some(0.0), ..Score::new("e", 0.9) },
    ];
    let settings = AccountSettings { capacity: 10, ..AccountSettings::default() };
    outlook_of(&business(&["a", "b", "c", "d", "e"]), scores(&rows).path(), AS_OF, &settings, |outlook| {
        let told: Vec<_> = outlook.calls.iter().map(|call| (call.account, call.stake, call.about)).collect();
        // a and c hold the same: by id.
        let expected = [(1, 40.0, CallFor::Churn), (0, 25.0, CallFor::Expansion), (2, 25.0, CallFor::Churn)];
        assert_eq!(told, expected);
        let reasons: Vec<&str> = outlook.calls[0].reasons.iter().map(|reason| reason.text.as_str()).collect();
        assert_eq!(reasons, ["text of usage.events:-", "text of nps.latest:-"]);
        assert!(outlook.calls[1].reasons.is_empty(), "the scores say nothing of why it may expand");
    });
}

/// Ids that live as long as the program.
const IDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// No other so many accounts hold more.
    #[test]
    fn the_call_list_holds_the_most_that_so_many_accounts_can(
        stakes in proptest::collection::vec((0_u32..5, 0_u32..5), 1..=8),
        capacity in 1_usize..9,
    ) {
        let score = |(id, (at_risk, to_gain)): (&&'static str, &(u32, u32))| Score {
            at_risk: Some(f64::from(*at_risk)),
            to_gain: Some(f64::from(*to_gain)),
            ..Score::new(id, 0.1)
        };
        let rows: Vec<Score> = IDS.iter().zip(&stakes).map(score).collect();
        let settings = AccountSettings { capacity, ..AccountSettings::default() };
        let (places, held) = outlook_of(&business(&IDS), scores(&rows).path(), AS_OF, &settings, |outlook| {
            let places: Vec<usize> = outlook.calls.iter().map(|call| call.account).collect();
            (places, outlook.calls.iter().map(|call| call.stake).sum::<f64>())
        });
        prop_assert!(places.len() <= capacity);
        let sum = |set: usize| {
            let chosen = stakes.iter().enumerate().filter(|(place, _)| (set >> place) & 1 == 1);
            chosen.map(|(_, (at_risk, to_gain))| f64::from(at_risk + to_gain)).sum::<f64>()
        };
        let sets = (0..1_usize << stakes.len()).filter(|set| set.count_ones() as usize <= capacity);
        prop_assert_eq!(held, sets.map(sum).fold(0.0, f64::max));
        let order = |pair: &[usize]| {
            let stake = |place: usize| stakes[place].0 + stakes[place].1;
            stake(pair[0]) > stake(pair[1]) || (stake(pair[0]) == stake(pair[1]) && pair[0] < pair[1])
        };
        prop_assert!(places.windows(2).all(order));
    }
}

#[test]
fn the_tables_are_the_same_bytes_with_one_thread_and_two() {
    let ids: Vec<String> = (0..400).map(|account| format!("{account:04}")).collect();
    let names: Vec<&'static str> = ids.iter().map(|id| &*Box::leak(id.clone().into_boxed_str())).collect();
    let facts = world(
        &(0..400)
            .map(|account| ((account % 3 == 0).then_some(340 + account % 7), (account % 11 == 0).then_some(400)))
            .collect::<Vec<_>>(),
    );
    let out = tempfile::tempdir().unwrap();
    for (step, as_of) in ["2025-10-01", "2025-11-15", AS_OF].into_iter().enumerate() {
        let score = |(place, id): (usize, &&'static str)| Score {
            health: ["champion", "at_risk", "unknown", "hostage"][(place + step) % 4],
            ..Score::new(id, ((place * 7 + step * 31) % 100) as f64 / 100.0)
        };
        let rows: Vec<Score> = names.iter().enumerate().map(score).collect();
        write_scores(out.path(), date(as_of), &rows);
    }
    let settings = AccountSettings { churn: Some(leaving()), capacity: 40, ..AccountSettings::default() };
    let bytes = |threads: usize| -> Vec<Vec<u8>> {
        let folder = out.path().join(format!("tables-{threads}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            outlook_of(&facts, out.path(), AS_OF, &settings, |outlook| {
                assert!(!outlook.alerts.is_empty() && !outlook.changes.is_empty() && outlook.calls.len() == 40);
                tables::write(tables::accounts::tables(outlook), &folder).unwrap();
            });
        });
        let read = |name: &str| std::fs::read(folder.join(format!("{name}.parquet"))).unwrap();
        ["accounts", "alerts", "since", "calls", "owners"].map(read).to_vec()
    };
    assert_eq!(bytes(1), bytes(2));
}

/// The scores have 32-bit floats of what is paid; the facts have the cents. What is no rounding of the facts stays as it is.
#[test]
fn what_is_paid_is_told_to_the_cent() {
    let mut facts = business(&["a", "b"]);
    let paid = vec![(0, subscription("2020-01-01", 1_234_567.89)), (1, subscription("2020-01-01", 100.0))];
    facts.subscriptions = Some(Grouped::new(2, paid, |row: &SubscriptionFact| (row.effective_at, row.known_at)));
    let rows = [
        Score { mrr: Some(1_234_567.875), ..Score::new("a", 0.1) },
        Score { mrr: Some(120.0), ..Score::new("b", 0.1) },
    ];
    outlook_of(&facts, scores(&rows).path(), AS_OF, &AccountSettings::default(), |outlook| {
        assert_ne!(outlook.rows[0].scored.mrr, Some(1_234_567.89));
        assert_eq!((outlook.rows[0].mrr, outlook.rows[1].mrr), (Some(1_234_567.89), Some(120.0)));
        assert_eq!(outlook.owners[0].mrr, Cents(123_456_789 + 12_000));
    });
}
