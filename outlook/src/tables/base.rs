//! The base taken apart as tables.

use bellwether_features::facts::BillingPeriod;

use super::{
    Columns, Table, counts, dates, flags, known_dates, known_texts, money, numbers, shares, small_counts, texts,
};
use crate::archetype::{Archetype, AttributeValue};
use crate::base::BaseAnalysis;
use crate::cohort::CurveShape;
use crate::retention::Retention;

/// The nine tables of [`BaseAnalysis`]; its rows of segments belong to those of revenue.
#[must_use]
pub fn tables(base: &BaseAnalysis) -> Vec<Table> {
    vec![
        Table { name: "price_volume_mix", columns: price_volume_mix(base) },
        Table { name: "billing", columns: billing(base) },
        Table { name: "plan_moves", columns: plan_moves(base) },
        Table { name: "expansions", columns: expansions(base) },
        Table { name: "renewal_quality", columns: renewal_quality(base) },
        Table { name: "landmarks", columns: landmarks(base) },
        Table { name: "curve_shapes", columns: curve_shapes(base) },
        Table { name: "compared", columns: compared(base) },
        Table { name: "archetypes", columns: archetypes(base) },
    ]
}

fn period(period: Option<BillingPeriod>) -> &'static str {
    match period {
        Some(BillingPeriod::Monthly) => "monthly",
        Some(BillingPeriod::Annual) => "annual",
        None => "(not known)",
    }
}

fn price_volume_mix(base: &BaseAnalysis) -> Columns {
    let rows = base.price_volume_mix.iter();
    vec![
        ("span", texts(rows.clone().map(|row| row.span.name()))),
        ("from", dates(rows.clone().map(|row| row.from))),
        ("until", dates(rows.clone().map(|row| row.until))),
        ("unit", texts(rows.clone().map(|row| row.unit.name()))),
        ("opening_mrr", money(rows.clone().map(|row| row.opening))),
        ("mrr", money(rows.clone().map(|row| row.closing))),
        ("opening_units", numbers(rows.clone().map(|row| Some(row.opening_units)))),
        ("units", numbers(rows.clone().map(|row| Some(row.closing_units)))),
        ("price_mrr", money(rows.clone().map(|row| row.price))),
        ("volume_mrr", money(rows.clone().map(|row| row.volume))),
        ("mix_mrr", money(rows.clone().map(|row| row.mix))),
        ("repriced_mrr", money(rows.map(|row| row.repriced))),
    ]
}

