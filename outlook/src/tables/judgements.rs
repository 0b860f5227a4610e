//! People's probabilities beside the model's as a table.

use super::{Columns, Table, counts, numbers, shares, texts};
use crate::judgement::JudgementRow;

/// The table of judgements.
#[must_use]
pub fn tables(rows: &[JudgementRow]) -> Vec<Table> {
    let rows = rows.iter();
    // Of none there is no mean.
    let mean = |of: fn(&JudgementRow) -> f64| numbers(rows.clone().map(move |row| (row.accounts > 0).then(|| of(row))));
    let mut columns: Columns = vec![
        ("author", texts(rows.clone().map(|row| row.author.as_str()))),
        ("target", texts(rows.clone().map(|row| row.target.as_str()))),
        ("accounts", counts(rows.clone().map(|row| row.accounts))),
        ("happened", counts(rows.clone().map(|row| row.happened))),
        ("stated_probability", mean(|row| row.stated)),
        ("model_probability", mean(|row| row.model)),
        ("stated_brier", mean(|row| row.stated_brier)),
        ("model_brier", mean(|row| row.model_brier)),
    ];
    let names = ["brier_difference", "brier_difference_low", "brier_difference_high"];
    shares(&mut columns, names, rows.clone().map(|row| row.difference));
    columns.extend([
        ("open_accounts", counts(rows.clone().map(|row| row.open))),
        ("accounts_without_scores", counts(rows.clone().map(|row| row.without_scores))),
    ]);
    vec![Table { name: "judgements", columns }]
}
