//! Movements, cohorts, segments and changes as tables.

use super::{Columns, Table, counts, dates, flags, numbers, shares, small_counts, texts};
use crate::Outlook;
use crate::change::ChangeSum;
use crate::cohort::CohortAge;
use crate::movement::{Amount, MonthlyMovements};
use crate::retention::Retention;

/// The four tables of revenue.
#[must_use]
pub fn tables(outlook: &Outlook) -> Vec<Table> {
    vec![
        Table { name: "movements", columns: movements(outlook) },
        Table { name: "cohorts", columns: cohorts(outlook) },
        Table { name: "segments", columns: segments(outlook) },
        Table { name: "changes", columns: changes(outlook) },
    ]
}

/// A name that lives as long as the program: there are few of them, each used once per table.
macro_rules! amount_columns {
    ($columns:ident, $rows:expr, $($field:ident),+) => {$(
        let amounts = || $rows.iter().map(|row| -> Amount { row.$field });
        $columns.push((concat!(stringify!($field), "_mrr"), numbers(amounts().map(|one| Some(one.mrr.amount())))));
        $columns.push((concat!(stringify!($field), "_accounts"), counts(amounts().map(|one| one.accounts))));
    )+};
}

fn movements(outlook: &Outlook) -> Columns {
    let rows = &outlook.movements;
    let mut columns: Columns = vec![
        ("month", dates(rows.iter().map(|row| row.month))),
        ("is_complete", flags(rows.iter().map(|row| Some(row.is_complete)))),
    ];
    amount_columns!(columns, rows, opening, new, reactivation, expansion, contraction, churn, closing);
    columns.push(("quick_ratio", numbers(rows.iter().map(MonthlyMovements::quick_ratio))));
    columns.push(("net_churn", numbers(rows.iter().map(MonthlyMovements::net_churn))));
    let years = &outlook.trailing_years;
    columns.push(("nrr_12m", numbers(years.iter().map(Retention::net))));
    columns.push(("grr_12m", numbers(years.iter().map(Retention::gross))));
    columns.push(("logo_retention_12m", numbers(years.iter().map(Retention::logo))));
    columns
}

fn cohorts(outlook: &Outlook) -> Columns {
    let rows: Vec<(&str, &CohortAge)> = [("month", &outlook.monthly_cohorts), ("quarter", &outlook.quarterly_cohorts)]
        .into_iter()
        .flat_map(|(span, rows)| rows.iter().map(move |row| (span, row)))
        .collect();
    let rows = rows.iter();
    let mut columns: Columns = vec![
        ("span", texts(rows.clone().map(|(span, _)| *span))),
        ("cohort", dates(rows.clone().map(|(_, row)| row.cohort))),
        ("age_months", small_counts(rows.clone().map(|(_, row)| row.age_months))),
        ("accounts", counts(rows.clone().map(|(_, row)| row.accounts))),
        ("kept_accounts", counts(rows.clone().map(|(_, row)| row.kept_accounts))),
        ("opening_mrr", numbers(rows.clone().map(|(_, row)| Some(row.opening.amount())))),
        ("mrr", numbers(rows.clone().map(|(_, row)| Some(row.closing.amount())))),
    ];
    let logo = ["logo_retention", "logo_retention_low", "logo_retention_high"];
    shares(&mut columns, logo, rows.clone().map(|(_, row)| Some(row.logo)));
    shares(&mut columns, ["nrr", "nrr_low", "nrr_high"], rows.map(|(_, row)| row.net));
    columns
}

fn segments(outlook: &Outlook) -> Columns {
    let rows = outlook.segments.iter();
    let retention = |of: fn(&Retention) -> Option<f64>| numbers(rows.clone().map(move |row| of(&row.retention)));
    let mut columns: Columns = vec![
        ("by", texts(rows.clone().map(|row| row.by.name()))),
        ("group", texts(rows.clone().map(|row| row.group.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.retention.accounts))),
        ("kept_accounts", counts(rows.clone().map(|row| row.retention.kept_accounts))),
        ("opening_mrr", numbers(rows.clone().map(|row| Some(row.retention.opening.amount())))),
        ("mrr", numbers(rows.clone().map(|row| Some(row.retention.closing.amount())))),
        ("nrr_12m", retention(Retention::net)),
        ("grr_12m", retention(Retention::gross)),
        ("logo_retention_12m", retention(Retention::logo)),
    ];
    let logo = ["logo_retention_drawn", "logo_retention_drawn_low", "logo_retention_drawn_high"];
    shares(&mut columns, logo, rows.clone().map(|row| Some(row.logo)));
    shares(&mut columns, ["nrr_drawn", "nrr_drawn_low", "nrr_drawn_high"], rows.clone().map(|row| row.net));
    let value = ["mrr_per_account", "mrr_per_account_low", "mrr_per_account_high"];
    shares(&mut columns, value, rows.clone().map(|row| row.mrr_per_account));
    columns.push(("nps_answers", small_counts(rows.clone().map(|row| row.voices.answers()))));
    shares(&mut columns, ["nps", "nps_low", "nps_high"], rows.map(|row| row.voices.score()));
    columns
}

fn changes(outlook: &Outlook) -> Columns {
    let rows = outlook.changes.iter();
    vec![
        ("direction", texts(rows.clone().map(ChangeSum::direction))),
        ("kind", texts(rows.clone().map(|row| row.kind.name()))),
        ("changes", counts(rows.clone().map(|row| row.changes))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("mrr", numbers(rows.map(|row| Some(row.mrr.amount())))),
    ]
}
