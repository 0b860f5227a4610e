//! What similar accounts did next, in words and a table.

use bellwether_page::number::{NONE, count, number, percent};

use super::sections::Section;
use super::{AccountPage, Similar};

pub(super) fn similar(page: &AccountPage) -> Option<Section> {
    let mut section = Section::new("What similar accounts did next");
    let Some(similar) = &page.similar else {
        section
            .lines
            .push("Too few accounts of earlier dates with a known outcome are like it, or it pays nothing.".to_owned());
        return Some(section);
    };
    section.lines.push(told_of(similar));
    let rows = similar.outcomes.iter().map(|one| {
        vec![
            format!("{} ({} days)", one.target, one.horizon_days),
            count(one.accounts),
            count(one.happened),
            format!(
                "{} ({} to {})",
                percent(one.share.value, 1),
                number(100.0 * one.share.low, 1),
                number(100.0 * one.share.high, 1)
            ),
            one.of_all.map_or(NONE.to_owned(), |share| percent(share, 1)),
        ]
    });
    let known = rows.filter(|row| row[1] != "0");
    section.table("Outcomes", &["Outcome", "Accounts", "Happened", "Share (95 %)", "All accounts then"], known);
    Some(section)
}

fn told_of(similar: &Similar) -> String {
    let dates = match similar.dates.as_slice() {
        [] => String::new(),
        [one] => format!(" on {one}"),
        [first, .., last] => format!(" on {} dates from {first} to {last}", similar.dates.len()),
    };
    let alike = match similar.alike_in.as_slice() {
        [] => "any accounts".to_owned(),
        all => format!("accounts of the same {}", all.join(", ")),
    };
    let by = if similar.nearest_by.is_empty() {
        String::new()
    } else {
        format!(", nearest by {}", similar.nearest_by.join(" and "))
    };
    let churn = similar.churn_then.map_or(String::new(), |[low, high]| {
        format!(
            " Eight in ten of them had a probability of churn of {} to {} then.",
            number(100.0 * low, 1),
            percent(high, 1)
        )
    });
    format!(
        "{} {alike}{by}{dates}, whose outcome is known today; each account once.{churn} What happened, with what was done about it then.",
        count(similar.accounts)
    )
}
