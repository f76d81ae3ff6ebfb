"""How a function is declared: one declaration says everything that the checker, both back ends and the help need."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from typing import Literal as Choice

from formulas.errors import CellError, Message
from formulas.sqlforms.core import Condition, Form
from formulas.tree import Literal, Tree
from formulas.types import BLANK, DATETIME, DEFAULT_DIGITS, TEXT, Type
from formulas.types import decimal as decimal_type
from formulas.values import BAD_DATE, LIST_LIMIT, NUM, TEXT_LIMIT, TOO_LARGE, TOO_LONG, Failure

#: P: any blank argument gives a blank; S: blanks are skipped; L: only the taken branch counts; N: never blank by
#: itself; Z: a blank is read as the empty text.
NullRule: TypeAlias = Choice["P", "S", "L", "N", "Z"]
Volatility: TypeAlias = Choice["stable", "context", "volatile"]
#: The type of a result, or how it follows from the types of the arguments and from constant ones.
Result: TypeAlias = Type | Callable[[Sequence[Type], Sequence[Tree]], Type]

#: Arguments that a call may have.
ARGUMENTS = 255
_KINDS: dict[str, tuple[str, ...]] = {
    "n": ("integer", "decimal"),
    "i": ("integer", "decimal"),
    "t": ("text", "option"),
    "b": ("boolean",),
    "d": ("date",),
    "m": ("datetime",),
    "x": ("date", "datetime"),
    "y": ("date", "datetime", "time"),
    "s": ("duration",),
    "h": ("datetime", "time", "duration", "date"),
    "c": ("time",),
    "L": ("set",),
    "p": ("person",),
    "q": ("department",),
    "w": ("department", "person"),
    "g": ("geo",),
    "j": ("json", "text"),
}
SET_LETTERS = "LSKD"
#: Sets whose members are of one kind.
_MEMBERS: dict[str, tuple[str, ...]] = {"K": ("integer", "decimal"), "D": ("date",)}
_ORDERED = ("text", "option", "integer", "decimal", "date", "datetime", "time", "duration", "boolean")
LETTER_NAMES: dict[str, Message] = {
    "n": Message("数字", "number"),
    "i": Message("整数", "integer"),
    "t": Message("文本", "text"),
    "b": Message("条件", "condition"),
    "d": Message("日期", "date"),
    "m": Message("日期时间", "date and time"),
    "x": Message("日期", "date"),
    "y": Message("日期或时间", "date or time"),
    "h": Message("时间", "time"),
    "s": Message("时长", "duration"),
    "c": Message("时间", "time"),
    "L": Message("集合", "set"),
    "K": Message("数字集合", "set of numbers"),
    "D": Message("日期集合", "set of dates"),
    "p": Message("人员", "person"),
    "q": Message("部门", "department"),
    "w": Message("部门或人员", "department or person"),
    "g": Message("位置", "position"),
    "j": Message("JSON", "JSON"),
    "N": Message("数字", "number"),
    "O": Message("值", "value"),
    "T": Message("值", "value"),
    "U": Message("结果", "result"),
    "A": Message("任意值", "any value"),
    "V": Message("任意值", "any value"),
    "S": Message("集合", "set"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One place of a signature: a letter, optional (`?`), a constant (`!`), repeated (`...`)."""

    letter: str
    optional: bool = False
    constant: bool = False
    repeated: bool = False

    def accepts(self, type_: Type) -> bool:
        """Whether a value of the type may stand here. How `T`, `U` and `S` agree is checked apart."""
        if type_ == BLANK or self.letter in "ATU":
            return True
        if self.letter == "V":  # a position is a pair, and no value to count
            return type_.kind != "geo"
        if self.letter == "N":
            return type_.is_number or (type_.kind == "set" and type_.element is not None and type_.element.is_number)
        if self.letter == "O":
            inner = type_.element if type_.kind == "set" and type_.element else type_
            return inner.kind in _ORDERED
        if self.letter in _MEMBERS:
            inside = type_.element or BLANK
            return type_.kind == "set" and (inside == BLANK or inside.kind in _MEMBERS[self.letter])
        if self.letter == "S":
            return type_.kind == "set"
        return type_.kind in _KINDS[self.letter]


