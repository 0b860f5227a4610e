//! The account table: all accounts as data, and the rows that are there without a script.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_page::data;
use bellwether_page::escape_html;
use bellwether_page::number::count;

use super::PageInput;
use super::packing::{self, AccountColumn, Values};
use super::view::{Form, View, heading, text_at};
use crate::scored::{ScoredAccount, ScoredBase};
use crate::tables::Table;

/// Accounts of a larger base that have most at stake are on the page; all are in the tables. Beyond this a browser is slow to
/// open the file.
pub const MOST_ACCOUNTS: usize = 100_000;

/// Rows that are there without a script.
const WITHOUT_SCRIPT: usize = 50;

/// Tables with a row per account whose columns are details of it.
const OF_ACCOUNTS: &[&str] = &["accounts"];

/// Columns of theirs that the page has from the scores already, or that are only evidence for others.
const NO_DETAILS: &[&str] =
    &["account_id", "churn_probability", "expansion_probability", "past_accounts", "past_stayed"];

/// Whether a table is part of the account table.
pub(super) fn is_of_accounts(table: &Table) -> bool {
    OF_ACCOUNTS.contains(&table.name)
}

/// The row of each account; `None` where a table has no accounts, or one twice.
fn places<'a>(view: &View<'a>) -> Option<BTreeMap<&'a str, usize>> {
    let mut place = BTreeMap::new();
    for (row, id) in view.texts("account_id")?.into_iter().enumerate() {
        if place.insert(id?, row).is_some() {
            return None;
        }
    }
    Some(place)
}

/// The table, its controls and its data.
pub(super) fn section(input: &PageInput<'_>) -> String {
    let Some(scores) = input.scores else {
        return format!(
            "<p class=\"note\">There are no scores of {} below this folder; <code>bellwether score</code> writes them, and the \
             accounts are here then.</p>\n",
            input.as_of
        );
    };
    let by_stake = by_stake(scores);
    let mut rows: Vec<usize> = by_stake.iter().copied().take(MOST_ACCOUNTS).collect();
    // By id, so that the script can sort by id without comparing texts.
    rows.sort_unstable();
    let columns = columns(input, scores, &rows);
    let ids: Vec<&str> = rows.iter().map(|row| scores.accounts[*row].account_id.as_str()).collect();
    let first: Vec<usize> =
        by_stake.iter().take(WITHOUT_SCRIPT).filter_map(|row| rows.binary_search(row).ok()).collect();
    let left_out = if by_stake.len() > rows.len() {
        format!(" The {} accounts with most at stake are here; all are in the scores.", count(rows.len()))
    } else {
        String::new()
    };
    format!(
        "<p>Health is use against satisfaction; the range of a probability is that of its calibration. At stake is what is at risk \
         and what expansion is expected.{left_out}</p>\n<noscript><p class=\"note\">Without scripts only the {} accounts with most \
         at stake are shown.</p></noscript>\n<div id=\"accounts-table\">\n{}{}</div>\n{}{}",
        first.len(),
        CONTROLS,
        static_table(&ids, &columns, &first),
        data::element("accounts-data", &packing::accounts(&ids, &columns)),
        data::element("reasons-data", &packing::reasons(scores, &rows))
    )
}

/// What a script makes use of; hidden until there is one.
const CONTROLS: &str = "<form class=\"controls\" role=\"search\" hidden>\n<label>Search <input type=\"search\" name=\"search\" \
    autocomplete=\"off\" spellcheck=\"false\" placeholder=\"id, health, owner, …\"></label>\n</form>\n\
    <p class=\"count\" role=\"status\" aria-live=\"polite\"></p>\n";

/// Most at stake first: MRR at risk and expected expansion; then by id.
fn by_stake(scores: &ScoredBase) -> Vec<usize> {
    let stake = |account: &ScoredAccount| {
        let known = |amount: Option<f64>| amount.filter(|amount| amount.is_finite()).unwrap_or(0.0);
        known(account.mrr_at_risk) + known(account.expected_expansion_mrr)
    };
    let mut rows: Vec<usize> = (0..scores.accounts.len()).collect();
    rows.sort_by(|a, b| stake(&scores.accounts[*b]).total_cmp(&stake(&scores.accounts[*a])).then(a.cmp(b)));
    rows
}

