"""Public forms: one record handed in by somebody without an account, through the door ``form`` of the one write path. See docs/decisions/0024."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from builder.compiled.app import CompiledApp
from builder.definition.form import Form
from builder.definition.kinds import FORMS
from builder.fields.base import Field, label_text
from builder.fields.parts.files import FileSetField
from builder.kernel.clock import Clock
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Language, Text, say
from builder.store.database import Database
from formulas.checker import check
from formulas.evaluate import program
from runtime.identity.actors import Actor
from runtime.identity.scopes import APP, WRITE
from runtime.identity.throttle import Throttle, subject_of
from runtime.observe.logs import Log
from runtime.query.variables import viewer
from runtime.records.caller import Caller, system_caller
from runtime.records.rights import over_actor
from runtime.records.service import Records
from runtime.sharing.captcha import Captcha, Spot, given_answer
from runtime.sharing.form_files import Brought, FormFiles, most_bytes

JSON = Any
PER_FORM = 2_000
"""Sendings to one form in fifteen minutes, from everywhere."""
_THANKS = say("已收到,谢谢", "It has arrived, thank you")


class Forms:
    """Shows public forms and takes what is handed in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        records: Records,
        captchas: Mapping[str, Captcha],
        files: FormFiles,
        log: Log,
    ) -> None:
        self._clock = clock
        self._records = records
        self._captchas = captchas
        self._files = files
        self._log = log
        self._throttle = Throttle(database, clock)

    async def describe(self, app: str, key: str, address: str, language: Language) -> dict[str, JSON]:
        """Return what a page needs to show a form.

        Raises:
            Problem: ``form.not_found``.
        """
        compiled, form = await self._find(app, key)
        entity = compiled.entities[form.entity]
        captcha = self._captchas.get(form.captcha)
        shown = []
        for asked in form.fields:
            field = entity.fields[asked.field]
            shown.append(
                {
                    "key": field.key,
                    "type": field.type,
                    "label": label_text(asked.label or field.label).pick(language),
                    "help": label_text(asked.help or field.help).pick(language) or None,
                    "required": asked.required or field.required,
                    "schema": field.value_schema(),
                    "most_bytes": most_bytes(field) if isinstance(field, FileSetField) else None,
                }
            )
        return {
            "key": form.key,
            "label": label_text(form.label).pick(language),
            "help": label_text(form.help).pick(language) or None,
            "fields": shown,
            "trap": form.trap,
            "captcha": None if captcha is None else captcha.challenge(_spot(app, form, address)),
        }

    async def bring(
        self, app: str, key: str, field: str, name: str, chunks: AsyncIterator[bytes], proof: JSON, *, address: str
    ) -> Brought:
        """Take a file in for a field of a form, before it is handed in; it counts like a sending and has to be proved like one.

        Raises:
            Problem: ``form.not_found``, ``form.captcha``, ``auth.throttled``, ``request.unknown_name``, and what ``FormFiles.take`` raises.
        """
        compiled, form = await self._find(app, key)
        asked = [each.field for each in form.fields]
        if field not in asked:
            raise Problem("request.unknown_name", _unknown(field[:100], asked))
        self._count(app, form, address, "form-file")
        await self._prove(app, form, address, proof)
        wanted: Field = compiled.entities[form.entity].fields[field]
        return await self._files.take(app, form, wanted, _actor(app, form), name, chunks)

    async def hand_in(self, app: str, key: str, values: JSON, proof: JSON, *, address: str, request_id: str) -> Text:
        """Create a record of what was handed in; return the thanks. Nothing of the record is told.

        Raises:
            Problem: ``form.not_found``, ``form.captcha``, ``auth.throttled``, ``request.unknown_name``, ``record.invalid`` and whatever
                the write path refuses.
        """
        compiled, form = await self._find(app, key)
        thanks = label_text(form.thanks) if form.thanks is not None else _THANKS
        named = _named(form, values)
        self._count(app, form, address, "form")
        if named.pop(form.trap, None) not in (None, "", False):
            self._log.info("form.trapped", app=app, form=form.key)
            return thanks
        await self._prove(app, form, address, proof)
        _require(form, compiled, named)
        named = self._files.opened(app, form, compiled.entities[form.entity].fields, named)
        actor = _actor(app, form)
        body = {**named, **self._added(compiled, form, actor)}
        await self._records.create(Caller(actor, request_id, "form"), app, form.entity, body)
        return thanks

    # -- details -------------------------------------------------------------------------------------------------------

    async def _find(self, app: str, key: str) -> tuple[CompiledApp, Form]:
        """Return a form that is open; an app and a form that are not there are the same to a stranger."""
        try:
            published = await self._records.current(system_caller("", "form"), app)
        except Problem as problem:
            if problem.code != "app.not_found":
                raise
            raise Problem("form.not_found") from None
        form = published.app.definition.find(FORMS, key)
        if form is None or not form.active:
            raise Problem("form.not_found")
        return published.app, form

    async def _prove(self, app: str, form: Form, address: str, proof: JSON) -> None:
        captcha = self._captchas.get(form.captcha)
        if captcha is not None:
            await captcha.verify(_spot(app, form, address), given_answer(proof))

    def _count(self, app: str, form: Form, address: str, what: str) -> None:
        place = f"{app}/{form.key}"
        allowed = {subject_of(what, f"{place} {address}"): form.per_address, subject_of(what, place): PER_FORM}
        self._throttle.count(allowed)

    def _added(self, app: CompiledApp, form: Form, actor: Actor) -> dict[str, JSON]:
        context = viewer(app, actor, self._clock.now())
        entity = app.entities[form.entity]
        made = {each.field: program(check(each.value, app, entity.key).tree) for each in form.values}
        values = {key: over_actor(formula, context) for key, formula in made.items()}
        return {key: entity.fields[key].to_json(value) for key, value in values.items() if value is not None}


