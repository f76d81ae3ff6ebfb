"""What OpenAPI says of records on their way: transitions and stages, approvals, buttons, timers, pools, drawn codes.

A route is there for the entities that have something for it, as a front end shows a button only where there is one.
"""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.kinds import APPROVALS, ASSIGNMENTS, AUTOMATIONS, REMINDERS
from builder.definition.triggers.button import Button
from builder.definition.triggers.webhook import Webhook
from builder.fields.barcode import BarcodeField
from builder.kernel import limits
from builder.kernel.text import Language, Text, say
from runtime.api.openapi_once import ONCE, TRIED
from runtime.api.openapi_problems import READING, WRITING, with_problems
from runtime.api.openapi_queries import query_parameter
from runtime.api.openapi_schemas import Described
from runtime.approvals.listing import FOLDERS
from runtime.approvals.service import ACTS

Schema = dict[str, Any]

_UUID: Schema = {"type": "string", "format": "uuid"}
_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": ["string", "null"]}
_WHEN: Schema = {"type": ["string", "null"], "format": "date-time"}
_YES: Schema = {"type": "boolean"}
_PLACE: Schema = {"type": "object", "properties": {"stage": _WORDS, "node": _WORDS}}
_BOTH: Schema = {"type": ["object", "null"], "properties": {"zh": _TEXT, "en": _TEXT}}
_IF_MATCH: Schema = {"name": "If-Match", "in": "header", "schema": _TEXT}
_DONE: Schema = {"200": TRIED, "204": {"description": "Done"}}
_KEYED: Schema = {"parameters": [*ONCE]}


def process_schemas() -> Schema:
    """Return the schemas that these routes share."""
    todo = _object(("code", "message", "pointer"), code=_TEXT, message=_TEXT, pointer=_TEXT, field=_TEXT, label=_WORDS)
    asked = _object(("field", "type", "label"), field=_TEXT, type=_TEXT, label=_TEXT)
    way = _object(
        ("key", "label", "to", "possible", "reason", "asks", "todo"),
        key=_TEXT,
        label=_TEXT,
        help=_WORDS,
        to=_PLACE,
        kind=_TEXT,
        possible={**_YES, "description": "Whether it can be taken now; if not, todo says what is missing."},
        reason={"type": "string", "enum": ["required", "optional", "none"]},
        asks={"type": "array", "items": asked, "description": "Fields that a form shows for it."},
        todo={"type": "array", "items": todo},
    )
    stand = _object(
        ("pipeline", "label", "field", "stage", "transitions"),
        pipeline=_TEXT,
        label=_TEXT,
        field={**_TEXT, "description": "The field that holds the stage."},
        stage=_WORDS,
        node=_WORDS,
        kind=_WORDS,
        since=_WHEN,
        hints={"type": "array", "items": {"type": "object"}},
        transitions={"type": "array", "items": way},
    )
    button = _object(
        ("automation", "label", "possible"),
        automation=_TEXT,
        label=_TEXT,
        confirm={**_WORDS, "description": "What to ask before it is pressed."},
        possible=_YES,
        why_not=_WORDS,
    )
    run = _object(
        ("id", "automation", "state", "outcomes"),
        id=_UUID,
        automation=_TEXT,
        state=_TEXT,
        reason=_WORDS,
        outcomes={"type": "array", "items": {"type": "object"}},
    )
    approval = _object(
        ("id", "state", "label", "steps"),
        id=_UUID,
        state=_TEXT,
        label=_TEXT,
        title=_WORDS,
        entity=_TEXT,
        record_id=_UUID,
        asked_by_name=_WORDS,
        steps={"type": "array", "items": _object(("key", "label", "mode"), key=_TEXT, label=_TEXT, mode=_TEXT)},
        tasks={"type": "array", "items": {"type": "object"}},
        acts={"type": "array", "items": {"type": "object"}},
    )
    timer = _object(
        ("reminder", "label", "state", "due_at", "why"),
        reminder=_TEXT,
        label=_BOTH,
        state={"type": "string", "enum": ["waiting", "snoozed", "paused", "acknowledged", "done"]},
        due_at=_WHEN,
        why=_BOTH,
    )
    listed: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/Timer"}}
    return {
        "Standing": stand,
        "Button": button,
        "AutomationRun": run,
        "Approval": approval,
        "Timer": timer,
        "Timers": _object(("timers", "fired"), timers=listed, fired={"type": "array", "items": {"type": "object"}}),
        "Moved": _object(
            ("move", "dry_run"),
            move=_object(("pipeline", "transition", "from", "to"), pipeline=_TEXT, transition=_TEXT, to=_PLACE)
            | {"description": "from and to: stage and node"},
            dry_run=_YES,
        ),
    }


