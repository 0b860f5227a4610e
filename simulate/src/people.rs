//! The people at a customer whom the business knows: a sponsor who decides, a champion who carries the product, an admin,
//! a few users.
//!
//! The champion goes when the shock [`Shock::ChampionLeaves`] strikes (now and then the sponsor instead); a reorganisation
//! takes sponsors and users. A successor is found the sooner the more value the account sees. The business hears of it
//! with a delay, and of one departure in ten never: until a row says otherwise, the contact is on record as there.
//!
//! Those who are asked for NPS answers keep their ids, and stay: the answers of a life go on under one id.

use crate::calendar::{DAY_SECONDS, Day, Second, midnight};
use crate::hidden::Shock;
use crate::life::{Life, Week};
use crate::parameters::Simulation;
use crate::random::{Purpose, Random, sigmoid};
use crate::world::PeopleParameters;

/// What a person is to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Decides and pays.
    Sponsor,
    /// Carries the product within the account.
    Champion,
    /// Runs it.
    Admin,
    /// Uses it.
    User,
}

impl Role {
    /// Name in the contacts table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::Champion => "champion",
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

/// A person within an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ContactId {
    /// Number of a respondent of NPS surveys.
    Respondent(u32),
    /// Number of somebody who is not asked, from 1.
    Other(u32),
}

/// A person, and what the business knows of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Person {
    pub contact: ContactId,
    pub role: Role,
    pub since: Second,
    pub since_known_at: Second,
    /// When the person left.
    pub until: Option<Second>,
    /// When that was on record; none: it never was.
    pub until_known_at: Option<Second>,
}

/// A version of a contact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ContactRow {
    pub account: u32,
    pub contact: ContactId,
    pub role: Role,
    pub since: Second,
    pub until: Option<Second>,
    pub known_at: Second,
}

/// Accounts with so many seats have an admin.
const ADMIN_SEATS: u32 = 8;
/// Most users whom one knows at the start.
const FIRST_USERS: u32 = 4;
/// Longest delays of the record, in days: an arrival, a departure.
const LATEST_DAYS: (f64, f64) = (30.0, 60.0);
/// Share of the people at a long-standing account who came after the sign-up.
const CAME_LATER: f64 = 0.4;

/// The people of a life, in the order in which they appeared to us.
pub(crate) fn people(simulation: &Simulation, life: &Life) -> Vec<Person> {
    let mut cast = Cast {
        life,
        parameters: &simulation.parameters.world.parameters().people,
        random: Random::new(simulation.parameters.seed, life.profile.index, Purpose::People),
        people: Vec::new(),
        others: 0,
    };
    cast.begin();
    for week in &life.weeks {
        cast.week(week);
    }
    cast.people
}

/// Appends the versions of the contacts of a life, by `since`.
pub(crate) fn write_contacts(simulation: &Simulation, life: &Life, people: &[Person], rows: &mut Vec<ContactRow>) {
    let (last, end) = (midnight(life.last_day), midnight(simulation.calendar.end));
    let first = rows.len();
    for person in people.iter().filter(|person| person.since < last && person.since_known_at < end) {
        let row = ContactRow {
            account: life.profile.index,
            contact: person.contact,
            role: person.role,
            since: person.since,
            until: None,
            known_at: person.since_known_at,
        };
        rows.push(row);
        let left = person.until.zip(person.until_known_at).filter(|(until, known)| *until < last && *known < end);
        rows.extend(left.map(|(until, known_at)| ContactRow { until: Some(until), known_at, ..row }));
    }
    rows[first..].sort_by_key(|row| (row.since, row.contact, row.known_at));
}

struct Cast<'a> {
    life: &'a Life,
    parameters: &'a PeopleParameters,
    random: Random,
    people: Vec<Person>,
    /// How many ids of our own are given out.
    others: u32,
}

