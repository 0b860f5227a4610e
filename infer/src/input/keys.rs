//! The first pass: keys and dates only.
//!
//! One column (two with `as_of`) is read before any feature, because three things must be known before the first score is
//! written: which date this is, whether the rows come sorted, and which keys are bad. An account is scored once or not at
//! all: **every** row of a repeated key is set aside, since nothing tells which of them is right; so is a row without a
//! key (null or empty) or without a readable date. Order is that of bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::NaiveDate;

use super::repeated::KeyRuns;
use super::{Columns, FeatureFile};
use crate::error::InferError;
use crate::limits::Limits;
use crate::observe::{Observer, Stage};

/// Why a row is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// `account_id` is null.
    NullKey,
    /// `account_id` is the empty text, which names nobody.
    EmptyKey,
    /// Another row of the same date has the same `account_id`.
    DuplicateKey,
    /// `as_of` is null, or no date.
    UnreadableDate,
}

impl Rule {
    /// Stable code, as written to the quarantine.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NullKey => "account_id.null",
            Self::EmptyKey => "account_id.empty",
            Self::DuplicateKey => "account_id.duplicate",
            Self::UnreadableDate => "as_of.unreadable",
        }
    }
}

/// How the rows of the date come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By `account_id`, ascending.
    Sorted,
    /// In no order.
    Unsorted,
}

/// What the first pass found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPlan {
    /// The date of the scores.
    pub(crate) as_of: NaiveDate,
    /// Rows of that date, bad ones among them.
    pub(crate) rows: u64,
    /// Bad rows by row number, from 0 in the file.
    pub(crate) bad: BTreeMap<u64, Rule>,
    /// How the rows come.
    pub(crate) order: Order,
}