def process_paths(d: Described, entity: CompiledEntity, base: str, record_id: Schema) -> Schema:
    """Return the routes of one entity."""
    routes = _Routes(d, entity, f"{base}/{{id}}", record_id)
    paths: Schema = {}
    definition = d.app.definition
    if d.app.pipelines.get(entity.key):
        paths |= routes.stages(base)
    if any(approval.entity == entity.key for approval in definition.of(APPROVALS)):
        paths |= routes.approvals()
    automations = [a for a in definition.of(AUTOMATIONS) if a.entity == entity.key]
    if any(isinstance(automation.trigger, Button) for automation in automations):
        paths |= routes.buttons()
    if automations:
        paths |= routes.runs()
    if any(reminder.entity == entity.key for reminder in definition.of(REMINDERS)):
        paths |= routes.timers()
    if any(rule.entity == entity.key for rule in definition.of(ASSIGNMENTS)):
        paths |= routes.assignments()
    if d.app.sight is None:
        paths |= routes.explanation()
    for field in entity.fields.values():
        if isinstance(field, BarcodeField) and field.symbology == "qr":
            paths |= routes.code(field.key)
    return paths


def app_process_paths(app: CompiledApp, language: Language) -> Schema:
    """Return the routes that are of no entity."""

    def operation(words: Text, name: str, answers: Schema, statuses: tuple[int, ...], **more: Any) -> Schema:
        made = {"summary": words.pick(language), "operationId": name, "responses": answers, **more}
        return with_problems(made, statuses)

    paths: Schema = {}
    if app.definition.of(APPROVALS):
        one, many = _answer(_ref("Approval")), _answer({"type": "array", "items": _ref("Approval")})
        place: Schema = {"name": "id", "in": "path", "required": True, "schema": _UUID}
        act: Schema = {"name": "act", "in": "path", "required": True, "schema": {"type": "string", "enum": list(ACTS)}}
        state = query_parameter("state", {"type": "string", "enum": list(FOLDERS), "default": "open"})
        limit = query_parameter("limit", {"type": "integer", "minimum": 1, "maximum": limits.PAGE_RECORDS})
        body = _members((), comment=_WORDS, user_id=_WORDS, task_id=_WORDS)
        base = f"/api/{app.key}/approvals"
        inbox = operation(
            say("我的审批", "My approvals"),
            "listApprovals",
            {"200": many},
            READING,
            parameters=[state, query_parameter("before", _UUID), limit],
        )
        answer = operation(
            say("处理审批", "Answer an approval"),
            "answerApproval",
            {"200": one},
            WRITING,
            **_KEYED,
            requestBody={**_body(body), "required": False},
        )
        paths |= {
            base: {"get": inbox},
            f"{base}/{{id}}": {
                "parameters": [place],
                "get": operation(say("审批", "An approval"), "getApproval", {"200": one}, READING),
            },
            f"{base}/{{id}}/{{act}}": {"parameters": [place, act], "post": answer},
        }
    if app.sight is None and any(isinstance(a.trigger, Webhook) for a in app.definition.of(AUTOMATIONS)):
        key: Schema = {"name": "automation", "in": "path", "required": True, "schema": _TEXT}
        minutes = {"type": "integer", "minimum": 0, "maximum": limits.HOOK_FORMER_MINUTES * 7}
        made = _object(("secret", "former_until", "path"), secret=_TEXT, former_until=_WHEN, path=_TEXT)
        secret = operation(
            say("换 Webhook 密钥", "Make a webhook's secret anew"),
            "changeHookSecret",
            {"200": _answer(made)},
            WRITING,
            requestBody={**_body(_members((), former_minutes=minutes)), "required": False},
        )
        paths[f"/api/{app.key}/automations/{{automation}}/secret"] = {"parameters": [key], "post": secret}
    if app.definition.of(ASSIGNMENTS):
        rule: Schema = {"name": "rule", "in": "path", "required": True, "schema": _TEXT}
        pool = operation(say("候选池", "A pool"), "getPool", {"200": _answer({})}, READING)
        paths[f"/api/{app.key}/pools/{{rule}}"] = {"parameters": [rule], "get": pool}
    return paths


