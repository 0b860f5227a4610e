//! NPS: what customers say.
//!
//! An answer is the version that holds of one respondent's answer at one time. Promoters give 9 or 10, detractors 0 to 6
//! (Reichheld, 2003). Answers are ordered by time; of answers at the same instant the last in the source is the latest.

use super::template::{Need, Template, signal};
use super::usage::days;
use crate::engine::uses::count;
use crate::engine::view::View;
use crate::facts::Role;
use crate::measure::{mean, ratio};
use crate::signal::Direction::{Down, Unknown, Up};
use crate::signal::{Family, Unit};

/// From this score on a respondent is a promoter.
const PROMOTER_FROM: f64 = 9.0;
/// Up to this score a respondent is a detractor.
const DETRACTOR_TO: f64 = 6.0;

fn nps(name: &'static str, idea: &'static str) -> Template {
    signal(Family::Nps, "nps", name, idea)
}

pub(super) fn templates() -> Vec<Template> {
    [latest(), year(), who()].concat()
}

fn latest() -> Vec<Template> {
    vec![
        nps("nps_latest_score", "nps.score")
            .unit(Unit::Score)
            .text("latest NPS score: {value}")
            .null_text("no NPS answer on record")
            .expect(Down, Up)
            .rule("score of the latest answer; null without one")
            .number(|view, _| Some(view.nps.last()?.score)),
        nps("nps_days_since_answer", "nps.recency")
            .unit(Unit::Days)
            .text("last NPS answer {value} ago")
            .null_text("no NPS answer on record")
            .expect(Up, Down)
            .rule("as_of minus the UTC day of the latest answer; null without one")
            .number(|view, _| Some(days(view.age(view.nps.last()?.at)))),
        nps("nps_change", "nps.change")
            .unit(Unit::Difference)
            .text("change in NPS score since the answer before: {value}")
            .null_text("fewer than two NPS answers on record")
            .expect(Down, Up)
            .rule("score of the latest answer less that of the answer before it, whoever gave them; null with fewer than two")
            .number(|view, _| {
                let before = view.nps.len().checked_sub(2)?;
                Some(view.nps[before + 1].score - view.nps[before].score)
            }),
        nps("nps_never_answered", "nps.silence")
            .unit(Unit::Flag)
            .text("never answered an NPS survey: {value}")
            .expect(Up, Down)
            .rule("1 without any visible answer, else 0")
            .number(|view, _| Some(f64::from(view.nps.is_empty()))),
    ]
}

fn year() -> Vec<Template> {
    vec![
        nps("nps_mean_{w}d", "nps.score")
            .over(&[365])
            .unit(Unit::Score)
            .text("mean NPS score of the last {w} days: {value}")
            .null_text("no NPS answer in the last {w} days")
            .expect(Down, Up)
            .rule("mean score of the answers in the window; null without one")
            .number(|view, w| mean(&scores(view, w))),
        nps("nps_net_{w}d", "nps.net")
            .over(&[365])
            .unit(Unit::Score)
            .text("net promoter score of the last {w} days: {value}")
            .null_text("no NPS answer in the last {w} days")
            .expect(Down, Up)
            .rule("100 x (answers of 9 or more - answers of 6 or less) / answers in the window; null without one")
            .number(|view, w| net_promoter_score(&scores(view, w))),
        nps("nps_respondents_{w}d", "nps.respondents")
            .over(&[365])
            .text("people who answered NPS in the last {w} days: {value}")
            .expect(Down, Unknown)
            .rule("number of distinct respondents in the window")
            .number(|view, w| Some(respondents(view, w))),
        nps("nps_detractor_after_promoter", "nps.lost_promoter")
            .unit(Unit::Flag)
            .text("detractor after having been a promoter: {value}")
            .null_text("no NPS answer on record")
            .expect(Up, Down)
            .rule("1 when the latest answer is 6 or less and an earlier one of the last 365 days 9 or more; null without one")
            .number(|view, _| {
                let (latest, earlier) = view.nps.split_last()?;
                let promoted = |score: f64, at| score >= PROMOTER_FROM && view.within(at, 365);
                let was = earlier.iter().any(|answer| promoted(answer.score, answer.at));
                Some(f64::from(latest.score <= DETRACTOR_TO && was))
            }),
    ]
}

fn who() -> Vec<Template> {
    vec![
        nps("nps_seats_answered_{w}d", "nps.respondents")
            .over(&[365])
            .unit(Unit::Share)
            .text("share of seats that answered NPS in the last {w} days: {value}")
            .expect(Down, Unknown)
            .needs(&[Need::Subscriptions])
            .rule("distinct respondents of the window / seats at as_of; null without seats")
            .number(|view, w| ratio(respondents(view, w), view.seats()?)),
        nps("nps_sponsor_score", "nps.sponsor")
            .unit(Unit::Score)
            .text("the sponsor's latest NPS score {value}")
            .expect(Down, Up)
            .needs(&[Need::Contacts])
            .rule(
                "score of the latest answer of a respondent who at as_of is a contact there in the role of sponsor; null \
                 without one",
            )
            .number(|view, _| {
                let is_sponsor = |person: u32| view.active_contacts(Role::Sponsor).any(|contact| contact.contact == person);
                Some(view.nps.iter().rev().find(|answer| is_sponsor(answer.respondent))?.score)
            }),
    ]
}

/// Distinct people who answered in the last `days` days.
fn respondents(view: &View<'_>, days: u32) -> f64 {
    let mut people: Vec<u32> =
        view.nps.iter().filter(|answer| view.within(answer.at, days)).map(|answer| answer.respondent).collect();
    people.sort_unstable();
    people.dedup();
    count(people.iter())
}

/// Scores of the answers of the last `days` days.
fn scores(view: &View<'_>, days: u32) -> Vec<f64> {
    view.nps.iter().filter(|answer| view.within(answer.at, days)).map(|answer| answer.score).collect()
}

/// Share of promoters less share of detractors, times 100.
fn net_promoter_score(scores: &[f64]) -> Option<f64> {
    let promoters = count(scores.iter().filter(|score| **score >= PROMOTER_FROM));
    let detractors = count(scores.iter().filter(|score| **score <= DETRACTOR_TO));
    ratio(100.0 * (promoters - detractors), count(scores.iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answer 7: 60 / 25 / 15 promoters, passives, detractors give 45, and 45 / 35 / 20 give 25; 6 is a detractor,
    /// 7 and 8 are passive, 9 is a promoter.
    #[test]
    fn net_promoter_score_counts_shares() {
        let answers = |promoters: usize, passives: usize, detractors: usize| {
            [vec![9.0; promoters], vec![8.0; passives], vec![6.0; detractors]].concat()
        };
        assert_eq!(net_promoter_score(&answers(60, 25, 15)), Some(45.0));
        assert_eq!(net_promoter_score(&answers(45, 35, 20)), Some(25.0));
        assert_eq!(net_promoter_score(&[7.0]), Some(0.0));
        assert_eq!(net_promoter_score(&[]), None);
    }
}
