"""The outlook's revenue: Bellwether and DuckDB on the same subscriptions in one run.

    python benches/outlook/compare.py [--accounts 1000000] [--bellwether PATH] [--folder DIR] [--runs N] [--scores]

Accounts that begin over 36 months, with changes of seats, plans and prices, churn and some that come back, as two Parquet files.
Each side is a process of its own, with two threads, that reads the files and writes Parquet: MRR movements by month with
NRR, GRR and logo retention of twelve months, cohorts by month and quarter at every age, the last year by segment, industry,
region, channel, plan and size, expansions and contractions by kind. DuckDB writes the counts and sums; Bellwether writes
intervals too, and whatever else `bellwether outlook` makes of subscriptions. All counts and sums are compared before any time
is printed; sides that differ are an error. With --scores, Bellwether runs once more with the (made-up) scores of two dates, which adds
accounts, alerts, changes, calls and the forecast: nothing there is to compare with, its time stands alone. Packages: benches/outlook/requirements.txt.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
AS_OF = "2026-01-15"
MONTHS = 36
PROJECT = """config_version = 1
[project]
name = "bench"
currency = "EUR"
[tables.accounts]
path = "accounts.parquet"
[tables.subscriptions]
path = "subscriptions.parquet"
[eligibility]
active_by = "subscription"
[targets.churn_90d]
event = "subscription_end"
horizon = "90d"
grace = "0d"
"""


def simulate(folder: Path, count: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    random = np.random.default_rng(7)
    day = np.timedelta64(86_400_000_000, "us")
    first = np.datetime64("2023-01-01", "us")
    begun = random.integers(0, MONTHS * 30, count)
    code = np.arange(count)
    ids = np.char.add("account-", np.char.zfill(code.astype(str), 7))
    pick = lambda names, shares: np.array(names)[random.choice(len(names), count, p=shares)]
    parquet.write_table(pa.table({
        "account_id": ids,
        "signed_up_at": pa.array(first + begun * day, pa.timestamp("us", "UTC")),
        "segment": pick(["startup", "business", "public"], [0.5, 0.4, 0.1]),
        "industry": pick([f"industry-{number}" for number in range(20)], [0.05] * 20),
        "region": pick(["north", "south", "east", "west"], [0.4, 0.3, 0.2, 0.1]),
        "channel": pick(["web", "partner", "sales"], [0.6, 0.25, 0.15]),
    }), folder / "accounts.parquet", compression="zstd")
    seats = np.clip(random.lognormal(2.0, 1.2, count), 1, 5_000).astype(np.int64)
    plan = random.choice(3, count, p=[0.6, 0.3, 0.1])
    price = np.array([9.0, 19.5, 41.25])
    now = begun.astype(np.int64)
    is_paying = np.ones(count, bool)
    rows = [(code, now, np.round(seats * price[plan], 2), plan, seats)]
    # Every account gets its next event after 20 to 200 days, until its history ends.
    alive = code
    while len(alive):
        now[alive] += random.integers(20, 200, len(alive))
        alive = alive[now[alive] < MONTHS * 30 + 40]
        lot = random.random(len(alive))
        back = ~is_paying[alive]
        churned = alive[~back & (lot < 0.08)]
        returned = alive[back & (lot < 0.25)]
        changed = alive[~back & (lot >= 0.08)]
        kind = random.random(len(changed))
        more = changed[kind < 0.45]
        seats[more] = np.maximum(seats[more] + 1, (seats[more] * random.uniform(1.0, 1.5, len(more))).astype(np.int64))
        less = changed[(kind >= 0.45) & (kind < 0.7)]
        seats[less] = np.maximum(1, (seats[less] * random.uniform(0.5, 1.0, len(less))).astype(np.int64))
        other = changed[(kind >= 0.7) & (kind < 0.85)]
        plan[other] = random.integers(0, 3, len(other))
        discount = np.ones(count)
        cheaper = changed[kind >= 0.85]
        discount[cheaper] = random.uniform(0.8, 1.2, len(cheaper))
        is_paying[churned], is_paying[returned] = False, True
        for which, factor in ((churned, 0.0), (returned, 1.0), (changed, 1.0)):
            mrr = np.round(seats[which] * price[plan[which]] * discount[which] * factor, 2)
            rows.append((which, now[which].copy(), mrr, plan[which].copy(), seats[which].copy()))
    columns = [np.concatenate(parts) for parts in zip(*rows)]
    order = np.lexsort((columns[0], columns[1]))
    account, at, mrr, plans, counts = (column[order] for column in columns)
    at = pa.array(first + at * day + (account % 86_400) * np.timedelta64(1_000_000, "us"), pa.timestamp("us", "UTC"))
    parquet.write_table(pa.table({
        "account_id": ids[account], "effective_at": at, "known_at": at, "mrr": mrr,
        "plan": np.array(["basic", "team", "company"])[plans], "seats": counts.astype(np.float64),
        "billing_period": np.where(account % 3 == 0, "annual", "monthly"),
    }), folder / "subscriptions.parquet", compression="zstd", row_group_size=1_000_000)
    (folder / "bellwether.toml").write_text(PROJECT)


def invent_scores(folder: Path) -> None:
    """scores/v1 of every account at AS_OF and two weeks before, by chance: between the two a probability moves by about a point, and
    one reason in ten is another."""
    import datetime as dt

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    random = np.random.default_rng(11)
    ids = parquet.read_table(folder / "accounts.parquet", columns=["account_id"])["account_id"]
    count, targets = len(ids), ("churn_90d", "expansion_60d")
    kept: dict[str, np.ndarray] = {}

    def pick(column: str, names: list[str]) -> pa.Array:
        drawn = random.integers(0, len(names), count)
        stays = random.random(count) < 0.9
        kept[column] = np.where(stays, kept.get(column, drawn), drawn)
        return pa.array(np.array(names)[kept[column]])

    mrr = np.round(random.lognormal(4.0, 1.5, count), 2)
    chance = {target: random.beta(1.0, 12.0, count) for target in targets}
    for days in (14, 0):
        as_of = dt.date.fromisoformat(AS_OF) - dt.timedelta(days=days)
        chance = {target: np.clip(value + random.normal(0.0, 0.01, count), 0.001, 0.999) for target, value in chance.items()}
        columns = {"account_id": ids, **{f"{target}_probability": value for target, value in chance.items()}}
        for target, value in chance.items():
            columns |= {f"{target}_low": value * 0.9, f"{target}_high": value * 0.9 + 0.1}
        for target, value in chance.items():
            columns[f"{target}_band"] = np.array(["low", "medium", "high"])[(value > 0.1).astype(int) + (value > 0.2)]
        names = [f"usage.events.{number}:-" for number in range(40)]
        for target in targets:
            columns |= {name: pick(name, names) for name in (f"{target}_reason_{rank}" for rank in range(1, 6))}
        for target in targets:
            texts = [f"usage fell {share} %" for share in range(99)]
            columns |= {name: pick(name, texts) for name in (f"{target}_reason_{rank}_text" for rank in range(1, 6))}
        for target in targets:
            columns |= {f"{target}_reason_{rank}_effect": random.normal(0.0, 0.02, count) for rank in range(1, 6)}
        columns |= {
            "health": pick("health", ["champion", "hostage", "sleeper", "at_risk", "unknown"]), "value_tier": pick("tier", ["high", "medium", "low"]),
            "service_level": pick("level", ["high_at_risk", "medium_healthy", "low_healthy"]), "mrr": mrr,
            "mrr_at_risk": mrr * chance["churn_90d"], "expected_expansion_mrr": mrr * chance["expansion_60d"] * 0.2,
            "status": pa.array(["scored"] * count), "status_reason": pa.array(["OK"] * count),
            "model": pa.array(["invented/1@0"] * count),
        }
        home = folder / "scored" / "scores" / "v1" / f"as_of={as_of}"
        home.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), home / "part-00000.parquet", compression="zstd", row_group_size=100_000)
        (home / "_SUCCESS").touch()


SQL = f"""
set threads = {THREADS};
set TimeZone = 'UTC';
create table stretches as
  with visible as (
    select account_id, effective_at as begins, cast(round(mrr * 100) as bigint) as mrr, plan, seats
    from 'subscriptions.parquet' where effective_at < '{AS_OF}' and known_at < '{AS_OF}'
    qualify row_number() over (partition by account_id, effective_at order by known_at desc) = 1)
  select account_id, begins, mrr, plan, seats,
    lead(begins) over account as ends, lag(mrr) over account as mrr_then, lag(plan) over account as plan_then,
    lag(seats) over account as seats_then, min(begins) filter (where mrr > 0) over all_of_account as first_paid
  from visible
  window account as (partition by account_id order by begins), all_of_account as (partition by account_id);

