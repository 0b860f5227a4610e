//! What customers say: NPS answers and tickets.

use crate::account::PANEL;
use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::catalogue::{COMPLAINT_CATEGORIES, HOW_TO_CATEGORIES, OTHER_CATEGORIES, SEVERITIES};
use crate::hidden::Shock;
use crate::life::{Life, Week};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random, sigmoid};

/// An NPS answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NpsRow {
    pub account: u32,
    pub respondent: u32,
    pub at: Second,
    pub score: u8,
    pub known_at: Second,
}

/// A ticket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TicketRow {
    pub account: u32,
    /// Number of the ticket within the account, from 1.
    pub number: u32,
    pub opened_at: Second,
    pub resolved_at: Option<Second>,
    pub category: &'static str,
    pub severity: &'static str,
    pub known_at: Second,
}

/// Users are asked every 13 weeks.
const SURVEY_DAYS: Day = 91;

/// Appends the NPS answers of a life. An answer follows value perception at the time, the person's temper and the day;
/// the disappointed answer less often.
pub(crate) fn write_nps(simulation: &Simulation, life: &Life, rows: &mut Vec<NpsRow>) {
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Nps);
    let profile = &life.profile;
    let last = midnight(life.last_day);
    let first_survey = profile.first_day + 14 + profile.survey_offset;
    for survey in (first_survey..life.last_day).step_by(SURVEY_DAYS as usize) {
        let week = life.week_of(survey);
        let asked = (1 + week.contract.seats.ilog2() as usize).min(PANEL);
        let willing = 0.25 + 0.25 * sigmoid(2.0 * (week.hidden.value + 0.5));
        for member in 0..asked {
            let score = 7.4 + 1.5 * week.hidden.value + profile.panel[member] + 0.8 * random.normal();
            let at = midnight(survey) + 9 * 3_600 + random.exponential(1.5 * DAY_SECONDS as f64) as Second;
            let known_at = at + random.exponential(1_800.0).min(DAY_SECONDS as f64) as Second;
            if random.chance(willing) && at < last && known_at < midnight(simulation.calendar.end) {
                let score = score.round().clamp(0.0, 10.0) as u8;
                rows.push(NpsRow { account: profile.index, respondent: 1 + member as u32, at, score, known_at });
            }
        }
    }
}

/// Appends the tickets of a life. The dissatisfied write more, and more of "why doesn't it"; newcomers ask "how do I".
pub(crate) fn write_tickets(simulation: &Simulation, life: &Life, rows: &mut Vec<TicketRow>) {
    let mut random = Random::new(simulation.parameters.seed, life.profile.index, Purpose::Tickets);
    let end = midnight(simulation.calendar.end);
    let mut number = 0;
    for week in &life.weeks {
        let incident = week.shock == Some(Shock::Incident);
        let size = f64::from(week.contract.seats).powf(0.4);
        let ordinary = 0.045 * size * (-0.6 * week.hidden.value).exp().min(6.0);
        let burst = if incident { 1.5 + 0.5 * size } else { 0.0 };
        for _ in 0..random.poisson(ordinary + burst) {
            let day = week.first_day + random.weighted(&[1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.2]) as Day;
            let opened_at = midnight(day) + 7 * 3_600 + random.below(12 * 3_600) as Second;
            let known_at = opened_at + random.below(600) as Second;
            let row = ticket(life, week, incident, opened_at, &mut random);
            let after_sign_up = opened_at >= life.profile.signed_up_at;
            if after_sign_up && day < life.last_day && known_at < end {
                number += 1;
                let resolved_at = row.resolved_at.filter(|&resolved| resolved < end);
                rows.push(TicketRow { number, known_at, resolved_at, ..row });
            }
        }
    }
}

fn ticket(life: &Life, week: &Week, incident: bool, opened_at: Second, random: &mut Random) -> TicketRow {
    let value = week.hidden.value;
    let young = if week.first_day - life.profile.sign_up_day < 90 { 1.0 } else { 0.0 };
    let complaint = sigmoid(-0.5 - 1.1 * value) + if incident { 2.0 } else { 0.0 };
    let kinds: [(&[&'static str], f64); 3] =
        [(&HOW_TO_CATEGORIES, 0.5 + young), (&COMPLAINT_CATEGORIES, complaint), (&OTHER_CATEGORIES, 0.25)];
    let kind = random.weighted(&kinds.map(|(_, weight)| weight));
    let categories = kinds[kind].0;
    let severity = random.weighted(match (incident, kind) {
        (true, _) => &[0.05, 0.25, 0.4, 0.3],
        (false, 1) => &[0.2, 0.5, 0.25, 0.05],
        (false, _) => &[0.5, 0.45, 0.05, 0.0],
    });
    let hours = random.log_normal(if kind == 1 { 40.0 } else { 14.0 }, 1.0);
    TicketRow {
        account: life.profile.index,
        number: 0,
        opened_at,
        resolved_at: Some(opened_at + 600 + (hours * 3_600.0) as Second),
        category: categories[random.below(categories.len())],
        severity: SEVERITIES[severity],
        known_at: opened_at,
    }
}
