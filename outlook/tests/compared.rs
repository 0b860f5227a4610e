//! What is compared with what: landmarks, channels at equal size, behaviour and archetypes, on worlds whose truth is known.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bellwether_features::CatalogueSettings;
use bellwether_features::catalog::Workflow;
use bellwether_features::facts::{AccountFact, Facts, Grouped, Names, NpsFact, SubscriptionFact, UsageFact};
use bellwether_features::time::Instant;
use bellwether_outlook::archetype::{Archetype, archetypes};
use bellwether_outlook::behaviour::{self, Behaviour};
use bellwether_outlook::compared::{Compared, Measure, compared};
use bellwether_outlook::landmark::{ExpansionRule, Landmark, Preceding, Sequel, landmarks};
use bellwether_outlook::segment::{GroupedBy, SegmentRow, SizeCutOffs, segments};
use bellwether_outlook::timeline::Timeline;
use chrono::NaiveDate;

const AS_OF: &str = "2026-01-01";

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn moment(text: &str) -> Instant {
    Instant::start_of(date(text))
}

/// Random numbers of a test.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn happens(&mut self, probability: f64) -> bool {
        ((self.next() >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }
}

/// A business that is put together account by account.
#[derive(Default)]
struct World {
    subscriptions: Vec<(u32, SubscriptionFact)>,
    accounts: Vec<(u32, AccountFact)>,
    usage: Vec<(u32, UsageFact)>,
    nps: Vec<(u32, NpsFact)>,
    count: u32,
}

impl World {
    /// One more account with these changes of MRR.
    fn account(&mut self, region: u32, channel: u32, plan: u32, mrr: &[(Instant, f64)]) -> u32 {
        let account = self.count;
        self.count += 1;
        for (at, mrr) in mrr {
            let row = SubscriptionFact {
                effective_at: *at,
                known_at: *at,
                mrr: *mrr,
                plan: Some(plan),
                seats: None,
                billing_period: None,
                renews_at: None,
                usage_limit: None,
                discount: None,
                list_price: None,
                auto_renew: None,
            };
            self.subscriptions.push((account, row));
        }
        let row = AccountFact {
            owner: None,
            known_at: Instant::MIN,
            signed_up_at: None,
            segment: None,
            industry: None,
            region: Some(region),
            channel: Some(channel),
            campaign: Some(channel),
        };
        self.accounts.push((account, row));
        account
    }

    /// A use of a feature: 0 api, 1 basic, 2 draft, 3 publish.
    fn uses(&mut self, account: u32, feature: u32, at: Instant, known_at: Instant) {
        self.usage.push((account, UsageFact { at, known_at, user: None, feature, quantity: 1.0 }));
    }

    fn says(&mut self, account: u32, score: f64, at: Instant) {
        self.nps.push((account, NpsFact { at, known_at: at, respondent: 0, score }));
    }

    fn facts(self) -> Facts {
        let count = self.count as usize;
        let names =
            |names: &[&str]| Names { names: names.iter().map(|name| (*name).to_owned()).collect(), is_there: true };
        Facts {
            accounts: (0..count).map(|account| format!("{account:05}")).collect(),
            account_rows: Some(Grouped::new(count, self.accounts, |row| row.known_at)),
            subscriptions: Some(Grouped::new(count, self.subscriptions, |row| (row.effective_at, row.known_at))),
            usage: Some(Grouped::new(count, self.usage, |row| (row.at, row.known_at))),
            nps: Some(Grouped::new(count, self.nps, |row| (row.at, row.known_at))),
            regions: names(&["north", "south"]),
            channels: names(&["inbound", "partner"]),
            campaigns: names(&["fair", "search"]),
            plans: names(&["pro", "starter"]),
            features: names(&["api", "basic", "draft", "publish"]),
            ..Facts::default()
        }
    }
}

fn timelines(facts: &Facts) -> Vec<Timeline> {
    bellwether_outlook::timelines(facts, date(AS_OF), 14)
}