class _Routes:
    """The routes of one entity, by what it has."""

    def __init__(self, d: Described, entity: CompiledEntity, place: str, record_id: Schema) -> None:
        self._d = d
        self._entity = entity
        self._place = place
        self._id = record_id
        self._name = d.name(entity.key)

    def _operation(
        self, words: Text, name: str, answers: Schema, statuses: tuple[int, ...] = READING, **more: Any
    ) -> Schema:
        label = self._entity.label().pick(self._d.language)
        summary = f"{words.en} {label}" if self._d.language == "en" else f"{label}{words.zh}"
        made = {"tags": [self._entity.key], "summary": summary, "operationId": f"{name}{self._name}"}
        return with_problems({**made, "responses": answers, **more}, statuses)

    def _below(self, tail: str, *parameters: Schema, **operations: Schema) -> Schema:
        return {f"{self._place}/{tail}": {"parameters": [self._id, *parameters], **operations}}

    def stages(self, base: str) -> Schema:
        """Where records stand, and what leads on."""
        pipelines = self._d.app.pipelines[self._entity.key]
        keys = sorted({transition for pipeline in pipelines for transition in pipeline.transitions})
        way: Schema = {"name": "transition", "in": "path", "required": True, "schema": {"type": "string", "enum": keys}}
        fields = {"$ref": f"#/components/schemas/{self._name}Update"}
        given: Schema = {
            "fields": {**fields, "description": "Values that are written with the move."},
            "reason": {**_WORDS, "maxLength": 2_000},
            "node": _WORDS,
            "override": {"type": ["boolean", "null"]},
        }
        record = {"$ref": f"#/components/schemas/{self._name}"}
        moved = _json(_object(("data", "meta"), data=record, meta=_ref("Moved")))
        # of several, each wrong value is told in the row of its record
        loose = {**given, "fields": {"type": "object"}}
        ids: Schema = {"type": "array", "minItems": 1, "maxItems": limits.MOVED_AT_ONCE, "items": _UUID}
        row = _object(("id", "status"), id=_TEXT, status={"type": "string", "enum": ["moved", "refused"]})
        counts = _object(("moved_count", "refused_count", "dry_run"), moved_count={"type": "integer"})
        rows = _json(_object(("data", "meta"), data={"type": "array", "items": row}, meta=counts))
        standing = {"200": _answer({"type": "array", "items": _ref("Standing")})}
        stays = {"200": _answer({"type": "array", "items": {"type": "object"}})}
        move = self._operation(
            say("流转", "Move"),
            "move",
            {"200": moved},
            WRITING,
            parameters=[_IF_MATCH, *ONCE],
            requestBody={**_body(_members((), **given)), "required": False},
        )
        many = self._operation(
            say("批量流转", "Move several"),
            "moveMany",
            {"200": rows},
            WRITING,
            parameters=[*ONCE],
            requestBody=_body(_members(("ids",), ids=ids, **loose)),
        )
        return {
            f"{base}/transitions/{{transition}}": {"parameters": [way], "post": many},
            **self._below(
                "transitions", get=self._operation(say("可走的流转", "Transitions of"), "transitions", standing)
            ),
            **self._below("stages", get=self._operation(say("经过的阶段", "Stages of"), "stages", stays)),
            **self._below("transitions/{transition}", way, post=move),
        }

    def approvals(self) -> Schema:
        """Approvals of a record."""
        keys = [a.key for a in self._d.app.definition.of(APPROVALS) if a.entity == self._entity.key]
        body = _members(("approval",), approval={"type": "string", "enum": keys}, comment=_WORDS)
        many = {"200": _answer({"type": "array", "items": _ref("Approval")})}
        ask = self._operation(
            say("发起审批", "Ask for an approval of"),
            "askApproval",
            {"201": _answer(_ref("Approval")), "200": TRIED},
            WRITING,
            **_KEYED,
            requestBody=_body(body),
        )
        return self._below("approvals", get=self._operation(say("的审批", "Approvals of"), "approvals", many), post=ask)

    def buttons(self) -> Schema:
        """What people can start from a record."""
        many = {"200": _answer({"type": "array", "items": _ref("Button")})}
        key: Schema = {"name": "automation", "in": "path", "required": True, "schema": _TEXT}
        press = self._operation(
            say("按钮", "Press a button of"),
            "press",
            {"200": _answer(_ref("AutomationRun"))},
            WRITING,
            **_KEYED,
        )
        return {
            **self._below("actions", get=self._operation(say("的按钮", "Buttons of"), "actions", many)),
            **self._below("actions/{automation}", key, post=press),
        }

    def runs(self) -> Schema:
        """What automations did with a record."""
        many = {"200": _answer({"type": "array", "items": _ref("AutomationRun")})}
        before = query_parameter("before", _UUID)
        return self._below(
            "runs",
            get=self._operation(say("的自动化记录", "Runs of automations of"), "runs", many, parameters=[before]),
        )

    def timers(self) -> Schema:
        """What is to come for a record."""
        found = {"200": _answer(_ref("Timers"))}
        reminder: Schema = {"name": "reminder", "in": "path", "required": True, "schema": _TEXT}
        until = _body({"oneOf": [_members(("for",), **{"for": _TEXT}), _members(("until",), until=_TEXT)]})
        snooze = self._operation(
            say("推迟提醒", "Snooze a timer of"), "snooze", found, WRITING, requestBody=until, **_KEYED
        )
        done = self._operation(say("确认提醒", "Acknowledge a timer of"), "acknowledge", found, WRITING, **_KEYED)
        return {
            **self._below("timers", get=self._operation(say("的提醒", "Timers of"), "timers", found)),
            **self._below("timers/{reminder}/acknowledge", reminder, post=done),
            **self._below("timers/{reminder}/snooze", reminder, post=snooze),
        }

    def assignments(self) -> Schema:
        """Who has a record and why; taking one from a pool and giving it back."""
        reason = _body(_members(("reason",), reason={"type": "string", "minLength": 1, "maxLength": 500}))
        claim = self._operation(say("领取", "Claim"), "claim", _DONE, WRITING, **_KEYED)
        release = self._operation(say("退回", "Release"), "release", _DONE, WRITING, requestBody=reason, **_KEYED)
        why = {"200": _answer({"type": "array", "items": {"type": "object"}})}
        return {
            **self._below("assignments", get=self._operation(say("的分配", "Assignments of"), "assignments", why)),
            **self._below("claim", post=claim),
            **self._below("release", post=release),
        }

    def explanation(self) -> Schema:
        """Why somebody may or may not do things with a record; for admins."""
        verdict = _object(("allowed", "because"), allowed=_YES, because={"type": "array", "items": _BOTH})
        found = _object(
            ("actor", "roles", "deeds", "fields"),
            actor={"type": "object"},
            roles={"type": "array", "items": {"type": "object"}},
            deeds={"type": "object", "additionalProperties": verdict},
            fields={"type": "object"},
        )
        person = {**query_parameter("actor", _UUID), "required": True, "description": "The id of a person."}
        why = self._operation(
            say("的权限说明", "Why somebody may or may not write"),
            "explain",
            {"200": _answer(found)},
            parameters=[person],
        )
        return self._below("explain", get=why)

    def code(self, field: str) -> Schema:
        """A code as a picture."""
        drawn: Schema = {"200": {"description": "OK", "content": {"image/svg+xml": {"schema": _TEXT}}}}
        words = say(f"的二维码({field})", f"Code ({field}) of")
        return self._below(f"{field}/qr.svg", get=self._operation(words, f"{field}CodeOf", drawn))


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _members(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {**_object(required, **properties), "additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}


def _answer(schema: Schema) -> Schema:
    return _json(_object(("data",), data=schema))


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