fn columns(input: &PageInput<'_>, scores: &ScoredBase, rows: &[usize]) -> Vec<AccountColumn> {
    let accounts = || rows.iter().map(|row| &scores.accounts[*row]);
    let texts = |of: Word| Values::Texts(accounts().map(|one| of(one).as_deref().map(str::to_owned)).collect());
    let money = |of: fn(&ScoredAccount) -> Option<f64>| {
        Values::Numbers(Form::Money, accounts().map(|one| of(one).filter(|amount| amount.is_finite())).collect())
    };
    let column = |name: &str, in_table: bool, is_filter: bool, values: Values| AccountColumn {
        name: name.to_owned(),
        heading: heading(name),
        in_table,
        is_filter,
        values,
    };
    let mut columns = vec![column("health", true, true, texts(|one| &one.health))];
    let of_tables = of_tables(input, scores, rows);
    columns.extend(of_tables.iter().filter(|column| column.name == "owner").cloned());
    columns.push(column("mrr", true, false, money(|one| one.mrr)));
    for (target, name) in scores.targets.iter().enumerate() {
        let forecasts = || accounts().map(move |one| one.forecasts[target].as_ref());
        let ranges = forecasts().map(|one| one.map(|one| [one.probability, one.low, one.high]));
        columns.push(AccountColumn {
            heading: name.clone(),
            ..column(&format!("{name}_probability"), true, false, Values::Range(ranges.collect()))
        });
        let bands = forecasts().map(|one| one.and_then(|one| one.band.as_deref().map(str::to_owned)));
        columns.push(AccountColumn {
            heading: format!("{name} band"),
            ..column(&format!("{name}_band"), true, true, Values::Texts(bands.collect()))
        });
    }
    columns.push(column("mrr_at_risk", true, false, money(|one| one.mrr_at_risk)));
    let expansion = column("expected_expansion_mrr", true, false, money(|one| one.expected_expansion_mrr));
    columns.push(AccountColumn { heading: "Expected expansion".to_owned(), ..expansion });
    // Those of the outlook go by lifetime value, those of the scores by MRR alone.
    let has = |name: &str| of_tables.iter().any(|column| column.name == name);
    for (name, of) in TIERS {
        columns.extend((!has(name)).then(|| column(name, false, false, texts(of))));
    }
    columns.push(column("status", false, false, Values::Texts(accounts().map(|one| Some(status(one))).collect())));
    for more in of_tables {
        if columns.iter().all(|known| known.name != more.name) {
            columns.push(more);
        }
    }
    columns
}

/// What tables of accounts may know better.
const TIERS: [(&str, Word); 2] =
    [("value_tier", |account| &account.value_tier), ("service_level", |account| &account.service_level)];

/// A word of an account.
type Word = fn(&ScoredAccount) -> &Option<Arc<str>>;

fn status(account: &ScoredAccount) -> String {
    if &*account.status_reason == "OK" {
        account.status.to_string()
    } else {
        format!("{}: {}", account.status, account.status_reason)
    }
}

/// Columns of the tables with a row per account, and the owner from any table that names it once per account.
fn of_tables(input: &PageInput<'_>, scores: &ScoredBase, rows: &[usize]) -> Vec<AccountColumn> {
    let mut found: Vec<AccountColumn> = Vec::new();
    // Those with all accounts first: a table of some of them, such as renewals, knows the owners of those alone.
    let (whole, others): (Vec<&Table>, Vec<&Table>) = input.tables.iter().partition(|table| is_of_accounts(table));
    for table in whole.into_iter().chain(others) {
        let view = View::of(table);
        let is_whole = is_of_accounts(table);
        let is_end = |name: &str| name.ends_with("_low") || name.ends_with("_high");
        let is_detail = |name: &str| is_whole && !NO_DETAILS.contains(&name) && !is_end(name);
        let names: Vec<&str> = view.names().filter(|name| is_detail(name) || *name == "owner").collect();
        let Some(place) = places(&view).filter(|_| !names.is_empty()) else { continue };
        let at: Vec<Option<usize>> =
            rows.iter().map(|row| place.get(scores.accounts[*row].account_id.as_str()).copied()).collect();
        for name in names {
            if found.iter().all(|one| one.name != name) {
                found.push(of_table(&view, name, &at));
            }
        }
    }
    found
}

fn of_table(view: &View<'_>, name: &'static str, at: &[Option<usize>]) -> AccountColumn {
    let values = match view.numbers(name) {
        Some(numbers) => {
            Values::Numbers(Form::of(name), at.iter().map(|row| row.and_then(|row| numbers[row])).collect())
        }
        None => {
            let column = view.column(name);
            let text =
                |row: usize| column.filter(|column| !column.is_null(row)).map(|column| text_at(name, column, row));
            Values::Texts(at.iter().map(|row| row.and_then(text)).collect())
        }
    };
    let is_owner = name == "owner";
    AccountColumn { name: name.to_owned(), heading: heading(name), in_table: is_owner, is_filter: is_owner, values }
}

/// The rows that are there without a script, which takes their place.
fn static_table(ids: &[&str], columns: &[AccountColumn], rows: &[usize]) -> String {
    let shown: Vec<&AccountColumn> = columns.iter().filter(|column| column.in_table).collect();
    let mut html = String::from(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Accounts\"><table class=\"accounts\">\n<caption>Accounts, \
         most at stake first</caption>\n<thead><tr><th scope=\"col\">Account</th>",
    );
    for column in &shown {
        html.push_str(&format!("<th scope=\"col\"{}>{}</th>", class(column), escape_html(&column.heading)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape_html(ids[*row])));
        for column in &shown {
            html.push_str(&format!("<td{}>{}</td>", class(column), escape_html(&column.cell(*row))));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Texts stand at the left.
fn class(column: &AccountColumn) -> &'static str {
    if matches!(column.values, Values::Texts(_)) { " class=\"text\"" } else { "" }
}