fn catalogue() -> CatalogueSettings {
    let workflow = Workflow { name: "publish".to_owned(), steps: vec!["draft".to_owned(), "publish".to_owned()] };
    CatalogueSettings {
        features: ["api", "basic"].map(str::to_owned).to_vec(),
        advanced: vec!["api".to_owned()],
        workflows: vec![workflow],
        ..CatalogueSettings::default()
    }
}

fn preceding(facts: &Facts) -> Vec<Preceding> {
    let sizes = SizeCutOffs::default();
    landmarks(facts, &timelines(facts), date(AS_OF), sizes, &catalogue(), &ExpansionRule::default())
}

fn advanced(rows: &[Preceding]) -> &Preceding {
    rows.iter().find(|row| row.landmark == Landmark::AdvancedFeature && row.sequel == Sequel::Expansion).unwrap()
}

/// Accounts that expand by the day with a probability that depends on their size, and come to the advanced feature with one
/// that does too. After it, they expand within 60 days with `effect` more.
fn growing(seed: u64, accounts: u32, effect: f64) -> Facts {
    let mut dice = Dice(seed);
    let mut world = World::default();
    let begins = moment("2023-06-01");
    let days = (date(AS_OF) - date("2023-06-01")).num_days();
    for number in 0..accounts {
        let is_large = number % 3 == 0;
        let (often, base) = if is_large { (0.004, 2_000.0) } else { (0.001, 100.0) };
        let comes = dice.happens(if is_large { 0.8 } else { 0.4 });
        let landmark = comes.then(|| 100 + dice.below(u64::try_from(days - 110).unwrap()) as i64);
        let lifted = landmark.filter(|_| dice.happens(effect)).map(|day| day + 1 + dice.below(58) as i64);
        let mut mrr = base;
        let mut changes = vec![(begins, mrr)];
        for day in 1..days {
            if dice.happens(often) || Some(day) == lifted {
                mrr *= 1.06;
                changes.push((begins.plus_days(day), mrr));
            }
        }
        let account = world.account(0, 0, 0, &changes);
        world.uses(account, 1, begins.plus_days(1), begins.plus_days(1));
        if let Some(day) = landmark {
            world.uses(account, 0, begins.plus_days(day), begins.plus_days(day));
        }
    }
    world.facts()
}

/// Size decides both who comes to the landmark and who expands: matched, nothing is left of it. The intervals are what they say.
#[test]
fn a_landmark_without_effect_precedes_nothing_and_one_with_effect_is_found() {
    const WORLDS: u64 = 120;
    let (mut holds_none, mut holds_effect, mut crude) = (0, 0, 0.0);
    for seed in 0..WORLDS {
        let rows = preceding(&growing(seed, 300, 0.0));
        let without = advanced(&rows);
        holds_none += u32::from(without.difference.low <= 0.0 && without.difference.high >= 0.0);
        crude += without.share - without.matched;
        // Of those who would not have expanded anyway, 30 % more do.
        let rows = preceding(&growing(1_000 + seed, 300, 0.3));
        let with = advanced(&rows);
        let truth = 0.3 * (1.0 - with.matched);
        holds_effect += u32::from(with.difference.low <= truth && with.difference.high >= truth);
        assert!(with.difference.value > 0.05, "{with:?}");
    }
    // 95 % of 120 are 114; the standard error is 2.4.
    assert!((107..=120).contains(&holds_none), "{holds_none} of {WORLDS} hold no difference");
    assert!((107..=120).contains(&holds_effect), "{holds_effect} of {WORLDS} hold the effect");
    assert!((crude / WORLDS as f64).abs() < 0.02, "{crude}");
}

