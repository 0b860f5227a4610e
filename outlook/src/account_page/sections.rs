//! The sections of the page, as both renderers show them: sentences, plots and tables.

use bellwether_features::facts::{BillingPeriod, MeetingKind, Role};
use bellwether_features::time::Instant;
use bellwether_page::number::{NONE, count, money, number, percent, plain, points};
use bellwether_page::svg::{Axis, Chart, Mark};

use super::told_similar::similar;
use super::usage::UsageSums;
use super::{AccountPage, Service, TargetHistory};
use crate::money::Cents;

/// A table of a section.
pub(super) struct Rows {
    pub(super) caption: String,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A part of the page.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) lines: Vec<String>,
    /// Each with the place of the table behind it.
    pub(super) charts: Vec<(Chart, usize)>,
    pub(super) tables: Vec<Rows>,
}

impl Section {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, lines: Vec::new(), charts: Vec::new(), tables: Vec::new() }
    }

    pub(super) fn table(&mut self, caption: &str, head: &[&'static str], rows: impl Iterator<Item = Vec<String>>) {
        let rows: Vec<Vec<String>> = rows.collect();
        if !rows.is_empty() {
            self.tables.push(Rows { caption: caption.to_owned(), head: head.to_vec(), rows });
        }
    }
}

/// All sections that have something to say.
pub(super) fn sections(page: &AccountPage) -> Vec<Section> {
    let all = [
        probability(page),
        reasons(page),
        similar(page),
        usage(page),
        adoption(page),
        contract(page),
        invoices(page),
        answers(page),
        tickets(page),
        people(page),
    ];
    all.into_iter().flatten().collect()
}

/// Who it is, in a line.
pub(super) fn profile(page: &AccountPage) -> Vec<String> {
    let profile = &page.profile;
    let named = [
        ("segment", &profile.segment),
        ("industry", &profile.industry),
        ("region", &profile.region),
        ("channel", &profile.channel),
    ];
    let mut parts: Vec<String> =
        named.iter().filter_map(|(what, name)| name.as_ref().map(|name| format!("{what} {name}"))).collect();
    if let (Some(since), Some(days)) = (profile.since, profile.tenure_days) {
        parts.push(format!("customer since {} ({} days)", day(since), count(days.max(0) as usize)));
    }
    let mut lines =
        vec![if parts.is_empty() { "Nothing is known about who it is.".to_owned() } else { parts.join(", ") }];
    if let Some(latest) = &page.scores.latest {
        let mut told = vec![format!("health {}", latest.health.as_deref().unwrap_or("not known"))];
        told.extend(match &page.service {
            Some(service) => service_of(service),
            None => {
                latest.service_level.iter().map(|level| format!("service level {level} by its MRR alone")).collect()
            }
        });
        told.extend(latest.mrr_at_risk.map(|amount| format!("MRR at risk {}", money(amount))));
        told.extend(latest.expected_expansion_mrr.map(|amount| format!("expected expansion {}", money(amount))));
        told.push(latest.status.to_string());
        lines.push(told.join(", "));
    }
    lines
}

fn service_of(service: &Service) -> Vec<String> {
    let level = service.service_level.iter().map(|level| format!("service level {level}"));
    let play = service.play.iter().map(|play| format!("play: {play}"));
    level.chain(service.prospect.clone()).chain(play).collect()
}

fn day(at: Instant) -> String {
    at.date().map_or(NONE.to_owned(), |date| date.to_string())
}

fn known_day(at: Option<Instant>) -> String {
    at.map_or(NONE.to_owned(), day)
}

/// "+12 %".
fn change(share: f64) -> String {
    let whole = number(100.0 * share, 0).replace('-', "−");
    if share > 0.0 && whole != "0" { format!("+{whole} %") } else { format!("{whole} %") }
}

