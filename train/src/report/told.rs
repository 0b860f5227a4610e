//! What the outcomes tell: drivers, shapes, product features, tables.

use super::format::{Table, count, estimate_percent, estimate_points, number, percent, points};
use super::leads::families;
use super::words::{told_observed_step, told_step};
use crate::insight::{
    AdoptionEffect, DataQuality, Driver, FeatureRole, Insights, Movement, ObservedStep, Outcome, ProductFeature, Shape,
    TargetInsights, Threshold, ValueDrivers,
};
use crate::learner::LearnerKind;
use crate::summary::Witness;
use bellwether_page::escape_html;
use bellwether_page::svg::{Axis, Figures, PlotRow, RowPlot};

/// Drivers, shapes, families of one target.
pub(super) fn sections(told: &TargetInsights, witness: Witness, figures: &mut Figures) -> String {
    let mut html = String::from("<h3>What drives it</h3>\n");
    if told.drivers.ideas.is_empty() {
        html.push_str(&format!(
            "<p>{} reads no signal, so nothing drives its forecasts.</p>\n",
            escape_html(told.drivers.learner.name())
        ));
    } else {
        html.push_str(&format!(
            "<p>How {} comes to its forecasts, over {}: exact Shapley values, in points of \
             probability. A signal that moves a forecast goes with the outcome; that it causes it is not claimed.</p>\n\
             <div class=\"figures\">\n",
            told.drivers.learner,
            witness.rows_of(&format!("{} judged", count(told.drivers.rows)), "", &count(told.drivers.accounts))
        ));
        html.push_str(&drivers(told, witness, figures));
        for shape in &told.shapes {
            html.push_str(&shape_figure(told, shape, witness, figures));
        }
        html.push_str("</div>\n");
        html.push_str(&stability(told, witness));
    }
    html.push_str(&families(told, figures));
    html
}

/// How far the reasons of the same accounts stay the same from refit to refit.
fn stability(told: &TargetInsights, witness: Witness) -> String {
    let Some(found) = &told.reason_stability else { return String::new() };
    let [none, one, two, three] = found.in_common.map(|share| percent(share, 0));
    format!(
        "<p>From refit to refit: of {} {}, explained on the same day by the refits of {} and {}, {three} have the same \
         three strongest reasons, {two} two of them, {one} one, {none} none (mean Jaccard {}).</p>\n",
        count(found.accounts),
        witness.many(),
        found.earlier,
        found.later,
        number(found.mean_jaccard, 2)
    )
}

fn movement(movement: Movement) -> &'static str {
    match movement {
        Movement::Rises => "more of it, more likely",
        Movement::Falls => "more of it, less likely",
        Movement::Mixed => "neither way alone",
    }
}

fn drivers(told: &TargetInsights, witness: Witness, figures: &mut Figures) -> String {
    let ideas = &told.drivers.ideas;
    let title = "What moves the forecast, by mean size of effect";
    let axis =
        Axis::over("points of probability", ideas.iter().flat_map(|driver| [0.0, driver.importance.high]), |value| {
            number(100.0 * value, usize::from(100.0 * value % 1.0 != 0.0))
        });
    let rows = ideas.iter().take(10).map(|driver| PlotRow {
        label: driver.text.clone(),
        figure: percent(driver.share, 0),
        value: driver.importance.value,
        low: driver.importance.low,
        high: driver.importance.high,
        open: false,
    });
    let svg = figures.rows(&RowPlot {
        title: title.to_owned(),
        description: format!(
            "Mean size of the effect in points of probability with 95 % intervals over {}, {} of {} ideas.",
            witness.many(),
            ideas.len().min(10),
            told.drivers.ideas_with_effect
        ),
        axis,
        guide: None,
        rows: rows.collect(),
    });
    let table = drivers_table(ideas);
    let by_family: Vec<String> = told
        .drivers
        .families
        .iter()
        .filter(|(_, share)| *share >= 0.005)
        .map(|(family, share)| format!("{} {}", family.meaning(), percent(*share, 0)))
        .collect();
    let says = format!("The figure at the right is the share of all movement. By family: {}.", by_family.join(", "));
    figures.figure(title, &svg, &says, &table)
}