@dataclass(frozen=True, slots=True)
class Function:
    """A declared function."""

    name: str
    family: str
    parameters: tuple[Parameter, ...]
    result: Result
    nulls: NullRule
    run: Callable[..., Any]
    help: Message
    zh_name: str
    examples: tuple[tuple[str, Any], ...]
    aliases: tuple[str, ...] = ()
    volatility: Volatility = "stable"
    #: `run` takes the Context before its arguments.
    needs_context: bool = False
    #: May give an error value for arguments that are neither blank nor errors.
    fails: bool = False
    #: May give a blank for arguments that are not blank.
    gives_blank: bool = False
    cost: int = 1
    core: bool = False
    #: SQL form per dialect. SQLite computes a function without one by calling `run`.
    postgresql: Form | None = None
    sqlite: Form | None = None
    condition: Condition | None = None
    #: Takes errors as arguments and decides itself.
    catches: bool = False
    #: Has a form over the rows of a relation too.
    rollup: bool = False
    #: Needs nothing but its arguments and the zone, so that a database may compute it.
    portable: bool = True
    #: Asks the directory: `Context.directory` of Python, the tables that a resolver knows of SQL.
    asks: bool = False

    @property
    def signature(self) -> str:
        """`ROUND(number, integer)`."""
        return self.usage("en")

    def usage(self, language: str) -> str:
        """The signature with the names of arguments in zh or en."""
        return f"{self.name}({', '.join(_shown(parameter, language) for parameter in self.parameters)})"


def _shown(parameter: Parameter, language: str) -> str:
    name: str = getattr(LETTER_NAMES[parameter.letter], language)
    if parameter.repeated:
        return f"{name}, …"
    return f"[{name}]" if parameter.optional else name


def parse_signature(signature: str) -> tuple[Parameter, ...]:
    """`"t, i?"` to parameters."""
    words = [word.strip() for word in signature.split(",") if word.strip()]
    return tuple(Parameter(word[0], "?" in word, "!" in word, word.endswith("...")) for word in words)