fn probability(page: &AccountPage) -> Option<Section> {
    let mut section = Section::new("How likely");
    if page.scores.targets.is_empty() {
        section.lines.push(format!("There are no scores of this account of {} or before.", page.as_of));
        return Some(section);
    }
    for target in &page.scores.targets {
        if let Some(last) = target.points.last() {
            section.lines.push(format!(
                "{} on {}: {} ({} to {}){}",
                target.name,
                last.as_of,
                percent(last.probability, 1),
                number(100.0 * last.low, 1),
                number(100.0 * last.high, 1),
                last.band.as_ref().map_or(String::new(), |band| format!(", band {band}"))
            ));
        }
        let rows = target.points.iter().rev().map(|point| {
            let [value, low, high] = [point.probability, point.low, point.high].map(|one| percent(one, 1));
            let band = point.band.clone().unwrap_or(NONE.to_owned());
            vec![point.as_of.to_string(), value, low, high, band]
        });
        section.table(&format!("{} over time", target.name), &["Date", "Probability", "Low", "High", "Band"], rows);
        if target.points.len() > 1 {
            section.charts.push((over_time(target), section.tables.len() - 1));
        }
    }
    section.lines.push(format!("The range is that of the calibration of {}.", page.scores.model));
    Some(section)
}

fn over_time(target: &TargetHistory) -> Chart {
    let Some(first) = target.points.first().map(|point| point.as_of) else { return empty(&target.name) };
    let at = |date: chrono::NaiveDate| (date - first).num_days() as f64;
    let points = || target.points.iter();
    let spots = points().map(|point| Mark::Dot {
        at: (at(point.as_of), point.probability),
        radius: 3.0,
        text: format!("{}: {}", point.as_of, percent(point.probability, 1)),
    });
    let mut marks = vec![
        Mark::Band("band", points().map(|point| (at(point.as_of), point.low, point.high)).collect()),
        Mark::Line("line", points().map(|point| (at(point.as_of), point.probability)).collect()),
    ];
    marks.extend(spots);
    let last = points().map(|point| at(point.as_of)).fold(1.0, f64::max);
    let margin = 0.04 * last;
    let ends = points().flat_map(|point| [point.low, point.high]).chain([0.0]);
    Chart {
        title: format!("{} over time", target.name),
        description: "Calibrated probability by date of the scores, with its range as a band.".to_owned(),
        x: Axis {
            label: "date".to_owned(),
            from: -margin,
            to: last + margin,
            ticks: day_ticks(Instant::start_of(first), last),
        },
        y: Axis::of_shares("probability", ends),
        marks,
    }
}

/// Four places within so many days, by month, or by day where they are few.
fn day_ticks(begin: Instant, days: f64) -> Vec<(f64, String)> {
    let form = if days < 150.0 { "%m-%d" } else { "%Y-%m" };
    let tick = |share: f64| {
        let day = (share * days).round();
        let date = begin.plus_days(day as i64).date();
        (day, date.map_or(String::new(), |date| date.format(form).to_string()))
    };
    [0.0, 0.33, 0.66, 1.0].map(tick).to_vec()
}

fn empty(title: &str) -> Chart {
    let axis = || Axis::over("", std::iter::empty(), |value| number(value, 1));
    Chart { title: title.to_owned(), description: String::new(), x: axis(), y: axis(), marks: Vec::new() }
}

fn reasons(page: &AccountPage) -> Option<Section> {
    let scores = &page.scores;
    let mut section = Section::new("Why, then and now");
    if let Some(now) = scores.now {
        let then = [("before", scores.before), ("a quarter ago", scores.quarter_ago)];
        let then = then.iter().filter_map(|(name, date)| Some(format!(", {name} is {}", (*date)?)));
        let then: String = then.collect();
        let none = if then.is_empty() { "; there are no scores before it" } else { "" };
        section.lines.push(format!(
            "Points of probability that each reason adds or takes away: now is {now}{then}{none}. A dash: no reason then."
        ));
    }
    for target in &scores.targets {
        let effect = |effect: Option<f64>| effect.map_or(NONE.to_owned(), points);
        let rows = target.reasons.iter().map(|reason| {
            vec![reason.text.clone(), effect(reason.now), effect(reason.before), effect(reason.quarter_ago)]
        });
        section.table(&format!("Reasons of {}", target.name), &["Reason", "Now", "Before", "A quarter ago"], rows);
    }
    (!section.tables.is_empty()).then_some(section)
}

