"""Writes a LightGBM model's trees, with its own counts as covers, as JSON that the tests and benchmarks read.

LightGBM compares doubles with doubles; ours are floats, so a threshold is rounded down to a float: the same floats pass.
"""

import json
from pathlib import Path

import numpy


def rounded_down(threshold: float) -> float:
    """The largest finite float that is at most the threshold.

    A split of missing from present has the largest double as its threshold, and the largest float does the same.
    """
    threshold = min(threshold, float(numpy.finfo(numpy.float32).max))
    nearest = numpy.float32(threshold)
    # As a Python float: NumPy would compare in the precision of its own.
    return float(nearest if float(nearest) <= threshold else numpy.nextafter(nearest, numpy.float32(-numpy.inf)))


def nodes_of(tree: dict) -> list:
    """Nodes of one tree, parents first."""
    nodes = [None]
    open_nodes = [(tree["tree_structure"], 0)]
    while open_nodes:
        node, at = open_nodes.pop()
        if "split_feature" not in node:
            nodes[at] = [node["leaf_value"], node.get("leaf_count", 1)]
            continue
        if node["decision_type"] != "<=" or node["missing_type"] not in ("None", "NaN"):
            raise ValueError(f"expected numeric splits, found {node['decision_type']}, {node['missing_type']}")
        # Without missing values in training, LightGBM reads a missing one as 0.
        as_zero = node["missing_type"] == "None"
        missing_left = node["threshold"] >= 0.0 if as_zero else node["default_left"]
        left, right = len(nodes), len(nodes) + 1
        nodes += [None, None]
        count = node["internal_count"]
        nodes[at] = [node["split_feature"], rounded_down(node["threshold"]), missing_left, left, right, count]
        open_nodes += [(node["left_child"], left), (node["right_child"], right)]
    return nodes


def write(booster, path: Path) -> None:
    """Writes a booster's trees; its base is in the leaves of its first tree."""
    trees = [nodes_of(tree) for tree in booster.dump_model()["tree_info"]]
    path.write_text(json.dumps({"base": 0.0, "trees": trees}))
