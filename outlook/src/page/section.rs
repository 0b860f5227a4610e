//! A section for any table: what it is in a sentence, a plot where it has intervals, its first rows, the others behind them.

use arrow_array::Array;
use bellwether_page::number::count;
use bellwether_page::svg::{Axis, Figures, LETTERS, PlotRow, RowPlot};
use bellwether_page::{Table, escape_html};

use super::view::{Form, Shown, View, heading, text_at};
use super::{PageInput, Part};

/// Tables that have a part of their own on the page.
const OWN: &[&str] = &["movements", "cohorts", "segments", "changes", "forecast"];

/// Tables that are looked at first, in this order, with what they are called and say.
const FIRST: &[(&str, &str, &str)] = &[
    (
        "calls",
        "Whom to call",
        "The accounts that hold the most MRR at risk and expected expansion for the time the team has.",
    ),
    ("since", "Since the last time", "What is other than on the date before: who entered, left, and moved most."),
    ("alerts", "Alerts", "Accounts that crossed a threshold; one that stays where it is raises nothing."),
];

/// What other tables are called and say; a table that is not here is called by its name.
const KNOWN: &[(&str, &str, &str)] = &[
    ("owners", "Owners", "What each owner looks after: accounts, MRR, and what is at stake."),
    ("goals", "Goals", "Use, adoption and revenue against their targets, and where they are under or over."),
    ("renewals", "Renewals ahead", "What renews soon, and where nobody attends to it."),
    ("discounts", "Discounts beyond the limit", "Accounts whose discount is larger than the declared limit."),
    (
        "value",
        "Lifetime value",
        "What a customer is worth and what it cost to win, by group, with the interval of the value.",
    ),
    (
        "judgements",
        "People beside the model",
        "Probabilities that people put in place of the model's, and the model's own, held against what came: the lower Brier score is \
         the better one.",
    ),
    (
        "playbooks",
        "What interventions kept",
        "Of the accounts of each playbook, the share that stayed, and how much more that is than of those left alone.",
    ),
    ("money", "Billed and paid", "What was billed, paid and contracted by month, and what it cost."),
    ("price_volume_mix", "Price, volume and mix", "Why MRR changed: dearer or cheaper, more or fewer, other plans."),
    ("billing", "Billing periods", "How much is billed by the month and by the year."),
    ("plan_moves", "From plan to plan", "Accounts by their plan a year ago and their plan now."),
    ("expansions", "How accounts expand", "Who expands, how fast, and by how much."),
    (
        "renewal_quality",
        "What was renewed",
        "Renewals of twelve months: as they were, with more, with less, or not at all.",
    ),
    (
        "landmarks",
        "Before an expansion",
        "First times after which accounts expand more, or less, than accounts alike without them.",
    ),
    ("curve_shapes", "Where curves fall", "Whether customers are lost as they begin or all along."),
    (
        "compared",
        "Channels, campaigns and plans at equal size",
        "Each against the others, as if all were of the sizes of the base.",
    ),
    ("archetypes", "Archetypes", "Combinations of attributes with enough accounts, those that stand out most first."),
];

/// Rows that are shown at once, and at most behind them.
const AT_ONCE: usize = 10;
const AT_MOST: usize = 200;
/// A plot of more rows than this is none.
const MOST_PLOTTED: usize = 30;
/// Rows of a plot of any table; those of segments are all drawn.
const PLOTTED: usize = 12;
/// Plots of one table.
const MOST_PLOTS: usize = 3;

/// A part for every table that has none of its own: those looked at first, and the others in the order given. Tables of all
/// accounts are part of the account table.
pub(super) fn of_tables(input: &PageInput<'_>, figures: &mut Figures) -> (Vec<Part>, Vec<Part>) {
    let mut first = Vec::new();
    for (name, title, text) in FIRST {
        first.extend(input.table(name).map(|view| part(&view, title, text, figures)));
    }
    let mut rest = Vec::new();
    for table in input.tables {
        let is_told = OWN.contains(&table.name) || FIRST.iter().any(|(name, ..)| *name == table.name);
        if is_told || table.rows() == 0 || super::accounts::is_of_accounts(table) {
            continue;
        }
        let known = KNOWN.iter().find(|(name, ..)| *name == table.name);
        let (title, text) = known.map_or((heading(table.name), ""), |(_, title, text)| ((*title).to_owned(), *text));
        rest.push(part(&View::of(table), &title, text, figures));
    }
    (first, rest)
}

