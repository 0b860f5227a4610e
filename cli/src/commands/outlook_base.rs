//! What `bellwether outlook` tells of the base beside its movements, in few lines; the rest is in the tables.

use bellwether_features::facts::BillingPeriod;
use bellwether_outlook::base::BaseAnalysis;
use bellwether_outlook::cohort::Share;
use bellwether_outlook::landmark::Sequel;
use bellwether_outlook::mix::{Span, VolumeUnit};
use bellwether_outlook::renewal::RenewalOutcome;

use crate::output::grouped;

/// One line each: why MRR changed, how it is billed, how it was renewed, what precedes an expansion, who stands out.
pub(super) fn base_text(base: &BaseAnalysis) -> Vec<String> {
    let before = [price_volume_mix(base), billing(base)].into_iter().flatten();
    let after = [landmark(base), archetype(base)].into_iter().flatten();
    before.chain(renewals(base)).chain(after).collect()
}

/// The last year, by seats where all are known.
fn price_volume_mix(base: &BaseAnalysis) -> Option<String> {
    let of_year = |unit: VolumeUnit| {
        base.price_volume_mix.iter().rev().find(move |row| row.span == Span::Year && row.unit == unit)
    };
    let (by_seats, by_accounts) = (of_year(VolumeUnit::Seats), of_year(VolumeUnit::Accounts)?);
    let year = by_seats.filter(|row| row.until == by_accounts.until).unwrap_or(by_accounts);
    Some(format!(
        "twelve months: MRR {:+.2}, of it volume ({}) {:+.2}, mix of plans {:+.2}, price {:+.2}",
        (year.closing - year.opening).amount(),
        year.unit.name(),
        year.volume.amount(),
        year.mix.amount(),
        year.price.amount()
    ))
}

fn billing(base: &BaseAnalysis) -> Option<String> {
    let annual = base.billing.iter().rev().find(|row| row.billing_period == Some(BillingPeriod::Annual))?;
    // Where no subscription says how it is billed, nothing is known of it.
    base.billing.iter().find(|row| row.billing_period.is_some() && row.accounts > 0)?;
    let accounts = annual.accounts as f64 / annual.all_accounts.max(1) as f64;
    let mrr = annual.mrr.over(annual.all_mrr)?;
    Some(format!("billed annually: {:.1} % of the accounts, {:.1} % of MRR", 100.0 * accounts, 100.0 * mrr))
}

/// Annual renewals are decisions, monthly ones mostly nobody's: they are told apart.
fn renewals(base: &BaseAnalysis) -> Vec<String> {
    let periods = [BillingPeriod::Annual, BillingPeriod::Monthly];
    periods.into_iter().filter_map(|period| renewals_of(base, period)).collect()
}

fn renewals_of(base: &BaseAnalysis, period: BillingPeriod) -> Option<String> {
    let of_period = || base.renewals.iter().filter(|row| row.billing_period == Some(period));
    let sum = |is: &dyn Fn(RenewalOutcome) -> bool| -> u64 {
        of_period().filter(|row| is(row.outcome)).map(|row| row.renewals).sum()
    };
    let all = sum(&|outcome| outcome != RenewalOutcome::Undecided);
    let is_whole = |outcome| matches!(outcome, RenewalOutcome::Same | RenewalOutcome::Expanded);
    (all > 0).then(|| {
        format!(
            "{} renewals of twelve months: {}, of them {} at the same or more, {} at less, {} to monthly, {} late, {} lost ({:.1} %)",
            if period == BillingPeriod::Annual { "annual" } else { "monthly" },
            grouped(all),
            grouped(sum(&is_whole)),
            grouped(sum(&RenewalOutcome::is_value_lost)),
            grouped(sum(&|outcome| outcome == RenewalOutcome::ToMonthly)),
            grouped(sum(&|outcome| outcome == RenewalOutcome::Late)),
            grouped(sum(&|outcome| outcome == RenewalOutcome::Lost)),
            100.0 * sum(&|outcome| outcome == RenewalOutcome::Lost) as f64 / all as f64
        )
    })
}

/// The landmark after which expansion is most above that of matched accounts, if one is told apart from none.
fn landmark(base: &BaseAnalysis) -> Option<String> {
    let told = base.landmarks.iter().filter(|row| row.sequel == Sequel::Expansion && row.difference.low > 0.0);
    let most = told.max_by(|one, other| one.difference.value.total_cmp(&other.difference.value))?;
    Some(format!(
        "precedes an expansion more often than chance: {}; {:.1} % of {} accounts expanded within {} days, {:.1} % of \
         matched ones without it ({} points)",
        most.landmark.name().replace('_', " "),
        100.0 * most.share,
        grouped(most.accounts),
        most.within_days,
        100.0 * most.matched,
        interval(most.difference)
    ))
}

fn interval(share: Share) -> String {
    format!("{:+.1} to {:+.1}", 100.0 * share.low, 100.0 * share.high)
}

fn archetype(base: &BaseAnalysis) -> Option<String> {
    let first = base.archetypes.first()?;
    let parts: Vec<String> = first.values.iter().map(|value| format!("{} {}", value.by.name(), value.value)).collect();
    let net = first.net.map_or_else(String::new, |net| format!(", NRR {:.1} %", 100.0 * net.value));
    Some(format!(
        "stands out most: {} ({} accounts): logo retention {:.1} %{net}, drawn towards the base",
        parts.join(", "),
        grouped(first.retention.accounts),
        100.0 * first.logo.value
    ))
}
