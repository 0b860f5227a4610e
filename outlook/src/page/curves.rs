//! Plots of revenue: movements, retention over time, cohorts at equal age, changes by kind.

use bellwether_page::heat::{HeatCell, HeatMap};
use bellwether_page::number::{count, money, number, percent, short};
use bellwether_page::svg::{Axis, Chart, Figures, Mark, PlotRow, RowPlot};
use chrono::NaiveDate;

use super::section::{columns_of, table_of};
use super::view::View;
use crate::cohort::Share;

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Months that are drawn; the table behind has all.
const DRAWN_MONTHS: usize = 24;
const COLUMNS: usize = 12;
const COHORTS: usize = 16;

/// Parts of a month's bar: column, class and whether it adds.
const PARTS: [(&str, &str, bool); 5] = [
    ("new", "new", true),
    ("expansion", "expansion", true),
    ("reactivation", "reactivation", true),
    ("churn", "churn", false),
    ("contraction", "contraction", false),
];

fn legend(keys: &[(&str, &str)]) -> String {
    let items = keys.iter().map(|(class, name)| format!("<li><span class=\"key {class}\"></span>{name}</li>"));
    format!("<ul class=\"legend\">{}</ul>\n", items.collect::<String>())
}

/// Movements, MRR and retention over time.
pub(super) fn revenue(movements: &View<'_>, currency: &str, figures: &mut Figures) -> String {
    let months = names_of_months(movements);
    let mut html = String::from("<div class=\"figures\">\n");
    html.push_str(&bars(movements, currency, &months, figures));
    html.push_str(&closing(movements, currency, &months, figures));
    html.push_str(&retention(movements, &months, figures));
    html.push_str("</div>\n");
    html
}

fn names_of_months(movements: &View<'_>) -> Vec<String> {
    let months = movements.dates("month").unwrap_or_default();
    months.iter().map(|month| month.map_or(String::new(), |month| month.format("%Y-%m").to_string())).collect()
}

fn bars(movements: &View<'_>, currency: &str, months: &[String], figures: &mut Figures) -> String {
    let from = months.len().saturating_sub(DRAWN_MONTHS);
    let values: Vec<Vec<Option<f64>>> =
        PARTS.iter().map(|(name, ..)| movements.numbers(&format!("{name}_mrr")).unwrap_or_default()).collect();
    let mut marks = Vec::new();
    let mut ends = vec![0.0];
    for (place, month) in months[from..].iter().enumerate() {
        let (mut up, mut down) = (0.0, 0.0);
        for ((name, class, adds), values) in PARTS.iter().zip(&values) {
            let Some(value) = values.get(from + place).copied().flatten().filter(|value| *value > 0.0) else {
                continue;
            };
            let (low, high) = if *adds { (up, up + value) } else { (down - value, down) };
            (up, down) = if *adds { (high, down) } else { (up, low) };
            let text = format!("{month}, {name}: {} {currency}", money(value));
            marks.push(Mark::Block { class, x: place as f64, low, high, text });
        }
        ends.extend([up, down]);
    }
    marks.push(Mark::Line("axis", vec![(-0.6, 0.0), ((months.len() - from) as f64 - 0.4, 0.0)]));
    let title = "MRR movements by month";
    let svg = figures.chart(&Chart {
        title: title.to_owned(),
        description: "New, expansion and reactivation above the line; churn and contraction below it.".to_owned(),
        x: Axis::of_names("month", &months[from..], 5),
        y: Axis::over(currency, ends.into_iter(), short),
        marks,
    });
    let keys = PARTS.map(|(name, class, _)| (class, name));
    let says = if months.len() > DRAWN_MONTHS {
        format!("The last {DRAWN_MONTHS} months; the table has all.")
    } else {
        String::new()
    };
    let is_wanted = |column: &str| !column.ends_with("_12m");
    let told = columns_of(movements, title, 0..movements.rows(), is_wanted);
    told.figure(title, &(legend(&keys) + &svg), &says, figures)
}

