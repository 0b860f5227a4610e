"""How many ordinary accounts of later dates lie outside the range of all earlier dates.

python benches/calibration/outside_training.py FEATURES SPLIT

FEATURES is a file of `bellwether features --from .. --to .. --out FEATURES`; rows before SPLIT (YYYY-MM-DD) stand for
training. Per later date: rows, and the shares of rows that the two rules of OUTSIDE_TRAINING would mark at several limits.
"""

import sys

import numpy as np
import polars as pl

SHARES, RANGES = (0.05, 0.10, 0.15, 0.25), (0.5, 1, 3, 5, 10)


def main():
    rows = pl.read_parquet(sys.argv[1])
    names = [name for name, kind in rows.schema.items() if kind in (pl.Float32, pl.Float64)]
    split = pl.lit(sys.argv[2]).str.to_date()
    training = rows.filter(pl.col("as_of") < split).select(names).to_numpy().astype(float)
    with np.errstate(all="ignore"):
        known = training[:, ~np.isnan(training).all(axis=0)]
        names = [name for name, never in zip(names, np.isnan(training).all(axis=0)) if not never]
        least, greatest = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    extent = np.maximum.reduce([greatest - least, abs(least), abs(greatest), np.ones_like(least)])
    print(f"{len(training)} training rows, {len(names)} numbers; share of inputs outside > {SHARES}; ranges outside > {RANGES}")
    for (as_of,), date in rows.filter(pl.col("as_of") >= split).group_by("as_of", maintain_order=True):
        values = date.select(names).to_numpy().astype(float)
        distance = np.nan_to_num(np.maximum(least - values, values - greatest).clip(0) / extent)
        share = (distance > 0).sum(axis=1) / (~np.isnan(values)).sum(axis=1).clip(1)
        marked = [f"{(share > limit).mean():.4%}" for limit in SHARES]
        remote = [f"{(distance.max(axis=1) > limit).mean():.4%}" for limit in RANGES]
        either = ((share > 0.15) | (distance.max(axis=1) > 5)).mean()
        print(as_of, len(date), *marked, "|", *remote, f"| marked {either:.4%}")


main()
