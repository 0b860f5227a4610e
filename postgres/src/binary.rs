//! Rows as `COPY ... (FORMAT binary)` writes them (PostgreSQL documentation, COPY): a head, then for each row the number of
//! its fields and each field with its length, all big-endian, and -1 at the end.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::kind::{EPOCH_DAYS, EPOCH_MICROS, Kind};

/// What a stream begins with.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// A field without a value, and the end of the rows.
const NONE: i32 = -1;
/// More than any field has: what says so is no stream of ours.
const MOST_BYTES: usize = 1 << 30;

/// Reads the head.
pub(crate) fn read_head(input: &mut impl Read) -> io::Result<()> {
    let mut head = [0; 19];
    input.read_exact(&mut head)?;
    if &head[..11] != SIGNATURE {
        return Err(invalid("another beginning"));
    }
    let extension = u32::from_be_bytes([head[15], head[16], head[17], head[18]]);
    io::copy(&mut input.take(u64::from(extension)), &mut io::sink()).map(drop)
}

/// Columns that grow row by row.
pub(crate) struct Columns {
    builders: Vec<Builder>,
    field: Vec<u8>,
    pub(crate) rows: usize,
    /// Bytes of texts.
    pub(crate) bytes: usize,
}

enum Builder {
    Text(StringBuilder),
    Whole(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Day(Date32Builder),
    Time(TimestampMicrosecondBuilder),
}

/// What a field cannot be; the column's index.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The stream.
    Io(io::Error),
    /// Bytes that are no text.
    NotText(usize),
}

