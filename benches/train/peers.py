"""One peer on one task, in a process of its own: fits every fold, writes the probabilities, prints seconds and memory.

    python benches/train/peers.py TASK.parquet PEER default|tuned OUT.npy

`tuned` judges eight settings on the training rows alone (the latest quarter of a task in time, 90 days after the rows that
are fitted; three stratified folds of a table without time), and fits the best on all training rows.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

THREADS = 2
KEYS = ["account_id", "as_of", "label", "fold"]

# (rate, rounds, leaves or depth, least rows per leaf, l2)
SLOW, MIDDLE = (0.02, 600), (0.05, 200)
TREES = [
    (*MIDDLE, 15, 20, 1.0), (*MIDDLE, 31, 20, 1.0), (*MIDDLE, 7, 20, 5.0), (*MIDDLE, 15, 50, 10.0),
    (0.05, 100, 15, 20, 1.0), (0.05, 60, 7, 50, 10.0), (*SLOW, 7, 20, 5.0), (*SLOW, 15, 50, 5.0),
]
SETTINGS = {
    "lightgbm": TREES, "xgboost": TREES, "catboost": TREES, "hist_gradient_boosting": TREES,
    "logistic": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0],
}


def depth(leaves: int) -> int:
    return max(2, int(np.ceil(np.log2(leaves + 1))))


def model(peer: str, setting, numbers: list[str], texts: list[str]):
    if peer == "logistic":
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), texts),
        )
        return make_pipeline(columns, LogisticRegression(max_iter=1000, **({} if setting is None else {"C": setting})))
    if peer == "lightgbm":
        from lightgbm import LGBMClassifier

        given = {} if setting is None else dict(
            learning_rate=setting[0], n_estimators=setting[1], num_leaves=setting[2], min_child_samples=setting[3],
            reg_lambda=setting[4],
        )
        return LGBMClassifier(n_jobs=THREADS, verbose=-1, random_state=0, **given)
    if peer == "xgboost":
        from xgboost import XGBClassifier

        given = {} if setting is None else dict(
            learning_rate=setting[0], n_estimators=setting[1], max_depth=depth(setting[2]),
            min_child_weight=setting[3] / 10, reg_lambda=setting[4],
        )
        return XGBClassifier(n_jobs=THREADS, enable_categorical=True, random_state=0, **given)
    if peer == "catboost":
        from catboost import CatBoostClassifier

        given = {} if setting is None else dict(
            learning_rate=setting[0], iterations=setting[1], depth=depth(setting[2]), l2_leaf_reg=setting[4],
        )
        return CatBoostClassifier(
            thread_count=THREADS, verbose=0, random_seed=0, allow_writing_files=False, cat_features=texts, **given
        )
    given = {} if setting is None else dict(
        learning_rate=setting[0], max_iter=setting[1], max_leaf_nodes=setting[2], min_samples_leaf=setting[3],
        l2_regularization=setting[4], early_stopping=False,
    )
    return HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0, **given)


def prepared(peer: str, rows: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    rows = rows.copy()
    for name in texts:
        if peer in ("catboost", "logistic"):
            rows[name] = rows[name].astype(object).where(rows[name].notna(), "missing").astype(str).astype(object)
        else:
            rows[name] = rows[name].astype("category")
    return rows


def inner_splits(table: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    if table["as_of"].nunique() == 1:
        cut = StratifiedKFold(n_splits=3, shuffle=True, random_state=1)
        return list(cut.split(table, table["label"]))
    dates = pd.to_datetime(table["as_of"])
    first = dates.sort_values().iloc[int(0.75 * len(dates))]
    for gap in (90, 0):
        fit = np.flatnonzero(dates < first - pd.Timedelta(days=gap))
        judge = np.flatnonzero(dates >= first)
        if len(fit) and table["label"].to_numpy()[fit].sum() >= 20:
            break
    return [(fit, judge)]


def choose(peer: str, table: pd.DataFrame, rows: pd.DataFrame, numbers: list[str], texts: list[str]):
    best, labels = (np.inf, None), table["label"].to_numpy()
    splits = inner_splits(table)
    for setting in SETTINGS[peer]:
        losses = []
        for fit, judge in splits:
            fitted = model(peer, setting, numbers, texts).fit(rows.iloc[fit], labels[fit])
            losses.append(log_loss(labels[judge], fitted.predict_proba(rows.iloc[judge])[:, 1], labels=[0, 1]))
        if np.mean(losses) < best[0]:
            best = (np.mean(losses), setting)
    return best[1]


def main() -> None:
    path, peer, mode, out = sys.argv[1:5]
    warnings.filterwarnings("ignore")
    table = pd.read_parquet(path)
    names = [name for name in table.columns if name not in KEYS]
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(table[name])]
    numbers = [name for name in names if name not in texts]
    rows = prepared(peer, table[names], texts)
    probabilities = np.full(len(table), np.nan)
    fit_seconds, chosen = 0.0, []
    for fold in sorted(set(table["fold"]) - {-1}):
        train = np.flatnonzero(table["fold"] != fold)
        test = np.flatnonzero(table["fold"] == fold)
        start = time.perf_counter()
        of_training = rows.iloc[train]
        setting = None
        if mode == "tuned":
            setting = choose(peer, table.iloc[train], of_training, numbers, texts)
        fitted = model(peer, setting, numbers, texts).fit(of_training, table["label"].to_numpy()[train])
        fit_seconds += time.perf_counter() - start
        chosen.append(setting)
        probabilities[test] = fitted.predict_proba(rows.iloc[test])[:, 1]
    np.save(out, probabilities)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"fit_seconds": fit_seconds, "peak_mib": peak, "chosen": chosen}))


if __name__ == "__main__":
    main()