impl KeyPlan {
    /// Reads keys and dates. Those of a file in no order are sorted on disk, in the folder `spill`.
    ///
    /// # Errors
    /// [`InferError::SeveralDates`], [`InferError::NoDate`], [`InferError::DateNotFound`],
    /// [`InferError::MissingColumns`], [`InferError::TooLarge`], [`InferError::TooManyBadRows`], [`InferError::Empty`],
    /// and errors of reading.
    pub(crate) fn read(
        file: &FeatureFile,
        columns: &Columns,
        asked: Option<NaiveDate>,
        limits: &Limits,
        spill: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, InferError> {
        observer.stage(Stage::ReadKeys);
        let mut scan = Scan::new(wanted_date(file, columns, asked)?, asked.is_some());
        let too_many = || InferError::TooManyBadRows { path: file.path.clone(), limit: limits.max_quarantined_rows };
        for_each_key(file, columns, observer, |row, date, key| {
            scan.row(row, date, key);
            if scan.bad.len() as u64 > limits.max_quarantined_rows { Err(too_many()) } else { Ok(()) }
        })?;
        let as_of = scan.date(file)?;
        if scan.order == Order::Unsorted {
            limits.check_unsorted(&file.path, scan.rows)?;
            scan.bad.retain(|_, rule| *rule != Rule::DuplicateKey);
            let repeated = repeated_keys(file, columns, as_of, (spill, limits.max_quarantined_rows), observer)?;
            scan.bad.extend(repeated.into_iter().map(|row| (row, Rule::DuplicateKey)));
        }
        if scan.bad.len() as u64 > limits.max_quarantined_rows {
            return Err(too_many());
        }
        if scan.bad.len() as u64 == scan.rows {
            return Err(match scan.rows {
                0 => InferError::Empty { path: file.path.clone() },
                rows => InferError::NoGoodKey { path: file.path.clone(), rows },
            });
        }
        Ok(Self { as_of, rows: scan.rows, bad: scan.bad, order: scan.order })
    }
}

/// The date that is known before a row is read.
fn wanted_date(
    file: &FeatureFile,
    columns: &Columns,
    asked: Option<NaiveDate>,
) -> Result<Option<NaiveDate>, InferError> {
    let path = file.path.clone();
    let declared: &[NaiveDate] = file.facts.as_ref().map_or(&[], |facts| &facts.as_of);
    match (asked, declared) {
        (Some(as_of), [_, ..]) if !declared.contains(&as_of) => {
            Err(InferError::DateNotFound { path, as_of, dates: listed(declared) })
        }
        (Some(_), [_, _, ..]) if columns.as_of.is_none() => Err(InferError::MissingColumns {
            path,
            missing: vec![super::columns::AS_OF.to_owned()],
            tables: Vec::new(),
        }),
        (Some(as_of), _) => Ok(Some(as_of)),
        (None, [only]) => Ok(Some(*only)),
        (None, [_, ..]) => Err(InferError::SeveralDates { path, dates: listed(declared) }),
        (None, []) if columns.as_of.is_none() => Err(InferError::NoDate { path }),
        (None, []) => Ok(None),
    }
}

/// Dates for a message: the first five.
fn listed<'a>(dates: impl IntoIterator<Item = &'a NaiveDate>) -> String {
    let mut dates = dates.into_iter();
    let first: Vec<String> = dates.by_ref().take(5).map(NaiveDate::to_string).collect();
    let more = if dates.next().is_some() { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

/// What has been seen so far.
struct Scan {
    wanted: Option<NaiveDate>,
    others_allowed: bool,
    rows: u64,
    dates: BTreeSet<NaiveDate>,
    /// That of the row before, which is in `dates` or was one too many.
    last_date: Option<NaiveDate>,
    previous: Option<(u64, String)>,
    bad: BTreeMap<u64, Rule>,
    order: Order,
}

/// Distinct dates that are remembered for a message.
const DATES_REMEMBERED: usize = 6;

impl Scan {
    fn new(wanted: Option<NaiveDate>, others_allowed: bool) -> Self {
        let (dates, bad) = (BTreeSet::new(), BTreeMap::new());
        Self { wanted, others_allowed, rows: 0, dates, last_date: None, previous: None, bad, order: Order::Sorted }
    }

    /// Takes one row; `date` is `None` where the file has no date, `Some(None)` where it cannot be read.
    fn row(&mut self, row: u64, date: Option<Option<NaiveDate>>, key: Option<&str>) {
        match date {
            Some(None) => {
                self.rows += 1;
                self.bad.insert(row, Rule::UnreadableDate);
                return;
            }
            Some(Some(date)) => {
                if self.last_date != Some(date) && self.dates.len() < DATES_REMEMBERED {
                    self.dates.insert(date);
                }
                self.last_date = Some(date);
                if *self.wanted.get_or_insert(date) != date {
                    return;
                }
            }
            None => {}
        }
        self.rows += 1;
        let Some(key) = key else {
            self.bad.insert(row, Rule::NullKey);
            return;
        };
        if key.is_empty() {
            self.bad.insert(row, Rule::EmptyKey);
            return;
        }
        if let Some((previous_row, previous)) = &self.previous {
            match key.cmp(previous.as_str()) {
                std::cmp::Ordering::Less => self.order = Order::Unsorted,
                std::cmp::Ordering::Equal => {
                    self.bad.insert(*previous_row, Rule::DuplicateKey);
                    self.bad.insert(row, Rule::DuplicateKey);
                }
                std::cmp::Ordering::Greater => {}
            }
        }
        match &mut self.previous {
            Some((previous_row, previous)) => {
                *previous_row = row;
                previous.clear();
                previous.push_str(key);
            }
            none => *none = Some((row, key.to_owned())),
        }
    }

    /// The date of the scores, once all rows are seen.
    fn date(&self, file: &FeatureFile) -> Result<NaiveDate, InferError> {
        let path = file.path.clone();
        let Some(as_of) = self.wanted else { return Err(InferError::NoDate { path }) };
        if !self.others_allowed && self.dates.iter().any(|date| *date != as_of) {
            let mut dates = self.dates.clone();
            dates.insert(as_of);
            return Err(InferError::SeveralDates { path, dates: listed(&dates) });
        }
        if self.rows == 0 {
            return Err(InferError::DateNotFound { path, as_of, dates: listed(&self.dates) });
        }
        Ok(as_of)
    }
}

/// Rows of the date whose key occurs more than once, for a file in no order.
fn repeated_keys(
    file: &FeatureFile,
    columns: &Columns,
    as_of: NaiveDate,
    (spill, most): (&Path, u64),
    observer: &dyn Observer,
) -> Result<Vec<u64>, InferError> {
    let mut keys = KeyRuns::new(spill);
    for_each_key(file, columns, observer, |row, date, key| match key.filter(|key| !key.is_empty()) {
        Some(key) if date.is_none_or(|date| date == Some(as_of)) => keys.push(key, row),
        _ => Ok(()),
    })?;
    keys.repeated(most)
}

/// Rows of a batch of the first pass.
const KEY_BATCH_ROWS: usize = 16_384;

/// Calls `take` with the number, the date and the key of each row, until it fails.
fn for_each_key(
    file: &FeatureFile,
    columns: &Columns,
    observer: &dyn Observer,
    mut take: impl FnMut(u64, Option<Option<NaiveDate>>, Option<&str>) -> Result<(), InferError>,
) -> Result<(), InferError> {
    let mut first_row = 0;
    let mut batches = file.batches(columns.key_roots(), KEY_BATCH_ROWS)?;
    while let Some(batch) = batches.next()? {
        let has_date = columns.as_of.is_some();
        // A projection keeps the order of the file.
        let date_first = columns.as_of.is_some_and(|as_of| as_of < columns.account);
        let keys = batch.column(usize::from(date_first)).as_ref();
        let dates = if has_date { Some(dates_of(batch.column(usize::from(!date_first)).as_ref())) } else { None };
        let texts = keys.as_string_view_opt();
        for index in 0..batch.num_rows() {
            let key = texts.filter(|texts| texts.is_valid(index)).map(|texts| texts.value(index));
            take(first_row + index as u64, dates.as_ref().map(|dates| dates[index]), key)?;
        }
        first_row += batch.num_rows() as u64;
        observer.progress(first_row, file.rows);
        if let Some(stop) = observer.stop() {
            return Err(InferError::Stopped { stop });
        }
    }
    Ok(())
}

/// The dates of the rows of a batch of the second pass; `None` where the file has none.
pub(crate) fn batch_dates(columns: &Columns, batch: &RecordBatch) -> Option<Vec<Option<NaiveDate>>> {
    columns.as_of.map(|position| dates_of(batch.column(position).as_ref()))
}

/// Dates of a column; a time that is not midnight is no date.
fn dates_of(array: &dyn Array) -> Vec<Option<NaiveDate>> {
    fn days<T: arrow_array::ArrowPrimitiveType<Native = i64>>(array: &dyn Array, a_day: i64) -> Vec<Option<NaiveDate>> {
        let mut day = once_per_run(|value: i64| if value % a_day == 0 { day_of(value / a_day) } else { None });
        array.as_primitive::<T>().iter().map(|value| value.and_then(&mut day)).collect()
    }
    match array.data_type() {
        DataType::Date32 => {
            let mut date = once_per_run(|day: i32| day_of(i64::from(day)));
            array.as_primitive::<Date32Type>().iter().map(|day| day.and_then(&mut date)).collect()
        }
        DataType::Timestamp(TimeUnit::Second, _) => days::<TimestampSecondType>(array, 86_400),
        DataType::Timestamp(TimeUnit::Millisecond, _) => days::<TimestampMillisecondType>(array, 86_400_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => days::<TimestampMicrosecondType>(array, 86_400_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => days::<TimestampNanosecondType>(array, 86_400_000_000_000),
        DataType::Utf8View => {
            let parse = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
            array.as_string_view().iter().map(|text| text.and_then(parse)).collect()
        }
        _ => vec![None; array.len()],
    }
}

/// A function that remembers its last answer: a column of dates holds the same one again and again.
fn once_per_run<T: Copy + PartialEq, U: Copy>(mut function: impl FnMut(T) -> U) -> impl FnMut(T) -> U {
    let mut last = None;
    move |value| match last {
        Some((of, answer)) if of == value => answer,
        _ => last.insert((value, function(value))).1,
    }
}

/// The date that is so many days after 1970-01-01.
fn day_of(days: i64) -> Option<NaiveDate> {
    let days = i32::try_from(days).ok()?.checked_add(719_163)?;
    NaiveDate::from_num_days_from_ce_opt(days)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, StringViewArray, TimestampMillisecondArray};

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn dates_are_read_from_days_times_and_text() {
        // 2026-01-31 is day 20,484 after 1970-01-01.
        let expected = vec![Some(date("2026-01-31")), None];
        assert_eq!(dates_of(&Date32Array::from(vec![Some(20_484), None])), expected);
        let midnight = 20_484 * 86_400_000;
        assert_eq!(dates_of(&TimestampMillisecondArray::from(vec![midnight, midnight + 1])), expected);
        assert_eq!(dates_of(&StringViewArray::from(vec!["2026-01-31", "January"])), expected);
    }

    #[test]
    fn all_rows_of_a_repeated_key_and_rows_without_key_are_bad() {
        let mut scan = Scan::new(None, false);
        let day = Some(Some(date("2026-01-31")));
        for (row, key) in [Some("a"), Some("b"), None, Some("b"), Some("b"), Some("c")].into_iter().enumerate() {
            scan.row(row as u64, day, key);
        }
        scan.row(6, Some(None), Some("d"));
        scan.row(7, day, Some(""));
        assert_eq!(scan.order, Order::Sorted);
        assert_eq!(scan.rows, 8);
        let bad: Vec<(u64, Rule)> = scan.bad.into_iter().collect();
        let duplicate = Rule::DuplicateKey;
        let expected = [
            (1, duplicate),
            (2, Rule::NullKey),
            (3, duplicate),
            (4, duplicate),
            (6, Rule::UnreadableDate),
            (7, Rule::EmptyKey),
        ];
        assert_eq!(bad, expected);
    }

    #[test]
    fn another_date_is_passed_over() {
        let mut scan = Scan::new(Some(date("2026-01-31")), true);
        scan.row(0, Some(Some(date("2025-12-31"))), Some("z"));
        scan.row(1, Some(Some(date("2026-01-31"))), Some("a"));
        assert_eq!((scan.rows, scan.order), (1, Order::Sorted));
    }

    #[test]
    fn only_five_dates_are_listed() {
        let days: Vec<NaiveDate> = (0..7).map(|day| day_of(day).unwrap()).collect();
        assert_eq!(listed(&days), "1970-01-01, 1970-01-02, 1970-01-03, 1970-01-04, 1970-01-05, ...");
    }
}
