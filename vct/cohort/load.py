"""Cohort files: found by name, and inherited from one another by `from:`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vct.cohort.population import Population
from vct.distributions import Table
from vct.distributions.csvfile import beside
from vct.errors import Problem, SpecError, nearest
from vct.shipped import shipped, shipped_names
from vct.yamlfile import Loc, Tree, check, read


def load_population(source: str | Path) -> Population:
    """Read a cohort: a path to a YAML file, or the name of a shipped cohort.

    Raises SpecError with every broken rule, each with file, line and column.
    """
    path = Path(source)
    if not _is_file(path):
        path = _shipped(str(source), Tree(None, str(source)), ())
    tree = read(path)
    resolve(tree, (), path.parent)
    return check(Population, tree, path.parent)


def resolve(tree: Tree, loc: Loc, folder: Path) -> None:
    """Replace the cohort's name, or the mapping with `from:`, that stands at `loc` by the whole cohort, in place.

    A name is looked up in `folder` (and below), then among the shipped cohorts. Keys beside `from:` replace those of
    the other cohort as they stand; its `targets` are not taken over, since they describe that cohort. Places in the
    tree stay true. Raises SpecError for a cohort that is not found, cannot be read, or inherits from itself.
    """
    found = tree.data
    for step in loc:
        found = found[step]
    if isinstance(found, str) and loc:
        base = _load_base(tree, loc, found, folder, ())
        whole = _merge(tree, loc, base, {}, base.data)
        parent = tree.data
        for step in loc[:-1]:
            parent = parent[step]
        parent[loc[-1]] = whole
    elif isinstance(found, dict):
        _inherit(tree, loc, found, folder, ())


def _inherit(tree: Tree, loc: Loc, found: dict[str, Any], folder: Path, seen: tuple[Path, ...]) -> None:
    """Fill `found`, which stands at `loc`, with what it takes over."""
    if "from" not in found:
        return
    name = found["from"]
    if not isinstance(name, str):
        raise SpecError([tree.problem((*loc, "from"), "must be the name of a cohort", name)])
    base = _load_base(tree, (*loc, "from"), name, folder, seen)
    taken = {key: value for key, value in base.data.items() if key != "targets"}
    whole = _merge(tree, loc, base, found, taken)
    found.clear()
    found.update(whole)


def _merge(tree: Tree, loc: Loc, base: Tree, own: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    """`own` on top of what is `taken` of `base`, whose places go along."""
    kept = [key for key in taken if key not in own]
    part = Tree(
        None,
        base.file,
        {at: place for at, place in base.keys.items() if at and at[0] in kept},
        {at: place for at, place in base.values.items() if at and at[0] in kept},
    )
    tree.graft(part, loc)
    return {**{key: taken[key] for key in kept}, **{key: value for key, value in own.items() if key != "from"}}


def _load_base(tree: Tree, loc: Loc, name: str, folder: Path, seen: tuple[Path, ...]) -> Tree:
    """The cohort file called `name`, itself resolved, with the tables of its own folder written out."""
    path = _find(tree, loc, name, folder)
    if path.resolve() in seen:
        raise SpecError([tree.problem(loc, "this cohort inherits from itself", name)])
    base = read(path)
    if not isinstance(base.data, dict):
        raise SpecError([base.problem((), "must be a mapping")])
    _inherit(base, (), base.data, path.parent, (*seen, path.resolve()))
    _embed_tables(base, (), base.data, path.parent)
    return base


def _find(tree: Tree, loc: Loc, name: str, folder: Path) -> Path:
    for candidate in (name, f"{name}.yaml"):
        if _is_file(folder / candidate):
            try:
                return beside(folder, candidate)
            except ValueError as error:
                raise SpecError([tree.problem(loc, str(error))]) from None
    return _shipped(name, tree, loc)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _shipped(name: str, tree: Tree, loc: Loc) -> Path:
    known = shipped_names("cohorts")
    if name in known:
        return shipped("cohorts") / f"{name}.yaml"
    rule = f"is neither a cohort file nor a shipped cohort ({', '.join(known)})"
    if loc or tree.values:
        raise SpecError([tree.problem(loc, rule, name, nearest(name, known))])
    raise SpecError([Problem(file=name, rule=rule, nearest=nearest(name, known))])


def _embed_tables(tree: Tree, loc: Loc, data: Any, folder: Path) -> None:
    """Write the values of every CSV file out, since a file is looked up beside the file that names it."""
    if isinstance(data, dict) and data.get("kind") == "table" and "values" not in data:
        try:
            table = Table.model_validate(data, context={"folder": folder})
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise SpecError([tree.problem(loc, message)]) from None
        data.update(table.model_dump(mode="json"))
    elif isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            _embed_tables(tree, (*loc, key), item, folder)
