//! The page of the outlook as a browser shows it: searched, sorted, opened, with mouse and keyboard, wide and narrow, dark and
//! light; with every account of a large base.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use bellwether_outlook::page::{PAGE, PageInput, html};
use bellwether_outlook::scored::{Forecast, Reason, ScoredAccount, ScoredBase};
use bellwether_outlook::tables::Table;
use common::browser::{Tab, contrast, luminance};
use common::{fail, files, skipped, succeed};
use serde_json::{Value, json};

/// An id that would do something if it were taken for markup.
const HOSTILE: &str = "<script>document.title='taken'</script>\"'&amp;</script>";

/// A base whose every number follows from the row.
fn base(accounts: usize) -> ScoredBase {
    let forecast = |row: usize, target: usize| {
        let probability = ((row * 7_919 + target * 31) % 1_000) as f64 / 1_000.0;
        let reason = |rank: usize| Reason {
            name: "usage.events.change:-".into(),
            text: format!("events in the last 28 days fell {} % against the 28 days before ({rank})", row % 97),
            effect: 0.01 * (3.0 - rank as f64),
        };
        Forecast {
            probability,
            low: probability * 0.9,
            high: (probability * 1.1).min(1.0),
            band: Some(["low", "medium", "high"][(probability * 2.99) as usize].into()),
            reasons: (1..=3).map(reason).collect(),
        }
    };
    let account = |row: usize| {
        let mrr = 10.0 + (row % 5_000) as f64 * 1.5;
        let forecasts = vec![Some(forecast(row, 0)), (!row.is_multiple_of(11)).then(|| forecast(row, 1))];
        ScoredAccount {
            account_id: if row == 0 { HOSTILE.to_owned() } else { format!("acct-{row:07}") },
            mrr_at_risk: forecasts[0].as_ref().map(|one| one.probability * mrr),
            expected_expansion_mrr: forecasts[1].as_ref().map(|one| one.probability * mrr * 0.2),
            forecasts: forecasts.into(),
            health: Some(["champion", "hostage", "sleeper", "at_risk", "unknown"][row % 5].into()),
            value_tier: Some("low".into()),
            service_level: Some("low_healthy".into()),
            mrr: Some(mrr),
            status: "scored".into(),
            status_reason: "OK".into(),
        }
    };
    ScoredBase {
        as_of: "2026-01-31".parse().unwrap(),
        targets: vec!["churn_90d".to_owned(), "expansion_60d".to_owned()],
        model: "simulated/1@22a2de648640".to_owned(),
        accounts: (0..accounts).map(account).collect(),
    }
}

fn page(base: &ScoredBase) -> String {
    html(&PageInput {
        as_of: base.as_of,
        business: "acme <b>",
        currency: "EUR",
        year_before: None,
        tables: &[],
        scores: Some(base),
    })
}