#[test]
fn only_landmarks_whose_outcomes_are_known_count() {
    let mut world = World::default();
    let begins = moment("2023-06-01");
    for number in 0..60_i64 {
        let account = world.account(0, 0, 0, &[(begins, 100.0), (begins.plus_days(400 + 5 * number), 200.0)]);
        world.uses(account, 1, begins, begins);
        // A third within the months that count, a third too late for their outcome, a third known after as_of only.
        let (at, known_at) = match number % 3 {
            0 => (begins.plus_days(395 + 5 * number), begins.plus_days(395 + 5 * number)),
            1 => (moment("2025-11-15"), moment("2025-11-15")),
            _ => (begins.plus_days(395 + 5 * number), moment(AS_OF)),
        };
        world.uses(account, 0, at, known_at);
    }
    let rows = preceding(&world.facts());
    let found = advanced(&rows);
    assert_eq!(found.accounts + found.unmatched_accounts, 20);
    assert_eq!(found.share, 1.0, "each expands five days later");
    assert!(found.matched < 0.35 && found.difference.low > 0.5, "{found:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let facts = growing(5, 20_000, 0.2);
    assert_eq!(rayon_threads(1, || preceding(&facts)), rayon_threads(3, || preceding(&facts)));
}

fn rayon_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

fn channels(facts: &Facts) -> Vec<Compared> {
    let rows = compared(facts, &timelines(facts), date(AS_OF), SizeCutOffs::default());
    rows.into_iter().filter(|row| row.by == GroupedBy::Channel).collect()
}

/// Of each channel, (small, mid-market) accounts and how many of them stay.
fn two_sizes(world: &mut World, channel: u32, sizes: [(u32, u32); 2]) {
    for ((accounts, kept), mrr) in sizes.into_iter().zip([100.0, 2_000.0]) {
        for number in 0..accounts {
            let mut changes = vec![(moment("2024-01-01"), mrr)];
            changes.extend((number >= kept).then_some((moment("2025-06-01"), 0.0)));
            world.account(0, channel, 0, &changes);
        }
    }
}

/// known-answers 11, second half, by hand: half of the small and 90 % of the mid-market accounts stay, whatever the channel; the
/// one has 40 small and 10 larger accounts, the other 10 and 40. As counted 58 % and 82 %; at equal size 70 % both.
#[test]
fn where_only_size_decides_channels_are_equal_at_equal_size() {
    let mut world = World::default();
    two_sizes(&mut world, 0, [(40, 20), (10, 9)]);
    two_sizes(&mut world, 1, [(10, 5), (40, 36)]);
    let rows = channels(&world.facts());
    let logo: Vec<&Compared> = rows.iter().filter(|row| row.measure == Measure::LogoRetention).collect();
    assert_eq!(logo.iter().map(|row| row.group.as_str()).collect::<Vec<_>>(), ["inbound", "partner"]);
    assert!((logo[0].counted - 0.58).abs() < 1e-12 && (logo[1].counted - 0.82).abs() < 1e-12);
    for row in logo {
        assert!((row.standardised.value - 0.70).abs() < 1e-12 && (row.others.value - 0.70).abs() < 1e-12);
        assert!(row.difference.value.abs() < 1e-12 && row.difference.low < -0.1 && row.difference.high > 0.1);
        assert_eq!(row.covered, 1.0);
    }
    // Revenue: the base opens with 50 x 100 and 50 x 2,000; 0.5 and 0.9 of it stay.
    let net = rows.iter().find(|row| row.measure == Measure::NetRevenueRetention).unwrap();
    assert!((net.standardised.value - (0.5 * 5.0 + 0.9 * 100.0) / 105.0).abs() < 1e-12, "{net:?}");
}

#[test]
fn a_size_that_a_channel_does_not_have_is_not_made_up() {
    let mut world = World::default();
    two_sizes(&mut world, 0, [(40, 20), (0, 0)]);
    two_sizes(&mut world, 1, [(40, 30), (120, 60)]);
    let rows = channels(&world.facts());
    let inbound = rows.iter().find(|row| row.group == "inbound" && row.measure == Measure::LogoRetention).unwrap();
    assert_eq!((inbound.standardised.value, inbound.others.value, inbound.covered), (0.5, 0.75, 0.4));
    assert!((inbound.difference.value + 0.25).abs() < 1e-12);
}

/// Each channel is one campaign here, so that the numbers are the same; a base that names none is not compared by it.
#[test]
fn campaigns_are_compared_where_they_are_named() {
    let mut world = World::default();
    two_sizes(&mut world, 0, [(40, 20), (10, 9)]);
    two_sizes(&mut world, 1, [(10, 5), (40, 30)]);
    let mut facts = world.facts();
    let of = |facts: &Facts, by: GroupedBy| {
        let rows = compared(facts, &timelines(facts), date(AS_OF), SizeCutOffs::default());
        rows.into_iter().filter(|row| row.by == by).map(|row| (row.group, row.standardised)).collect::<Vec<_>>()
    };
    let (campaigns, channels) = (of(&facts, GroupedBy::Campaign), of(&facts, GroupedBy::Channel));
    assert_eq!((campaigns.len(), campaigns[0].0.as_str(), channels[0].0.as_str()), (6, "fair", "inbound"));
    assert!(campaigns.iter().zip(&channels).all(|(campaign, channel)| campaign.1 == channel.1));
    facts.campaigns = Names::default();
    assert_eq!(of(&facts, GroupedBy::Campaign), []);
}

/// The intervals of a standardised share and of a difference hold the truth as often as they say.
#[test]
fn standardised_intervals_hold_the_truth() {
    const WORLDS: u64 = 400;
    let mut dice = Dice(11);
    let (mut shares, mut differences) = (0, 0);
    for _ in 0..WORLDS {
        let mut kept = |accounts: u32, probability: f64| {
            (accounts, (0..accounts).filter(|_| dice.happens(probability)).count() as u32)
        };
        let (first, second) = ([kept(60, 0.7), kept(20, 0.9)], [kept(30, 0.8), kept(70, 0.95)]);
        let mut world = World::default();
        two_sizes(&mut world, 0, first);
        two_sizes(&mut world, 1, second);
        let rows = channels(&world.facts());
        let row = rows.iter().find(|row| row.group == "inbound" && row.measure == Measure::LogoRetention).unwrap();
        // Both sizes have 90 accounts.
        let (one, other) = ((0.7 + 0.9) / 2.0, (0.8 + 0.95) / 2.0);
        shares += u32::from(row.standardised.low <= one && row.standardised.high >= one);
        differences += u32::from(row.difference.low <= one - other && row.difference.high >= one - other);
    }
    // 95 % of 400 are 380; the standard error is 4.4.
    assert!((366..=396).contains(&shares), "{shares}");
    assert!((366..=396).contains(&differences), "{differences}");
}

fn group<'a>(rows: &'a [SegmentRow], name: &str) -> &'a SegmentRow {
    rows.iter().find(|row| row.group == name).unwrap()
}