-- What each account paid just before each month's end (or as_of).
create table paid as
  with months as (
    select month, least(month + interval 1 month, timestamp '{AS_OF}') as until
    from (select unnest(generate_series((select date_trunc('month', min(first_paid)) from stretches),
      timestamp '{AS_OF}' - interval 1 microsecond, interval 1 month)) as month))
  select account_id, month, until, mrr, first_paid
  from stretches join months on begins < until and (ends is null or ends >= until);

create table monthly as
  select account_id, month, mrr as closing, first_paid, first_paid < month as has_paid,
    coalesce(lag(mrr) over account, 0) as opening,
    lag(mrr, 12) over account as year_ago
  from paid window account as (partition by account_id order by month);

create table year as
  with past as (select account_id, mrr, plan from stretches
      where begins < timestamp '{AS_OF}' - interval 1 year and (ends is null or ends >= timestamp '{AS_OF}' - interval 1 year) and mrr > 0),
    present as (select account_id, mrr from stretches where ends is null)
  select account_id, past.mrr as opening, present.mrr as closing, past.plan as plan,
    case when past.mrr * 12 >= 5000000 then 'enterprise' when past.mrr * 12 >= 1000000 then 'mid_market' else 'small' end as size,
    segment, industry, region, channel
  from past join present using (account_id) join 'accounts.parquet' using (account_id);

