"""Bulk scoring: bellwether-infer, LightGBM and onnxruntime on the same file and the same trees in one run.

    python benches/infer/compare.py [--rows N] [--runs N] [--infer PATH] [--folder DIR] [--cargo-target DIR]

1,000,000 rows of 100 float32 features (zstd, 8 % missing; account_id, as_of), two heads of 300 trees of 31 leaves that
LightGBM is trained for here. Two threads each. The values are compared before any time is printed; sides that differ are an
error. Each side is a process of its own, measured by what the kernel says of that process (wall, peak memory):

- whole job: read the Parquet file, score both heads, write Parquet. bellwether-infer also hashes input and output, counts
  drift, applies the policy and publishes; it writes all columns of scores/v1, the others the key and two probabilities.
- predict: the rows are in memory; scoring alone.
- floor: pyarrow reads the same file and writes the same output, and does nothing else.

Packages: benches/infer/requirements.txt. Builds what it needs with cargo unless --infer is given.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 2
FEATURES = 100
TREES = 300
LEAVES = 31
MISSING = 0.08
TARGETS = ("churn_90d", "expansion_60d")
TRAIN_ROWS = 100_000
SAMPLE_ROWS = 2_000
# Largest difference of a probability: floats of 32 bits against those of 64 in the leaves.
TOLERANCE = 1e-5


# ---- each of these runs in a process of its own -------------------------------------------------------------------------


def rows(random, count):
    """Half normal, half skewed and rounded to cents, each value missing with MISSING."""
    import numpy as np

    values = random.standard_normal((FEATURES, count), dtype=np.float32)
    values[FEATURES // 2 :] = np.round(np.exp(values[FEATURES // 2 :]) * 100) / 100
    values[random.random((FEATURES, count), dtype=np.float32) < MISSING] = np.nan
    return values


def make_data(folder, count):
    import datetime
    import hashlib

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = rows(np.random.default_rng(7), count)
    columns = {"account_id": pa.array([f"account-{row:09}" for row in range(count)])}
    columns["as_of"] = pa.array([datetime.date(2026, 1, 31)] * count)
    for feature in range(FEATURES):
        columns[f"f{feature:03}"] = pa.array(values[feature], from_pandas=True)
    path = folder / "features.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd")
    digest = hashlib.file_digest(path.open("rb"), "sha256").hexdigest()
    (folder / "features.parquet.sha256").write_text(f"{digest}  features.parquet\n")


def make_models(folder):
    """Two LightGBM models, their ONNX, and their trees as the example program `bundle_of_trees` reads them."""
    import lightgbm
    import numpy as np
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    random = np.random.default_rng(8)
    values = rows(random, TRAIN_ROWS)
    filled = np.nan_to_num(values, nan=0.0)
    heads = []
    for head, target in enumerate(TARGETS):
        weights = random.standard_normal(FEATURES) * (random.random(FEATURES) < 0.5)
        score = weights @ np.tanh(filled) + filled[head] * filled[head + 2] - 2.0
        labels = random.random(TRAIN_ROWS) < 1 / (1 + np.exp(-score))
        parameters = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.05, "num_threads": THREADS,
                      "verbose": -1, "seed": 1, "deterministic": True}
        model = lightgbm.train(parameters, lightgbm.Dataset(values.T, labels), num_boost_round=TREES)
        model.save_model(folder / f"{target}.txt")
        onnx = onnxmltools.convert_lightgbm(
            model, initial_types=[("input", FloatTensorType([None, FEATURES]))], target_opset=15, zipmap=False
        )
        (folder / f"{target}.onnx").write_bytes(onnx.SerializeToString())
        trees = [plain_tree(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]]
        heads.append({"target": target, "trees": trees})
    sample = rows(random, SAMPLE_ROWS)
    sample = [[None if np.isnan(value) else float(value) for value in column] for column in sample]
    columns = [f"f{feature:03}" for feature in range(FEATURES)]
    (folder / "trees.json").write_text(json.dumps({"columns": columns, "sample": sample, "heads": heads}))


def plain_tree(root):
    """A LightGBM tree as nodes, children after their parent."""
    import numpy as np

    nodes, waiting = [None], [(root, 0)]
    while waiting:
        node, at = waiting.pop()
        if "leaf_value" in node:
            nodes[at] = {"value": float(node["leaf_value"]), "cover": int(node.get("leaf_count", 0))}
            continue
        assert node["decision_type"] == "<=" and node["missing_type"] == "NaN", node
        # The greatest 32-bit float that is not above the threshold divides 32-bit values in the same way.
        with np.errstate(over="ignore"):
            threshold = np.float32(node["threshold"])
        if float(threshold) > node["threshold"]:
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        left, right = len(nodes), len(nodes) + 1
        nodes += [None, None]
        nodes[at] = {"column": node["split_feature"], "threshold": float(threshold), "left": left, "right": right,
                     "missing_left": bool(node["default_left"]), "cover": int(node["internal_count"])}
        waiting += [(node["left_child"], left), (node["right_child"], right)]
    return nodes


def limit_threads():
    import pyarrow as pa

    pa.set_cpu_count(THREADS)
    pa.set_io_thread_count(THREADS)


def read_matrix(folder):
    """account_id, and the features row by row with NaN for null."""
    import numpy as np
    import pyarrow.parquet as pq

    limit_threads()
    table = pq.read_table(folder / "features.parquet")
    matrix = np.empty((table.num_rows, FEATURES), dtype=np.float32)
    for feature in range(FEATURES):
        matrix[:, feature] = table[f"f{feature:03}"].to_numpy()
    return table["account_id"], matrix


def write_probabilities(folder, name, ids, found):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"account_id": ids} | {f"{target}_probability": found[target] for target in TARGETS}
    pq.write_table(pa.table(columns), folder / f"{name}.parquet", compression="zstd")


def peer(folder, name):
    """The whole job of a peer; prints the seconds of scoring alone."""
    ids, matrix = read_matrix(folder)
    seconds, found = 0.0, {}
    for target in TARGETS:
        if name == "lightgbm":
            import lightgbm

            model = lightgbm.Booster(model_file=folder / f"{target}.txt")
            started = time.perf_counter()
            found[target] = model.predict(matrix, num_threads=THREADS)
        else:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = THREADS
            session = onnxruntime.InferenceSession(folder / f"{target}.onnx", options)
            started = time.perf_counter()
            found[target] = session.run([session.get_outputs()[1].name], {"input": matrix})[0][:, 1]
        seconds += time.perf_counter() - started
    write_probabilities(folder, name, ids, found)
    print(json.dumps({"predict_seconds": seconds}))


def floor(folder, scores):
    """Reads the input and writes the output; the output is read before, and that is not counted."""
    import pyarrow.parquet as pq

    limit_threads()
    output = pq.read_table(scores)
    started = time.perf_counter()
    table = pq.read_table(folder / "features.parquet")
    read = time.perf_counter()
    pq.write_table(output, folder / "floor.parquet", compression="zstd")
    written = time.perf_counter()
    assert table.num_rows == output.num_rows
    print(json.dumps({"seconds": written - started, "read_seconds": read - started, "write_seconds": written - read}))


def compare_values(folder, scores):
    """Largest differences of the probabilities to LightGBM's, over all rows of both heads."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sides = {"bellwether": scores, "onnxruntime": folder / "onnxruntime.parquet"}
    expected = pq.read_table(folder / "lightgbm.parquet")
    report = {}
    for name, path in sides.items():
        found = pq.read_table(path, columns=["account_id"] + [f"{target}_probability" for target in TARGETS])
        assert pc.all(pc.equal(found["account_id"], expected["account_id"])).as_py(), f"{name}: other accounts"
        far = [np.abs(found[column].to_numpy() - expected[column].to_numpy()) for column in found.column_names[1:]]
        far = np.stack(far)
        assert not np.isnan(far).any(), f"{name}: a probability is missing"
        report[name] = {"largest": float(far.max()), "beyond_tolerance": int((far > TOLERANCE).sum())}
    print(json.dumps(report))