fn drivers_table(ideas: &[Driver]) -> Table<'static> {
    let rows = ideas.iter().map(|driver| {
        vec![
            driver.text.clone(),
            driver.idea.clone(),
            estimate_points(&driver.importance),
            percent(driver.share, 1),
            movement(driver.movement).to_owned(),
            if driver.actionable { "yes" } else { "no" }.to_owned(),
        ]
    });
    Table::new(
        "By mean size of effect",
        &["Strongest signal", "Idea", "Points", "Share of all", "Direction, the others held", "Can be acted on"],
        rows.collect(),
    )
}

fn shape_figure(told: &TargetInsights, shape: &Shape, witness: Witness, figures: &mut Figures) -> String {
    let ends = shape.bins.iter().flat_map(|bin| [0.0, bin.effect.low, bin.effect.high]);
    let rows = shape.bins.iter().map(|bin| PlotRow {
        label: bin.label.clone(),
        figure: format!("{} observed", percent(bin.observed.value, 1)),
        value: bin.effect.value,
        low: bin.effect.low,
        high: bin.effect.high,
        open: !bin.effect.excludes(0.0),
    });
    let svg = figures.rows(&RowPlot {
        title: shape.text.clone(),
        description: format!(
            "Mean effect of the signal on the forecast in points of probability, by its value, {} bins, with 95 % intervals \
             over {}.",
            shape.bins.len(),
            witness.many()
        ),
        axis: Axis::over("effect, points of probability", ends, points_label),
        guide: Some(0.0),
        rows: rows.collect(),
    });
    let table = shape_table(shape, witness);
    figures.figure(&shape.text, &svg, &shape_in_words(told, shape), &table)
}

/// Where the effect changes, and where the outcomes by themselves do.
fn shape_in_words(told: &TargetInsights, shape: &Shape) -> String {
    if let Some(step) = told_step(shape) {
        return step_in_words(step);
    }
    match told_observed_step(shape) {
        // What the outcomes show stands for what the effect of two values does not.
        Some(step) if step.values.is_some() => observed_in_words(movement_of(told, shape), step),
        Some(step) => {
            format!("{} {}", without_step(told, shape), observed_in_words(movement_of(told, shape), step))
        }
        None => without_step(told, shape),
    }
}

/// Direction of the effect of a shape's signal.
fn movement_of(told: &TargetInsights, shape: &Shape) -> Movement {
    let driver = told.drivers.ideas.iter().find(|one| one.signal == shape.signal);
    driver.map_or(Movement::Mixed, |one| one.movement)
}

/// Where the outcomes change most by themselves, and whether the forecast goes the other way.
fn observed_in_words(movement: Movement, step: &ObservedStep) -> String {
    let [below, above] = [step.below, step.above].map(|share| percent(share, 1));
    let mut text = match &step.values {
        Some([lower, upper]) => format!(
            "Taken alone, where it is “{upper}”, {above} of the rows had the outcome, where it is “{lower}”, {below}."
        ),
        None => format!(
            "Taken alone, the outcomes change most at {} (between {} and {}): below it {below} of the rows had the outcome, \
             from it on {above}.",
            step.text, step.text_low, step.text_high
        ),
    };
    let (often, goes) = match (movement, step.above > step.below) {
        (Movement::Falls, true) => ("more", "falls as it rises"),
        (Movement::Rises, false) => ("less", "rises with it"),
        _ => return text,
    };
    text.push_str(&format!(
        " The two point opposite ways: taken alone, more of it goes with the outcome {often} often; with the other signals \
         held, the forecast {goes}. Other signals go along with it and carry what it shows alone, so read neither without the \
         other."
    ));
    text
}

/// The largest step, or the one value against the other.
fn step_in_words(step: &Threshold) -> String {
    let points = number(100.0 * step.change.value.abs(), 1);
    let [below, above] = [step.observed_below, step.observed_above].map(|share| percent(share, 1));
    if let Some([lower, upper]) = &step.values {
        let side = if step.change.value > 0.0 { "below" } else { "above" };
        return format!(
            "“{upper}” against “{lower}”: the effect lies {points} points {side}, and {above} of the rows had the outcome \
             against {below}."
        );
    }
    let side = if step.change.value > 0.0 { "above" } else { "below" };
    format!(
        "The largest step is at {} (between {} and {}): below it the effect lies {points} points {side} that of the rest, and \
         {below} of the rows had the outcome against {above}.",
        step.text, step.text_low, step.text_high
    )
}