copy (
  select cast(month as date) as month,
    sum(opening) / 100 as opening_mrr, count(*) filter (where opening > 0) as opening_accounts,
    coalesce(sum(closing) filter (where opening = 0 and closing > 0 and not has_paid), 0) / 100 as new_mrr,
    count(*) filter (where opening = 0 and closing > 0 and not has_paid) as new_accounts,
    coalesce(sum(closing) filter (where opening = 0 and closing > 0 and has_paid), 0) / 100 as reactivation_mrr,
    count(*) filter (where opening = 0 and closing > 0 and has_paid) as reactivation_accounts,
    coalesce(sum(closing - opening) filter (where opening > 0 and closing > opening), 0) / 100 as expansion_mrr,
    count(*) filter (where opening > 0 and closing > opening) as expansion_accounts,
    coalesce(sum(opening - closing) filter (where closing > 0 and closing < opening), 0) / 100 as contraction_mrr,
    count(*) filter (where closing > 0 and closing < opening) as contraction_accounts,
    coalesce(sum(opening) filter (where opening > 0 and closing = 0), 0) / 100 as churn_mrr,
    count(*) filter (where opening > 0 and closing = 0) as churn_accounts,
    sum(closing) / 100 as closing_mrr, count(*) filter (where closing > 0) as closing_accounts,
    case when month < date_trunc('month', timestamp '{AS_OF}') then sum(closing) filter (where year_ago > 0) / sum(year_ago)
      else (select sum(closing) / sum(opening) from year) end as nrr_12m,
    case when month < date_trunc('month', timestamp '{AS_OF}') then sum(least(closing, year_ago)) filter (where year_ago > 0) / sum(year_ago)
      else (select sum(least(closing, opening)) / sum(opening) from year) end as grr_12m,
    case when month < date_trunc('month', timestamp '{AS_OF}') then count(*) filter (where year_ago > 0 and closing > 0) / nullif(count(*) filter (where year_ago > 0), 0)
      else (select count(*) filter (where closing > 0) / count(*) from year) end as logo_retention_12m
  from monthly group by month order by month
) to 'OUT/movements.parquet' (format parquet, compression zstd);

create table members as
  select account_id, month, closing, first_paid, date_trunc('month', first_paid) as began,
    date_diff('month', date_trunc('month', first_paid), month) as age
  from monthly where first_paid is not null and month >= date_trunc('month', first_paid)
    and month < date_trunc('month', timestamp '{AS_OF}');
copy (
  with spans as (
    select 'month' as span, began as cohort, * from members
    union all select 'quarter', date_trunc('quarter', began), * from members),
  openings as (select account_id, closing as opening from members where age = 0),
  youngest as (select span, cohort, max(began) as youngest from spans group by all),
  reached as (
    select span, cohort, cast(date_diff('month', youngest, date_trunc('month', timestamp '{AS_OF}')) - 1 as bigint) as oldest_age
    from youngest)
  select span, cast(cohort as date) as cohort, age as age_months, count(*) as accounts,
    count(*) filter (where closing > 0) as kept_accounts, sum(opening) / 100 as opening_mrr, sum(closing) / 100 as mrr
  from spans join openings using (account_id) join reached using (span, cohort)
  where age <= oldest_age group by all order by span, cohort, age_months
) to 'OUT/cohorts.parquet' (format parquet, compression zstd);

copy (
  select "by", "group", count(*) as accounts, count(*) filter (where closing > 0) as kept_accounts,
    sum(opening) / 100 as opening_mrr, sum(closing) / 100 as mrr, sum(least(closing, opening)) / sum(opening) as grr_12m
  from (unpivot year on segment, industry, region, channel, plan, size into name "by" value "group") group by all order by "by", "group"
) to 'OUT/segments.parquet' (format parquet, compression zstd);

