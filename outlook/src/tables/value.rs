//! Lifetime value as a table.

use super::{Columns, Table, counts, flags, known_counts, numbers, shares, texts};
use crate::money::Cents;
use crate::value::groups::ValueRow;
use crate::value::lifetime::Lifetime;

/// The table of value.
#[must_use]
pub fn tables(rows: &[ValueRow]) -> Vec<Table> {
    let rows = rows.iter();
    let life = |of: fn(&Lifetime) -> f64| numbers(rows.clone().map(move |row| row.lifetime.as_ref().map(of)));
    let money = |of: fn(&ValueRow) -> Option<Cents>| numbers(rows.clone().map(move |row| of(row).map(Cents::amount)));
    let mut columns: Columns = vec![
        ("by", texts(rows.clone().map(|row| row.by.name()))),
        ("group", texts(rows.clone().map(|row| row.group.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("paying_accounts", counts(rows.clone().map(|row| row.paying_accounts))),
        ("monthly_revenue", life(|life| life.monthly_revenue)),
        (
            "monthly_serve_cost",
            numbers(
                rows.clone().map(|row| row.lifetime.filter(|_| row.has_serve_cost).map(|one| one.monthly_serve_cost)),
            ),
        ),
    ];
    let of =
        |share: fn(&Lifetime) -> crate::cohort::Share| rows.clone().map(move |row| row.lifetime.as_ref().map(share));
    shares(&mut columns, ["lifetime_months", "lifetime_months_low", "lifetime_months_high"], of(|life| life.months));
    shares(
        &mut columns,
        ["lifetime_revenue", "lifetime_revenue_low", "lifetime_revenue_high"],
        of(|life| life.revenue),
    );
    shares(&mut columns, ["lifetime_value", "lifetime_value_low", "lifetime_value_high"], of(|life| life.value));
    columns.extend([
        ("has_serve_cost", flags(rows.clone().map(|row| Some(row.has_serve_cost)))),
        ("costed_accounts", counts(rows.clone().map(|row| row.costed_accounts))),
        ("acquisition_cost", money(|row| row.acquisition_cost)),
        ("value_over_cost", numbers(rows.clone().map(|row| row.worth.and_then(|worth| worth.ratio)))),
        ("net_worth", money(|row| row.worth.map(|worth| worth.net))),
        ("payback_month", known_counts(rows.clone().map(|row| row.payback_month))),
        ("timed_accounts", counts(rows.clone().map(|row| row.timed_accounts))),
        ("reached_accounts", counts(rows.clone().map(|row| row.reached_accounts))),
    ]);
    let names = ["days_to_value_q25", "days_to_value_q50", "days_to_value_q75"];
    for (place, name) in names.into_iter().enumerate() {
        let days = rows.clone().map(|row| row.days_to_value[place].and_then(|days| u64::try_from(days).ok()));
        columns.push((name, known_counts(days)));
    }
    vec![Table { name: "value", columns }]
}