fn by_behaviour(facts: &Facts) -> (Behaviour, Vec<SegmentRow>) {
    let behaviour = Behaviour::of(facts, &catalogue(), behaviour::opening_day(date(AS_OF))).unwrap();
    let rows = behaviour::segments(facts, &timelines(facts), date(AS_OF), &behaviour);
    (behaviour, rows)
}

/// known-answers 12, and 11, first half: adopters retained 92 %, others 78 %.
#[test]
fn adopters_are_told_from_others() {
    let mut world = World::default();
    let used = moment("2024-12-01");
    for number in 0..200 {
        let changes =
            [(moment("2024-01-01"), 1_000.0), (moment("2025-06-01"), if number < 100 { 1_300.0 } else { 1_000.0 })];
        let account = world.account(0, 0, 0, &changes);
        world.uses(account, if number < 100 { 0 } else { 1 }, used, used);
        world.says(account, if number < 100 { 10.0 } else { 6.0 }, moment("2025-10-01"));
    }
    let (_, rows) = by_behaviour(&world.facts());
    let (api, others) = (group(&rows, "api"), group(&rows, "without api"));
    assert_eq!((api.by, api.retention.net(), others.retention.net()), (GroupedBy::Adopter, Some(1.30), Some(1.0)));
    assert!(api.net.unwrap().low > others.net.unwrap().high);
    assert_eq!((api.mrr_per_account.unwrap().value, others.mrr_per_account.unwrap().value), (1_300.0, 1_000.0));
    assert_eq!((api.voices.score().unwrap().value, others.voices.score().unwrap().value), (100.0, -100.0));
    assert_eq!(api.voices.answers(), 100);

    let mut world = World::default();
    for number in 0..2_000 {
        let is_adopter = number < 1_000;
        let stays = number % 1_000 < if is_adopter { 920 } else { 780 };
        let mut changes = vec![(moment("2024-01-01"), 100.0)];
        changes.extend((!stays).then_some((moment("2025-06-01"), 0.0)));
        let account = world.account(0, 0, 0, &changes);
        world.uses(account, if is_adopter { 0 } else { 1 }, used, used);
    }
    let (_, rows) = by_behaviour(&world.facts());
    let (api, others) = (group(&rows, "api").logo, group(&rows, "without api").logo);
    assert!(api.low < 0.92 && api.high > 0.92 && others.low < 0.78 && others.high > 0.78, "{api:?} {others:?}");
}

