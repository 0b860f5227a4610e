"""Point-in-time features: Bellwether, polars and DuckDB on the same data in one run.

    python benches/features/compare.py [--case a|b1|b24] [--bellwether PATH] [--folder DIR] [--runs N]

Each side is a process of its own that reads the Parquet file of uses and writes a Parquet file of features: for every
account with a use in the last 365 days at each date, the uses, quantity, active days, distinct features and distinct users
of the last 7, 28, 90 and 365 days, and the days since the last use. All values are compared before any time is printed;
sides that differ are an error. Two threads each. `floor` reads the input and writes the output with pyarrow, and does nothing
else. Packages: benches/features/requirements.txt.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WINDOWS = (7, 28, 90, 365)
THREADS = 2
CASES = {
    # accounts, uses, days of history before the last date, observation dates
    "a": (20_000, 600_000, 365 + 40 * 31, 40),
    "b1": (200_000, 50_000_000, 365 + 24 * 31, 1),
    "b24": (200_000, 50_000_000, 365 + 24 * 31, 24),
}
LAST = datetime.date(2026, 1, 31)


def month_ends(count):
    """The last `count` month-ends up to LAST, ascending."""
    dates, day = [], LAST
    while len(dates) < count:
        dates.append(day)
        day = day.replace(day=1) - datetime.timedelta(days=1)
    return dates[::-1]


def columns():
    names = ["usage_days_since_last"]
    for w in WINDOWS:
        names += [f"usage_events_{w}d", f"usage_quantity_{w}d", f"usage_active_days_{w}d"]
        names += [f"adoption_features_{w}d", f"adoption_active_users_{w}d"]
    return names


def simulate(path, accounts, uses, days):
    """Uses in order of time; account sizes with a heavy tail, up to 40 users each, 30 features of unequal popularity."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(7)
    size = random.lognormal(0.0, 1.0, accounts)
    account = random.choice(accounts, uses, p=size / size.sum()).astype(np.uint32)
    users = np.clip(random.lognormal(1.5, 1.0, accounts), 1, 40).astype(np.int64)
    user = (random.random(uses) * users[account]).astype(np.uint32)
    feature = np.minimum(random.geometric(0.12, uses) - 1, 29).astype(np.uint32)
    start = datetime.datetime.combine(LAST, datetime.time()) - datetime.timedelta(days=days)
    micros = np.sort(random.integers(0, days * 86_400_000_000, uses))
    at = np.datetime64(start, "us") + micros.astype("timedelta64[us]")
    frame = pl.DataFrame({"account": account, "user": user, "feature": feature, "at": at})
    frame = frame.with_columns(quantity=pl.Series(random.integers(1, 400, uses) * 0.25))
    names = [pl.format("account-{}", pl.col("account").cast(pl.String).str.zfill(6)).alias("account_id")]
    names += [pl.format("user-{}-{}", "account", "user").alias("user_id")]
    names += [pl.format("feature-{}", "feature").alias("feature")]
    frame.select(*names, "at", "quantity").write_parquet(path, compression="zstd", row_group_size=1_000_000)


def by_polars(uses, out, dates):
    """One aggregation per date, over the uses of its last 365 days; texts as categories, which is faster."""
    import polars as pl

    table = pl.read_parquet(uses).sort("at")
    table = table.with_columns(
        pl.col("account_id", "user_id", "feature").cast(pl.Categorical), day=pl.col("at").dt.date()
    )
    parts = []
    for date in dates:
        seen = table.lazy().filter(pl.col("day") < date, pl.col("day") >= date - datetime.timedelta(days=365))
        values = [(pl.lit(date) - pl.col("day").max()).dt.total_days().alias("usage_days_since_last")]
        for w in WINDOWS:
            within = pl.col("day") >= date - datetime.timedelta(days=w)
            values += [
                within.sum().alias(f"usage_events_{w}d"),
                pl.col("quantity").filter(within).sum().alias(f"usage_quantity_{w}d"),
                pl.col("day").filter(within).n_unique().alias(f"usage_active_days_{w}d"),
                pl.col("feature").filter(within).n_unique().alias(f"adoption_features_{w}d"),
                pl.col("user_id").filter(within).n_unique().alias(f"adoption_active_users_{w}d"),
            ]
        part = seen.group_by("account_id").agg(values).with_columns(as_of=pl.lit(date))
        part = part.with_columns(pl.col("account_id").cast(pl.String), pl.col(columns()).cast(pl.Float32))
        parts.append(part.sort("account_id").select("account_id", "as_of", *columns()).collect())
    pl.concat(parts).write_parquet(out, compression="zstd", compression_level=1)


def by_duckdb(uses, out, dates):
    """One SQL statement."""
    import duckdb

    values = ["date_diff('day', max(day), as_of) as usage_days_since_last"]
    for w in WINDOWS:
        within = f"filter (where day >= as_of - {w})"
        values += [
            f"count(*) {within} as usage_events_{w}d",
            f"coalesce(sum(quantity) {within}, 0) as usage_quantity_{w}d",
            f"count(distinct day) {within} as usage_active_days_{w}d",
            f"count(distinct feature) {within} as adoption_features_{w}d",
            f"count(distinct user_id) {within} as adoption_active_users_{w}d",
        ]
    floats = ", ".join(f"cast({name} as float) as {name}" for name in columns())
    dates = ", ".join(f"(date '{date}')" for date in dates)
    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    connection.execute(f"""
        copy (
          with uses as (select account_id, user_id, feature, quantity, cast("at" as date) as day from '{uses}'),
               dates(as_of) as (values {dates}),
               grouped as (
                 select account_id, as_of, {", ".join(values)}
                 from dates join uses on day < as_of and day >= as_of - 365
                 group by account_id, as_of)
          select account_id, as_of, {floats} from grouped order by as_of, account_id
        ) to '{out}' (format parquet, compression zstd)""")