/// Points of a column over the rows in which it is known.
fn line(view: &View<'_>, column: &str) -> Vec<(f64, f64)> {
    let values = view.numbers(column).unwrap_or_default();
    values.iter().enumerate().filter_map(|(row, value)| Some((row as f64, (*value)?))).collect()
}

fn spots_of(line: &[(f64, f64)], months: &[String], write: impl Fn(f64) -> String) -> Vec<Mark> {
    let name = |at: f64| months.get(at as usize).map_or("", String::as_str);
    let spot = |at: &(f64, f64)| Mark::Spot { at: *at, text: format!("{}: {}", name(at.0), write(at.1)) };
    line.iter().map(spot).collect()
}

fn closing(movements: &View<'_>, currency: &str, months: &[String], figures: &mut Figures) -> String {
    let line = line(movements, "closing_mrr");
    let spots = spots_of(&line, months, money);
    let ends: Vec<f64> = line.iter().map(|point| point.1).chain([0.0]).collect();
    let mut marks = vec![Mark::Line("line", line)];
    marks.extend(spots);
    let title = "MRR at the end of each month";
    let svg = figures.chart(&Chart {
        title: title.to_owned(),
        description: "Monthly recurring revenue of all accounts.".to_owned(),
        x: Axis::of_names("month", months, 5),
        y: Axis::over(currency, ends.into_iter(), short),
        marks,
    });
    let is_wanted = |column: &str| column == "month" || column.starts_with("closing_");
    columns_of(movements, title, 0..movements.rows(), is_wanted).figure(title, &svg, "", figures)
}

fn retention(movements: &View<'_>, months: &[String], figures: &mut Figures) -> String {
    let lines = [("line", "nrr_12m"), ("second", "grr_12m"), ("third", "logo_retention_12m")]
        .map(|(class, column)| (class, line(movements, column)));
    let Some(from) = lines.iter().filter_map(|(_, line)| line.first()).map(|point| point.0).reduce(f64::min) else {
        return String::new();
    };
    let known = &months[from as usize..];
    let mut marks = vec![Mark::Line("guide", vec![(-0.6, 1.0), (known.len() as f64 - 0.4, 1.0)])];
    let mut ends = vec![1.0];
    for (class, line) in lines {
        let line: Vec<(f64, f64)> = line.into_iter().map(|(at, value)| (at - from, value)).collect();
        ends.extend(line.iter().map(|point| point.1));
        let spots = spots_of(&line, known, |share| percent(share, 1));
        marks.push(Mark::Line(class, line));
        marks.extend(spots);
    }
    let title = "Retention over the trailing year";
    let svg = figures.chart(&Chart {
        title: title.to_owned(),
        description:
            "Net and gross revenue retention and logo retention over the twelve months to the end of each month."
                .to_owned(),
        x: Axis::of_names("twelve months to the end of", known, 5),
        y: Axis::of_shares("retention", ends.into_iter()),
        marks,
    });
    let keys = [("line", "NRR"), ("second", "GRR"), ("third", "logo retention")];
    let says = "Of the accounts that paid twelve months before: what they pay (NRR), without what they added (GRR), and how \
                many still pay.";
    let is_wanted = |column: &str| column == "month" || column.ends_with("_12m");
    let told = columns_of(movements, title, 0..movements.rows(), is_wanted);
    told.figure(title, &(legend(&keys) + &svg), says, figures)
}

/// One cohort at one age, from the table.
struct Cell {
    cohort: NaiveDate,
    age: u32,
    row: usize,
}