/// The ids in the table, from the top.
fn ids(tab: &mut Tab) -> Vec<String> {
    let ids = tab.value("[...document.querySelectorAll('#accounts-table tr.row th')].map(one => one.textContent)");
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn count(tab: &mut Tab) -> String {
    tab.text("document.querySelector('#accounts-table .count').textContent")
}

/// Puts a word into the search in place of what is there.
fn search(tab: &mut Tab, word: &str) {
    tab.value("document.querySelector('#accounts-table [name=search]').select()");
    tab.click("#accounts-table [name=search]");
    tab.value("document.querySelector('#accounts-table [name=search]').select()");
    if word.is_empty() {
        tab.value(
            "(() => { const field = document.querySelector('#accounts-table [name=search]'); field.value = ''; \
             field.dispatchEvent(new Event('input')); })()",
        );
    } else {
        tab.type_text(word);
    }
}

const NO_BROWSER: &str = "chromium, in the path or at BELLWETHER_BROWSER (./test installs it where apt-get may)";

#[test]
fn a_hundred_thousand_accounts_are_searched_sorted_and_opened() {
    let base = base(100_000);
    let page = page(&base);
    assert!(page.len() < 20_000_000, "{} bytes", page.len());
    assert!(!page.contains("<script>document"), "an id is never markup");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(PAGE);
    std::fs::write(&file, &page).unwrap();
    if let Some(folder) = std::env::var_os("BELLWETHER_PICTURES") {
        std::fs::copy(&file, Path::new(&folder).join("100000.html")).unwrap();
    }
    let Some(mut tab) = Tab::open(&file, 1280, false) else {
        return skipped("a_hundred_thousand_accounts_are_searched_sorted_and_opened", NO_BROWSER);
    };
    assert_eq!(count(&mut tab), "100,000 accounts");
    assert_eq!(tab.text("document.title"), "Outlook of acme <b> on 2026-01-31", "no id took it");
    let few = tab.value("document.querySelectorAll('#accounts-table tr').length").as_u64().unwrap();
    assert!(few <= 30, "{few} rows in the document");

    // Most at stake first.
    let stake = |one: &ScoredAccount| one.mrr_at_risk.unwrap_or(0.0) + one.expected_expansion_mrr.unwrap_or(0.0);
    let most = base.accounts.iter().map(stake).fold(0.0, f64::max);
    let first = ids(&mut tab).remove(0);
    assert!((stake(base.accounts.iter().find(|one| one.account_id == first).unwrap()) - most).abs() < 0.02);

    // As many as a plain loop finds, by id, by health, and by both.
    let expected = |fits: &dyn Fn(&ScoredAccount) -> bool| base.accounts.iter().filter(|one| fits(one)).count();
    search(&mut tab, "acct-00099");
    let found = expected(&|one| one.account_id.contains("acct-00099"));
    assert_eq!((found, count(&mut tab)), (100, "100 of 100,000 accounts".to_owned()));
    search(&mut tab, "HOSTAGE 99");
    let found = expected(&|one| one.account_id.contains("99") && one.health.as_deref() == Some("hostage"));
    assert!(found > 500 && count(&mut tab).replace(',', "") == format!("{found} of 100000 accounts"), "{found}");
    search(&mut tab, "no such account");
    assert_eq!((count(&mut tab).as_str(), ids(&mut tab).len()), ("0 of 100,000 accounts", 0));
    search(&mut tab, "<SCRIPT>");
    assert_eq!(ids(&mut tab), [HOSTILE]);
    search(&mut tab, "");

    // Filters by health and band.
    tab.value(
        "(() => { for (const [name, want] of [['Health', 'at_risk'], ['churn_90d band', 'high']]) { \
         const label = [...document.querySelectorAll('#accounts-table label')].find(one => one.firstChild.textContent.trim() === name); \
         const select = label.querySelector('select'); \
         select.value = [...select.options].find(one => one.text === want).value; \
         select.dispatchEvent(new Event('change')); } })()",
    );
    let band = |one: &ScoredAccount| one.forecasts[0].as_ref().unwrap().band.clone().unwrap();
    let found = expected(&|one| one.health.as_deref() == Some("at_risk") && &*band(one) == "high");
    assert!(found > 100 && count(&mut tab).replace(',', "") == format!("{found} of 100000 accounts"), "{found}");
    assert_eq!(tab.complaints(), Vec::<String>::new());
    assert_eq!(tab.requests(), 1, "the page itself and nothing else");
}

#[test]
fn the_table_is_sorted_opened_and_walked_with_mouse_and_keyboard() {
    let base = base(1_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(PAGE);
    std::fs::write(&file, page(&base)).unwrap();
    let Some(mut tab) = Tab::open(&file, 1280, false) else {
        return skipped("the_table_is_sorted_opened_and_walked_with_mouse_and_keyboard", NO_BROWSER);
    };
    // By MRR: highest, then lowest first; what is not known last either way.
    let sorted = |descending: bool, of: &dyn Fn(&ScoredAccount) -> Option<f64>| {
        let mut rows: Vec<(Option<f64>, usize)> = base.accounts.iter().map(of).zip(0..).collect();
        rows.sort_by(|a, b| {
            let known = b.0.is_some().cmp(&a.0.is_some());
            let way = a.0.unwrap_or(0.0).total_cmp(&b.0.unwrap_or(0.0));
            known.then(if descending { way.reverse() } else { way }).then(a.1.cmp(&b.1))
        });
        rows.iter().take(25).map(|(_, row)| base.accounts[*row].account_id.clone()).collect::<Vec<_>>()
    };
    tab.click("#accounts-table thead th:nth-child(3) button");
    assert_eq!(ids(&mut tab), sorted(true, &|one| one.mrr));
    let aria = "[...document.querySelectorAll('#accounts-table thead th')].map(one => one.getAttribute('aria-sort'))";
    let none = "none";
    assert_eq!(tab.value(aria), json!([none, none, "descending", none, none, none, none, none, none]));
    tab.click("#accounts-table thead th:nth-child(3) button");
    assert_eq!(ids(&mut tab), sorted(false, &|one| one.mrr));
    let expansion = |one: &ScoredAccount| one.forecasts[1].as_ref().map(|one| (1_000.0 * one.probability).round());
    tab.click("#accounts-table thead th:nth-child(6) button");
    assert_eq!(ids(&mut tab), sorted(true, &expansion));
    tab.click("#accounts-table thead th:nth-child(1) button");
    assert_eq!(ids(&mut tab)[..2], [HOSTILE.to_owned(), "acct-0000001".to_owned()]);

    // The keyboard: from the search to the rows, down, to the end, and open.
    tab.value("document.querySelector('#accounts-table tbody button[tabindex=\"0\"]').focus()");
    let focus = "document.activeElement.textContent";
    tab.press("ArrowDown");
    assert_eq!(tab.text(focus), "acct-0000001");
    tab.press("PageDown");
    assert_eq!(tab.text(focus), "acct-0000026");
    tab.press("ArrowUp");
    tab.press("ArrowUp");
    assert_eq!(tab.text(focus), "acct-0000024", "over the border of a page");
    tab.press("End");
    assert_eq!(tab.text(focus), "acct-0000999");
    tab.press("ArrowDown");
    assert_eq!(tab.text(focus), "acct-0000999", "no further than the last");
    tab.press("Home");
    tab.press("ArrowDown");
    let outline = tab.text("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus is seen");
    tab.press("Enter");
    let details = tab.text("document.querySelector('#accounts-table tr.details').textContent");
    for told in [
        "churn_90d: 91.9 % (82.7 to 100.0 %)".replace(" %)", ")"),
        "+2.0 points: events in the last 28 days fell 1 % against the 28 days before (1)".to_owned(),
        "Value tierlow".to_owned(),
    ] {
        assert!(details.contains(&told), "{told}: {details}");
    }
    assert_eq!(tab.text("document.activeElement.getAttribute('aria-expanded')"), "true");
    tab.press("Enter");
    assert_eq!(tab.value("document.querySelectorAll('#accounts-table tr.details').length"), json!(0));
    // A click anywhere in a row, and the pager.
    tab.click("#accounts-table tbody tr:nth-child(3) td:nth-child(4)");
    assert_eq!(tab.value("document.querySelectorAll('#accounts-table tr.details').length"), json!(1));
    tab.click("#accounts-table .pager button:last-child");
    assert_eq!(ids(&mut tab)[0], "acct-0000025");
    let named = "[...document.querySelectorAll('#accounts-table button, #accounts-table input, #accounts-table select')].filter(one \
                 => !(one.textContent.trim() || one.closest('label'))).length";
    assert_eq!(tab.value(named), json!(0), "every control has a name");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// What sticks out of the page, is too small, or cannot be read.
const MEASURE: &str = "(() => {
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const root = document.documentElement;
  const wide = [...document.querySelectorAll('body *')]
    .filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > root.clientWidth + 1)
    .map(one => one.tagName + ' ' + (one.textContent || '').slice(0, 40));
  const outside = [...document.querySelectorAll('svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter(text => {
      const one = text.getBoundingClientRect();
      return one.left < box.left - 1 || one.right > box.right + 1 || one.bottom > box.bottom + 1;
    }).map(text => text.textContent);
  });
  const style = getComputedStyle(document.body);
  const sizes = [...document.querySelectorAll('svg text')].map(text =>
    parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
  const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
  return { width: root.clientWidth, scrollWidth: root.scrollWidth, wide, outside, smallest: Math.min(...sizes),
    plots: document.querySelectorAll('svg').length, tables: document.querySelectorAll('figure details table').length,
    ink: style.color, paper: style.backgroundColor, twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    dead: [...document.querySelectorAll('nav a')].filter(one => !document.querySelector(one.getAttribute('href'))).length };
})()";