def floor(uses, out, answer):
    """Seconds of reading the input, and of writing the output."""
    import pyarrow
    import pyarrow.parquet as parquet

    pyarrow.set_cpu_count(THREADS)
    table = parquet.read_table(answer)
    started = time.perf_counter()
    parquet.read_table(uses)
    read = time.perf_counter()
    parquet.write_table(table, out, compression="zstd", compression_level=1, use_dictionary=["account_id"])
    return read - started, time.perf_counter() - read


PROJECT = """config_version = 1
[project]
name = "benchmark"
[tables.usage]
path = "{uses}"
max_rows = 100000000
[eligibility]
active_by = "usage"
within = "365d"
min_tenure = "0d"
[signals]
include = [{signals}]
"""


def bellwether(program, folder, uses, out, dates):
    """The command that a user runs."""
    project = folder / "bellwether.toml"
    project.write_text(PROJECT.format(uses=uses, signals=", ".join(json.dumps(name) for name in columns())))
    when = ["--as-of", str(dates[0])] if len(dates) == 1 else ["--from", str(dates[0]), "--to", str(dates[-1])]
    return [program, "features", "--config", project, "--out", out, "--threads", str(THREADS), *when]


def measured(command):
    """Wall seconds and peak MiB of a process."""
    environment = dict(os.environ, POLARS_MAX_THREADS=str(THREADS), OMP_NUM_THREADS=str(THREADS))
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed: {command}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def assert_same(left, right):
    import polars as pl

    left, right = (pl.read_parquet(path, columns=["account_id", "as_of", *columns()]) for path in (left, right))
    keys = ["as_of", "account_id"]
    left, right = left.sort(keys), right.sort(keys)
    if left.height != right.height or not left.select(keys).equals(right.select(keys)):
        raise SystemExit(f"the rows differ: {left.height} and {right.height}")
    for name in columns():
        apart = (left[name].cast(pl.Float64) - right[name].cast(pl.Float64)).abs()
        unequal = (apart > 1e-6 * left[name].abs().cast(pl.Float64)).sum() + (left[name].is_null() != right[name].is_null()).sum()
        if unequal:
            raise SystemExit(f"{name}: {unequal} values differ")
    return left.height


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, default="a")
    parser.add_argument("--bellwether", default="target/release/bellwether")
    parser.add_argument("--folder", type=Path, help="keeps the data there for another run")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many is printed")
    parser.add_argument("--without", action="append", default=[], choices=["polars", "duckdb"], help="leave a peer out")
    parser.add_argument("--side", choices=["polars", "duckdb", "data"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    accounts, uses, days, count = CASES[arguments.case]
    dates = month_ends(count)
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    table = (folder / f"uses-{uses}-{days}.parquet").absolute()
    out = {side: folder.absolute() / f"{side}.parquet" for side in ["bellwether", "polars", "duckdb", "floor"]}
    if arguments.side == "data":
        simulate(table, accounts, uses, days)
        return
    if arguments.side:
        {"polars": by_polars, "duckdb": by_duckdb}[arguments.side](table, out[arguments.side], dates)
        return
    if not table.exists():
        # A process of its own: what this one once held would be counted as the peak of those it starts.
        side = [sys.executable, __file__, "--case", arguments.case, "--folder", folder, "--side", "data"]
        subprocess.run([str(part) for part in side], check=True)
    commands = {"bellwether": bellwether(arguments.bellwether, folder, table, out["bellwether"], dates)}
    for side in ["polars", "duckdb"]:
        if side not in arguments.without:
            commands[side] = [sys.executable, __file__, "--case", arguments.case, "--folder", folder, "--side", side]
    results = {side: min(measured(command) for _ in range(arguments.runs)) for side, command in commands.items()}
    rows = [assert_same(out["bellwether"], out[side]) for side in commands if side != "bellwether"]
    compared = f"{rows[0]} rows, values equal" if rows else "no peer, so nothing was compared"
    print(f"case {arguments.case}: {accounts:,} accounts, {uses:,} uses, {count} dates, {compared}")
    best = min((results[side][0] for side in commands if side != "bellwether"), default=float("nan"))
    for side, (seconds, mebibytes) in results.items():
        print(f"{side:12} {seconds:8.2f} s {mebibytes:8.0f} MiB")
    reading, writing = min((floor(table, out["floor"], out["bellwether"]) for _ in range(arguments.runs)), key=sum)
    print(f"floor        {reading + writing:8.2f} s (pyarrow reads the uses in {reading:.2f} s, writes the rows in {writing:.2f} s)")
    if rows:
        print(f"bellwether / fastest peer: {results['bellwether'][0] / best:.3f}")
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