/// Quarterly cohorts: a map of logo retention, a map of NRR, and all cohorts together at equal age.
pub(super) fn cohorts(view: &View<'_>, figures: &mut Figures) -> String {
    let (Some(spans), Some(starts), Some(ages)) =
        (view.texts("span"), view.dates("cohort"), view.numbers("age_months"))
    else {
        return table_of(view, "Cohorts", 0..view.rows()).html();
    };
    let quarterly = |row: usize| spans[row] == Some("quarter");
    let cell = |row: usize| Some(Cell { cohort: starts[row]?, age: ages[row]? as u32, row });
    let cells: Vec<Cell> = (0..view.rows()).filter(|row| quarterly(*row)).filter_map(cell).collect();
    if cells.is_empty() {
        return "<p>No cohort has reached the end of its first month yet.</p>\n".to_owned();
    }
    let mut html = String::from(
        "<p>Accounts by the quarter in which they first paid, followed at equal age. A cohort is told at an age once all of it \
         has reached it.</p>\n<div class=\"figures\">\n",
    );
    html.push_str(&map(view, &cells, "logo_retention", "Logo retention by cohort and age", figures));
    html.push_str(&map(view, &cells, "nrr", "NRR by cohort and age", figures));
    html.push_str(&pooled(view, &cells, figures));
    html.push_str("</div>\n");
    html
}

fn map(view: &View<'_>, cells: &[Cell], column: &str, title: &str, figures: &mut Figures) -> String {
    let [value, low, high] = [column.to_owned(), format!("{column}_low"), format!("{column}_high")]
        .map(|name| view.numbers(&name).unwrap_or_default());
    let oldest = cells.iter().map(|cell| cell.age).max().unwrap_or(0);
    // Whole quarters of age, so that columns stay apart by the same time.
    let step = (oldest / 3 + 1).div_ceil(COLUMNS as u32).max(1) * 3;
    let ages: Vec<u32> = (0..=oldest).step_by(step as usize).collect();
    let mut starts: Vec<NaiveDate> = cells.iter().map(|cell| cell.cohort).collect();
    starts.dedup();
    let drawn = &starts[starts.len().saturating_sub(COHORTS)..];
    let highest = value.iter().flatten().fold(1.0, |most: f64, one| most.max(*one));
    let drawn_cell = |cohort: NaiveDate, age: u32| {
        let row = cells.iter().find(|cell| cell.cohort == cohort && cell.age == age)?.row;
        let share = value.get(row).copied().flatten()?;
        let interval = low.get(row).copied().flatten().zip(high.get(row).copied().flatten());
        let interval =
            interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", percent(low, 1), percent(high, 1)));
        Some(HeatCell {
            share: share / highest,
            figure: format!("{:.0}", 100.0 * share),
            text: format!("{}, {age} months: {}{interval}", quarter(cohort), percent(share, 1)),
        })
    };
    let svg = figures.heat(&HeatMap {
        title: title.to_owned(),
        description: format!("{title} in percent, for {} cohorts; intervals are in the table.", drawn.len()),
        label: "age in months; figures in percent".to_owned(),
        columns: ages.iter().map(u32::to_string).collect(),
        rows: drawn
            .iter()
            .map(|cohort| (quarter(*cohort), ages.iter().map(|age| drawn_cell(*cohort, *age)).collect()))
            .collect(),
    });
    let says =
        if starts.len() > COHORTS { format!("The last {COHORTS} cohorts; the table has all.") } else { String::new() };
    let kept = cells.iter().filter(|cell| ages.contains(&cell.age)).map(|cell| cell.row);
    let is_wanted = |name: &str| name == column || !["span", "logo_retention", "nrr"].contains(&name);
    columns_of(view, title, kept, is_wanted).figure(title, &svg, &says, figures)
}

fn quarter(start: NaiveDate) -> String {
    use chrono::Datelike;
    format!("{} Q{}", start.year(), start.month0() / 3 + 1)
}

/// One age of all cohorts together.
struct Linked {
    age: u32,
    cohorts: usize,
    accounts: f64,
    /// Share of accounts kept, with its 95 % interval.
    logo: Share,
    net: f64,
}