fn looks_well(tab: &mut Tab, width: u64, dark: bool) {
    let seen: Value = tab.value(MEASURE);
    assert_eq!(seen["width"], width, "{seen}");
    assert_eq!(seen["scrollWidth"], width, "the page scrolls sideways: {seen}");
    for nothing in ["wide", "outside", "twice"] {
        assert_eq!(seen[nothing], json!([]), "{nothing}");
    }
    assert!(seen["smallest"].as_f64().unwrap() >= 9.0, "text too small to read: {seen}");
    assert!(seen["plots"].as_u64().unwrap() >= 8 && seen["plots"] == seen["tables"], "each plot has its table: {seen}");
    assert_eq!(seen["dead"], 0, "every link leads somewhere: {seen}");
    let (ink, paper) = (seen["ink"].as_str().unwrap(), seen["paper"].as_str().unwrap());
    // WCAG 2.2 asks for 7 at level AAA.
    assert!(contrast(ink, paper) >= 7.0 && (luminance(paper) < 0.2) == dark, "{seen}");
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// Tables as other parts of the outlook give them; the last one is known by no name.
fn more_tables(base: &ScoredBase) -> Vec<Table> {
    let measures = ["mrr", "mrr", "mrr", "nrr", "nrr", "nrr"];
    let fan = |share: f64| {
        numbers((0..6).map(move |row| {
            let (size, days) = if row < 3 { (50_000.0, row) } else { (1.0, row - 3) };
            size * (1.0 + 0.02 * f64::from(days + 1) * share)
        }))
    };
    let ids: Vec<&str> = base.accounts.iter().map(|one| one.account_id.as_str()).collect();
    let owners: Vec<&str> = (0..ids.len()).map(|row| ["kim & co", "lee"][row % 2]).collect();
    vec![
        Table {
            name: "forecast",
            columns: vec![
                ("measure", texts(&measures)),
                ("horizon_days", numbers([30.0, 60.0, 90.0, 30.0, 60.0, 90.0])),
                ("opening_mrr", numbers([50_000.0; 6])),
                ("q10", fan(-1.0)),
                ("q50", fan(0.2)),
                ("q90", fan(1.4)),
            ],
        },
        Table {
            name: "accounts",
            columns: vec![
                ("account_id", texts(&ids)),
                ("owner", texts(&owners)),
                ("value_tier", texts(&vec!["enterprise"; ids.len()])),
                ("lifetime_value", numbers((0..ids.len()).map(|row| row as f64 * 10.0))),
                ("lifetime_value_low", numbers((0..ids.len()).map(|row| row as f64))),
            ],
        },
        Table {
            name: "renewals",
            columns: vec![("account_id", texts(&ids[..2])), ("owner", texts(&["nobody else", "nobody else"]))],
        },
        Table {
            name: "calls",
            columns: vec![
                ("rank", numbers((1..=12).map(f64::from))),
                ("account_id", texts(&ids[..12])),
                ("stake_mrr", numbers((1..=12).map(|rank| 1_000.0 / f64::from(rank)))),
            ],
        },
        Table {
            name: "later_part",
            columns: vec![
                ("group", texts(&["<i>one</i>", "two"])),
                ("share", numbers([0.25, 0.5])),
                ("share_low", numbers([0.2, 0.4])),
                ("share_high", numbers([0.3, 0.6])),
            ],
        },
    ]
}

#[test]
fn parts_that_arrive_later_have_their_sections() {
    let base = base(40);
    let tables = more_tables(&base);
    let page = html(&PageInput {
        as_of: base.as_of,
        business: "acme",
        currency: "EUR",
        year_before: None,
        tables: &tables,
        scores: Some(&base),
    });
    let place = |told: &str| page.find(told).unwrap_or_else(|| panic!("{told}"));
    let headings =
        ["<h2 id=\"base\">", "<h2 id=\"forecast\">", "<h2 id=\"calls\">", "<h2 id=\"accounts\">", ">Later part</h2>"];
    assert!(headings.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "in this order");
    for told in ["Whom to call: the first 10 of 12", "rows 11 to 12", "25.0 % (20.0 to 30.0)", "&lt;i&gt;one&lt;/i&gt;"]
    {
        place(told);
    }
    assert!(page.contains("<th scope=\"col\">Q90</th>"), "the numbers of the fan are behind it");
    assert!(!page.contains("<i>one") && !page.contains("<h2 id=\"accounts\">Accounts</h2>\n<table"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(PAGE);
    std::fs::write(&file, &page).unwrap();
    let Some(mut tab) = Tab::open(&file, 390, true) else {
        return skipped("parts_that_arrive_later_have_their_sections (the browser's part)", NO_BROWSER);
    };
    // By its owner an account is found, and the tier of the outlook stands for that of the scores.
    search(&mut tab, "kim");
    assert_eq!(count(&mut tab), "20 of 40 accounts");
    tab.click("#accounts-table tbody tr:nth-child(1) th button");
    let details = tab.text("document.querySelector('#accounts-table tr.details').textContent");
    assert!(details.contains("Value tierenterprise") && details.contains("Lifetime value"), "{details}");
    let measured = tab.value(MEASURE);
    for nothing in ["wide", "outside", "twice"] {
        assert_eq!(measured[nothing], json!([]), "{nothing}");
    }
    assert_eq!((&measured["plots"], &measured["tables"]), (&json!(3), &json!(3)), "two fans and one plot of intervals");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// A small business with a model and the scores of a day.
fn business(home: &Path) {
    succeed(home, &["simulate", "--accounts", "220", "--months", "30", "--seed", "7", "--out", "."]);
    succeed(home, &["train", "--out", "registry", "--learners", "base_rate,logistic"]);
    succeed(home, &["score", "--bundle", "registry/simulated@champion", "--as-of", "2025-12-15", "--out", "out"]);
}

#[test]
fn the_page_appears_with_the_tables_and_looks_well() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    business(home);
    let arguments = ["outlook", "--as-of", "2025-12-15", "--out", "out"];
    let told = succeed(home, &arguments);
    let file = home.join("out/outlook/v1/as_of=2025-12-15").join(PAGE);
    assert!(told.trim_end().ends_with("out/outlook/v1/as_of=2025-12-15/outlook.html"), "{told}");
    let page = std::fs::read_to_string(&file).unwrap();
    for told in ["accounts pay", "Retention over the trailing year", "By plan", "acct-", "points"] {
        assert!(page.contains(told), "{told}");
    }
    // The same again, in its place: the same bytes.
    let before = files(&home.join("out/outlook"));
    succeed(home, &[&arguments[..], &["--threads", "1"]].concat());
    assert!(files(&home.join("out/outlook")) == before);
    // A day without scores has a page that says so, and no accounts.
    let other = ["outlook", "--as-of", "2025-11-15", "--out", "out"];
    succeed(home, &other);
    let without = std::fs::read_to_string(home.join("out/outlook/v1/as_of=2025-11-15").join(PAGE)).unwrap();
    assert!(without.contains("There are no scores of 2025-11-15") && !without.contains("id=\"accounts-table\""));
    // Scores that are damaged are told, and nothing is replaced.
    let part = home.join("out/scores/v1/as_of=2025-12-15/part-00000.parquet");
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    let said = fail(home, &arguments, 3);
    assert!(said.contains("part-00000.parquet"), "{said}");
    assert!(std::fs::read_to_string(&file).unwrap() == page);

    for (width, dark) in [(390, false), (390, true), (1280, false), (1280, true)] {
        let Some(mut tab) = Tab::open(&file, width, dark) else {
            return skipped("the_page_appears_with_the_tables_and_looks_well (the browser's part)", NO_BROWSER);
        };
        looks_well(&mut tab, u64::from(width), dark);
        let picture = home.join(format!("seen-{width}-{dark}.png"));
        // A blank picture of this size is below 30 kB.
        assert!(tab.picture(&picture, 6_000) > 60_000, "the picture shows something");
        assert_eq!(tab.complaints(), Vec::<String>::new());
        if let Some(folder) = std::env::var_os("BELLWETHER_PICTURES") {
            std::fs::copy(&picture, Path::new(&folder).join(format!("outlook-{width}-{dark}.png"))).unwrap();
        }
    }
}