fn part(view: &View<'_>, title: &str, text: &str, figures: &mut Figures) -> Part {
    let mut html = String::new();
    if !text.is_empty() {
        html.push_str(&format!("<p>{}</p>\n", escape_html(text)));
    }
    if (2..=MOST_PLOTTED).contains(&view.rows()) {
        let all: Vec<usize> = (0..view.rows().min(PLOTTED)).collect();
        let title = match view.rows() {
            rows if rows > PLOTTED => format!("{title}, the first {PLOTTED}"),
            _ => title.to_owned(),
        };
        let plots = intervals(view).into_iter().filter_map(|name| plot(view, name, &title, &all, figures));
        let plots: Vec<String> = plots.take(MOST_PLOTS).collect();
        if !plots.is_empty() {
            html.push_str(&format!("<div class=\"figures\">\n{}</div>\n", plots.concat()));
        }
    }
    html.push_str(&rows(view, title));
    Part::new(view.name, title, html)
}

/// The first rows, and the others behind them.
fn rows(view: &View<'_>, title: &str) -> String {
    let shown = view.rows().min(AT_ONCE);
    let caption = if view.rows() > shown {
        format!("{title}: the first {shown} of {}", count(view.rows()))
    } else {
        title.to_owned()
    };
    let order = order(view);
    let mut html = table_of(view, &caption, order.iter().copied().take(shown)).html();
    if view.rows() > shown {
        let last = view.rows().min(AT_MOST);
        let more = format!("{title}: rows {} to {}", shown + 1, count(last));
        html.push_str(&format!(
            "<details><summary>{}</summary>\n{}</details>\n",
            escape_html(&more),
            table_of(view, &more, order.iter().copied().take(last).skip(shown)).html()
        ));
    }
    if view.rows() > AT_MOST {
        html.push_str(&format!(
            "<p class=\"note\">All {} rows are in {}.parquet.</p>\n",
            count(view.rows()),
            view.name
        ));
    }
    html
}

/// In what order rows are told: what is newest, weighs most or says most in few rows first; else as they stand.
fn order(view: &View<'_>) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..view.rows()).collect();
    let numbers = |name: &str| view.numbers(name).unwrap_or_else(|| vec![None; view.rows()]);
    let texts = |name: &str| view.texts(name).unwrap_or_else(|| vec![None; view.rows()]);
    match view.name {
        "alerts" => {
            let mrr = numbers("mrr");
            rows.sort_by(|a, b| mrr[*b].unwrap_or(0.0).total_cmp(&mrr[*a].unwrap_or(0.0)));
        }
        "since" => {
            let (change, mrr) = (texts("change"), numbers("mrr"));
            let (before, now) = (numbers("probability_before"), numbers("probability"));
            let rank = |row: usize| SINCE.iter().position(|kind| Some(*kind) == change[row]).unwrap_or(SINCE.len());
            let size = |row: usize| match before[row].zip(now[row]) {
                Some((before, now)) => (now - before).abs(),
                None => mrr[row].unwrap_or(0.0),
            };
            rows.sort_by(|a, b| rank(*a).cmp(&rank(*b)).then(size(*b).total_cmp(&size(*a))));
        }
        // Sums of owners and segments, then single goals.
        "goals" => {
            let by = texts("by");
            rows.sort_by_key(|row| by[*row] == Some("account"));
        }
        _ => {
            if let Some(day) = view.dates("until").or_else(|| view.dates("month")) {
                rows.sort_by_key(|row| std::cmp::Reverse(day[*row]));
            }
        }
    }
    rows
}

/// Changes in the order in which they are told.
const SINCE: [&str; 5] = ["moved", "ended", "entered", "left", "new_reason"];

