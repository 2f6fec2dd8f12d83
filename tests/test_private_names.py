"""The package uses no private name of other packages: such a name may change with any release."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "airflow_provider_blux"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Public in spite of their names: collections.namedtuple documents them.
OF_NAMED_TUPLES = {"_asdict", "_fields", "_replace"}
# Their second argument, or their first, names an attribute.
BY_NAME = {"getattr": 1, "hasattr": 1, "setattr": 1, "delattr": 1, "attrgetter": 0, "methodcaller": 0}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in OF_NAMED_TUPLES


def is_own_module(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE.name


def defined_in(tree: ast.AST) -> Iterator[str]:
    """Yield all names that a module defines, including the attributes of its own instances and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_instance(node.value):
            yield node.attr


def is_instance(node: ast.expr) -> bool:
    """Return whether an expression is an instance of the class around it, or this class itself."""
    match node:
        case ast.Name(id="self" | "cls"):
            return True
        case ast.Call(func=ast.Name(id="super"), args=[]) | ast.Call(func=ast.Name(id="type"), args=[ast.Name("self")]):
            return True
    return False


def own_names(tree: ast.AST) -> set[str]:
    """Return the names in a module that refer to a class or a module of the package."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_own_module(node.module or ""):
            own |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            own |= {alias.asname or PACKAGE.name for alias in node.names if is_own_module(alias.name)}
    return own


def private_names(tree: ast.AST, defined: set[str]) -> Iterator[str]:
    """Yield the code in a module that uses a private name of something else.

    :param defined: the names that the package defines. A private attribute of ``self`` that is not one of them is one
        of a base class from elsewhere.
    """
    own = own_names(tree)

    def is_foreign(owner: ast.expr, name: str) -> bool:
        if is_instance(owner):
            return name not in defined
        return ast.unparse(owner).partition(".")[0] not in own or name not in defined

    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Import(names=aliases):
                names = [part for alias in aliases for part in alias.name.split(".") if not is_own_module(alias.name)]
            case ast.ImportFrom(module=module, names=aliases) if not is_own_module(module or ""):
                names = [*(module or "").split("."), *(alias.name for alias in aliases)]
            case ast.Attribute(value=owner, attr=name) if is_foreign(owner, name):
                names = [name]
            case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function), args=args) if function in BY_NAME:
                named = [arg.value for arg in args[BY_NAME[function] :][:1] if isinstance(arg, ast.Constant)]
                names = [str(name) for name in named if BY_NAME[function] == 0 or is_foreign(args[0], str(name))]
        if any(map(is_private, names)):
            yield ast.unparse(node)


@pytest.fixture(scope="module")
def defined() -> set[str]:
    return {name for path in MODULES for name in defined_in(ast.parse(path.read_text("utf-8")))}


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_a_module_uses_no_private_name_of_a_dependency(path: Path, defined: set[str]) -> None:
    assert list(private_names(ast.parse(path.read_text("utf-8")), defined)) == []


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_a_class_overrides_no_private_name_of_a_dependency(path: Path, defined: set[str]) -> None:
    module = pytest.importorskip(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))

    assert [
        (own.__qualname__, base.__qualname__, name)
        for own in vars(module).values()
        if isinstance(own, type) and own.__module__ == module.__name__
        for base in own.__mro__
        if not is_own_module(base.__module__)
        for name in vars(own).keys() & vars(base).keys() & defined
        if is_private(name)
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "pool._get_conn()",
        "self._pool._get_conn()",
        "self._tunnel()",
        "super()._tunnel()",
        "connection.sock._sslobj.pending()",
        "session()._adapters",
        "pools[0]._queue",
        "pool._queue = None",
        "del pool._queue",
        "import urllib3._collections",
        "import _thread",
        "from airflow.sdk.definitions._internal import expandinput",
        "from urllib3.connection import _CONTAINS_CONTROL_CHAR_RE as control",
        "getattr(pool, '_queue', None)",
        "hasattr(self, '_tunnel')",
        "setattr(pool, '_queue', None)",
        "operator.attrgetter('_queue')(pool)",
        "Pool._queue",
    ],
)
def test_a_private_name_of_a_dependency_is_found(line: str) -> None:
    code = f"from urllib3 import Pool\nclass Own:\n    def _pool(self):\n        {line}"

    assert len(list(private_names(ast.parse(code), {"_pool", "Own"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "self._pool.get()",
        "cls._pool",
        "type(self)._pool",
        "super()._pool()",
        "Own._pool",
        "endpoints._pool",
        "airflow_provider_blux.api._pool",
        "row._asdict(), row._replace(a=1), row._fields",
        "pool.__class__.__name__",
        "getattr(self, '_pool')",
        "getattr(pool, name)",
        "from airflow_provider_blux.api.endpoints import _pool",
        "from __future__ import annotations",
        "_pool = 1",
    ],
)
def test_names_of_the_package_itself_and_public_ones_are_not(line: str) -> None:
    imports = "import airflow_provider_blux.api\nfrom airflow_provider_blux.api import endpoints"
    code = f"{imports}\nclass Own:\n    def _pool(self):\n        {line}"

    assert list(private_names(ast.parse(code), {"_pool", "Own"})) == []
