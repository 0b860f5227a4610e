"""How often the 80 % range of a forecast holds what came, and how it compares with simple ones, over many simulated worlds.

    cargo build --release && cargo build --release --examples
    python benches/outlook/forecast.py shocks [--worlds 300] [--seed 1]
    python benches/outlook/forecast.py businesses [--worlds 200] [--accounts 400] [--seed 2001] [--world standard]

`shocks`: worlds of outlook/examples/forecast_worlds.rs, with hidden shocks of a form that the forecast does not assume.
`businesses`: `bellwether simulate`, which has no shocks but a season; scores are its true probabilities, or with `--train` those
of a model trained on what was known at the date; `bellwether outlook` forecasts, and what came is read from the rows of
subscriptions by this script.

Prints per measure and horizon the share of worlds whose truth lies between downside and upside, with the 95 % interval of
Clopper and Pearson (1934), and the mean pinball loss over the seven levels against four simpler forecasts: the change of the
last period again; the sum of probabilities; accounts drawn independently; and the last change with the spread of the errors
that it made in the other worlds (which no one knows in advance). Losses are relative to the opening MRR. Exits with 1 where a
share over all is outside 76 to 84 %, or a loss is not lower.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LEVELS = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95]
NAMES = [f"{100 * level:02.0f}" for level in LEVELS]
SHARE_LOW, SHARE_HIGH = 0.76, 0.84


def binomial_tail(count: int, of: int, share: float) -> float:
    """P(X >= count)."""
    logs = (
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(share) + (of - k) * math.log1p(-share)
        for k in range(count, of + 1)
    )
    return sum(math.exp(log) for log in logs)


def clopper_pearson(count: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, by bisection."""

    def solve(wanted: float, tail) -> float:
        low, high = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle) < wanted else (low, middle)
        return (low + high) / 2

    lowest = 0.0 if count == 0 else solve(0.025, lambda share: binomial_tail(count, of, share))
    highest = 1.0 if count == of else solve(0.975, lambda share: binomial_tail(count + 1, of, share))
    return lowest, highest


def pinball(quantiles: list[float], truth: float) -> float:
    losses = (max(level * (truth - q), (level - 1) * (truth - q)) for level, q in zip(LEVELS, quantiles, strict=True))
    return sum(losses) / len(LEVELS)


def quantile(values: list[float], level: float) -> float:
    values = sorted(values)
    place = level * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def judge(rows: list[dict]) -> tuple[int, int, dict[str, float]]:
    """Worlds held, worlds, and mean losses by forecast."""
    errors = [(row["truth"] - row["last"]) / row["scale"] for row in rows]
    spread = [quantile(errors, level) for level in LEVELS]
    losses: dict[str, float] = defaultdict(float)
    held = 0
    for row in rows:
        held += row["q"][1] <= row["truth"] <= row["q"][5]
        forecasts = {
            "forecast": row["q"],
            "last": [row["last"]] * len(LEVELS),
            "summed": [row["summed"]] * len(LEVELS),
            "independent": row["independent"],
            "last+": [row["last"] + error * row["scale"] for error in spread],
        }
        for name, quantiles in forecasts.items():
            if quantiles:
                losses[name] += pinball(quantiles, row["truth"]) / row["scale"] / len(rows)
    return held, len(rows), losses


def report(rows: list[dict], by: str | None = None) -> bool:
    """Prints a line per measure and horizon; whether all is as it should be."""
    is_right = True
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        groups[(row[by] if by else "", row["measure"], row["horizon_days"])].append(row)
    print(f"\n{by or 'all worlds'}")
    print(f"{'':16}{'':5}{'days':>5}{'worlds':>7}{'held':>7}  95 % interval   forecast      last    summed  independent     last+")
    for (group, measure, days), members in sorted(groups.items()):
        held, worlds, losses = judge(members)
        low, high = clopper_pearson(held, worlds)
        shown = "".join(f"{1000 * losses[name]:>10.3f}" if name in losses else f"{'':10}" for name in ("forecast", "last", "summed"))
        more = "".join(f"{1000 * losses[name]:>12.3f}" if name in losses else f"{'':12}" for name in ("independent", "last+"))
        print(f"{group!s:16}{measure:5}{days:>5}{worlds:>7}{100 * held / worlds:>6.1f}%  {100 * low:4.1f} to {100 * high:4.1f} {shown}{more}")
        is_right &= SHARE_LOW <= held / worlds <= SHARE_HIGH
        is_right &= all(losses["forecast"] < loss for name, loss in losses.items() if name not in ("forecast", "last+"))
    return is_right


def shocks(options: argparse.Namespace) -> list[dict]:
    command = [options.release / "examples" / "forecast_worlds", options.worlds, options.seed, options.draws]
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    rows = []
    for line in csv.DictReader(io.StringIO(done.stdout)):
        row = {name: line[name] for name in ("world", "family", "measure")}
        row |= {name: float(line[name]) for name in ("opening", "truth", "last", "summed", "churn_shock", "churn_shift")}
        row["horizon_days"] = int(line["horizon_days"])
        row["past scores"] = "judged" if int(line["judged"]) else "none"
        row["size"] = "below 800" if int(line["accounts"]) < 800 else "800 and more"
        row["q"] = [float(line[f"q{name}"]) for name in NAMES]
        row["independent"] = [float(line[f"independent{name}"]) for name in NAMES]
        row["scale"] = row["opening"] if row["measure"] == "mrr" else 1.0
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["shocks", "businesses"])
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--world", default="standard")
    parser.add_argument("--train", action="store_true", help="scores of a trained model instead of the true probabilities")
    parser.add_argument("--release", type=Path, default=ROOT / "target" / "release", help="where cargo put the binaries")
    options = parser.parse_args()
    if options.what == "businesses":
        import businesses

        rows = businesses.rows(options)
        by = []
    else:
        rows = shocks(options)
        by = ["family", "past scores", "size"]
    for one in by:
        report(rows, one)
    return 0 if report(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
