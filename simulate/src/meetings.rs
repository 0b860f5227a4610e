//! Meetings: who doubts the value puts them off, and stays away.
//!
//! Reviews are due at an interval; one that is due is put off for weeks the more likely the less value the account sees,
//! and again when nobody comes. Calls and letters come as they come: more in the first weeks, more after an incident, more
//! where the plan is getting tight, fewer as value falls. Invited is whoever is on record as there, so that somebody who
//! left unnoticed is invited in vain.

use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::hidden::Shock;
use crate::life::{Life, Week};
use crate::parameters::Simulation;
use crate::people::{ContactId, Person, Role};
use crate::random::{Purpose, Random, sigmoid};
use crate::world::{MeetingParameters, SegmentParameters};

/// What kind of meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A review every quarter.
    QuarterlyReview,
    /// A review now and then.
    Review,
    /// A call.
    Call,
    /// A letter; attended is answered.
    Email,
}

impl Kind {
    /// Name in the meetings table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::QuarterlyReview => "qbr",
            Self::Review => "review",
            Self::Call => "call",
            Self::Email => "email",
        }
    }

    /// Probability that sponsor, champion, admin and a user are invited.
    fn invited(self) -> [f64; 4] {
        match self {
            Self::QuarterlyReview | Self::Review => [1.0, 1.0, 1.0, 0.5],
            Self::Call => [0.25, 0.9, 0.3, 0.2],
            Self::Email => [0.3, 0.7, 0.3, 0.2],
        }
    }
}

/// An invitation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MeetingRow {
    pub account: u32,
    pub at: Second,
    pub kind: Kind,
    pub contact: ContactId,
    pub attended: bool,
    pub known_at: Second,
}

/// Somebody whose departure nobody noted is invited for so many days more.
const UNNOTICED_DAYS: Second = 180;
/// The first weeks, in days.
const ONBOARDING_DAYS: Day = 60;
/// A review that is put off is put off by so many days, and up to so many more.
const PUT_OFF_DAYS: (Day, usize) = (14, 28);
/// The next review is due after the interval, give or take so many days.
const SWAY_DAYS: Day = 10;
/// Delay of what is written down latest, in days.
const LATEST_DAYS: Second = 10;

/// Appends the invitations of a life, by time.
pub(crate) fn write_meetings(simulation: &Simulation, life: &Life, people: &[Person], rows: &mut Vec<MeetingRow>) {
    let world = simulation.parameters.world.parameters();
    let mut diary = Diary {
        life,
        people,
        parameters: &world.meetings,
        segment: &world.segments[life.profile.segment],
        end: midnight(simulation.calendar.end),
        random: Random::new(simulation.parameters.seed, life.profile.index, Purpose::Meetings),
        rows: Vec::new(),
    };
    let mut next_review = diary.first_review();
    for week in &life.weeks {
        if next_review < week.first_day + 7 {
            next_review = diary.review(week, next_review.max(week.first_day));
        }
        diary.calls(week);
    }
    diary.rows.sort_by_key(|row| (row.at, row.kind, row.contact));
    rows.append(&mut diary.rows);
}

struct Diary<'a> {
    life: &'a Life,
    people: &'a [Person],
    parameters: &'a MeetingParameters,
    segment: &'a SegmentParameters,
    end: Second,
    random: Random,
    rows: Vec<MeetingRow>,
}

impl Diary<'_> {
    fn interval(&self) -> Day {
        7 * self.segment.review_weeks as Day
    }

    /// An interval after the sign-up, or anywhere within one for those who were there.
    fn first_review(&mut self) -> Day {
        let wait = self.random.below(self.interval() as usize) as Day;
        let profile = &self.life.profile;
        profile.first_day + if profile.is_long_standing() { wait } else { self.interval() }
    }

    /// A review is due; the day on which the next one is.
    fn review(&mut self, week: &Week, day: Day) -> Day {
        let held = sigmoid(self.parameters.review_held + self.parameters.review_held_slope * week.hidden.value);
        let kind = if self.segment.review_weeks > 13 { Kind::Review } else { Kind::QuarterlyReview };
        let takes_place = self.random.chance(held);
        if takes_place && self.meet(kind, week, day) {
            day + self.interval() - SWAY_DAYS + self.random.below(2 * SWAY_DAYS as usize + 1) as Day
        } else {
            day + PUT_OFF_DAYS.0 + self.random.below(PUT_OFF_DAYS.1 + 1) as Day
        }
    }

    fn calls(&mut self, week: &Week) {
        let (parameters, hidden) = (self.parameters, &week.hidden);
        let mood = parameters.call_slope * hidden.value.clamp(-3.0, 3.0)
            + parameters.call_pressure * hidden.pressure.clamp(-1.5, 0.4);
        let is_young = week.first_day - self.life.profile.sign_up_day < ONBOARDING_DAYS;
        let ordinary = self.segment.weekly_calls * mood.exp() * if is_young { parameters.call_onboarding } else { 1.0 };
        let crisis = if week.shock == Some(Shock::Incident) { parameters.call_incident } else { 0.0 };
        for (kind, mean) in [(Kind::Call, ordinary + crisis), (Kind::Email, parameters.letters * ordinary)] {
            for _ in 0..self.random.poisson(mean) {
                let day = week.first_day + self.random.below(7) as Day;
                self.meet(kind, week, day);
            }
        }
    }

    /// Invites to a meeting on a day; whether anybody came.
    fn meet(&mut self, kind: Kind, week: &Week, day: Day) -> bool {
        let at = self.moment(day);
        let known_at = at + self.delay();
        let is_on_record =
            at >= self.life.profile.signed_up_at && at < midnight(self.life.last_day) && known_at < self.end;
        let mut anybody = false;
        for person in self.people {
            let place = person.role as usize;
            if !is_invitable(person, at) || !self.random.chance(kind.invited()[place]) {
                continue;
            }
            let attendance = self.parameters.attendance[place];
            let willing = self.random.chance(sigmoid(attendance.level + attendance.slope * week.hidden.value));
            let attended = willing && person.until.is_none_or(|until| until > at);
            anybody |= attended;
            if is_on_record {
                let (account, contact) = (self.life.profile.index, person.contact);
                self.rows.push(MeetingRow { account, at, kind, contact, attended, known_at });
            }
        }
        anybody
    }

    /// A half-hour between 9:00 and 17:00 of that day, or of the Monday after a weekend.
    fn moment(&mut self, day: Day) -> Second {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        let working_day = if weekday >= 5 { day + 7 - weekday } else { day };
        midnight(working_day) + 9 * 3_600 + self.random.below(17) as Second * 1_800
    }

    fn delay(&mut self) -> Second {
        if self.random.chance(self.parameters.late_share) {
            3_600 + self.random.below((LATEST_DAYS * DAY_SECONDS - 3_600) as usize) as Second
        } else {
            self.random.exponential(self.parameters.delay_minutes * 60.0).min(86_400.0) as Second
        }
    }
}

/// Whether the business believes that the person is there.
fn is_invitable(person: &Person, at: Second) -> bool {
    let struck_off = person.until_known_at.or_else(|| person.until.map(|until| until + UNNOTICED_DAYS * DAY_SECONDS));
    person.since <= at && person.since_known_at <= at && struck_off.is_none_or(|known| known > at)
}

const _: () = assert!(Role::Sponsor as usize == 0 && Role::User as usize == 3);