class Family:
    """Collects the functions of one file."""

    def __init__(self, name: str, portable: bool = True) -> None:
        self.name = name
        self.portable = portable
        self.functions: list[Function] = []

    def add(
        self,
        name: str,
        signature: str,
        result: Result,
        zh: str,
        en: str,
        *examples: tuple[str, Any],
        nulls: NullRule = "P",
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated Python form as a function of the language. `zh` is "名称：说明"."""

        def declare(run: Callable[..., Any]) -> Callable[..., Any]:
            zh_name, _, zh_help = zh.partition("：")
            parameters = parse_signature(signature)
            catches = bool(options.get("catches"))
            context = bool(options.get("needs_context"))
            self.functions.append(
                Function(
                    name,
                    self.name,
                    parameters,
                    result,
                    nulls,
                    run if catches else guarded(run, nulls, parameters, context),
                    Message(zh_help or zh, en),
                    zh_name,
                    examples,
                    **{"portable": self.portable, **options},
                )
            )
            return run

        return declare


def guarded(
    run: Callable[..., Any], nulls: NullRule, parameters: tuple[Parameter, ...], context: bool
) -> Callable[..., Any]:
    """The Python form with its null rule, whole-number arguments, bounded result and failures as error values."""
    if nulls == "P" and not context and len(parameters) <= 2 and not any(part.repeated for part in parameters):
        letters = [parameter.letter for parameter in parameters]
        numeric = letters[:1] == ["n"] and set(letters) <= {"n", "i"}
        return _guarded_two(run, tuple(letter == "i" for letter in letters), numeric)
    whole = tuple(place + context for place, parameter in enumerate(parameters) if parameter.letter == "i")
    if whole and parameters[-1].repeated and parameters[-1].letter == "i":
        whole += tuple(range(whole[-1] + 1, ARGUMENTS + 1))
    strict = nulls == "P"

    def call(*args: Any) -> Any:
        for arg in args:
            if arg is None or arg.__class__ is CellError:
                error = first_error(args)
                if error is not None:
                    return error
                if strict:
                    return None
        try:
            return bounded(run(*(_whole(args, whole) if whole else args)))
        except Failure as failure:
            return failure.error
        except (decimal.InvalidOperation, decimal.DivisionByZero):
            return NUM
        except decimal.Overflow:
            return TOO_LARGE
        except OverflowError:
            return BAD_DATE

    return call


def _guarded_two(run: Callable[..., Any], whole: tuple[bool, ...], numeric: bool) -> Callable[..., Any]:
    """The same for a function of one or two arguments that passes blanks on: most calls, so without loops."""
    whole_first, whole_second = (*whole, False, False)[:2]
    limit = _anything if numeric else bounded

    def call(first: Any, *rest: Any) -> Any:
        if first is None or first.__class__ is CellError:
            return first_error((first, *rest))
        try:
            if not rest:
                return limit(run(int(first) if whole_first else first))
            second = rest[0]
            if second is None or second.__class__ is CellError:
                return second
            return limit(run(int(first) if whole_first else first, int(second) if whole_second else second))
        except Failure as failure:
            return failure.error
        except (decimal.InvalidOperation, decimal.DivisionByZero):
            return NUM
        except decimal.Overflow:
            return TOO_LARGE
        except OverflowError:
            return BAD_DATE

    return call


def _anything(value: Any) -> Any:
    return value


def first_error(args: Sequence[Any]) -> CellError | None:
    """The leftmost error among values."""
    for arg in args:
        if arg.__class__ is CellError:
            assert isinstance(arg, CellError)
            return arg
    return None


def _whole(args: Sequence[Any], places: tuple[int, ...]) -> list[Any]:
    """Numbers cut to whole ones where a signature asks for integers, as spreadsheets do."""
    values = list(args)
    for place in places:
        if place < len(values) and values[place] is not None:
            values[place] = int(values[place])
    return values


def bounded(value: Any) -> Any:
    """The value, or the error that it is too long."""
    if value.__class__ is str and len(value) > TEXT_LIMIT:
        return TOO_LONG
    if value.__class__ is tuple and (len(value) > LIST_LIMIT or sum(map(_length, value)) > 10 * TEXT_LIMIT):
        return TOO_LONG
    return value


def _length(value: Any) -> int:
    return len(value) if value.__class__ is str else 1


# --- result types -----------------------------------------------------------------------------------------------------


def unify(types: Sequence[Type]) -> Type | None:
    """The type that holds values of all types, or None."""
    known = [type_ for type_ in types if type_ != BLANK]
    if not known:
        return BLANK
    result: Type | None = known[0]
    for type_ in known[1:]:
        result = None if result is None else _unify_two(result, type_)
    return result


def _unify_two(left: Type, right: Type) -> Type | None:
    if left == right:
        return left
    if left.is_number and right.is_number:
        scale = max(left.scale, right.scale)
        whole = max(left.digits - left.scale, right.digits - right.scale)
        kind = "decimal" if "decimal" in (left.kind, right.kind) else "integer"
        return Type(kind, scale=scale, digits=whole + scale)  # type: ignore[arg-type]
    if left.is_textual and right.is_textual:
        return TEXT
    if {left.kind, right.kind} == {"date", "datetime"}:
        return DATETIME
    if left.kind == right.kind == "set" and left.element and right.element:
        element = unify((left.element, right.element))
        return None if element is None else Type("set", element=element)
    return left if left.kind == right.kind else None


def same(place: int = 0) -> Result:
    """The type of an argument."""
    return lambda types, _args: types[place]


def unified(start: int = 0, step: int = 1) -> Result:
    """The type that holds all arguments from a place on."""
    return lambda types, _args: unify(types[start::step]) or BLANK


def element_of(place: int = 0) -> Result:
    """What a set argument holds."""
    return lambda types, _args: types[place].element or BLANK


def flat(types: Sequence[Type], _args: Sequence[Tree] = ()) -> Type:
    """The type that holds all arguments and all members of set arguments."""
    return unify([type_.element if type_.kind == "set" and type_.element else type_ for type_ in types]) or BLANK


def scaled(scale: int, extra: int = 0) -> Result:
    """A decimal of this scale, with the whole digits of the arguments' numbers and some more."""
    return lambda types, _args: decimal_type(scale, whole_digits(flat(types)) + extra + scale)


def whole_digits(type_: Type) -> int:
    """Digits before the point."""
    return max(type_.digits - type_.scale, 1) if type_.is_number else DEFAULT_DIGITS


def constant_of(args: Sequence[Tree], place: int, default: Any = None) -> Any:
    """The value of a constant argument, the default where it is left out or not a constant."""
    if place >= len(args):
        return default
    arg = args[place]
    return arg.value if isinstance(arg, Literal) else None