impl Cast<'_> {
    /// Who is there at the first day.
    fn begin(&mut self) {
        let seats = self.life.first_contract.seats;
        let surveyed = self.random.chance(self.parameters.surveyed_sponsors);
        let since = self.first_since();
        self.join(Role::Sponsor, surveyed.then_some(1), since);
        let since = self.first_since();
        self.join(Role::Champion, None, since);
        for _ in 0..seats.ilog2().min(FIRST_USERS) {
            let since = self.first_since();
            self.join(Role::User, None, since);
        }
    }

    /// Soon after the sign-up, or some time since.
    fn first_since(&mut self) -> Second {
        let profile = &self.life.profile;
        let soon = profile.signed_up_at + self.random.below(3 * DAY_SECONDS as usize) as Second;
        if profile.is_long_standing() && self.random.chance(CAME_LATER) {
            profile.signed_up_at
                + ((midnight(profile.first_day) - profile.signed_up_at) as f64 * self.random.uniform()) as Second
        } else {
            soon
        }
    }

    fn week(&mut self, week: &Week) {
        match week.shock {
            Some(Shock::ChampionLeaves) => self.champion_leaves(week),
            Some(Shock::Reorganisation) => self.reorganise(week),
            Some(Shock::Rollout) => {
                let since = self.moment(week);
                self.join(Role::User, None, since);
            }
            Some(Shock::Incident) | None => {}
        }
        self.users_leave(week, self.parameters.user_turnover);
        self.fill(week);
    }

    /// Working hours of one of the first five days of the account's week.
    fn moment(&mut self, week: &Week) -> Second {
        let day = week.first_day + self.random.below(5) as Day;
        midnight(day) + 9 * 3_600 + self.random.below(8 * 3_600) as Second
    }

    fn champion_leaves(&mut self, week: &Week) {
        let (champion, sponsor) = (self.who_can_leave(Role::Champion, week), self.who_can_leave(Role::Sponsor, week));
        let is_sponsor = self.random.chance(self.parameters.sponsor_leaves);
        let who = if is_sponsor { sponsor.or(champion) } else { champion.or(sponsor) };
        if let Some(who) = who {
            self.leave(who, week);
        }
    }

    fn reorganise(&mut self, week: &Week) {
        let sponsor = self.who_can_leave(Role::Sponsor, week);
        if let Some(sponsor) = sponsor.filter(|_| self.random.chance(self.parameters.sponsor_reorganised)) {
            self.leave(sponsor, week);
        }
        self.users_leave(week, self.parameters.user_reorganised);
    }

    fn users_leave(&mut self, week: &Week, probability: f64) {
        for index in 0..self.people.len() {
            let can_leave = self.people[index].role == Role::User && self.can_leave(index, week);
            if can_leave && self.random.chance(probability) {
                self.leave(index, week);
            }
        }
    }

    fn can_leave(&self, index: usize, week: &Week) -> bool {
        let person = &self.people[index];
        let is_ours = matches!(person.contact, ContactId::Other(_));
        is_ours && person.until.is_none() && person.since < midnight(week.first_day)
    }

    fn who_can_leave(&self, role: Role, week: &Week) -> Option<usize> {
        (0..self.people.len()).find(|&index| self.people[index].role == role && self.can_leave(index, week))
    }

    /// Vacant roles.
    fn fill(&mut self, week: &Week) {
        let parameters = self.parameters;
        let champion = sigmoid(parameters.new_champion + parameters.new_champion_slope * week.hidden.value);
        if self.is_vacant(Role::Champion) && self.random.chance(champion) {
            let since = self.moment(week);
            self.join(Role::Champion, None, since);
        }
        if self.is_vacant(Role::Sponsor) && self.random.chance(parameters.new_sponsor) {
            let since = self.moment(week);
            self.join(Role::Sponsor, None, since);
        }
        if week.contract.seats >= ADMIN_SEATS && self.is_vacant(Role::Admin) {
            let is_first = week.first_day == self.life.profile.first_day;
            let since = if is_first { self.first_since() } else { self.moment(week) };
            self.join(Role::Admin, Some(2), since);
        }
    }

    fn is_vacant(&self, role: Role) -> bool {
        !self.people.iter().any(|person| person.role == role && person.until.is_none())
    }

    /// Somebody comes; `respondent`: the number in NPS surveys.
    fn join(&mut self, role: Role, respondent: Option<u32>, since: Second) {
        let contact = respondent.map_or_else(
            || {
                self.others += 1;
                ContactId::Other(self.others)
            },
            ContactId::Respondent,
        );
        let since = since.max(self.life.profile.signed_up_at);
        let since_known_at = since + self.days(self.parameters.arrival_known_days, LATEST_DAYS.0);
        self.people.push(Person { contact, role, since, since_known_at, until: None, until_known_at: None });
    }

    fn leave(&mut self, index: usize, week: &Week) {
        let until = self.moment(week);
        let delay = self.days(self.parameters.departure_known_days, LATEST_DAYS.1);
        let is_recorded = !self.random.chance(self.parameters.departure_unrecorded);
        let person = &mut self.people[index];
        // Nobody is struck off before being on record.
        let known_at = (until + delay).max(person.since_known_at + 3_600);
        person.until = Some(until);
        person.until_known_at = is_recorded.then_some(known_at);
    }

    /// Exponential with a mean, in days; as seconds.
    fn days(&mut self, mean: f64, most: f64) -> Second {
        (self.random.exponential(mean).min(most) * DAY_SECONDS as f64) as Second
    }
}
