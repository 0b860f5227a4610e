//! Interventions against accounts left alone: known answers, and a twin that reads the rows one by one.

use bellwether_features::facts::{Arm, Facts, Grouped, InterventionFact};
use bellwether_outlook::intervention::{PlaybookRow, playbooks};
use bellwether_outlook::timelines;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{HOUR, World, at_hour, date, moment, names, subscription};

const AS_OF: &str = "2025-12-31";
const HORIZON_DAYS: u32 = 90;
const GRACE_DAYS: u32 = 14;

fn begun(at: &str, playbook: u32, arm: Arm) -> InterventionFact {
    InterventionFact { at: moment(at), known_at: moment(at), playbook, arm, owner: None, due: None, outcome: None }
}

/// `stays`: whether it pays beyond 2025.
fn account(world: &mut World, number: u32, stays: bool) {
    world.subscriptions.push((number, subscription(moment("2024-01-01"), moment("2024-01-01"), 10.0)));
    if !stays {
        world.subscriptions.push((number, subscription(moment("2025-06-10"), moment("2025-06-10"), 0.0)));
    }
}

fn with(world: &World, accounts: usize, rows: Vec<(u32, InterventionFact)>) -> Facts {
    let mut facts = world.facts(accounts);
    facts.interventions = Some(Grouped::new(accounts, rows, |row| (row.at, row.known_at)));
    facts.playbooks = names(&["budget", "support"]);
    facts
}

fn rows(facts: &Facts) -> Vec<PlaybookRow> {
    playbooks(facts, &timelines(facts, date(AS_OF), GRACE_DAYS), date(AS_OF), HORIZON_DAYS, GRACE_DAYS)
}

/// known-answers 16: budget reasons 5 of 100, support reasons 60 of 100, and 20 of 100 support reasons held out: 40 points.
#[test]
fn save_rates_and_the_uplift_over_a_hold_out() {
    let mut world = World::default();
    let mut begun_rows = Vec::new();
    for (first, kept, playbook, arm) in
        [(0, 5, 0, Arm::Treated), (100, 60, 1, Arm::Treated), (200, 20, 1, Arm::Holdout)]
    {
        for number in 0..100 {
            account(&mut world, first + number, number < kept);
            begun_rows.push((first + number, begun("2025-06-01", playbook, arm)));
        }
    }
    let found = rows(&with(&world, 300, begun_rows));
    let [budget, support] = &found[..] else { panic!("{found:?}") };
    assert_eq!((budget.playbook.as_str(), budget.treated.share().unwrap().value), ("budget", 0.05));
    assert_eq!((budget.uplift(), budget.kept_of_leaving()), (None, None), "nobody was left alone");
    assert_eq!((support.treated.share().unwrap().value, support.open), (0.60, 0));
    let uplift = support.uplift().unwrap();
    // Newcombe's method 10 by hand: Wilson 0.5020 to 0.6906 and 0.1334 to 0.2888.
    assert!((uplift.value - 0.40).abs() < 1e-12, "{uplift:?}");
    assert!((uplift.low - 0.2679).abs() < 5e-4 && (uplift.high - 0.5125).abs() < 5e-4, "{uplift:?}");
    assert!((support.kept_of_leaving().unwrap() - 0.5).abs() < 1e-12, "40 of the 80 in 100 that leave when left alone");
}

#[test]
fn an_uplift_that_may_be_chance_is_no_save_rate() {
    let mut world = World::default();
    let arms = [Arm::Treated, Arm::Holdout];
    let treated = (0..20).map(|number| (number, begun("2025-06-01", 1, arms[number as usize % 2])));
    let treated = treated.collect();
    (0..20).for_each(|number| {
        account(&mut world, number, number % 2 == 0 && number < 12 || number % 2 == 1 && number < 10);
    });
    let found = rows(&with(&world, 20, treated));
    assert_eq!((found[0].treated.stayed, found[0].holdout.stayed, found[0].kept_of_leaving()), (6, 5, None));
}

proptest! {
    /// A twin that goes over the rows of each account and asks in whole hours.
    #[test]
    fn a_slow_twin_counts_the_same(
        paid in vec((0..4_u32, 0..24 * 730_i64, 0..24 * 20_i64, prop_oneof![Just(0.0), Just(10.0)]), 0..20),
        begun in vec((0..4_u32, 0..24 * 730_i64, 0..24 * 20_i64, 0..2_u32, any::<bool>()), 0..12),
    ) {
        let mut world = World::default();
        for (account, hour, late, mrr) in &paid {
            world.subscriptions.push((*account, subscription(at_hour(*hour), at_hour(hour + late), *mrr)));
        }
        let fact = |(account, hour, late, playbook, treated): &(u32, i64, i64, u32, bool)| {
            let arm = if *treated { Arm::Treated } else { Arm::Holdout };
            let row = InterventionFact {
                at: at_hour(*hour), known_at: at_hour(hour + late), playbook: *playbook, arm, owner: None, due: None, outcome: None,
            };
            (*account, row)
        };
        let begun: Vec<(u32, InterventionFact)> = begun.iter().map(fact).collect();
        let facts = with(&world, 4, begun.clone());
        let timelines = timelines(&facts, date(AS_OF), GRACE_DAYS);
        let as_of = moment(AS_OF);
        let mut expected = [[(0, 0); 2], [(0, 0); 2]];
        let mut open = [0; 2];
        let mut is_begun = [false; 2];
        for account in 0..4_u32 {
            for playbook in 0..2_u32 {
                let of = begun.iter().filter(|(own, row)| *own == account && row.playbook == playbook);
                let seen: Vec<_> = of.map(|(_, row)| row).filter(|row| row.at < as_of && row.known_at < as_of && row.known_at.0 - row.at.0 <= 7 * 24 * HOUR).collect();
                let Some(first) = seen.iter().map(|row| row.at).min() else { continue };
                let last = seen.iter().filter(|row| row.at == first).max_by_key(|row| row.known_at).unwrap();
                let pays = |hours: i64| {
                    let at = first.0 + hours * HOUR;
                    timelines[account as usize].stretches().iter().rfind(|one| one.from.0 < at).is_some_and(|one| one.mrr.0 > 0)
                };
                if !pays(0) { continue; }
                is_begun[playbook as usize] = true;
                if first.0 + 104 * 24 * HOUR >= as_of.0 { open[playbook as usize] += 1; continue; }
                let count = &mut expected[playbook as usize][usize::from(last.arm == Arm::Holdout)];
                *count = (count.0 + 1, count.1 + i32::from(pays(90 * 24)));
            }
        }
        let found = playbooks(&facts, &timelines, date(AS_OF), HORIZON_DAYS, GRACE_DAYS);
        let told = found.iter().map(|row| {
            let of = |one: bellwether_outlook::account::prospect::Outcomes| (one.accounts as i32, one.stayed as i32);
            (row.playbook.clone(), [of(row.treated), of(row.holdout)], row.open)
        });
        let wanted = (0..2).filter(|place| is_begun[*place]).map(|place| (["budget", "support"][place].to_owned(), expected[place], open[place]));
        prop_assert_eq!(told.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }
}