#[test]
fn behaviour_is_of_the_window_in_order_and_as_known() {
    let mut world = World::default();
    let open = [(moment("2024-01-01"), 10.0)];
    let opening = moment("2025-01-01");
    let day = |day: i64| opening.plus_days(day);
    let told = |uses: &[(u32, i64, i64)], world: &mut World| {
        let account = world.account(0, 0, 0, &open);
        uses.iter().for_each(|(feature, at, known)| world.uses(account, *feature, day(*at), day(*known)));
    };
    told(&[(0, -90, -90), (2, -20, -20), (1, -15, -15), (3, -10, -10)], &mut world);
    told(&[(0, -91, -91), (3, -20, -20), (2, -10, -10)], &mut world);
    told(&[(0, -5, 1), (2, -20, -20), (3, -10, 0)], &mut world);
    told(&[(0, 0, 0)], &mut world);
    let (behaviour, rows) = by_behaviour(&world.facts());
    let names: Vec<(GroupedBy, &str)> = behaviour.acts.iter().map(|act| (act.by, act.name.as_str())).collect();
    assert_eq!(names, [(GroupedBy::Adopter, "api"), (GroupedBy::Adopter, "basic"), (GroupedBy::Workflow, "publish")]);
    let done: Vec<[bool; 3]> = (0..4).map(|account| [0, 1, 2].map(|act| behaviour.has(account, act))).collect();
    assert_eq!(done, [[true, true, true], [false; 3], [false; 3], [false; 3]]);
    assert!(rows.is_empty(), "one account is no group");
}

/// Accounts of two regions, channels and plans by chance; those of the north on the starter plan stay with `lower`, others with
/// 90 %.
fn regions(seed: u64, accounts: u32, lower: f64) -> Facts {
    let mut dice = Dice(seed);
    let mut world = World::default();
    for _ in 0..accounts {
        let (region, channel, plan) = (dice.below(2) as u32, dice.below(2) as u32, dice.below(2) as u32);
        let stays = dice.happens(if region == 0 && plan == 1 { lower } else { 0.9 });
        let mut changes = vec![(moment("2024-01-01"), 50.0 + dice.below(3_000) as f64)];
        changes.extend((!stays).then_some((moment("2025-06-01"), 0.0)));
        let account = world.account(region, channel, plan, &changes);
        if dice.happens(0.5) {
            world.uses(account, 0, moment("2024-12-01"), moment("2024-12-01"));
        }
    }
    world.facts()
}

fn found(facts: &Facts) -> Vec<Archetype> {
    let behaviour = Behaviour::of(facts, &catalogue(), behaviour::opening_day(date(AS_OF)));
    archetypes(facts, &timelines(facts), date(AS_OF), SizeCutOffs::default(), behaviour.as_ref())
}

fn named(archetype: &Archetype) -> Vec<(GroupedBy, &str)> {
    archetype.values.iter().map(|value| (value.by, value.value.as_str())).collect()
}

