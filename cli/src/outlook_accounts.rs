//! Accounts, alerts, changes and calls in lines.

use bellwether_outlook::account::alert::Meaning;
use bellwether_outlook::account::calls::{self, Call};
use bellwether_outlook::account::prospect::{Outcomes, UsePattern};
use bellwether_outlook::account::since::{Change, ChangeKind};
use bellwether_outlook::account::{AccountOutlook, AccountRow};

use crate::output::grouped;

/// Calls that are told in full; all of them are in the table.
const TOLD_CALLS: usize = 10;
/// Moves that are told.
const TOLD_MOVES: usize = 5;

/// The accounts in short lines.
pub(crate) fn text(outlook: &AccountOutlook<'_>, currency: &str) -> Vec<String> {
    let mut lines = vec![String::new(), base_line(outlook, currency)];
    lines.extend(evidence_line(outlook));
    lines.extend(since_lines(outlook));
    lines.extend(call_lines(outlook, currency));
    lines
}

fn count(count: usize) -> String {
    grouped(count as u64)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn base_line(outlook: &AccountOutlook<'_>, currency: &str) -> String {
    let at_risk: Vec<&AccountRow<'_>> = outlook.rows.iter().filter(|row| row.is_at_risk == Some(true)).collect();
    let sum = |of: fn(&AccountRow<'_>) -> Option<f64>| outlook.rows.iter().filter_map(of).sum::<f64>();
    format!(
        "accounts: {} scored, {} at risk; MRR at risk {:.0} {currency}, expected expansion {:.0} {currency} a month",
        count(outlook.rows.len()),
        count(at_risk.len()),
        sum(|row| row.scored.mrr_at_risk),
        sum(|row| row.scored.expected_expansion_mrr)
    )
}

/// What the past says of accounts at risk, never what a call would change.
fn evidence_line(outlook: &AccountOutlook<'_>) -> Option<String> {
    let told = |name: &str, outcomes: Outcomes| {
        let share = outcomes.share()?;
        Some(format!(
            "{} of {} {name} stayed ({} to {})",
            grouped(outcomes.stayed),
            grouped(outcomes.accounts),
            percent(share.low),
            percent(share.high)
        ))
    };
    let evidence = &outlook.evidence;
    let past = [told("still in use", evidence.engaged), told("winding down", evidence.winding_down)];
    let past: Vec<String> = past.into_iter().flatten().collect();
    let now = |pattern: UsePattern| outlook.rows.iter().filter(|row| row.pattern == Some(pattern)).count();
    (!past.is_empty()).then(|| {
        format!(
            "of those at risk {} are still in use, {} are winding down; of accounts that looked so before, {}",
            count(now(UsePattern::Engaged)),
            count(now(UsePattern::WindingDown)),
            past.join(", ")
        )
    })
}

fn since_lines(outlook: &AccountOutlook<'_>) -> Vec<String> {
    let Some(since) = outlook.since else {
        return vec!["no earlier date with scores: no alerts, and nothing to compare with".to_owned()];
    };
    let alerts = |meaning| count(outlook.alerts.iter().filter(|alert| alert.meaning == meaning).count());
    let changes = |kind| count(outlook.changes.iter().filter(|change| change.kind == kind).count());
    let mut lines = vec![
        format!(
            "alerts since {since}: {} of risk, {} of recovery, {} of expansion, {} of expansion past",
            alerts(Meaning::Risk),
            alerts(Meaning::Recovery),
            alerts(Meaning::Expansion),
            alerts(Meaning::ExpansionPast)
        ),
        format!(
            "since {since}: {} entered, {} ended, {} left otherwise, {} new reasons; moved most:",
            changes(ChangeKind::Entered),
            changes(ChangeKind::Ended),
            changes(ChangeKind::Left),
            changes(ChangeKind::NewReason)
        ),
    ];
    lines.extend(outlook.unwatched.iter().map(|target| {
        format!(
            "  no alerts on {}: [alerts] declares no lines, and no run of these scores is on record below runs/",
            outlook.targets[*target]
        )
    }));
    let mut moves: Vec<&Change> = outlook.changes.iter().filter(|change| change.kind == ChangeKind::Moved).collect();
    let size = |change: &Change| (change.now.unwrap_or(0.0) - change.before.unwrap_or(0.0)).abs();
    moves.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.account_id.cmp(&b.account_id)));
    lines.extend(moves.iter().take(TOLD_MOVES).map(|change| move_line(outlook, change)));
    if moves.is_empty() {
        lines.push("  none by a point or more".to_owned());
    }
    if let Some(model) = &outlook.other_model {
        lines.push(format!("  the scores of {since} are of another model, {model}: part of the moves is the model's"));
    }
    lines
}

fn move_line(outlook: &AccountOutlook<'_>, change: &Change) -> String {
    let target = change.target.map_or("", |target| outlook.targets[target].as_str());
    format!(
        "  {:<20} {target:<14} {} -> {}",
        told(&change.account_id),
        percent(change.before.unwrap_or(0.0)),
        percent(change.now.unwrap_or(0.0))
    )
}

fn call_lines(outlook: &AccountOutlook<'_>, currency: &str) -> Vec<String> {
    let held: f64 = outlook.calls.iter().map(|call| call.stake).sum();
    let all = calls::held_by_all(&outlook.rows);
    if outlook.calls.is_empty() {
        return vec!["calls: no account holds MRR at risk or expected expansion".to_owned()];
    }
    let mut lines = vec![format!(
        "calls: {} accounts hold {held:.0} of {all:.0} {currency} a month at risk or to gain ({})",
        count(outlook.calls.len()),
        percent(held / all)
    )];
    let told = outlook.calls.iter().enumerate().take(TOLD_CALLS);
    lines.extend(told.flat_map(|(place, call)| call_line(outlook, place + 1, call, currency)));
    let rest = outlook.calls.len().saturating_sub(TOLD_CALLS);
    if rest > 0 {
        lines.push(format!("    and {} more in calls.parquet", count(rest)));
    }
    lines
}

/// An id on one line.
fn told(id: &str) -> String {
    id.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

fn call_line(outlook: &AccountOutlook<'_>, rank: usize, call: &Call, currency: &str) -> Vec<String> {
    let row = &outlook.rows[call.account];
    let owner = row.owner.map_or(String::new(), |owner| format!(", {owner}"));
    let play = row.play.zip(row.due).map_or(String::new(), |(play, due)| format!(", {} by {due}", play.name));
    let worth = row.worth.map_or(String::new(), |worth| format!(" (worth {:.0} {currency})", worth.amount()));
    let headline = format!(
        "{rank:>3}. {} {:.0} {currency} a month, {}{owner}{play}{worth}",
        told(&row.scored.account_id),
        call.stake,
        call.about.text()
    );
    let reason = call.reasons.first().map(|reason| format!("      {}", reason.text));
    [Some(headline), reason].into_iter().flatten().collect()
}
