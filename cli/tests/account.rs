//! `bellwether account`: one account on one page, by hand, against later knowledge, and in a browser.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use bellwether_features::contract::Contract;
use bellwether_features::read::Tables;
use bellwether_features::time::Instant;
use bellwether_outlook::account_page::{AccountInput, AccountPage, UsageSums};
use bellwether_outlook::scored::{Forecast, Reason, ScoredAccount, ScoredBase};
use bellwether_outlook::segment::SizeCutOffs;
use chrono::{Days, NaiveDate};
use common::browser::Tab;
use common::{fail, skipped, succeed};

const AS_OF: &str = "2025-07-01";

const PROJECT: &str = r#"[project]
name = "acme"
currency = "EUR"
[targets.churn_90d]
event = "subscription_end"
horizon = "90d"
grace = "14d"
[targets.expansion_60d]
event = "mrr_increase"
ratio = 1.05
horizon = "60d"
[catalogue]
features = ["board", "wiki", "chat"]
"#;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn moment(text: &str) -> Instant {
    Instant::start_of(date(text))
}

/// The tables of a business, each as the lines below its head.
#[derive(Clone, Default)]
struct Business {
    usage: String,
    subscriptions: String,
    invoices: String,
    nps: String,
    tickets: String,
    contacts: String,
    meetings: String,
}

impl Business {
    fn page(&self, id: &str, scores: &[ScoredBase], past: &[ScoredBase]) -> AccountPage {
        let folder = tempfile::tempdir().unwrap();
        let mut project = PROJECT.to_owned();
        // A table without rows is none.
        let mut write = |name: &str, head: &str, rows: &str| {
            if !rows.is_empty() {
                fs::write(folder.path().join(format!("{name}.csv")), format!("{head}\n{rows}")).unwrap();
                let _ = writeln!(project, "[tables.{name}]\npath = \"{name}.csv\"");
            }
        };
        write("usage", "account_id,user_id,feature,at,quantity,known_at", &self.usage);
        let head = "account_id,effective_at,mrr,plan,seats,billing_period,renews_at,known_at";
        write("subscriptions", head, &self.subscriptions);
        write("invoices", "invoice_id,account_id,issued_at,due_at,paid_at,amount,known_at", &self.invoices);
        write("nps", "account_id,respondent_id,at,score,known_at", &self.nps);
        let head = "ticket_id,account_id,opened_at,resolved_at,category,severity,known_at";
        write("tickets", head, &self.tickets);
        write("contacts", "account_id,contact_id,role,since,until,known_at", &self.contacts);
        write("meetings", "account_id,at,kind,contact_id,attended,known_at", &self.meetings);
        let contract = Contract::resolve(folder.path(), toml::from_str(&project).unwrap()).unwrap();
        let facts = Tables::load(&contract).unwrap().facts;
        AccountPage::of(&AccountInput {
            facts: &facts,
            account: facts.accounts.iter().position(|one| one == id).unwrap(),
            as_of: date(AS_OF),
            business: &contract.name,
            currency: &contract.currency,
            features: &contract.catalogue.features,
            targets: &contract.targets,
            eligibility: contract.eligibility,
            grace_days: 14,
            sizes: SizeCutOffs::default(),
            scores,
            service: None,
            past,
        })
    }

    /// One account whose every number is known.
    fn by_hand() -> Self {
        let mut business = Self {
            subscriptions: "a,2024-01-01,100,team,10,annual,2026-01-01,2024-01-01\n\
                            a,2025-03-01,150,pro,10,annual,2026-01-01,2025-03-01\n"
                .to_owned(),
            // Known answer 17: due 15 days before the date, paid the day after it.
            invoices: "i1,a,2025-06-01,2025-06-16,2025-07-02,500,2025-06-01\n\
                       i2,a,2025-03-01,2025-03-31,2025-04-04,400,2025-03-01\n\
                       i3,a,2025-06-20,2025-07-20,,300,2025-06-20\n\
                       i3,a,2025-06-20,2025-07-20,,350,2025-06-25\n"
                .to_owned(),
            // Known answer 7: 6 is a detractor, 7 and 8 are passive, 9 is a promoter.
            nps: "a,r1,2025-01-10,6,2025-01-10\na,r2,2025-02-10,7,2025-02-10\na,r1,2025-03-10,8,2025-03-10\n\
                  a,r1,2025-04-10,9,2025-04-10\n"
                .to_owned(),
            tickets:
                "t1,a,2025-06-01,2025-06-05,how do I,low,2025-06-01\nt2,a,2025-06-11,2025-07-05,bug,low,2025-06-11\n"
                    .to_owned(),
            contacts: "a,r1,sponsor,2024-01-01,2025-05-01,2024-01-01\na,r2,champion,2024-02-01,2025-07-03,2024-02-01\n"
                .to_owned(),
            meetings: "a,2025-04-20,qbr,r1,true,2025-04-20\na,2025-04-20,qbr,r2,false,2025-04-20\n\
                       a,2025-06-20,call,r2,true,2025-06-20\n"
                .to_owned(),
            ..Self::default()
        };
        // One use on each day of 2024 by u1, of the board; in June 2025 two a day on every other day, by two users.
        let mut day = date("2024-01-01");
        while day < date("2025-07-01") {
            let ago = (date("2025-07-01") - day).num_days();
            if day < date("2025-01-01") {
                let _ = writeln!(business.usage, "a,u1,board,{day}T08:00:00,2,{day}T08:00:00");
            } else if ago <= 30 && ago % 2 == 0 {
                let _ = writeln!(business.usage, "a,u1,board,{day}T08:00:00,2,{day}T08:00:00");
                let _ = writeln!(business.usage, "a,u2,wiki,{day}T09:00:00,3,{day}T09:00:00");
            }
            day = day.succ_opt().unwrap();
        }
        business
    }
}