def _spot(app: str, form: Form, address: str) -> Spot:
    return Spot(f"{app}/{form.key}", form.work_bits, address)


def _actor(app: str, form: Form) -> Actor:
    """Return who hands in: nobody with an account, with the form's role and no more than writing in this app."""
    roles = {} if form.role is None else {app: frozenset({form.role})}
    name = label_text(form.label).zh
    return Actor(
        user_id=None,
        username=f"form:{form.key}",
        name=name,
        role="member",
        scopes=frozenset({WRITE, APP + app}),
        kind="service",
        roles=roles,
    )


def _named(form: Form, values: JSON) -> dict[str, JSON]:
    """Return what was handed in, if it is no more than the form asks for."""
    if not isinstance(values, dict):
        raise Problem("request.malformed", say("values 应是对象", "values is an object"))
    asked = [each.field for each in form.fields]
    unknown = [name for name in values if name not in asked and name != form.trap]
    if unknown:
        violations = [
            Violation("unknown", f"/values/{name[:100]}", _unknown(name[:100], asked)) for name in unknown[:20]
        ]
        raise Problem("request.unknown_name", violations=violations)
    return dict(values)


def _unknown(name: str, asked: list[str]) -> Text:
    hint = nearest_hint(name, asked)
    return say(f"表单没有字段“{name}”{hint.zh}", f'The form has no field "{name}"{hint.en}')


def _require(form: Form, app: CompiledApp, named: Mapping[str, JSON]) -> None:
    missing = [each for each in form.fields if each.required and named.get(each.field) in (None, "", [])]
    if missing:
        fields = app.entities[form.entity].fields
        violations = []
        for each in missing:
            label = label_text(each.label or fields[each.field].label)
            text = say(f"请填写“{label.zh}”", f"{label.en} has to be given")
            violations.append(Violation("required", f"/{each.field}", text))
        raise Problem("record.invalid", violations=violations)
