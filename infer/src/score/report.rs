//! `report.html`: a run as a page to look at, one file without scripts and without network.
//!
//! It holds counts, cut-offs and the names of inputs, never an account. Every text is escaped, wherever it comes from.

use std::fmt::{Display, Write};

use super::describe::Finished;
use super::manifest::timestamp;
use super::overview::TargetOverview;
use super::run::Run;
use super::tally::DriftRecord;
use crate::warning::WarningRecord;

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --line: #c9cfd8; --faint: #5b6675; --bar: #1a66b3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --paper: #14181f; --line: #3a4452; --faint: #9aa6b5; --bar: #6db1f0; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; color: var(--faint); padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; overflow-wrap: anywhere; }
td.bar { min-width: 12rem; }
td.bar span { display: block; height: .7rem; background: var(--bar); }
.warning { border-left: 4px solid var(--bar); padding-left: .8rem; }
";

/// The page of a finished run.
pub(super) fn page(run: &Run<'_>, finished: &Finished<'_>, as_of: &str) -> String {
    let mut page = Page::default();
    let title = format!("Scores of {as_of}");
    page.heading(1, &title);
    let counts = finished.counts;
    page.paragraph(format!(
        "{} of {} accounts scored by {}.",
        grouped(counts.scored + counts.partial),
        grouped(counts.given),
        run.bundle.identity()
    ));
    page.warnings(&run.observer.records());
    page.run(run, finished, as_of);
    page.heading(2, "Accounts");
    let rows = [
        ("given", counts.given),
        ("scored", counts.scored),
        ("partial", counts.partial),
        ("not scored", counts.not_scored),
        ("quarantined", counts.quarantined),
        ("ineligible", counts.ineligible),
    ];
    page.counts("What became of the accounts that were given", rows, counts.given);
    let reasons = finished.scored.tally.status_reasons.iter().map(|(reason, rows)| (*reason, *rows));
    page.counts("Why a row was scored or was not", reasons, run.plan.rows);
    let health = finished.scored.overview.health.iter();
    let health = health.map(|(health, rows)| (health.map_or("no cut-offs", |health| health.text()), *rows));
    page.counts("Health: usage depth against satisfaction", health, run.plan.rows);
    for (target, overview) in run.bundle.manifest().targets.iter().zip(&finished.scored.overview.targets) {
        page.heading(2, &target.name);
        page.paragraph(&target.text);
        page.target(overview);
    }
    page.drift(finished.drift);
    page.timings(run);
    page.finish(&title)
}

/// A body that grows. What is given as text is escaped here and nowhere else.
#[derive(Default)]
struct Page {
    body: String,
}