fn usage(page: &AccountPage) -> Option<Section> {
    let usage = page.usage.as_ref()?;
    let mut section = Section::new("Usage");
    section.lines.push(match usage.last {
        Some(last) => {
            format!("Last use on {}. A dash: not a customer, or not on record, for the whole window.", day(last))
        }
        None => "No use is on record.".to_owned(),
    });
    let against = |of: fn(&UsageSums) -> f64, then: Option<UsageSums>| match (
        usage.now.map(|now| of(&now)),
        then.map(|one| of(&one)),
    ) {
        (Some(now), Some(then)) if then > 0.0 => format!("{} ({})", plain(then), change(now / then - 1.0)),
        (_, Some(then)) => plain(then),
        _ => NONE.to_owned(),
    };
    let measures: [(&str, fn(&UsageSums) -> f64); 5] = [
        ("events", |one| one.events),
        ("quantity", |one| one.quantity),
        ("active days", |one| one.active_days),
        ("users", |one| one.users),
        ("features", |one| one.features),
    ];
    let rows = measures.iter().map(|(name, of)| {
        let now = usage.now.map_or(NONE.to_owned(), |now| plain(of(&now)));
        let then = [usage.before, usage.quarter_before, usage.year_before].map(|then| against(*of, then));
        std::iter::once((*name).to_owned()).chain([now]).chain(then).collect()
    });
    let head = ["Within 30 days", "Last 30 days", "30 before", "Quarter before", "Year before"];
    section.table("Use of the last 30 days (change against each)", &head, rows);
    let weeks = usage.weeks.iter().rev().map(|week| vec![week.begins.to_string(), count(week.events as usize)]);
    section.table("Uses by week, latest first", &["Week from", "Uses"], weeks);
    if usage.weeks.len() > 1 {
        section.charts.push((weeks_of(usage), section.tables.len() - 1));
    }
    Some(section)
}

fn weeks_of(usage: &super::Usage) -> Chart {
    let names: Vec<String> = usage.weeks.iter().map(|week| week.begins.format("%Y-%m").to_string()).collect();
    let most = usage.weeks.iter().map(|week| week.events as f64).fold(1.0, f64::max);
    let block = |(place, week): (usize, &super::WeekOfUse)| Mark::Block {
        class: "cell",
        x: place as f64,
        low: 0.0,
        high: week.events as f64,
        text: format!("week from {}: {}", week.begins, count(week.events as usize)),
    };
    Chart {
        title: "Uses by week".to_owned(),
        description: "Uses in each week of the last year that is on record.".to_owned(),
        x: Axis::of_names("week", &names, 5),
        y: Axis::over("uses", [0.0, most].into_iter(), bellwether_page::number::short),
        marks: usage.weeks.iter().enumerate().map(block).collect(),
    }
}

fn adoption(page: &AccountPage) -> Option<Section> {
    let mut section = Section::new("Features");
    let used = page.adoption.iter().filter(|one| one.uses_90_days > 0).count();
    section.lines.push(format!("{used} of {} features used in the last 90 days.", page.adoption.len()));
    let rows = page.adoption.iter().map(|one| {
        let first = one.first.map_or("never".to_owned(), day);
        let (month, quarter) = (count(one.uses_28_days as usize), count(one.uses_90_days as usize));
        vec![one.feature.clone(), first, known_day(one.last), month, quarter]
    });
    section.table("Adoption", &["Feature", "First use", "Last use", "28 days", "90 days"], rows);
    (!section.tables.is_empty()).then_some(section)
}

