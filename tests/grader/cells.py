"""Notebooks of a few cells, as a learner's."""

import json


def cell(source: str, id: str = "", grade_id: str = "", tags: tuple[str, ...] = ()) -> dict:
    metadata = {"tags": list(tags)} | ({"nbgrader": {"grade_id": grade_id}} if grade_id else {})
    return {"cell_type": "code", "id": id, "metadata": metadata, "source": source, "outputs": []}


def notebook(*cells: dict | str) -> bytes:
    """What is handed in; a string is a code cell without id."""
    entries = [cell(each) if isinstance(each, str) else each for each in cells]
    made = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": entries}
    return json.dumps(made).encode()


def returns(number: int, name: str = "attend") -> str:
    """A definition that can be told from others."""
    return f"def {name}(*args):\n    return {number}"