impl Page {
    /// Markup as it is, with texts escaped before.
    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(markup);
    }

    fn heading(&mut self, level: u8, text: &str) {
        self.push(format_args!("<h{level}>{}</h{level}>\n", escaped(text)));
    }

    fn paragraph(&mut self, text: impl Display) {
        self.push(format_args!("<p>{}</p>\n", escaped(text)));
    }

    fn warnings(&mut self, warnings: &[WarningRecord]) {
        if warnings.is_empty() {
            return;
        }
        self.heading(2, "Warnings");
        for warning in warnings {
            let (code, text) = (escaped(&warning.code), escaped(&warning.text));
            self.push(format_args!("<p class=\"warning\"><code>{code}</code> {text}</p>\n"));
        }
    }

    fn run(&mut self, run: &Run<'_>, finished: &Finished<'_>, as_of: &str) {
        self.heading(2, "Run");
        let training = &run.bundle.manifest().training;
        let rows = [
            ("run", finished.run_id.to_owned()),
            ("as of", as_of.to_owned()),
            ("started", timestamp(finished.started_at)),
            ("tool", format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))),
            ("engine", format!("{}, {} threads", finished.engine, run.request.threads)),
            ("model", run.bundle.identity()),
            ("bundle", run.request.bundle.clone()),
            ("trained on", format!("{} to {}", training.first_as_of, training.last_as_of)),
            ("input", run.file.path.display().to_string()),
            ("rows of the input", grouped(run.file.rows)),
            ("sha256 of the input", finished.input_sha256.to_owned()),
            (
                "made without the tables",
                run.file.facts.as_ref().map_or_else(String::new, |facts| facts.missing_tables.join(", ")),
            ),
            ("scores", finished.publication.scores.display().to_string()),
        ];
        self.begin_table("What was read, with what, and where to", &["", ""]);
        for (what, value) in rows {
            self.push(format_args!("<tr><td>{what}</td><td class=\"text\">{}</td></tr>\n", escaped(value)));
        }
        self.end_table();
    }

    fn counts<'a>(&mut self, caption: &str, rows: impl IntoIterator<Item = (&'a str, u64)>, of: u64) {
        self.begin_table(caption, &["", "Accounts", "Share"]);
        for (what, count) in rows {
            let (what, share) = (escaped(what), percent(count, of));
            self.push(format_args!("<tr><td>{what}</td><td>{}</td><td>{share}</td></tr>\n", grouped(count)));
        }
        self.end_table();
    }

    fn target(&mut self, target: &TargetOverview) {
        let bands = target.bands.iter();
        let bands = bands.map(|(band, rows)| (band.map_or("no cut-offs", |band| band.text()), *rows));
        self.counts("Bands", bands, target.rows);
        self.begin_table("Probabilities: so many accounts have at most", &["Accounts", "Probability", ""]);
        for tenths in 0..=10 {
            let Some(probability) = target.decile(tenths) else { continue };
            let share = match tenths {
                0 => "lowest".to_owned(),
                10 => "highest".to_owned(),
                tenths => format!("{tenths}0 %"),
            };
            self.push(format_args!(
                "<tr><td>{share}</td><td>{probability:.2} %</td>\
                 <td class=\"bar\"><span style=\"width:{probability:.2}%\"></span></td></tr>\n"
            ));
        }
        self.end_table();
    }

    fn drift(&mut self, drift: &[DriftRecord]) {
        self.heading(2, "Drift");
        if drift.is_empty() {
            self.paragraph("The bundle has no reference to compare with.");
            return;
        }
        let mut sorted: Vec<&DriftRecord> = drift.iter().collect();
        sorted.sort_by(|one, other| {
            let by_index = other.population_stability_index.total_cmp(&one.population_stability_index);
            by_index.then_with(|| one.name.cmp(&other.name))
        });
        self.begin_table(
            "Population stability index against the training base, largest first, beside the largest of a single training date; \
             Jensen-Shannon divergence in bits",
            &["Input or target", "Index", "Usual", "Divergence", ""],
        );
        for record in sorted {
            self.push(format_args!(
                "<tr><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td></tr>\n",
                escaped(&record.name),
                record.population_stability_index,
                record.usual_shift,
                record.jensen_shannon_divergence,
                if record.is_large() { "moved" } else { "" }
            ));
        }
        self.end_table();
    }

    fn timings(&mut self, run: &Run<'_>) {
        self.heading(2, "Timings");
        self.begin_table("Until this page was written", &["Stage", "Seconds"]);
        for (stage, seconds) in run.observer.timings() {
            self.push(format_args!("<tr><td>{}</td><td>{seconds:.2}</td></tr>\n", escaped(stage.text())));
        }
        self.end_table();
    }

    fn begin_table(&mut self, caption: &str, columns: &[&str]) {
        self.push(format_args!("<div class=\"scroll\"><table><caption>{}</caption>\n<thead><tr>", escaped(caption)));
        for column in columns {
            self.push(format_args!("<th>{}</th>", escaped(column)));
        }
        self.push(format_args!("</tr></thead>\n<tbody>\n"));
    }

    fn end_table(&mut self) {
        self.push(format_args!("</tbody></table></div>\n"));
    }

    fn finish(self, title: &str) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
            escaped(title),
            self.body
        )
    }
}

/// A text with the five characters that mean something in HTML replaced.
fn escaped(text: impl Display) -> String {
    let text = text.to_string();
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn percent(count: u64, of: u64) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * count as f64 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::super::tally::DriftKind;
    use super::*;

    #[test]
    fn every_text_is_escaped() {
        assert_eq!(
            escaped("<script>alert(\"a\" & 'b')</script>"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;"
        );
        let mut page = Page::default();
        page.heading(1, "<b>");
        page.paragraph("<i>");
        page.warnings(&[WarningRecord { code: "<u>".to_owned(), text: "<s>".to_owned() }]);
        page.counts("<q>", [("<p>", 1)], 0);
        page.drift(&[DriftRecord {
            name: "<a>".to_owned(),
            kind: DriftKind::Input,
            population_stability_index: 0.5,
            usual_shift: 0.0,
            jensen_shannon_divergence: 0.1,
        }]);
        let html = page.finish("<title>");
        for bad in ["<b>", "<i>", "<u>", "<s>", "<q>", "<a>", "<title><"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