fn contract(page: &AccountPage) -> Option<Section> {
    let contract = page.contract.as_ref()?;
    let mut section = Section::new("Contract");
    let now = contract.terms.last();
    section.lines.push(match now {
        Some(term) if term.mrr > Cents::ZERO => {
            let mut told = vec![format!("MRR {} {}", money(term.mrr.amount()), page.currency)];
            told.extend(term.plan.as_ref().map(|plan| format!("plan {plan}")));
            told.extend(term.seats.map(|seats| format!("{} seats", plain(seats))));
            told.extend(term.billing_period.map(|period| format!("billed {}", billed(period))));
            told.extend(contract.renews_at.map(|at| format!("renews on {}", day(at))));
            told.extend(contract.auto_renew.map(|auto| (if auto { "by itself" } else { "not by itself" }).to_owned()));
            told.extend(contract.discount.map(|share| format!("discount {}", percent(share, 1))));
            told.extend(contract.usage_limit.map(|limit| format!("{} uses included per 30 days", plain(limit))));
            told.join(", ")
        }
        Some(term) => format!("Nothing is paid since {}.", day(term.from)),
        None => "Nothing was ever paid.".to_owned(),
    });
    let rows = contract.terms.iter().rev().map(|term| {
        vec![
            day(term.from),
            money(term.mrr.amount()),
            term.plan.clone().unwrap_or(NONE.to_owned()),
            term.seats.map_or(NONE.to_owned(), plain),
            term.billing_period.map_or(NONE.to_owned(), |period| billed(period).to_owned()),
        ]
    });
    section.table("MRR over time", &["From", "MRR", "Plan", "Seats", "Billed"], rows);
    if !contract.terms.is_empty() {
        section.charts.push((mrr_over_time(page, contract), section.tables.len() - 1));
    }
    Some(section)
}

fn mrr_over_time(page: &AccountPage, contract: &super::Contract) -> Chart {
    let end = Instant::start_of(page.as_of);
    let begin = contract.terms.first().map_or(end, |term| term.from);
    let at = |moment: Instant| super::days_between(begin, moment) as f64;
    let mut line = Vec::new();
    for (place, term) in contract.terms.iter().enumerate() {
        let until = contract.terms.get(place + 1).map_or(end, |next| next.from);
        line.extend([(at(term.from), term.mrr.amount()), (at(until), term.mrr.amount())]);
    }
    let last = at(end).max(1.0);
    let ends: Vec<f64> = line.iter().map(|point| point.1).chain([0.0]).collect();
    Chart {
        title: "MRR over time".to_owned(),
        description: "Monthly recurring revenue from the first subscription to the date of this page.".to_owned(),
        x: Axis { label: "month".to_owned(), from: -0.03 * last, to: 1.03 * last, ticks: day_ticks(begin, last) },
        y: Axis::over(&page.currency, ends.into_iter(), bellwether_page::number::short),
        marks: vec![Mark::Line("line", line)],
    }
}

fn billed(period: BillingPeriod) -> &'static str {
    match period {
        BillingPeriod::Monthly => "monthly",
        BillingPeriod::Annual => "annually",
    }
}

fn days_told(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

fn invoices(page: &AccountPage) -> Option<Section> {
    let invoices = page.invoices.as_ref()?;
    let mut section = Section::new("Invoices");
    let overdue: Vec<&super::Invoice> = invoices.iter().filter(|one| one.is_overdue()).collect();
    section.lines.push(match overdue.iter().map(|one| one.days_late).max() {
        Some(days) => {
            let amount: f64 = overdue.iter().map(|one| one.amount).sum();
            format!(
                "{} overdue, {} {}, the oldest for {}.",
                count(overdue.len()),
                money(amount),
                page.currency,
                days_told(days)
            )
        }
        None => "None is overdue.".to_owned(),
    });
    let rows = invoices.iter().map(|one| {
        let late = match one.days_late {
            _ if one.paid_at.is_none() && !one.is_overdue() => "not due".to_owned(),
            days if one.paid_at.is_none() => format!("{} overdue", days_told(days)),
            days if days > 0 => format!("{} late", days_told(days)),
            _ => "in time".to_owned(),
        };
        let disputed = if one.is_disputed { "disputed" } else { "" };
        vec![day(one.issued_at), day(one.due_at), known_day(one.paid_at), money(one.amount), late, disputed.to_owned()]
    });
    section.table("Invoices, latest first", &["Issued", "Due", "Paid", "Amount", "Lateness", "Disputed"], rows);
    Some(section)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Sponsor => "sponsor",
        Role::Champion => "champion",
        Role::Admin => "admin",
        Role::User => "user",
    }
}

