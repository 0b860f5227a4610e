//! The lean scorer of Bellwether: Parquet in, Parquet out.
