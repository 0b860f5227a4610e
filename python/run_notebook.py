"""Executes a notebook in its own folder and fails when a cell fails or when no figure was drawn.

    python run_notebook.py NOTEBOOK [EXECUTED]
"""

import os
import sys

# Figures go into the notebook, not to a window; a test machine has no display.
os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

import nbformat
from nbclient import NotebookClient


def main() -> None:
    path = os.path.abspath(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": os.path.dirname(path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    figures = sum(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    if figures == 0:
        sys.exit(f"{path}: expected at least one figure, found none")
    if len(sys.argv) > 2:
        nbformat.write(notebook, sys.argv[2])
    print(f"{os.path.basename(path)}: executed, {figures} figures")


if __name__ == "__main__":
    main()