fn answers(page: &AccountPage) -> Option<Section> {
    let answers = page.answers.as_ref()?;
    let mut section = Section::new("NPS");
    section.lines.push(match answers.first() {
        Some(last) => format!(
            "Last answer {} ({}), on {}; {} answers in all.",
            plain(last.score),
            last.class(),
            day(last.at),
            count(answers.len())
        ),
        None => "Never answered.".to_owned(),
    });
    let rows = answers.iter().map(|one| {
        let who = one.role.map_or(String::new(), |one| format!(" ({})", role(one)));
        vec![day(one.at), format!("{}{who}", one.respondent), plain(one.score), one.class().to_owned()]
    });
    section.table("Answers, latest first", &["Date", "Respondent", "Score", "Is a"], rows);
    Some(section)
}

fn tickets(page: &AccountPage) -> Option<Section> {
    let tickets = page.tickets.as_ref()?;
    let mut section = Section::new("Tickets");
    let open = tickets.iter().filter(|one| one.resolved_at.is_none()).count();
    section.lines.push(format!("{} in all, {open} open.", count(tickets.len())));
    let rows = tickets.iter().map(|one| {
        let state = if one.resolved_at.is_some() {
            format!("{} days", one.days)
        } else {
            format!("open for {} days", one.days)
        };
        let severe = if one.is_severe { "severe" } else { "" };
        vec![day(one.opened_at), one.category.clone().unwrap_or(NONE.to_owned()), state, severe.to_owned()]
    });
    section.table("Tickets, latest first", &["Opened", "Category", "Resolved in", "Severity"], rows);
    Some(section)
}

fn people(page: &AccountPage) -> Option<Section> {
    if page.contacts.is_none() && page.meetings.is_none() {
        return None;
    }
    let mut section = Section::new("Sponsor and contacts");
    let contacts = page.contacts.as_deref().unwrap_or_default();
    if page.contacts.is_some() {
        let sponsor = contacts.iter().find(|one| one.role == Role::Sponsor && one.until.is_none());
        let gone = contacts.iter().find(|one| one.role == Role::Sponsor);
        section.lines.push(match (sponsor, gone) {
            (Some(one), _) => {
                let seen = one.last_seen.map_or("never seen at a meeting".to_owned(), |at| {
                    format!("last seen at a meeting on {}", day(at))
                });
                format!("Has a sponsor since {}, {seen}.", day(one.since))
            }
            (None, Some(one)) => format!("Has no sponsor; the last one left on {}.", known_day(one.until)),
            (None, None) => "Never had a sponsor.".to_owned(),
        });
    }
    let rows = contacts.iter().map(|one| {
        let score = one.last_score.map_or(NONE.to_owned(), plain);
        vec![role(one.role).to_owned(), day(one.since), known_day(one.until), known_day(one.last_seen), score]
    });
    section.table("Contacts", &["Role", "Since", "Left", "Last seen", "Last score"], rows);
    let meetings = page.meetings.iter().flatten().map(|one| {
        let kind = match one.kind {
            MeetingKind::Review => "review",
            MeetingKind::Call => "call",
            MeetingKind::Email => "email",
        };
        let sponsor = if one.with_sponsor { "yes" } else { "no" };
        vec![day(one.at), kind.to_owned(), format!("{} of {}", one.came, one.invited), sponsor.to_owned()]
    });
    section.table("Meetings, latest first", &["Date", "Kind", "Came", "Sponsor came"], meetings);
    Some(section)
}
