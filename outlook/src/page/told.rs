//! The base in a paragraph.

use bellwether_page::escape_html;
use bellwether_page::number::{count, money, percent, points};

use super::PageInput;
use super::view::View;
use crate::retention::disagreement_of_shares;

/// The three shares of a trailing year, in the order in which they are told.
const YEAR: [(&str, &str); 3] = [("nrr_12m", "NRR"), ("grr_12m", "GRR"), ("logo_retention_12m", "logo retention")];

/// What there is, what became of it in a year, and what changed.
pub(super) fn base(input: &PageInput<'_>) -> String {
    let mut html = String::from("<div class=\"verdict\">\n");
    let sentences: Vec<String> = match input.table("movements") {
        Some(movements) => [now(&movements, input.currency), year(&movements), month(&movements)]
            .into_iter()
            .flatten()
            .chain(against_the_year_before(input, &movements))
            .collect(),
        None => vec!["Nobody has paid before this date.".to_owned()],
    };
    for sentence in sentences.into_iter().chain(at_stake(input)) {
        html.push_str(&format!("<p>{}</p>\n", escape_html(&sentence)));
    }
    html.push_str("</div>\n");
    html
}

fn last(view: &View<'_>, column: &str) -> Option<f64> {
    view.numbers(column)?.last().copied().flatten()
}

fn now(movements: &View<'_>, currency: &str) -> Option<String> {
    let (accounts, mrr) = (last(movements, "closing_accounts")?, last(movements, "closing_mrr")?);
    let each = if accounts > 0.0 { format!(", {} each on average", money(mrr / accounts)) } else { String::new() };
    Some(format!("{} accounts pay {} {currency} a month (MRR){each}.", count(accounts as usize), money(mrr)))
}

fn year(movements: &View<'_>) -> Option<String> {
    let [net, gross, logo] = YEAR.map(|(column, _)| last(movements, column));
    Some(format!(
        "Of what was paid twelve months ago, {} is paid today by the same accounts (NRR); without what they added it is {} \
         (GRR). {} of those accounts still pay (logo retention).",
        percent(net?, 1),
        percent(gross?, 1),
        percent(logo?, 1)
    ))
}

/// The last month that was over.
fn month(movements: &View<'_>) -> Option<String> {
    let column = movements.column("is_complete")?;
    let complete = arrow_array::cast::AsArray::as_boolean(column);
    let row = (0..movements.rows()).rev().find(|row| complete.value(*row))?;
    let at = |name: &str| movements.numbers(name).and_then(|values| values[row]);
    let parts = |named: &[(&str, &str)]| -> String {
        let known = named.iter().filter_map(|(column, name)| Some((at(column).filter(|amount| *amount > 0.0)?, name)));
        let told: Vec<String> = known.map(|(amount, name)| format!("{} {name}", money(amount))).collect();
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    };
    let came = parts(&[
        ("new_mrr", "of new customers"),
        ("reactivation_mrr", "of returning ones"),
        ("expansion_mrr", "of expansion"),
    ]);
    let went = parts(&[("contraction_mrr", "by contraction"), ("churn_mrr", "by churn")]);
    let ratio = at("quick_ratio").map_or(String::new(), |ratio| format!(" (quick ratio {ratio:.1})"));
    let month = movements.dates("month")?[row]?.format("%B %Y");
    Some(format!("{month} brought {came}, and lost {went}{ratio}."))
}

/// What changed in a year, and a plain sentence where the three do not say the same.
fn against_the_year_before(input: &PageInput<'_>, movements: &View<'_>) -> Vec<String> {
    let then = input.year_before.and_then(|year| Some([year.net()?, year.gross()?, year.logo()?]));
    let [net, gross, logo] = YEAR.map(|(column, _)| last(movements, column));
    let now = || Some([net?, gross?, logo?]);
    let (Some(then), Some(now)) = (then, now()) else { return Vec::new() };
    let changes =
        YEAR.iter().enumerate().map(|(which, (_, name))| format!("{name} {} points", points(now[which] - then[which])));
    let mut told = vec![format!("Against a year before: {}.", changes.collect::<Vec<_>>().join(", "))];
    told.extend(disagreement_of_shares(then, now).map(str::to_owned));
    told
}

/// What the probabilities mean for money.
fn at_stake(input: &PageInput<'_>) -> Option<String> {
    let scores = input.scores?;
    let sum = |of: fn(&crate::scored::ScoredAccount) -> Option<f64>| -> f64 {
        scores.accounts.iter().filter_map(of).filter(|amount| amount.is_finite()).sum()
    };
    let at_risk = sum(|account| account.mrr_at_risk);
    let expansion = sum(|account| account.expected_expansion_mrr);
    Some(format!(
        "{} accounts are scored. Added up over them, probability times MRR, {} of MRR is at risk, and {} of expansion is expected.",
        count(scores.accounts.len()),
        money(at_risk),
        money(expansion)
    ))
}