/// All cohorts together, month of age by month of age: what the cohorts that have reached an age kept of what the same
/// cohorts had a month before, multiplied up, so that the curve does not jump where a cohort is too young to go on.
///
/// This is Kaplan and Meier's (1958) estimate with cohorts that are too young as censored, its interval Greenwood's (1926);
/// an account that comes back counts as kept again.
fn linked(view: &View<'_>, cells: &[Cell]) -> Vec<Linked> {
    let columns =
        ["accounts", "kept_accounts", "opening_mrr", "mrr"].map(|name| view.numbers(name).unwrap_or_default());
    let at = |column: usize, row: usize| columns[column].get(row).copied().flatten().unwrap_or(0.0);
    let [accounts, kept, opening, mrr] = [0, 1, 2, 3];
    let oldest = cells.iter().map(|cell| cell.age).max().unwrap_or(0);
    let (mut share, mut net, mut variance) = (1.0, 1.0, 0.0);
    let mut found = Vec::new();
    for age in 0..=oldest {
        let now: Vec<&Cell> = cells.iter().filter(|cell| cell.age == age).collect();
        let before = |of_first: usize, of_later: usize| -> f64 {
            let row = |cell: &&Cell| match age.checked_sub(1) {
                None => at(of_first, cell.row),
                Some(last) => {
                    let earlier = cells.iter().find(|one| one.cohort == cell.cohort && one.age == last);
                    earlier.map_or(0.0, |one| at(of_later, one.row))
                }
            };
            now.iter().map(row).sum()
        };
        let sum = |column: usize| -> f64 { now.iter().map(|cell| at(column, cell.row)).sum() };
        let (had, has) = (before(accounts, kept), sum(kept));
        if had <= 0.0 || has <= 0.0 {
            break;
        }
        share *= has / had;
        variance += (had - has).max(0.0) / (had * has);
        net *= sum(mrr) / before(opening, mrr);
        let half = Z * share * f64::sqrt(variance);
        let logo = Share { value: share, low: (share - half).max(0.0), high: (share + half).min(1.0).max(share) };
        found.push(Linked { age, cohorts: now.len(), accounts: sum(accounts), logo, net });
    }
    found
}

/// All cohorts together, at equal age.
fn pooled(view: &View<'_>, cells: &[Cell], figures: &mut Figures) -> String {
    let linked = linked(view, cells);
    let ages = |of: fn(&Linked) -> f64| linked.iter().map(move |one| (f64::from(one.age), of(one)));
    let band: Vec<(f64, f64, f64)> =
        linked.iter().map(|one| (f64::from(one.age), one.logo.low, one.logo.high)).collect();
    let net: Vec<(f64, f64)> = ages(|one| one.net).filter(|point| point.1.is_finite()).collect();
    let ends: Vec<f64> =
        band.iter().flat_map(|(_, low, high)| [*low, *high]).chain(net.iter().map(|one| one.1)).collect();
    let title = "Retention at equal age, all cohorts";
    let oldest = linked.last().map_or(1, |one| one.age.max(1));
    let ticks = (0..=oldest).step_by((oldest / 6).max(1) as usize).map(|age| (f64::from(age), age.to_string()));
    let svg = figures.chart(&Chart {
        title: title.to_owned(),
        description:
            "Share of accounts that pay, with its 95 % interval as a band, and net revenue retention, by age in months."
                .to_owned(),
        x: Axis { label: "age in months".to_owned(), from: 0.0, to: f64::from(oldest), ticks: ticks.collect() },
        y: Axis::of_shares("retention", ends.into_iter().chain([1.0])),
        marks: vec![
            Mark::Band("band", band),
            Mark::Line("second", net),
            Mark::Line("line", ages(|one| one.logo.value).collect()),
        ],
    });
    let says = "What the cohorts that have reached an age kept of the month before, multiplied up; the band is Greenwood's 95 % \
                interval.";
    let rows = linked.iter().map(|one| {
        vec![
            one.age.to_string(),
            one.cohorts.to_string(),
            count(one.accounts as usize),
            format!(
                "{} ({} to {})",
                percent(one.logo.value, 1),
                number(100.0 * one.logo.low, 1),
                number(100.0 * one.logo.high, 1)
            ),
            percent(one.net, 1),
        ]
    });
    let head = ["Age in months", "Cohorts", "Accounts", "Logo retention", "NRR"];
    let table = bellwether_page::Table::new(title, &head, rows.collect());
    figures.figure(title, &(legend(&[("line", "logo retention"), ("second", "NRR")]) + &svg), says, &table)
}