impl From<io::Error> for RowError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Columns {
    pub(crate) fn new(kinds: impl Iterator<Item = Kind>) -> Self {
        let builder = |kind: Kind| match kind {
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Whole | Kind::Small => Builder::Whole(Int64Builder::new()),
            Kind::Number => Builder::Number(Float64Builder::new()),
            Kind::Flag => Builder::Flag(BooleanBuilder::new()),
            Kind::Day => Builder::Day(Date32Builder::new()),
            Kind::Instant => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Local => Builder::Time(TimestampMicrosecondBuilder::new()),
        };
        Self { builders: kinds.map(builder).collect(), field: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Reads a row; false at the end.
    pub(crate) fn read_row(&mut self, input: &mut impl Read) -> Result<bool, RowError> {
        let mut two = [0; 2];
        input.read_exact(&mut two)?;
        let count = i16::from_be_bytes(two);
        if i32::from(count) == NONE {
            return Ok(false);
        }
        if usize::try_from(count) != Ok(self.builders.len()) {
            return Err(invalid("a row of another number of fields").into());
        }
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let mut four = [0; 4];
            input.read_exact(&mut four)?;
            let length = i32::from_be_bytes(four);
            if length == NONE {
                builder.append_null();
                continue;
            }
            let length = usize::try_from(length).ok().filter(|length| *length <= MOST_BYTES);
            let length = length.ok_or_else(|| invalid("a field of an impossible length"))?;
            self.field.resize(length, 0);
            input.read_exact(&mut self.field)?;
            self.bytes += length;
            if !builder.append(&self.field)? {
                return Err(RowError::NotText(index));
            }
        }
        self.rows += 1;
        Ok(true)
    }

    /// The columns so far; the next row begins new ones.
    pub(crate) fn finish(&mut self) -> Vec<ArrayRef> {
        (self.rows, self.bytes) = (0, 0);
        self.builders.iter_mut().map(Builder::finish).collect()
    }
}

impl Builder {
    /// False for bytes that are no text.
    fn append(&mut self, field: &[u8]) -> io::Result<bool> {
        match self {
            Self::Text(texts) => match std::str::from_utf8(field) {
                Ok(text) => texts.append_value(text),
                Err(_) => return Ok(false),
            },
            Self::Whole(values) => values.append_value(i64::from_be_bytes(exactly(field)?)),
            Self::Number(values) => values.append_value(f64::from_be_bytes(exactly(field)?)),
            Self::Flag(values) => values.append_value(exactly::<1>(field)? != [0]),
            Self::Day(values) => values.append_value(day(i32::from_be_bytes(exactly(field)?))),
            Self::Time(values) => values.append_value(instant(i64::from_be_bytes(exactly(field)?))),
        }
        Ok(true)
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(texts) => texts.append_null(),
            Self::Whole(values) => values.append_null(),
            Self::Number(values) => values.append_null(),
            Self::Flag(values) => values.append_null(),
            Self::Day(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(texts.finish()),
            Self::Whole(values) => Arc::new(values.finish()),
            Self::Number(values) => Arc::new(values.finish()),
            Self::Flag(values) => Arc::new(values.finish()),
            Self::Day(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
        }
    }
}

/// A day since 1970. `infinity` and `-infinity` are no day of anybody's: both become the last one, which no rule accepts.
fn day(server: i32) -> i32 {
    match server {
        i32::MIN | i32::MAX => i32::MAX,
        days => days.checked_add(EPOCH_DAYS).unwrap_or(i32::MAX),
    }
}

/// Microseconds since 1970; infinities as in [`day`].
fn instant(server: i64) -> i64 {
    match server {
        i64::MIN | i64::MAX => i64::MAX,
        micros => micros.checked_add(EPOCH_MICROS).unwrap_or(i64::MAX),
    }
}

fn exactly<const N: usize>(field: &[u8]) -> io::Result<[u8; N]> {
    field.try_into().map_err(|_| invalid("a field of another length than its type has"))
}

fn invalid(found: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("expected rows of COPY in binary, found {found}"))
}

/// Writes the head.
pub(crate) fn write_head(into: &mut Vec<u8>) {
    into.extend_from_slice(SIGNATURE);
    into.extend_from_slice(&[0; 8]);
}

/// Writes the end.
pub(crate) fn write_end(into: &mut Vec<u8>) {
    into.extend_from_slice(&(-1_i16).to_be_bytes());
}

/// What a value cannot be for the server: the column's index, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) usize, pub(crate) &'static str);

/// Writes the rows of columns of types that [`Kind::of_parquet`] takes.
pub(crate) fn write_rows(columns: &[ArrayRef], rows: usize, into: &mut Vec<u8>) -> Result<(), Unfit> {
    let encoders: Vec<Encoder<'_>> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| encoder(column).ok_or(Unfit(index, "a type that no table of ours has")))
        .collect::<Result<_, _>>()?;
    let count = i16::try_from(columns.len()).map_err(|_| Unfit(0, "more columns than a table may have"))?;
    for row in 0..rows {
        into.extend_from_slice(&count.to_be_bytes());
        for (index, (column, encode)) in columns.iter().zip(&encoders).enumerate() {
            if column.is_null(row) {
                into.extend_from_slice(&NONE.to_be_bytes());
            } else {
                encode(row, into).map_err(|why| Unfit(index, why))?;
            }
        }
    }
    Ok(())
}

type Encoder<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<(), &'static str> + 'a>;

fn encoder(column: &ArrayRef) -> Option<Encoder<'_>> {
    Some(match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            Box::new(move |row, into| text(texts.value(row), into))
        }
        DataType::Boolean => {
            let flags = column.as_boolean();
            Box::new(move |row, into| field(&[u8::from(flags.value(row))], into))
        }
        DataType::Float64 => number::<Float64Type>(column),
        DataType::Float32 => number::<Float32Type>(column),
        DataType::Int8 => small::<Int8Type>(column),
        DataType::Int16 => small::<Int16Type>(column),
        DataType::Int32 => small::<Int32Type>(column),
        DataType::UInt8 => small::<UInt8Type>(column),
        DataType::UInt16 => small::<UInt16Type>(column),
        DataType::Int64 => whole::<Int64Type>(column),
        DataType::UInt32 => whole::<UInt32Type>(column),
        DataType::UInt64 => whole::<UInt64Type>(column),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            Box::new(move |row, into| {
                let day = days.value(row).checked_sub(EPOCH_DAYS).ok_or("a day before all days")?;
                field(&day.to_be_bytes(), into)
            })
        }
        DataType::Timestamp(TimeUnit::Second, _) => time::<TimestampSecondType>(column, |at| at.checked_mul(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            time::<TimestampMillisecondType>(column, |at| at.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => time::<TimestampMicrosecondType>(column, Some),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            time::<TimestampNanosecondType>(column, |at| Some(at.div_euclid(1_000)))
        }
        _ => return None,
    })
}

fn field(bytes: &[u8], into: &mut Vec<u8>) -> Result<(), &'static str> {
    let length = i32::try_from(bytes.len()).map_err(|_| "a text of more than 2 GiB")?;
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(bytes);
    Ok(())
}