#[test]
fn every_number_is_the_one_by_hand() {
    let page = Business::by_hand().page("a", &[], &[]);
    let invoices = page.invoices.as_ref().unwrap();
    let late: Vec<(i64, bool, f64)> =
        invoices.iter().map(|one| (one.days_late, one.is_overdue(), one.amount)).collect();
    assert_eq!(late, [(-19, false, 350.0), (15, true, 500.0), (4, false, 400.0)], "paid after the date is not paid");
    assert_eq!(invoices[1].paid_at, None);

    let usage = page.usage.as_ref().unwrap();
    let june = UsageSums { events: 30.0, quantity: 75.0, active_days: 15.0, users: 2.0, features: 2.0 };
    assert_eq!(usage.now, Some(june));
    assert_eq!(usage.before, Some(UsageSums::default()), "not used is 0");
    assert_eq!(usage.quarter_before, Some(UsageSums::default()));
    let year = UsageSums { events: 30.0, quantity: 60.0, active_days: 30.0, users: 1.0, features: 1.0 };
    assert_eq!(usage.year_before, Some(year));
    assert_eq!(usage.weeks.len(), 53);
    assert_eq!(usage.weeks.last().map(|week| (week.begins, week.events)), Some((date("2025-06-24"), 6)));

    let features: Vec<(&str, bool, u64, u64)> = page
        .adoption
        .iter()
        .map(|one| (one.feature.as_str(), one.first.is_some(), one.uses_28_days, one.uses_90_days))
        .collect();
    assert_eq!(features, [("board", true, 14, 15), ("wiki", true, 14, 15), ("chat", false, 0, 0)]);

    let answers: Vec<(usize, &str)> =
        page.answers.as_ref().unwrap().iter().map(|one| (one.respondent, one.class())).collect();
    assert_eq!(answers, [(1, "promoter"), (1, "passive"), (2, "passive"), (1, "detractor")]);

    let contract = page.contract.as_ref().unwrap();
    let terms: Vec<(Instant, i64)> = contract.terms.iter().map(|term| (term.from, term.mrr.0)).collect();
    assert_eq!(terms, [(moment("2024-01-01"), 10_000), (moment("2025-03-01"), 15_000)]);
    assert_eq!(contract.renews_at, Some(moment("2026-01-01")));

    let tickets: Vec<(bool, i64)> =
        page.tickets.as_ref().unwrap().iter().map(|one| (one.resolved_at.is_some(), one.days)).collect();
    assert_eq!(tickets, [(false, 20), (true, 4)], "one that is resolved later is open for 20 days");
    let contacts = page.contacts.as_ref().unwrap();
    assert_eq!(contacts[0].until, None, "who leaves later is there");
    assert_eq!((contacts[1].until, contacts[1].last_seen), (Some(moment("2025-05-01")), Some(moment("2025-04-20"))));
    let meetings = page.meetings.as_ref().unwrap();
    assert_eq!((meetings[0].came, meetings[0].invited, meetings[0].with_sponsor), (1, 1, false));
    assert_eq!((meetings[1].came, meetings[1].invited, meetings[1].with_sponsor), (1, 2, true));
    assert_eq!(page.similar, None, "there is nobody else");

    let text = page.text().join("\n");
    for told in [
        "a of acme on 2025-07-01",
        "1 overdue, 500.00 EUR, the oldest for 15 days.",
        "15 days overdue",
        "30 (0 %)",
        "2 of 3 features used in the last 90 days.",
        "MRR 150.00 EUR, plan pro, 10 seats, billed annually, renews on 2026-01-01",
        "Last answer 9 (promoter), on 2025-04-10; 4 answers in all.",
        "Has no sponsor; the last one left on 2025-05-01.",
        "There are no scores of this account",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn what_is_known_later_changes_nothing() {
    let business = Business::by_hand();
    let before = business.page("a", &[], &[]);
    let mut later = business.clone();
    // Events of the date and after, and old events that land then.
    later.usage.push_str("a,u9,chat,2025-07-01T00:00:00,9,2025-07-01T00:00:00\na,u9,chat,2025-03-01,9,2025-07-01\n");
    later
        .subscriptions
        .push_str("a,2025-07-01,900,team,99,monthly,,2025-06-01\na,2025-03-01,1,team,1,monthly,,2025-07-01\n");
    later
        .invoices
        .push_str("i2,a,2025-03-01,2025-03-31,2025-04-30,1,2025-07-04\ni9,a,2025-05-01,2025-05-02,,9,2025-07-01\n");
    later.nps.push_str("a,r1,2025-04-10,0,2025-08-01\na,r9,2025-07-01,0,2025-07-01\n");
    later.tickets.push_str("t1,a,2025-06-01,2025-06-30,bug,low,2025-07-02\nt9,a,2025-07-01,,bug,low,2025-07-01\n");
    later.contacts.push_str("a,r2,user,2024-02-01,2025-01-01,2025-07-01\na,r9,sponsor,2025-07-01,,2025-07-01\n");
    later.meetings.push_str("a,2025-06-29,qbr,r1,true,2025-07-01\na,2025-07-01,qbr,r1,true,2025-07-01\n");
    let after = later.page("a", &[], &[]);
    assert_eq!(after, before);
    assert_eq!(after.html(), before.html());
    // So it would be told if it mattered: the same rows, known in time.
    let mut known = business.clone();
    known.usage.push_str("a,u9,chat,2025-03-01,9,2025-03-01\n");
    assert!(known.page("a", &[], &[]) != before);
}

#[test]
fn what_similar_accounts_did_is_counted_once_and_never_from_the_future() {
    // 40 accounts whose use fell before 2025-03-19 and 40 whose use held; of those that fell 30 left within 90 days, of the
    // others 4; the account itself falls now.
    let mut business = Business::default();
    let mut uses = |id: &str, from: &str, days: u64, every: u64| {
        for day in (0..days).step_by(every as usize) {
            let at = date(from).checked_add_days(Days::new(day)).unwrap();
            let _ = writeln!(business.usage, "{id},u,board,{at},1,{at}");
        }
    };
    for account in 0..80 {
        let id = format!("n{account:02}");
        uses(&id, "2024-06-01", 266, 1);
        // From 2025-02-21 on, the last 28 days before 2025-03-19 less two.
        uses(&id, "2025-02-22", 60, if account < 40 { 7 } else { 1 });
        let _ = writeln!(business.subscriptions, "{id},2024-06-01,100,team,,monthly,,2024-06-01");
        if account < 30 || (40..44).contains(&account) {
            let _ = writeln!(business.subscriptions, "{id},2025-05-01,0,team,,monthly,,2025-05-01");
        }
    }
    uses("self", "2024-09-01", 275, 1);
    uses("self", "2025-06-03", 28, 7);
    business.subscriptions.push_str("self,2024-09-01,100,team,,monthly,,2024-09-01\n");
    let page = business.page("self", &[], &[]);
    let similar = page.similar.as_ref().unwrap();
    // The nearest third would be 26; fewer than 30 are not told.
    assert_eq!((similar.accounts, similar.alike_in.as_slice()), (30, &["plan", "size", "tenure"][..]));
    assert_eq!(similar.churn_then, None, "no scores of then");
    assert_eq!(similar.nearest_by, ["trend of use"]);
    // Label interval 104 days: 2025-03-19 is the latest date whose outcome is known.
    assert_eq!(similar.dates.last(), Some(&date("2025-03-19")));
    let churn = similar.outcomes.iter().find(|one| one.target == "churn_90d").unwrap();
    // They are the first thirty of the forty whose use fell as much, and all of them left within the window.
    assert_eq!((churn.accounts, churn.happened), (30, 30));
    assert!(churn.share.low > 0.88 && churn.share.high == 1.0, "{churn:?}");

    // Those who leave in the future of the page have not left.
    let mut future = business.clone();
    for account in 30..40 {
        let _ = writeln!(future.subscriptions, "n{account:02},2025-07-01,0,team,,monthly,,2025-07-01");
    }
    assert_eq!(future.page("self", &[], &[]), page);

    // Probabilities of then choose the nearest: those like it are the ten that were given the same one.
    let base = |as_of: &str, ids: &[String], of: &dyn Fn(usize) -> f64| ScoredBase {
        as_of: date(as_of),
        targets: vec!["churn_90d".to_owned()],
        model: "m/1".to_owned(),
        accounts: ids.iter().enumerate().map(|(place, id)| account(id, of(place))).collect(),
    };
    let ids: Vec<String> = (0..80).map(|account| format!("n{account:02}")).collect();
    let past = base("2025-03-19", &ids, &|place| if place >= 50 { 0.9 } else { 0.01 });
    let own = base(AS_OF, &["self".to_owned()], &|_| 0.9);
    let page = business.page("self", &[own], &[past]);
    let similar = page.similar.as_ref().unwrap();
    assert_eq!(similar.nearest_by, ["trend of use", "probability of churn"]);
    assert_eq!(similar.dates, [date("2025-03-19")]);
    let churn = similar.outcomes.iter().find(|one| one.target == "churn_90d").unwrap();
    // Their use did not fall, and none of them left.
    assert_eq!((churn.accounts, churn.happened), (30, 0));
    assert!(similar.churn_then.unwrap().iter().all(|churn| (churn - 0.9).abs() < 1e-9), "{similar:?}");
    assert_eq!(churn.of_all, Some(34.0 / 81.0), "itself among them");
}

fn account(id: &str, probability: f64) -> ScoredAccount {
    let reason = |name: &str, effect: f64| Reason { name: name.into(), text: format!("{name} told"), effect };
    let forecast = Forecast {
        probability,
        low: probability * 0.9,
        high: probability,
        band: Some("high".into()),
        reasons: vec![reason("usage.events:-", 0.02), reason("nps.score:+", -0.01)],
    };
    ScoredAccount {
        account_id: id.to_owned(),
        forecasts: [Some(forecast)].into(),
        health: Some("at_risk".into()),
        value_tier: None,
        service_level: None,
        mrr: Some(100.0),
        mrr_at_risk: Some(100.0 * probability),
        expected_expansion_mrr: None,
        status: "scored".into(),
        status_reason: "OK".into(),
    }
}

#[test]
fn reasons_are_compared_by_their_idea_with_the_scores_before_and_of_a_quarter_ago() {
    let base = |as_of: &str, probability: f64, names: [&str; 2]| {
        let mut account = account("a", probability);
        let forecast = account.forecasts[0].as_mut().unwrap();
        for (reason, name) in forecast.reasons.iter_mut().zip(names) {
            reason.name = name.into();
            reason.text = format!("{name} on {as_of}");
        }
        ScoredBase {
            as_of: date(as_of),
            targets: vec!["churn_90d".to_owned()],
            model: "m/1".to_owned(),
            accounts: vec![account],
        }
    };
    let scores = [
        base("2025-03-01", 0.1, ["tickets.open:+", "nps.score:+"]),
        base("2025-05-01", 0.2, ["usage.events:+", "nps.score:+"]),
        base("2025-06-30", 0.3, ["usage.events:-", "nps.score:-"]),
        // Of the date after: not yet there.
        base("2025-07-02", 0.9, ["x:+", "y:+"]),
    ];
    let page = Business::by_hand().page("a", &scores, &[]);
    let told = &page.scores;
    assert_eq!(
        (told.now, told.before, told.quarter_ago),
        (Some(date("2025-06-30")), Some(date("2025-05-01")), Some(date("2025-03-01")))
    );
    let target = &told.targets[0];
    assert_eq!(target.points.iter().map(|point| point.probability).collect::<Vec<_>>(), [0.1, 0.2, 0.3]);
    let reasons: Vec<_> = target
        .reasons
        .iter()
        .map(|one| (one.idea.as_str(), one.text.as_str(), one.now, one.before, one.quarter_ago))
        .collect();
    assert_eq!(
        reasons,
        [
            ("usage.events", "usage.events:- on 2025-06-30", Some(0.02), Some(0.02), None),
            ("nps.score", "nps.score:- on 2025-06-30", Some(-0.01), Some(-0.01), Some(-0.01)),
            ("tickets.open", "tickets.open:+ on 2025-03-01", None, None, Some(0.02)),
        ]
    );
    let html = page.html();
    assert!(html.contains("churn_90d over time") && !html.contains("2025-07-02"), "{html}");
}

#[test]
fn an_account_is_told_on_a_terminal_and_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    succeed(home, &["simulate", "--accounts", "220", "--months", "30", "--seed", "7", "--out", "."]);
    let as_of = ["--as-of", "2025-12-15"];
    // Without scores, of any date, and of the ids as they stand in the tables.
    let before = succeed(home, &[&["account", "acct-0000002"][..], &as_of].concat());
    assert!(before.contains("There are no scores of this account"), "{before}");
    let said = fail(home, &[&["account", "acct-000002"][..], &as_of].concat(), 2);
    assert!(said.contains("`acct-0000002`") && said.contains("did you mean"), "{said}");
    let said = fail(home, &["account", "acct-0000002", "--as-of", "2001-01-01"], 2);
    assert!(said.contains("known before 2001-01-01"), "{said}");

    succeed(home, &["train", "--out", "registry", "--learners", "base_rate,logistic"]);
    for date in ["2025-06-15", "2025-09-01", "2025-11-15", "2025-12-15"] {
        succeed(home, &["score", "--bundle", "registry/simulated@champion", "--as-of", date, "--out", "out"]);
    }
    let scored = ScoredBase::read(&home.join("out"), date("2025-12-15"), 0).unwrap();
    // One that had scores on all dates.
    let there = |date: &str| ScoredBase::read(&home.join("out"), date.parse().unwrap(), 0).unwrap();
    let first = there("2025-06-15");
    let of_all = scored.accounts.iter().find(|one| first.account(&one.account_id).is_some()).unwrap();
    let id = of_all.account_id.as_str();
    let arguments = ["account", id, "--html", "page.html"];
    let told = succeed(home, &arguments);
    for told_of in ["HOW LIKELY", "churn_90d on 2025-12-15", "WHAT SIMILAR ACCOUNTS DID NEXT", "USAGE", "INVOICES"] {
        assert!(told.contains(told_of), "{told_of}: {told}");
    }
    assert!(told.trim_end().ends_with("page.html"), "{told}");
    let page = fs::read(home.join("page.html")).unwrap();
    succeed(home, &[&arguments[..], &["--threads", "1"]].concat());
    assert!(fs::read(home.join("page.html")).unwrap() == page, "the same bytes, over a page of ours");
    // A past date is what could have been read then: later scores are not in it.
    let past = ["account", id, "--as-of", "2025-09-01", "--html", "past.html"];
    let then = succeed(home, &past);
    assert!(
        then.contains("churn_90d on 2025-09-01") && !then.contains("2025-11-15") && !then.contains("2025-12-15"),
        "{then}"
    );
    fs::write(home.join("mine.html"), "<html>mine</html>").unwrap();
    let said = fail(home, &["account", "acct-0000002", "--html", "mine.html"], 2);
    assert!(said.contains("mine.html") && said.contains("never replaced"), "{said}");
    in_a_browser(home);
}

fn in_a_browser(home: &Path) {
    let measure = "(() => { document.querySelectorAll('details').forEach(one => { one.open = true; }); \
        const root = document.documentElement; \
        return { sideways: root.scrollWidth > root.clientWidth, plots: document.querySelectorAll('svg').length, \
        wide: [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll') && \
        one.getBoundingClientRect().right > root.clientWidth + 1).length, \
        outside: [...document.querySelectorAll('svg text')].filter(text => { const one = text.getBoundingClientRect(), \
        box = text.closest('svg').getBoundingClientRect(); \
        return one.left < box.left - 1 || one.right > box.right + 1; }).map(text => text.textContent) }; })()";
    for (width, dark) in [(390, true), (1280, false)] {
        let Some(mut tab) = Tab::open(&home.join("page.html"), width, dark) else {
            return skipped("an_account_is_told_on_a_terminal_and_in_a_browser (the browser's part)", "chromium");
        };
        let seen = tab.value(measure);
        assert_eq!((&seen["sideways"], &seen["wide"]), (&false.into(), &0.into()), "{seen}");
        assert_eq!(seen["outside"], serde_json::json!([]), "text outside of its plot");
        assert!(seen["plots"].as_u64().unwrap() >= 4, "{seen}");
        assert_eq!(tab.complaints(), Vec::<String>::new());
        assert_eq!(tab.requests(), 1);
        let picture = home.join("seen.png");
        assert!(tab.picture(&picture, 6_000) > 60_000);
        if let Some(folder) = std::env::var_os("BELLWETHER_PICTURES") {
            fs::copy(&picture, Path::new(&folder).join(format!("account-{width}-{dark}.png"))).unwrap();
        }
    }
}
