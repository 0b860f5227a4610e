"""Forecasts of simulated businesses (`bellwether simulate`), against the rows of their subscriptions. See forecast.py."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

# The simulation ends on 2026-01-31: 90 days and the grace period after this month-end lie before it.
AS_OF = datetime.date(2025, 9, 30)
GRACE_DAYS = 14
MONTHS = 33
TARGETS = ["churn_90d", "expansion_60d"]
LEVEL_COLUMNS = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]


def run(binary: Path, folder: Path, *arguments: object) -> str:
    command = [str(binary), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def write_scores(home: Path, date: datetime.date) -> None:
    """The true probabilities as scores/v1."""
    truth = pl.read_parquet(home / "truth" / "probabilities.parquet").filter(pl.col("as_of") == date).sort("account_id")
    text, number = pl.lit(None, pl.String), pl.lit(None, pl.Float64)
    columns = [pl.col("account_id")]
    for target in TARGETS:
        columns += [pl.col(target).alias(f"{target}_{name}") for name in ("probability", "low", "high")]
        columns.append(text.alias(f"{target}_band"))
        for rank in range(1, 6):
            reason = f"{target}_reason_{rank}"
            columns += [text.alias(reason), text.alias(f"{reason}_text"), number.alias(f"{reason}_effect")]
    columns += [text.alias(name) for name in ("health", "value_tier", "service_level")]
    columns += [number.alias(name) for name in ("mrr", "mrr_at_risk", "expected_expansion_mrr")]
    columns += [pl.lit("scored").alias("status"), pl.lit("OK").alias("status_reason"), pl.lit("truth/1@0").alias("model")]
    folder = home / "out" / "scores" / "v1" / f"as_of={date}"
    folder.mkdir(parents=True)
    table = truth.select(columns).to_arrow()
    kinds = {True: pa.float64(), False: pa.string()}
    fields = [pa.field(field.name, kinds[pa.types.is_floating(field.type)]) for field in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), folder / "part-00000.parquet")
    (folder / "_SUCCESS").touch()


def mrr_before(subscriptions: pl.DataFrame, date: datetime.date, is_settled: bool) -> dict[str, float]:
    """MRR by account just before a day, as known then; or, where `is_settled`, as known in the end, where what stops and goes on
    within the grace period has not stopped."""
    midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
    found: dict[str, float] = {}
    for account, rows in subscriptions.group_by("account_id"):
        rows = rows.sort("effective_at", "known_at")
        if not is_settled:
            rows = rows.filter(pl.col("known_at") < midnight)
        times, amounts = rows["effective_at"].to_list(), rows["mrr"].to_list()
        before = [place for place, time in enumerate(times) if time < midnight]
        if not before:
            continue
        place = before[-1]
        mrr = amounts[place]
        if mrr == 0 and is_settled:
            start = place
            while start > 0 and amounts[start - 1] == 0:
                start -= 1
            back = next((later for later in range(place + 1, len(times)) if amounts[later] > 0), None)
            if start > 0 and back is not None and times[back] - times[start] < datetime.timedelta(days=GRACE_DAYS):
                mrr = amounts[start - 1]
        found[account[0]] = mrr
    return found


def measures(opening: dict[str, float], closing: dict[str, float]) -> dict[str, float]:
    base = {account: mrr for account, mrr in opening.items() if mrr > 0}
    total = sum(base.values())
    kept = {account: closing.get(account, 0.0) for account in base}
    return {
        "mrr": sum(closing.values()),
        "nrr": sum(kept.values()) / total,
        "grr": sum(min(kept[account], base[account]) for account in base) / total,
    }


def rows(options) -> list[dict]:
    found = []
    for world in range(options.worlds):
        with tempfile.TemporaryDirectory(prefix="bellwether-forecast-") as folder:
            found += one(options, world, Path(folder))
    return found


def one(options, world: int, folder: Path) -> list[dict]:
    binary = options.release.resolve() / "bellwether"
    home = folder / "business"
    seed = options.seed + world
    simulate = ["--accounts", options.accounts, "--months", MONTHS, "--seed", seed, "--world", options.world, "--threads", 1]
    run(binary, folder, "simulate", *simulate, "--truth", "--out", home, "-q")
    if options.train:
        run(binary, home, "train", "--known-as-of", AS_OF, "--learners", "base_rate,logistic", "--threads", 1, "-q")
        registry = next(path.name for path in (home / "registry").iterdir() if path.is_dir())
        bundle = ["--bundle", f"registry/{registry}@champion"]
        run(binary, home, "score", "--as-of", AS_OF, "--out", "out", *bundle, "--threads", 1, "-q")
    else:
        write_scores(home, AS_OF)
    run(binary, home, "outlook", "--as-of", AS_OF, "--out", "out", "--threads", 1, "-q")
    table = pl.read_parquet(home / "out" / "outlook" / "v1" / f"as_of={AS_OF}" / "forecast.parquet")
    subscriptions = pl.read_parquet(home / "data" / "subscriptions.parquet", columns=["account_id", "effective_at", "known_at", "mrr"])
    opening = mrr_before(subscriptions, AS_OF, False)
    found = []
    for line in table.iter_rows(named=True):
        days = datetime.timedelta(days=line["horizon_days"])
        came = measures(opening, mrr_before(subscriptions, AS_OF + days, True))
        earlier = mrr_before(subscriptions, AS_OF - days, False)
        last = measures(earlier, opening)
        last["mrr"] += sum(opening.values()) - sum(earlier.values())
        measure = line["measure"]
        found.append(
            {
                "world": world,
                "measure": measure,
                "horizon_days": line["horizon_days"],
                "truth": came[measure],
                "last": last[measure],
                "summed": line["summed_probabilities"],
                "q": [line[name] for name in LEVEL_COLUMNS],
                "independent": None,
                "scale": line["opening_mrr"] if measure == "mrr" else 1.0,
            }
        )
    if abs(sum(opening.values()) - table["opening_mrr"][0]) > 0.005:
        raise SystemExit(f"world {world}: opening MRR {table['opening_mrr'][0]}, rows say {sum(opening.values())}")
    shutil.rmtree(home)
    return found