copy (
  select case when mrr < mrr_then then 'contraction' else 'expansion' end as direction,
    case when plan <> plan_then then 'plan' when seats <> seats_then and (seats > seats_then) = (mrr > mrr_then) then 'seats' else 'price' end as kind,
    count(*) as changes, count(distinct account_id) as accounts, sum(abs(mrr - mrr_then)) / 100 as mrr
  from stretches where mrr <> mrr_then and mrr > 0 and mrr_then > 0 and begins >= timestamp '{AS_OF}' - interval 1 year
  group by all order by direction desc, kind
) to 'OUT/changes.parquet' (format parquet, compression zstd);
"""

KEYS = {
    "movements": ["month"], "cohorts": ["span", "cohort", "age_months"], "segments": ["by", "group"], "changes": ["direction", "kind"],
}


def by_duckdb(folder: Path, out: Path) -> None:
    import duckdb

    os.chdir(folder)
    out.mkdir(parents=True, exist_ok=True)
    duckdb.connect().execute(SQL.replace("OUT", str(out)))


def compare(ours: Path, theirs: Path) -> int:
    """Every count and sum of both sides; returns how many were compared."""
    import pyarrow.parquet as parquet

    compared = 0
    for table, keys in KEYS.items():
        sides = []
        for folder in (ours, theirs):
            rows = parquet.read_table(folder / f"{table}.parquet").to_pylist()
            sides.append({tuple(str(row[key]) for key in keys): row for row in rows})
        mine, peers = sides
        # Behaviour and other groups that only Bellwether knows.
        mine = {key: row for key, row in mine.items() if table != "segments" or key[0] in {name for name, _ in peers}}
        if mine.keys() != peers.keys():
            sys.exit(f"{table}: expected the same rows, found {sorted(mine.keys() ^ peers.keys())[:5]} on one side only")
        for key, row in peers.items():
            for name, value in row.items():
                found = mine[key][name]
                is_same = found == value or (
                    value is not None and found is not None and not isinstance(value, str)
                    and name not in keys and abs(float(found) - float(value)) <= 1e-9 * max(1.0, abs(float(value)))
                )
                if not is_same:
                    sys.exit(f"{table}, {key}, {name}: Bellwether has {found}, DuckDB {value}")
                compared += 1
    return compared


def timed(command: list) -> tuple[float, int]:
    """Seconds, and peak memory in MiB, of a process."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
    started = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]}: ended with status {status}")
    return time.perf_counter() - started, usage.ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--bellwether", type=Path, default=Path("target/release/bellwether"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side", choices=["simulate", "scores", "duckdb"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scores", action="store_true", help="measure the outlook with scores of two dates, too")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bellwether-outlook-"))
    if given.side == "simulate":
        return simulate(folder, given.accounts)
    if given.side == "scores":
        return invent_scores(folder)
    if given.side == "duckdb":
        return by_duckdb(folder, given.out)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = [sys.executable, Path(__file__).resolve()]
    if not (folder / "bellwether.toml").is_file():
        # In a process of its own: the peak of a child counts what its parent held when it was forked.
        subprocess.run(list(map(str, [*python, "--side", "simulate", "--accounts", given.accounts, "--folder", folder])), check=True)
    ours = [given.bellwether.resolve(), "--config", folder / "bellwether.toml", "--quiet", "outlook", "--as-of", AS_OF, "--out", folder / "out"]
    theirs = [*python, "--side", "duckdb", "--folder", folder, "--out", folder / "duckdb"]
    times: dict[str, list] = {"Bellwether": [], "DuckDB": []}
    for _ in range(given.runs):
        for name, command in (("Bellwether", ours), ("DuckDB", theirs)):
            times[name].append(timed(command))
    compared = compare(folder / "out" / "outlook" / "v1" / f"as_of={AS_OF}", folder / "duckdb")
    print(f"{compared:,} counts and sums compared, all equal")
    best = {name: min(runs) for name, runs in times.items()}
    for name, runs in times.items():
        print(f"{name}: {best[name][0]:.2f} s, peak {max(peak for _, peak in runs):,} MiB (best of {len(runs)} runs)")
    print(f"ratio {best['Bellwether'][0] / best['DuckDB'][0]:.2f}")
    if given.scores:
        if not (folder / "scored").is_dir():
            subprocess.run(list(map(str, [*python, "--side", "scores", "--folder", folder])), check=True)
        runs = [timed([*ours[:-1], folder / "scored"]) for _ in range(given.runs)]
        print(f"Bellwether with scores: {min(runs)[0]:.2f} s, peak {max(peak for _, peak in runs):,} MiB (best of {len(runs)} runs)")


if __name__ == "__main__":
    main()