#[test]
fn the_combination_that_differs_is_found() {
    let facts = regions(1, 4_000, 0.6);
    let rows = found(&facts);
    assert_eq!(named(&rows[0]), [(GroupedBy::Region, "north"), (GroupedBy::Plan, "starter")], "{rows:?}");
    assert!(rows[0].logo.low < 0.6 && rows[0].logo.high > 0.6, "{:?}", rows[0].logo);
    assert!(
        rows.windows(2).all(|pair| pair[0].distance >= pair[1].distance) && rows.iter().all(|row| row.distance > 0.0)
    );
    assert_eq!(rows, found(&facts));
    assert_eq!(rayon_threads(1, || found(&facts)), rayon_threads(3, || found(&facts)));
    // Counted once more, account by account.
    let opening = Instant::start_of(behaviour::opening_day(date(AS_OF)));
    let behaviour = Behaviour::of(&facts, &catalogue(), behaviour::opening_day(date(AS_OF))).unwrap();
    let timelines = timelines(&facts);
    let has = |account: usize, by: GroupedBy, value: &str| {
        let row = &facts.account_rows.as_ref().unwrap().of(account)[0];
        let then = timelines[account].before(opening).unwrap();
        match by {
            GroupedBy::Region => facts.regions.names[row.region.unwrap() as usize] == value,
            GroupedBy::Channel => facts.channels.names[row.channel.unwrap() as usize] == value,
            GroupedBy::Plan => facts.plans.names[then.plan.unwrap() as usize] == value,
            GroupedBy::Size => SizeCutOffs::default().size(bellwether_outlook::money::Cents(12 * then.mrr.0)) == value,
            GroupedBy::Adopter => behaviour.has(account, usize::from(value == "basic")),
            GroupedBy::Workflow | GroupedBy::Segment | GroupedBy::Industry | GroupedBy::Campaign => false,
        }
    };
    for row in &rows {
        let members: Vec<usize> =
            (0..4_000).filter(|account| row.values.iter().all(|one| has(*account, one.by, &one.value))).collect();
        let retention = members.iter().map(|account| {
            let closing = timelines[*account].mrr_before(moment(AS_OF));
            bellwether_outlook::retention::Retention::of_amounts(timelines[*account].mrr_before(opening), closing)
        });
        let expected = retention.fold(Default::default(), bellwether_outlook::retention::Retention::plus);
        assert_eq!(row.retention, expected, "{:?}", row.values);
        assert!(row.retention.accounts >= 30);
    }
}

/// Where nothing differs, hardly anything is told: nobody is named for luck.
#[test]
fn luck_has_no_archetype() {
    let told: usize = (0..20).map(|seed| found(&regions(100 + seed, 1_000, 0.9)).len()).sum();
    assert!(told <= 2, "{told} combinations in 20 worlds without a difference");
}

/// Two attributes that say the same make one archetype.
#[test]
fn near_copies_are_told_once() {
    let mut world = World::default();
    let mut dice = Dice(3);
    for number in 0..600_u32 {
        let region = number % 2;
        // The channel is the region in 98 of 100 accounts.
        let channel = if number % 100 < 2 { 1 - region } else { region };
        let stays = dice.happens(if region == 0 { 0.5 } else { 0.95 });
        let mut changes = vec![(moment("2024-01-01"), 100.0)];
        changes.extend((!stays).then_some((moment("2025-06-01"), 0.0)));
        world.account(region, channel, 0, &changes);
    }
    let rows = found(&world.facts());
    let names: Vec<Vec<(GroupedBy, &str)>> = rows.iter().map(named).collect();
    assert!(names.len() == 2, "one side and the other: {names:?}");
}

#[test]
fn sizes_and_segments_have_what_their_accounts_say_and_pay() {
    let mut world = World::default();
    for number in 0..30 {
        let account = world.account(0, 0, 0, &[(moment("2024-01-01"), 100.0)]);
        // An answer more than a year old does not speak any more.
        world.says(account, 10.0, moment(if number < 10 { "2024-12-31" } else { "2025-02-01" }));
    }
    let facts = world.facts();
    let rows = segments(&facts, &timelines(&facts), date(AS_OF), SizeCutOffs::default());
    let north = group(&rows, "north");
    assert_eq!((north.voices.answers(), north.mrr_per_account.unwrap().value), (20, 100.0));
}