fn text(text: &str, into: &mut Vec<u8>) -> Result<(), &'static str> {
    if text.as_bytes().contains(&0) {
        return Err("a text with a NUL in it, which PostgreSQL does not hold");
    }
    field(text.as_bytes(), into)
}

fn number<T: ArrowPrimitiveType<Native: Into<f64>>>(column: &ArrayRef) -> Encoder<'_> {
    let values = column.as_primitive::<T>();
    Box::new(move |row, into| {
        let value: f64 = values.value(row).into();
        field(&value.to_be_bytes(), into)
    })
}

fn small<T: ArrowPrimitiveType<Native: Into<i32>>>(column: &ArrayRef) -> Encoder<'_> {
    let values = column.as_primitive::<T>();
    Box::new(move |row, into| {
        let value: i32 = values.value(row).into();
        field(&value.to_be_bytes(), into)
    })
}

fn whole<T: ArrowPrimitiveType<Native: TryInto<i64>>>(column: &ArrayRef) -> Encoder<'_> {
    let values = column.as_primitive::<T>();
    Box::new(move |row, into| {
        let value: i64 = values.value(row).try_into().map_err(|_| "a number of more than 63 bits")?;
        field(&value.to_be_bytes(), into)
    })
}

fn time<T: ArrowPrimitiveType<Native = i64>>(
    column: &ArrayRef,
    micros: impl Fn(i64) -> Option<i64> + 'static,
) -> Encoder<'_> {
    let values = column.as_primitive::<T>();
    Box::new(move |row, into| {
        let micros = micros(values.value(row)).and_then(|micros| micros.checked_sub(EPOCH_MICROS));
        field(&micros.ok_or("a time that the server cannot hold")?.to_be_bytes(), into)
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array,
    };

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("ä\n\t,\"\\N"), None, Some("")])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None])),
            Arc::new(Float64Array::from(vec![Some(-0.0), Some(f64::INFINITY), Some(1e-308)])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            Arc::new(Date32Array::from(vec![Some(-1), Some(0), Some(20_000)])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(0), None]).with_timezone("UTC")),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(2)])),
        ];
        let kinds = [Kind::Text, Kind::Whole, Kind::Number, Kind::Flag, Kind::Day, Kind::Instant, Kind::Local];
        let mut bytes = Vec::new();
        write_head(&mut bytes);
        write_rows(&columns, 3, &mut bytes).unwrap();
        write_end(&mut bytes);
        let mut input = bytes.as_slice();
        read_head(&mut input).unwrap();
        let mut read = Columns::new(kinds.into_iter());
        while read.read_row(&mut input).unwrap() {}
        assert_eq!(read.rows, 3);
        assert!(input.is_empty());
        assert_eq!(read.finish(), columns);
        // Cut off anywhere, it is an error and no end.
        for length in 0..bytes.len() {
            let mut input = &bytes[..length];
            let mut read = Columns::new(kinds.into_iter());
            let whole = read_head(&mut input).is_ok() && (0..4).all(|_| read.read_row(&mut input).is_ok());
            assert!(!whole, "{length} of {} bytes", bytes.len());
        }
    }

    /// 2000-01-01 is day 10,957 of 1970's count (date -d 2000-01-01 +%s: 946684800).
    #[test]
    fn the_server_counts_from_2000_and_infinities_are_no_time() {
        assert_eq!((day(0), instant(0)), (10_957, 946_684_800_000_000));
        assert_eq!((day(i32::MAX), day(i32::MIN)), (i32::MAX, i32::MAX));
        assert_eq!((instant(i64::MAX), instant(i64::MIN), instant(i64::MAX - 1)), (i64::MAX, i64::MAX, i64::MAX));
    }

    #[test]
    fn what_the_server_cannot_hold_is_refused() {
        let refused = |column: ArrayRef| write_rows(&[column], 1, &mut Vec::new()).unwrap_err();
        assert_eq!(refused(Arc::new(StringArray::from(vec!["a\0b"]))).0, 0);
        assert_eq!(refused(Arc::new(UInt64Array::from(vec![u64::MAX]))).1, "a number of more than 63 bits");
        assert!(write_rows(&[Arc::new(UInt64Array::from(vec![7])) as ArrayRef], 1, &mut Vec::new()).is_ok());
    }
}
