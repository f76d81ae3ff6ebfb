"""``call_connector``: see ``builder/definition/actions/call_connector.py``."""

from __future__ import annotations

from urllib.parse import quote

from builder.definition.actions.call_connector import CallConnector
from builder.definition.templating import fill, pieces
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.values import display
from runtime.automations.actions.base import Occasion, Outcome, is_not_connected, missing_port, not_connected
from runtime.automations.actions.bodies import members_json
from runtime.automations.ports import Call


class CallConnectorKind:
    """Puts a request down; it is made once the transaction is committed, and its answer is written then."""

    model = CallConnector

    def carry_out(self, o: Occasion, action: CallConnector, key: str) -> Unit[Outcome]:
        """Write the request as it is now."""
        if o.ports.outward is None:
            raise missing_port("连接", "connections")
        path = yield from _path(o, action.path)
        query = yield from members_json(o, action.query)
        body = yield from members_json(o, action.body)
        call = Call(
            key,
            action.connection,
            action.method,
            path,
            {name: display(value) if not isinstance(value, str) else value for name, value in query.items()},
            body if action.body else None,
            o.w.app.key,
            o.entity.key,
            o.subject.record_id,
            tuple((one.at, one.field) for one in action.answer),
        )
        try:
            yield from o.ports.outward.post_call(o.w, call)
        except Problem as problem:
            if action.if_connected and is_not_connected(problem):
                return not_connected(action.connection)
            raise
        text = say(f"将请求“{action.connection}”", f'To be asked of "{action.connection}"')
        return Outcome("done", text)


def _path(o: Occasion, template: str) -> Unit[str]:
    """Fill the formulas of a path, each as one segment."""
    formulas = [piece.formula for piece in pieces(template)]
    values = dict(zip(formulas, (yield from o.evaluate(*formulas)), strict=True))

    def shown(formula: str) -> str:
        value = values[formula]
        return "" if isinstance(value, CellError) else quote(display(value), safe="")

    return fill(template, shown)