/// Texts of a table, held.
pub(super) struct Told {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Told {
    pub(super) fn html(&self) -> String {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        Table::new(&self.caption, &head, self.rows.clone()).html()
    }
}

/// Some rows of a table.
pub(super) fn table_of(view: &View<'_>, caption: &str, rows: impl Iterator<Item = usize>) -> Told {
    columns_of(view, caption, rows, |_| true)
}

/// Some rows of some columns of a table.
pub(super) fn columns_of(
    view: &View<'_>,
    caption: &str,
    rows: impl Iterator<Item = usize>,
    is_wanted: impl Fn(&str) -> bool,
) -> Told {
    let is_told = |column: &Shown<'_>| is_wanted(column.name) && !column.is_empty();
    let shown: Vec<Shown<'_>> = view.shown().into_iter().filter(is_told).collect();
    let cells = |row: usize| shown.iter().map(|column| column.cell(row)).collect();
    Told {
        caption: caption.to_owned(),
        head: shown.iter().map(Shown::heading).collect(),
        rows: rows.map(cells).collect(),
    }
}

/// Columns with an interval.
fn intervals(view: &View<'_>) -> Vec<&'static str> {
    view.shown().iter().filter(|column| column.has_interval()).map(|column| column.name).collect()
}

/// A row is called by its texts and dates, before its first number other than its rank.
fn labels(view: &View<'_>, row: usize) -> String {
    let named = view.names().filter(|name| *name != "rank").take_while(|name| view.numbers(name).is_none());
    let known = named.filter_map(|name| Some((name, view.column(name)?))).filter(|(_, column)| !column.is_null(row));
    let texts: Vec<String> = known.map(|(name, column)| text_at(name, column, row)).collect();
    if texts.is_empty() { "all".to_owned() } else { texts.join(", ") }
}

/// Dots with their intervals for one column of some rows; `None` where fewer than two rows have one.
fn plot(view: &View<'_>, name: &str, title: &str, rows: &[usize], figures: &mut Figures) -> Option<String> {
    plot_called(view, name, title, rows, figures, &|row| labels(view, row))
}

fn plot_called(
    view: &View<'_>,
    name: &str,
    title: &str,
    rows: &[usize],
    figures: &mut Figures,
    label: &dyn Fn(usize) -> String,
) -> Option<String> {
    let [value, low, high] =
        [name.to_owned(), format!("{name}_low"), format!("{name}_high")].map(|name| view.numbers(&name));
    let (value, low, high) = (value?, low?, high?);
    let form = Form::of(name);
    let known = |row: usize| -> Option<PlotRow> {
        let (value, low) = (value[row]?, low[row]?);
        // An interval without an upper end is drawn to what is known.
        let high = high[row].unwrap_or(value).max(value);
        let figure = format!("{} ({} to {})", form.write(value), form.write_end(low), form.write_end(high));
        let label = label(row);
        // Where both do not fit, the interval is drawn and in the table.
        let fits = label.chars().count() + figure.chars().count() <= LETTERS;
        let figure = if fits { figure } else { form.write(value) };
        Some(PlotRow { label, figure, value, low, high, open: false })
    };
    let plotted: Vec<PlotRow> = rows.iter().filter_map(|row| known(*row)).collect();
    if plotted.len() < 2 {
        return None;
    }
    let ends = plotted.iter().flat_map(|row| [row.low, row.high]);
    let axis = match form {
        Form::Money => Axis::over(&heading(name), ends, bellwether_page::number::short),
        Form::Share => Axis::of_shares(&heading(name), ends),
        Form::Plain => Axis::over(&heading(name), ends, |value| form.write(value)),
    };
    let caption = format!("{title}: {}", heading(name));
    let svg = figures.rows(&RowPlot {
        title: caption.clone(),
        description: format!("{} with its interval for each of {} rows.", heading(name), plotted.len()),
        axis,
        guide: None,
        rows: plotted,
    });
    // What the rows are, how many, and this figure; another figure has its own table.
    let others = intervals(view);
    let is_wanted = |column: &str| column == name || !others.contains(&column);
    let told = columns_of(view, &caption, rows.iter().copied(), is_wanted);
    Some(told.figure(&caption, &svg, "", figures))
}

impl Told {
    /// A figure with this table behind it.
    pub(super) fn figure(&self, title: &str, svg: &str, says: &str, figures: &mut Figures) -> String {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        figures.figure(title, svg, says, &Table::new(&self.caption, &head, self.rows.clone()))
    }
}

/// Groups of accounts, by what they are groups of.
pub(super) fn segments(view: &View<'_>, figures: &mut Figures) -> String {
    let Some(by) = view.texts("by") else { return rows(view, "Segments") };
    let mut html = String::from(
        "<p>What became in twelve months of the accounts that paid a year ago. Figures are drawn towards the base, the further \
         the smaller the group is, so that small groups do not lead or trail by luck; as counted they are in the tables.</p>\n",
    );
    let groups = view.texts("group").unwrap_or_default();
    let accounts = view.numbers("accounts").unwrap_or_default();
    let mut told: Vec<&str> = Vec::new();
    for kind in by.iter().flatten() {
        if told.contains(kind) {
            continue;
        }
        told.push(kind);
        let mut rows: Vec<usize> = (0..view.rows()).filter(|row| by[*row] == Some(*kind)).collect();
        let size = |row: usize| accounts.get(row).copied().flatten().unwrap_or(0.0);
        rows.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
        rows.truncate(MOST_PLOTTED);
        let title = format!("By {}", heading(kind).to_lowercase());
        html.push_str(&format!("<h3>{}</h3>\n<div class=\"figures\">\n", escape_html(&title)));
        let label = |row: usize| groups.get(row).copied().flatten().unwrap_or("").to_owned();
        for name in intervals(view) {
            html.extend(plot_called(view, name, &title, &rows, figures, &label));
        }
        html.push_str("</div>\n");
    }
    html
}
