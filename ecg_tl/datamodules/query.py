"""A filter on the record table, written as an expression: `site == 1 and age >= 18`.

The expression is data that may come from anywhere, so nothing in it is ever executed: it is parsed, and only
what is listed here has a meaning. (`pandas.DataFrame.query` reaches attributes and local variables.)
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.datasets.base import UNANSWERED
from ecg_tl.datasets.identifiers import identifier
from ecg_tl.errors import SettingError

Rows = NDArray[np.bool_]

_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_GRAMMAR = (
    "columns compared (`==`, `<`, `in`, ...) with numbers, texts or lists of them, `is None`, `and`, `or`, "
    "`not`, such as `site in [1, 2] and age >= 18`"
)
_SEVERAL = ("codes", UNANSWERED)
"""Columns that hold several texts each, and can be asked for one: `"AF" in codes`."""

_LONGEST = 2000
_SHOWN = 8


def parse_query(query: str) -> ast.expr:
    """Parse a filter, without looking at any table.

    Raises:
        SettingError: If it is no expression, or holds anything but comparisons of columns.
    """
    if len(query) > _LONGEST:
        raise _fault(f"{len(query)} characters", f"at most {_LONGEST}")
    try:
        expression = ast.parse(query.strip(), mode="eval").body
        _check(expression)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _fault(f"{query!r} ({getattr(error, 'msg', None) or error})") from error
    return expression


def select(records: pd.DataFrame, query: str) -> Rows:
    """Say which records a filter keeps.

    Text that holds numbers compares with numbers as such: PTB-XL's sites are published as `0.0`, `1.0`. A
    record that lacks a value fits no comparison with it, `!=` neither; `COLUMN is None` finds it.

    Args:
        records: A record table.
        query: Comparisons of its columns. `"AFIB" in codes` asks for a published code.

    Returns:
        `(records,)` of bool.

    Raises:
        SettingError: If it cannot be understood, names a column that is not there, compares numbers with
            texts, or keeps no record.
    """
    kept = _evaluate(parse_query(query), records)
    if not kept.any():
        raise SettingError(
            "query",
            f"{query!r}, which none of {len(records)} records fits",
            "a filter that keeps some",
            f"There are {_values(parse_query(query), records)}.",
        )
    return kept


def _check(node: ast.expr) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check(operand)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            for one, op, other in zip(sides, ops, sides[1:], strict=False):
                _check_comparison(one, op, other)
        case _:
            raise _fault(f"`{ast.unparse(node)}`")


def _check_comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
    match left, op, right:
        case ast.Name(), ast.Is() | ast.IsNot(), ast.Constant(value=None):
            return
        case ast.Name(), ast.In() | ast.NotIn(), ast.List(elts=elements) | ast.Tuple(elts=elements):
            if elements and all(_is_value(element) for element in elements):
                return
        case ast.Constant(value=str()), ast.In() | ast.NotIn(), ast.Name(id=name) if name in _SEVERAL:
            return
        case _ if type(op) in _ORDER and isinstance(left, ast.Name) + isinstance(right, ast.Name) == 1:
            if _is_value(right if isinstance(left, ast.Name) else left):
                return
    raise _fault(f"`{ast.unparse(ast.Compare(left, [op], [right]))}`")


def _is_value(node: ast.expr) -> bool:
    try:
        return isinstance(_value(node), int | float | str)
    except ValueError:
        return False


def _value(node: ast.expr) -> Any:
    return ast.literal_eval(node)


def _evaluate(node: ast.expr, records: pd.DataFrame) -> Rows:
    match node:
        case ast.BoolOp(op=op, values=values):
            rows = [_evaluate(value, records) for value in values]
            combine = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return np.asarray(combine.reduce(rows), dtype=bool)
        case ast.UnaryOp(operand=operand):
            return ~_evaluate(operand, records)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            links = [
                _compare(one, op, other, records)
                for one, op, other in zip(sides, ops, sides[1:], strict=False)
            ]
            return np.asarray(np.logical_and.reduce(links), dtype=bool)
    raise AssertionError(f"unchecked {node}")


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, records: pd.DataFrame) -> Rows:
    if isinstance(left, ast.Constant) and isinstance(op, ast.In | ast.NotIn):
        assert isinstance(right, ast.Name)
        # A table without the column has an answer to everything.
        several = records[right.id] if right.id in records else [()] * len(records)
        held = np.array([left.value in codes for codes in several], dtype=bool)
        return held if isinstance(op, ast.In) else ~held
    name, other = (left, right) if isinstance(left, ast.Name) else (right, left)
    assert isinstance(name, ast.Name)
    column = _column(name.id, records)
    missing = column.isna().to_numpy()
    if isinstance(op, ast.Is | ast.IsNot):
        return missing if isinstance(op, ast.Is) else ~missing
    if isinstance(op, ast.In | ast.NotIn):
        equal = [_fits(operator.eq, column, value) for value in _value(other)]
        found = np.logical_or.reduce(equal)
        return np.asarray(found if isinstance(op, ast.In) else ~found & ~missing, dtype=bool)
    compare = _ORDER[type(op)]
    value = _value(other)
    if name is left:
        return _fits(compare, column, value)
    return _fits(lambda held, constant: compare(constant, held), column, value)


def _column(name: str, records: pd.DataFrame) -> pd.Series[Any]:
    if name not in records.columns or name in _SEVERAL:
        raise SettingError(
            "query",
            f"a column `{name}`" if name not in _SEVERAL else f"a comparison of `{name}`, which are several",
            f"one of {', '.join(str(column) for column in records.columns if column not in _SEVERAL)}",
            'Correct the filter; `"CODE" in codes` asks for a code.',
        )
    return records[name]


def _fits(compare: Callable[[Any, Any], Any], column: pd.Series[Any], value: float | str) -> Rows:
    fits = np.zeros(len(column), dtype=bool)
    there = column.notna().to_numpy()
    held: NDArray[Any] = column[there].astype(object).to_numpy()
    if isinstance(value, str):
        if len(held) and not all(isinstance(one, str) for one in held):
            raise _mismatch(column, "numbers", f"the text {value!r}", "a number")
        fits[there] = np.array([compare(one, value) for one in held], dtype=bool)
        return fits
    numbers = [_number(one) for one in held]
    if numbers and all(number is None for number in numbers):
        raise _mismatch(column, "texts", f"the number {value}", "a text in quotes")
    fits[there] = [number is not None and bool(compare(number, value)) for number in numbers]
    return fits


def _number(held: object) -> int | float | None:
    """Return a cell as a number; a whole one, such as an identifier, exactly and never as a float."""
    if isinstance(held, int | float):
        return None if held != held else held
    text = identifier(held)
    if text is None or "_" in text:  # which Python would pass over
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number


def _mismatch(column: pd.Series[Any], held: str, compared: str, expected: str) -> SettingError:
    found = f"{compared} for `{column.name}`, which holds {held}"
    return SettingError("query", found, expected, "Correct the filter.")


def _values(expression: ast.expr, records: pd.DataFrame) -> str:
    """List what the columns of a filter hold."""
    names = dict.fromkeys(node.id for node in ast.walk(expression) if isinstance(node, ast.Name))
    found = []
    for name in names:
        if name in _SEVERAL:
            several = records.get(name, ())
            found.append(f"{len({code for codes in several for code in codes})} codes")
            continue
        distinct = sorted({str(value) for value in records[name].dropna()})
        shown = ", ".join(distinct[:_SHOWN]) + (", ..." if len(distinct) > _SHOWN else "")
        found.append(f"`{name}` of {shown or 'nothing'}")
    return " and ".join(found)


def _fault(found: str, expected: str = _GRAMMAR) -> SettingError:
    return SettingError("query", found, expected, "Correct the filter.")
