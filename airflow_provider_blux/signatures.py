"""Gives functions with ``**kwargs`` a signature that lists all arguments; returns errors for unknown arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

from airflow_provider_blux.exceptions import BluxConfigError

_Function = TypeVar("_Function", bound=Callable[..., Any])

# The names that other operators, or dbt and other tools, have for an argument.
_NAMED_ELSEWHERE = {"conn_id": "blux_conn_id", "dry_run": "validate_only"}

# The arguments of some operations only, with what these operations send; a test compares them with the signatures.
ONLY_FOR = {
    "exclude_fields": "users",
    "updated_at_field": "users",
    "max_users": "deletions",
    "receipts_path": "deletions",
    "on_unknown": "events",
    "list_key": "devices",
    "suppression_path": "users, events and devices",
    "snapshot_path": "users, deletions and devices",
    "full_refresh": "users and devices",
    "max_absent": "users and devices",
}


def misnamed(owner: str, given: Iterable[str], known: Iterable[str], otherwise: str = "") -> BluxConfigError | None:
    """Return an error that names the arguments that do not exist, and similar ones; ``None`` if all exist.

    The error does not show the values of arguments, since they may be records.

    :param owner: the callable, as its user writes it (``@task.blux_upsert_users``).
    :param given: the argument names of the call.
    :param known: the argument names that the callable accepts.
    :param otherwise: a hint for the case that no argument has a similar name.
    """
    known = set(known)
    unknown = sorted(set(given) - known)
    if not unknown:
        return None
    elsewhere = [f"{one} is only for {ONLY_FOR[one]}." for one in unknown if one in ONLY_FOR]
    nearest = [name for one in unknown if one not in ONLY_FOR for name in _nearest(one, known)]
    hint = " ".join([*([f"did you mean {', '.join(nearest)}?"] if nearest else []), *elsewhere]) or otherwise
    return BluxConfigError(f"{owner} has no argument {', '.join(unknown)}{'; ' + hint if hint else '.'}")


def _nearest(name: str, known: set[str]) -> list[str]:
    """Return a list with the known name that a wrong ``name`` probably stands for; an empty list if none is similar."""
    if (meant := _NAMED_ELSEWHERE.get(name)) in known:
        return [meant]
    return get_close_matches(name, sorted(known), n=1, cutoff=0.7)


def signature_of(owner: type, last: type) -> Signature:
    """Return the arguments of a class and of its base classes, if constructors pass ``**kwargs`` on to the next one.

    :param last: the base class at which the list ends; its arguments are included.
    """
    found: dict[str, Parameter] = {}
    for kind in (kind for kind in owner.__mro__ if "__init__" in vars(kind)):
        parameters = list(signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
        for parameter in filter(_has_a_name, parameters):
            found.setdefault(parameter.name, parameter.replace(kind=Parameter.KEYWORD_ONLY))
        if kind is last or all(map(_has_a_name, parameters)):
            break
    return Signature(list(found.values()))


def listing(more: Iterable[Parameter]) -> Callable[[_Function], _Function]:
    """Return a decorator that lists arguments in the signature of a function, in place of its ``**kwargs``.

    :param more: the arguments to list.
    """

    def listed(function: _Function) -> _Function:
        own = signature(function)
        parameters = [*filter(_has_a_name, own.parameters.values()), *more]
        function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return listed


def keys_of(options: type) -> list[Parameter]:
    """Return the keys of a ``TypedDict`` as optional keyword arguments, for :func:`listing`."""
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=..., annotation=getattr(kind, "__forward_arg__", kind))
        for name, kind in options.__annotations__.items()
    ]


def _has_a_name(parameter: Parameter) -> bool:
    return parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