# ---- the parent, which stays small: a child's peak memory counts what its parent had at the fork -------------------------


def run(command):
    """Seconds, peak memory in MiB and what the process printed."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE)
    printed = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, printed


def child(name, *arguments):
    seconds, memory, printed = run([sys.executable, __file__, "--child", name, *arguments])
    return seconds, memory, json.loads(printed) if printed.strip() else {}


def build(target):
    """The scorer, the program that makes a bundle of trees, and the benchmark of the kernels."""
    cargo = ["cargo", "build", "--release", "--workspace", "--locked"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target))
    parts = ["--bin", "bellwether-infer", "--example", "bundle_of_trees", "--example", "predict"]
    subprocess.run(cargo + parts, cwd=ROOT, env=environment, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bellwether-bench-infer"))
    parser.add_argument("--cargo-target", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")))
    parser.add_argument("--infer", type=Path, help="a bellwether-infer that is already built, e.g. the lean one")
    parser.add_argument("--without", action="append", default=[], choices=["lightgbm", "onnxruntime"])
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--prepare", action="store_true", help="make data, models and bundle, and stop")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return run_child(arguments.child)
    if not arguments.no_build:
        build(arguments.cargo_target)
    release = arguments.cargo_target / "release"
    infer = arguments.infer or release / "bellwether-infer"
    folder = arguments.folder / str(arguments.rows)
    bundle = prepare(folder, arguments.rows, release)
    if not arguments.prepare:
        measure(folder, bundle, infer, release, arguments)


def run_child(parts):
    name, folder, *rest = parts
    folder = Path(folder)
    match name:
        case "data":
            make_data(folder, int(rest[0]))
        case "models":
            make_models(folder)
        case "lightgbm" | "onnxruntime":
            peer(folder, name)
        case "floor":
            floor(folder, rest[0])
        case "values":
            compare_values(folder, rest[0])
        case _:
            sys.exit(f"no child {name}")


def prepare(folder, count, release):
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "features.parquet.sha256").exists():
        child("data", folder, count)
    if not (folder / "trees.json").exists():
        child("models", folder)
    bundle = folder / "bundle"
    if not bundle.exists():
        subprocess.run([release / "examples/bundle_of_trees", folder / "trees.json", bundle], check=True)
    return bundle


def score_command(infer, folder, bundle):
    command = [infer, "score", "--bundle", bundle, "--input", folder / "features.parquet", "--out", folder / "out"]
    return command + ["--reasons", "none", "--threads", THREADS, "--quiet"]


def measure(folder, bundle, infer, release, arguments):
    scores = folder / "out/scores/v1/as_of=2026-01-31/part-00000.parquet"
    run(score_command(infer, folder, bundle))
    peers = [name for name in ("lightgbm", "onnxruntime") if name not in arguments.without]
    results = {name: child(name, folder) for name in peers}
    if len(peers) == 2:
        _, _, values = child("values", folder, scores)
        print("largest difference to LightGBM's probabilities:", json.dumps(values))
        if values["bellwether"]["beyond_tolerance"]:
            sys.exit(f"bellwether differs by more than {TOLERANCE}")
    floors = [child("floor", folder, scores)[2]["seconds"] for _ in range(arguments.runs)]
    jobs = [run(score_command(infer, folder, bundle)) for _ in range(arguments.runs)]
    predict = [release / "examples/predict", bundle, folder / "features.parquet", THREADS, arguments.runs]
    predicted = json.loads(run(predict)[2])
    report(arguments.rows, results, floors, jobs, predicted)


def report(count, results, floors, jobs, predicted):
    def row(name, predict, whole, memory):
        rate = f"{count / predict:,.0f}" if predict else ""
        predict = f"{predict:.3f}" if predict else ""
        memory = f"{memory:,.0f}" if memory else ""
        print(f"| {name} | {predict} | {rate} | {whole:.2f} | {whole / floor_seconds:.2f} | {memory} |")

    floor_seconds = min(floors)
    ours = min(seconds for seconds, _, _ in jobs)
    print("\n| | predict, s | rows/s | whole job, s | times the floor | peak memory, MiB |\n|---|---|---|---|---|---|")
    row("bellwether-infer", predicted["seconds"], ours, max(memory for _, memory, _ in jobs))
    for name, (seconds, memory, printed) in results.items():
        row(name, printed["predict_seconds"], seconds, memory)
    row("floor (pyarrow)", None, floor_seconds, None)
    print(f"\nall runs: floor {[round(one, 2) for one in floors]}, whole job {[round(one[0], 2) for one in jobs]}")
    print("by instruction set, one thread, seconds:", json.dumps(predicted["one_thread"]))
    for name, (_, _, printed) in results.items():
        print(f"{printed['predict_seconds'] / predicted['seconds']:.1f} times the rows per second of {name}")


if __name__ == "__main__":
    main()