fn billing(base: &BaseAnalysis) -> Columns {
    let rows = base.billing.iter();
    let account_share =
        |row: &crate::mix::BillingShare| (row.all_accounts > 0).then(|| row.accounts as f64 / row.all_accounts as f64);
    vec![
        ("month", dates(rows.clone().map(|row| row.month))),
        ("billing_period", texts(rows.clone().map(|row| period(row.billing_period)))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("mrr", money(rows.clone().map(|row| row.mrr))),
        ("account_share", numbers(rows.clone().map(account_share))),
        ("mrr_share", numbers(rows.map(|row| row.mrr.over(row.all_mrr)))),
    ]
}

fn plan_moves(base: &BaseAnalysis) -> Columns {
    let rows = base.plan_moves.iter();
    let mut columns: Columns = vec![
        ("from_plan", texts(rows.clone().map(|row| row.from_plan.as_str()))),
        ("to_plan", texts(rows.clone().map(|row| row.to_plan.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("opening_mrr", money(rows.clone().map(|row| row.opening))),
        ("mrr", money(rows.clone().map(|row| row.closing))),
        ("mrr_change", money(rows.clone().map(|row| row.closing - row.opening))),
        ("accounts_paying_more", counts(rows.clone().map(|row| row.paying_more))),
        ("accounts_paying_less", counts(rows.clone().map(|row| row.paying_less))),
    ];
    shares(&mut columns, ["share", "share_low", "share_high"], rows.map(|row| row.share));
    columns
}

fn expansions(base: &BaseAnalysis) -> Columns {
    let rows = base.expansions.iter();
    let mut columns: Columns = vec![
        ("by", texts(rows.clone().map(|row| row.by))),
        ("group", texts(rows.clone().map(|row| row.group.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("expanded_accounts", counts(rows.clone().map(|row| row.expanded_accounts))),
    ];
    let expanded = ["expanded_share", "expanded_share_low", "expanded_share_high"];
    shares(&mut columns, expanded, rows.clone().map(|row| Some(row.expanded)));
    columns.push(("rapid_accounts", counts(rows.clone().map(|row| row.rapid_accounts))));
    columns.push(("gradual_accounts", counts(rows.clone().map(|row| row.expanded_accounts - row.rapid_accounts))));
    columns.push(("year_old_accounts", counts(rows.clone().map(|row| row.year_old_accounts))));
    let in_year = ["expanded_first_year_share", "expanded_first_year_share_low", "expanded_first_year_share_high"];
    shares(&mut columns, in_year, rows.clone().map(|row| row.expanded_in_first_year));
    for (place, name) in ["days_to_first_p25", "days_to_first_median", "days_to_first_p75"].into_iter().enumerate() {
        columns.push((name, numbers(rows.clone().map(|row| row.days_to_first.map(|days| days[place])))));
    }
    columns.push(("first_size_median", numbers(rows.clone().map(|row| row.first_size))));
    columns.push(("expansions", counts(rows.clone().map(|row| row.expansions))));
    columns.push(("first_mrr", money(rows.clone().map(|row| row.first_mrr))));
    columns.push(("rises_mrr", money(rows.clone().map(|row| row.rises))));
    let rises = ["rises_over_first", "rises_over_first_low", "rises_over_first_high"];
    shares(&mut columns, rises, rows.clone().map(|row| row.rises_over_first));
    columns.push(("contraction_run_1", counts(rows.clone().map(|row| row.runs_of_one))));
    columns.push(("contraction_run_2", counts(rows.clone().map(|row| row.runs_of_two))));
    columns.push(("contraction_run_3", counts(rows.map(|row| row.runs_of_three))));
    columns
}

fn renewal_quality(base: &BaseAnalysis) -> Columns {
    let rows = base.renewals.iter();
    vec![
        ("billing_period", texts(rows.clone().map(|row| period(row.billing_period)))),
        ("outcome", texts(rows.clone().map(|row| row.outcome.name()))),
        ("is_value_lost", flags(rows.clone().map(|row| Some(row.outcome.is_value_lost())))),
        ("renewals", counts(rows.clone().map(|row| row.renewals))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("mrr_before", money(rows.clone().map(|row| row.before))),
        ("mrr_after", money(rows.clone().map(|row| row.after))),
        ("share", numbers(rows.clone().map(|row| row.share))),
        ("mrr_share", numbers(rows.map(|row| row.mrr_share))),
    ]
}

fn landmarks(base: &BaseAnalysis) -> Columns {
    let rows = base.landmarks.iter();
    let mut columns: Columns = vec![
        ("landmark", texts(rows.clone().map(|row| row.landmark.name()))),
        ("sequel", texts(rows.clone().map(|row| row.sequel.name()))),
        ("within_days", small_counts(rows.clone().map(|row| row.within_days))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("unmatched_accounts", counts(rows.clone().map(|row| row.unmatched_accounts))),
        ("compared_account_months", counts(rows.clone().map(|row| row.compared_months))),
        ("share", numbers(rows.clone().map(|row| Some(row.share)))),
        ("matched_share", numbers(rows.clone().map(|row| Some(row.matched)))),
    ];
    let difference = ["difference", "difference_low", "difference_high"];
    shares(&mut columns, difference, rows.map(|row| Some(row.difference)));
    columns
}

fn curve_shapes(base: &BaseAnalysis) -> Columns {
    let rows = base.curves.iter();
    let mut columns: Columns = vec![
        ("cohort", known_dates(rows.clone().map(|row| row.cohort))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("months", small_counts(rows.clone().map(|row| row.months))),
        ("kept", numbers(rows.clone().map(|row| Some(row.kept)))),
    ];
    let early = ["early_hazard", "early_hazard_low", "early_hazard_high"];
    shares(&mut columns, early, rows.clone().map(|row| Some(row.early)));
    let late = ["late_hazard", "late_hazard_low", "late_hazard_high"];
    shares(&mut columns, late, rows.clone().map(|row| Some(row.late)));
    columns.push(("counted_shape", known_texts(rows.clone().map(|row| row.counted.map(CurveShape::name)))));
    columns.push(("shape", texts(rows.map(|row| row.shape.name()))));
    columns
}

fn compared(base: &BaseAnalysis) -> Columns {
    let rows = base.compared.iter();
    let mut columns: Columns = vec![
        ("by", texts(rows.clone().map(|row| row.by.name()))),
        ("group", texts(rows.clone().map(|row| row.group.as_str()))),
        ("measure", texts(rows.clone().map(|row| row.measure.name()))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("counted", numbers(rows.clone().map(|row| Some(row.counted)))),
        ("covered", numbers(rows.clone().map(|row| Some(row.covered)))),
    ];
    let standardised = ["standardised", "standardised_low", "standardised_high"];
    shares(&mut columns, standardised, rows.clone().map(|row| Some(row.standardised)));
    shares(&mut columns, ["others", "others_low", "others_high"], rows.clone().map(|row| Some(row.others)));
    let difference = ["difference", "difference_low", "difference_high"];
    shares(&mut columns, difference, rows.map(|row| Some(row.difference)));
    columns
}

fn archetypes(base: &BaseAnalysis) -> Columns {
    let rows = base.archetypes.iter();
    let mut columns: Columns = vec![("rank", small_counts((1..).take(base.archetypes.len())))];
    let names = [("attribute_1", "value_1"), ("attribute_2", "value_2"), ("attribute_3", "value_3")];
    for (place, (attribute, value)) in names.into_iter().enumerate() {
        let parts: Vec<Option<&AttributeValue>> = rows.clone().map(|row| row.values.get(place)).collect();
        columns.push((attribute, known_texts(parts.iter().map(|part| part.map(|part| part.by.name())))));
        columns.push((value, known_texts(parts.iter().map(|part| part.map(|part| part.value.as_str())))));
    }
    let retention = |of: fn(&Retention) -> Option<f64>| numbers(rows.clone().map(move |row| of(&row.retention)));
    columns.extend([
        ("accounts", counts(rows.clone().map(|row| row.retention.accounts))),
        ("kept_accounts", counts(rows.clone().map(|row| row.retention.kept_accounts))),
        ("opening_mrr", money(rows.clone().map(|row| row.retention.opening))),
        ("mrr", money(rows.clone().map(|row| row.retention.closing))),
        ("logo_retention_12m", retention(Retention::logo)),
        ("nrr_12m", retention(Retention::net)),
        ("grr_12m", retention(Retention::gross)),
    ]);
    let logo = ["logo_retention_drawn", "logo_retention_drawn_low", "logo_retention_drawn_high"];
    shares(&mut columns, logo, rows.clone().map(|row| Some(row.logo)));
    let expanded = |row: &Archetype| row.expanded_accounts as f64 / row.retention.accounts as f64;
    columns.push(("expanded_12m", numbers(rows.clone().map(|row| Some(expanded(row))))));
    let names = ["expanded_drawn", "expanded_drawn_low", "expanded_drawn_high"];
    shares(&mut columns, names, rows.clone().map(|row| Some(row.expanded)));
    shares(&mut columns, ["nrr_drawn", "nrr_drawn_low", "nrr_drawn_high"], rows.clone().map(|row| row.net));
    let value = ["mrr_per_account", "mrr_per_account_low", "mrr_per_account_high"];
    shares(&mut columns, value, rows.clone().map(|row| row.mrr_per_account));
    columns.push(("nps_answers", small_counts(rows.clone().map(|row| row.voices.answers()))));
    shares(&mut columns, ["nps", "nps_low", "nps_high"], rows.clone().map(|row| row.voices.score()));
    columns.push(("distance", numbers(rows.map(|row| Some(row.distance)))));
    columns
}
