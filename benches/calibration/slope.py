"""Calibration slope of a backtest with an interval that knows that rows of one account are not independent.

python benches/calibration/slope.py RUN [--by-refit]

RUN is the folder of `bellwether backtest --out RUN`. Per target and learner: rows, positive rows, positive accounts, the
slope of a logistic regression of the outcomes on the log-odds of the forecasts with its 95 % interval (sandwich variance,
clustered by account), observed over expected, and log loss.
"""

import sys

import numpy as np
import polars as pl


def regression(log_odds, outcomes):
    design = np.c_[np.ones_like(log_odds), log_odds]
    line = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-design @ line))
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.solve(hessian, design.T @ (outcomes - fitted))
        line += step
        if abs(step).max() < 1e-10:
            break
    return design, line, fitted, hessian


def describe(rows):
    probability = rows["probability"].to_numpy().clip(1e-9, 1 - 1e-9)
    outcomes = rows["label"].to_numpy().astype(float)
    design, line, fitted, hessian = regression(np.log(probability / (1 - probability)), outcomes)
    _, account = np.unique(rows["account_id"].to_numpy(), return_inverse=True)
    scores = np.zeros((account.max() + 1, 2))
    np.add.at(scores, account, design * (outcomes - fitted)[:, None])
    bread = np.linalg.inv(hessian)
    error = (bread @ (scores.T @ scores) @ bread)[1, 1] ** 0.5
    loss = -(outcomes * np.log(probability) + (1 - outcomes) * np.log(1 - probability)).mean()
    accounts = rows.filter(pl.col("label"))["account_id"].n_unique()
    return (
        f"{len(rows)} rows, {int(outcomes.sum())} positive of {accounts} accounts: slope {line[1]:.3f} "
        f"[{line[1] - 1.96 * error:.3f}, {line[1] + 1.96 * error:.3f}], "
        f"observed over expected {outcomes.sum() / probability.sum():.3f}, log loss {loss:.5f}"
    )


def main():
    predictions = pl.read_parquet(sys.argv[1] + "/predictions.parquet").filter(pl.col("learner") != "base_rate")
    keys = ["target", "learner"] + (["refit"] if "--by-refit" in sys.argv else [])
    for names, rows in predictions.group_by(keys, maintain_order=True):
        print(*names, describe(rows))


main()