/// Expansions to the right, contractions to the left.
pub(super) fn changes(view: &View<'_>, figures: &mut Figures) -> String {
    let (Some(directions), Some(kinds), Some(mrr)) = (view.texts("direction"), view.texts("kind"), view.numbers("mrr"))
    else {
        return table_of(view, "Changes", 0..view.rows()).html();
    };
    let row = |row: usize| -> Option<PlotRow> {
        let (direction, kind) = (directions[row]?, kinds[row]?);
        let value = mrr[row]? * if direction == "contraction" { -1.0 } else { 1.0 };
        let (low, high) = (value.min(0.0), value.max(0.0));
        let label = format!("{} by {kind}", super::view::heading(direction));
        Some(PlotRow { label, figure: money(value), value, low, high, open: direction == "contraction" })
    };
    let rows: Vec<PlotRow> = (0..view.rows()).filter_map(row).collect();
    let title = "Expansion and contraction by kind, last twelve months";
    let ends: Vec<f64> = rows.iter().flat_map(|row| [row.low, row.high]).collect();
    let svg = figures.rows(&RowPlot {
        title: title.to_owned(),
        description: "MRR added or lost by accounts that paid before and after, by what changed with it.".to_owned(),
        axis: Axis::over("MRR", ends.into_iter(), short),
        guide: Some(0.0),
        rows,
    });
    format!(
        "<div class=\"figures\">\n{}</div>\n",
        table_of(view, title, 0..view.rows()).figure(title, &svg, "", figures)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{self, Table};

    #[test]
    fn a_cohort_that_is_too_young_moves_no_curve() {
        // Two cohorts: 100 accounts, 90 and 45 kept; 100 accounts, 30 kept, and no older yet.
        let rows = [(100_u64, 100_u64), (100, 90), (100, 45), (100, 100), (100, 30)];
        let ages = [0_u32, 1, 2, 0, 1];
        let table = Table {
            name: "cohorts",
            columns: vec![
                ("age_months", tables::small_counts(ages.into_iter())),
                ("accounts", tables::counts(rows.iter().map(|row| row.0))),
                ("kept_accounts", tables::counts(rows.iter().map(|row| row.1))),
                ("opening_mrr", tables::numbers(rows.iter().map(|_| Some(100.0)))),
                ("mrr", tables::numbers([100.0, 120.0, 60.0, 100.0, 80.0].into_iter().map(Some))),
            ],
        };
        let cohorts = ["2025-01-01", "2025-04-01"].map(|date| date.parse::<NaiveDate>().expect("a date"));
        let cells: Vec<Cell> =
            ages.iter().enumerate().map(|(row, age)| Cell { cohort: cohorts[row / 3], age: *age, row }).collect();
        let linked = linked(&View::of(&table), &cells);
        // By hand: age 1 keeps 120 of 200; age 2 keeps 45 of 90 of the first cohort: 0.6 x 0.5.
        let shares: Vec<f64> = linked.iter().map(|one| one.logo.value).collect();
        for (share, expected) in shares.iter().zip([1.0, 0.6, 0.3]) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
        assert!((linked[2].net - 0.5).abs() < 1e-12, "200 of 200, then 60 of 120");
        // Greenwood at age 2: 80 / (200 x 120) + 45 / (90 x 45).
        let half = 1.959_963_984_540_054 * 0.3 * (80.0_f64 / 24_000.0 + 45.0 / 4_050.0).sqrt();
        assert!((linked[2].logo.high - 0.3 - half).abs() < 1e-12 && (0.3 - linked[2].logo.low - half).abs() < 1e-12);
    }
}