/// Why no step is told.
fn without_step(told: &TargetInsights, shape: &Shape) -> String {
    let learner = told.drivers.learner;
    let known = shape.bins.iter().filter(|bin| bin.label != "not known").count();
    if known <= 2 {
        return "The outcomes of its values are not told apart beyond chance.".to_owned();
    }
    if !shape.numeric {
        return "Its levels have no order, so no step is looked for.".to_owned();
    }
    if learner.has_steps() {
        return "No single step stands out in effect and outcomes alike.".to_owned();
    }
    match movement_of(told, shape) {
        Movement::Rises => {
            format!("{learner} knows no steps: the other signals held, the forecast rises steadily with it.")
        }
        Movement::Falls => {
            format!("{learner} knows no steps: the other signals held, the forecast falls steadily as it rises.")
        }
        Movement::Mixed => format!("{learner} knows no steps, and the forecast goes neither way alone."),
    }
}

fn shape_table(shape: &Shape, witness: Witness) -> Table<'static> {
    let rows = shape.bins.iter().map(|bin| {
        vec![
            bin.label.clone(),
            count(bin.rows),
            count(bin.accounts),
            estimate_points(&bin.effect),
            estimate_percent(&bin.observed),
        ]
    });
    let head: &[&str] = match witness {
        Witness::Account => &["Value", "Rows", "Accounts", "Effect in points", "Had the outcome"],
        Witness::Row => &["Value", "Rows", "Counted as one", "Effect in points", "Had the outcome"],
    };
    Table::new("By value", head, rows.collect())
}

