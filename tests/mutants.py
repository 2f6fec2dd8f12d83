"""Mutation testing of one part of the package after another: `make mutants`, or OPTIONS="delivery.engine api.retry".

A mutant is the package with one small fault. A mutant that no test notices (a survivor) shows a gap in the tests.
mutmut creates the mutants in a copy of the tree (``mutants/``). It knows from a first run which tests call which
function, and runs these tests until one fails. This module adds mutation operators, and prints the survivors as diffs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import libcst as cst
from mutmut.__main__ import _run, collect_source_file_mutation_data
from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.stats import status_by_exit_code

PACKAGE = "airflow_provider_blux"
# The tests of a folder stand beside it. Those of the layers above run the same code a hundred times, and slowly.
TESTS = {
    "delivery": ["tests/delivery", "tests/hooks/test_guard.py", "tests/test_backfill.py"],
    "api": ["tests/api"],
    "records": ["tests/records", "tests/test_json_objects.py"],
}
QUICK = ["-m", "not airflow and not slow"]
WORKERS = 3  # they wait as often as they work
_KILLED = {"killed", "timeout", "caught by type check"}


def without_statement(node: cst.SimpleStatementLine) -> Iterator[cst.SimpleStatementLine]:
    """Remove a call, a raise or an addition, since a missing line is the most common fault."""
    if isinstance(node.body[0], cst.Raise | cst.AugAssign | cst.Del) or (
        isinstance(node.body[0], cst.Expr) and isinstance(node.body[0].value, cst.Call)
    ):
        yield node.with_changes(body=[cst.Pass()])


def negated(node: cst.If) -> Iterator[cst.If]:
    """Negate the condition."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def main(parts: list[str]) -> int:
    """Run the mutants of ``parts``; return 1 if a mutant survives.

    :param parts: parts such as ``delivery``, ``api.retry``, ``records.values.x_consent``; empty for the whole package.
    """
    # What a message says is held by the tests of messages; three mutants for each of its words would drown the others.
    mutation_operators[:] = [
        *((kind, operator) for kind, operator in mutation_operators if operator is not operator_string),
        (cst.SimpleStatementLine, without_statement),
        (cst.If, negated),
    ]
    parts = [part.removeprefix(f"{PACKAGE}.") for part in parts or TESTS]
    folders = sorted({part.partition(".")[0] for part in parts})
    config().pytest_add_cli_args_test_selection = [*chain.from_iterable(TESTS[folder] for folder in folders), *QUICK]
    patterns = [f"{PACKAGE}.{part}*" for part in parts]
    _run(patterns, WORKERS)

    counts: dict[str, Counter[str]] = {}
    alive = []
    for data, name, exit_code in collect_source_file_mutation_data(mutant_names=patterns)[0]:
        status = status_by_exit_code[exit_code]
        module = name.removeprefix(f"{PACKAGE}.").rpartition(".")[0]
        counts.setdefault(module, Counter())["killed" if status in _KILLED else status] += 1
        if status not in _KILLED:
            alive.append((name, status, get_diff_for_mutant(name, path=data.path)))
    for name, status, diff in alive:
        sys.stdout.write(f"\n# {name}: {status}\n{diff}\n")
    for module, of in sorted(counts.items()):
        told = ", ".join(f"{number} {status}" for status, number in of.most_common())
        sys.stdout.write(f"{module}: {told}\n")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