fn points_label(value: f64) -> String {
    let text = points(value);
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Product features: value drivers against table stakes.
pub(super) fn value_drivers(found: &ValueDrivers, insights: &Insights, figures: &mut Figures) -> String {
    let adjusted = found.size.as_deref().map_or_else(
        || "Nothing says how large an account is, so only the date is held equal".to_owned(),
        |size| format!("Adopters are compared with others of the same date and of the same fifth of {size}"),
    );
    let mut html = format!(
        "<h2 id=\"features\">Value drivers and table stakes</h2>\n<p>Which product features go with staying and growing? An \
         account has adopted a feature when it used it in the {} days before. {} (Mantel and Haenszel), and a feature is \
         named a driver only where the difference is told apart from none after Holm's correction over all features and \
         outcomes together. That adopters do better does not say that adopting would help: they may differ in other \
         ways.</p>\n",
        found.window_days,
        escape_html(&adjusted)
    );
    html.push_str(&roles(&found.features));
    if found.features.iter().all(|one| one.role == FeatureRole::NotToldApart) {
        html.push_str("<p>No feature is told apart from the others.</p>\n");
    }
    html.push_str("<div class=\"figures\">\n");
    for told in &insights.targets {
        html.push_str(&adoption_figure(found, &told.target, told.outcome, figures));
    }
    html.push_str("</div>\n");
    if found.not_compared > 0 {
        html.push_str(&format!(
            "<p class=\"note\">Not compared, since fewer than ten accounts have, or have not, adopted them: {} features.</p>\n",
            count(found.not_compared)
        ));
    }
    html
}

/// Which features are what.
fn roles(features: &[ProductFeature]) -> String {
    type Belongs = fn(&ProductFeature) -> bool;
    let lists: [(&str, Belongs); 5] = [
        ("Value drivers (adopters stay or grow more often)", |one| one.role == FeatureRole::ValueDriver),
        ("Table stakes (nearly all have them, and they tell nobody apart)", |one| one.role == FeatureRole::TableStakes),
        (
            "Nearly everyone has them (more than 95 %: the few others do differ, which tells more of those few than of the \
             feature)",
            |one| one.role == FeatureRole::OneSided && one.adoption > 0.5,
        ),
        (
            "Hardly anyone has them (less than 5 %: those few do differ, which tells more of them than of the feature)",
            |one| one.role == FeatureRole::OneSided && one.adoption <= 0.5,
        ),
        ("Adopters do worse", |one| one.role == FeatureRole::GoesWithLoss),
    ];
    let mut html = String::new();
    for (words, belongs) in lists {
        let those = features.iter().filter(|one| belongs(one));
        let names: Vec<String> = those.map(|one| format!("<code>{}</code>", escape_html(&one.feature))).collect();
        if !names.is_empty() {
            html.push_str(&format!("<p><strong>{words}</strong>: {}.</p>\n", names.join(", ")));
        }
    }
    html
}

fn adoption_figure(found: &ValueDrivers, target: &str, outcome: Outcome, figures: &mut Figures) -> String {
    let of = |effects: &'_ [AdoptionEffect]| effects.iter().find(|one| one.target == target).cloned();
    let mut compared: Vec<(&str, f64, AdoptionEffect)> =
        found.features.iter().filter_map(|one| Some((one.feature.as_str(), one.adoption, of(&one.effects)?))).collect();
    if compared.is_empty() {
        return String::new();
    }
    compared.sort_by(|a, b| b.2.adjusted.value.total_cmp(&a.2.adjusted.value).then(a.0.cmp(b.0)));
    let what = match outcome {
        Outcome::Loss => "Retention of adopters against others",
        Outcome::Growth => "Growth of adopters against others",
    };
    let title = format!("{what} ({target})");
    let ends = compared.iter().flat_map(|(_, _, effect)| [0.0, effect.adjusted.low, effect.adjusted.high]);
    let rows = compared.iter().map(|(feature, _, effect)| PlotRow {
        label: (*feature).to_owned(),
        figure: points(effect.adjusted.value),
        value: effect.adjusted.value,
        low: effect.adjusted.low,
        high: effect.adjusted.high,
        open: !effect.told_apart,
    });
    let svg = figures.rows(&RowPlot {
        title: title.clone(),
        description: format!("Adjusted difference in points with its 95 % interval, {} features.", compared.len()),
        axis: Axis::over("points, adjusted for size", ends, points_label),
        guide: Some(0.0),
        rows: rows.collect(),
    });
    let table = adoption_table(&compared);
    figures.figure(&title, &svg, FILLED, &table)
}

fn adoption_table(compared: &[(&str, f64, AdoptionEffect)]) -> Table<'static> {
    let rows = compared.iter().map(|(feature, adoption, effect)| {
        vec![
            (*feature).to_owned(),
            percent(*adoption, 0),
            percent(effect.adopters, 1),
            percent(effect.others, 1),
            estimate_points(&effect.adjusted),
            if effect.told_apart { "yes" } else { "no" }.to_owned(),
        ]
    });
    Table::new(
        "Adopters and others",
        &["Feature", "Adopted by", "Rate of adopters", "Rate of others", "Adjusted difference", "Told apart (Holm)"],
        rows.collect(),
    )
}

/// Under a plot of features.
const FILLED: &str =
    "Filled dots are told apart from 0 after Holm's correction over all features and outcomes together.";

/// The tables behind the run.
pub(super) fn data(quality: &DataQuality) -> String {
    if quality.tables.is_empty() {
        return String::new();
    }
    let rows = quality.tables.iter().map(|table| {
        vec![
            table.table.clone(),
            count(table.rows as usize),
            count(table.left_out as usize),
            count(table.duplicates as usize),
            if table.replayable { "yes" } else { "no" }.to_owned(),
            if table.messages.is_empty() { "nothing".to_owned() } else { table.messages.join("; ") },
        ]
    });
    let mut html = Table::new(
        "Tables as read, up to the data end",
        &["Table", "Rows", "Left out", "Repeated", "Says when it was known", "To look at"],
        rows.collect(),
    )
    .html();
    if !quality.missing_tables.is_empty() {
        html.push_str(&format!(
            "<p class=\"note\">Not there, and their signals with them: {}.</p>\n",
            escape_html(&quality.missing_tables.join(", "))
        ));
    }
    html
}

/// Whether the learner reads signals at all.
pub(super) fn reads_signals(learner: LearnerKind) -> bool {
    learner != LearnerKind::BaseRate
}
