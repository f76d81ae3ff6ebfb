"""``pipelines/*.json``: the stages of an entity's records and the ways between them. See docs/decisions/0018."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.definition.actions import Actions
from builder.definition.guards import Guards
from builder.fields.base import BothLanguages, Key, Label, Model, Option, Refers, wrong_option
from builder.fields.parts.choices import OptionKey
from builder.kernel.limits import HINTS_PER_STAGE, KEY_LENGTH, NODES_PER_STAGE, STAGES, TRANSITIONS

Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | BothLanguages
OwnField = Annotated[Key, Refers("field", of="/entity")]
_PART = rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{KEY_LENGTH - 1}}}"
PlaceName = Annotated[str, StringConstraints(pattern=rf"^{_PART}(\.{_PART})?$")]
"""``stage`` or ``stage.node``."""
StageKind = Literal["open", "paused", "won", "lost", "closed"]
ENDS: frozenset[StageKind] = frozenset({"won", "lost", "closed"})


class Hint(Model):
    """Guidance for who works in a stage."""

    text: Text
    after_seconds: Annotated[int, Option(ge=0, le=3_600)] = 0
    """Shown when somebody has looked at the record for so long."""
    field: OwnField | None = None
    """The field it is about."""


class Node(Model):
    """A step inside a stage: an option of the node field."""

    key: OptionKey
    hints: Annotated[tuple[Hint, ...], Option(max_length=HINTS_PER_STAGE)] = ()
    entry: Guards = ()
    """What has to be met to get here."""
    exit: Guards = ()
    """What has to be met to get on from here."""
    holds: Guards = ()
    """What has to be met to get here, and is asked again with every change of a record that is here."""
    on_enter: Actions = ()
    """What follows when a record gets here, in the transaction of the move."""
    on_leave: Actions = ()


class Stage(Node):
    """A stage: an option of the stage field."""

    kind: StageKind = "open"
    """``paused``: clocks stand still. ``won``, ``lost`` and ``closed`` are ends: only transitions that name them lead out."""
    initial: bool = False
    """New records may begin here; the first stage if none says so."""
    nodes: Annotated[tuple[Node, ...], Option(max_length=NODES_PER_STAGE)] = ()
    """Its steps, in order; who enters the stage enters the first."""

    @property
    def is_end(self) -> bool:
        """Whether the record's way ends here."""
        return self.kind in ENDS


class Transition(Model):
    """A way from places to a place: what people do, as a button."""

    key: Key
    label: Label
    help: Text | None = None
    leaves: Annotated[tuple[PlaceName, ...], Option(max_length=STAGES)] = ()
    """Where it can be taken: stages (all their nodes) or single nodes; every stage that is not an end if left out."""
    enters: PlaceName
    """Where it leads: a stage (its first node, or one asked for that no other transition leads to) or a node."""
    roles: Annotated[tuple[Key, ...], Option(max_length=50)] = ()
    """Who may take it; everybody who may change the record if left out."""
    guards: Guards = ()
    """What has to be met besides what the places ask for."""
    asks: Annotated[tuple[OwnField, ...], Option(max_length=50)] = ()
    """Fields that the form of the move offers; any field may be set with a move."""
    reason: Literal["none", "optional", "required"] | None = None
    """Left out: required for going back to an earlier stage and for leaving an end, optional otherwise."""
    actions: Actions = ()
    """What follows, after ``on_leave`` of the place that is left and before ``on_enter`` of the one that is entered."""
    automatic: bool = False
    """Nobody takes it by hand: approvals and automations do."""
    starts_approval: Annotated[Key | None, Refers("approvals")] = None
    """An approval that begins with the move."""


class MovedPlace(Model):
    """Where the records of a place go that is not there any more."""

    place: PlaceName
    into: PlaceName


class Pipeline(Model):
    """The way of an entity's records through stages."""

    key: Key
    label: Label
    help: Text | None = None
    entity: Annotated[Key, Refers("entity")]
    field: OwnField
    """The select field whose options are the stages."""
    node_field: OwnField | None = None
    """The select field whose options are the nodes of all stages."""
    since_field: OwnField | None = None
    """A date-time field that is given the moment of every move."""
    stages: Annotated[tuple[Stage, ...], Option(min_length=1, max_length=STAGES)]
    """In order: a move to a stage further up goes back."""
    transitions: Annotated[tuple[Transition, ...], Option(max_length=TRANSITIONS)] = ()
    moved: Annotated[tuple[MovedPlace, ...], Option(max_length=STAGES)] = ()
    """Where records go whose place was taken away by a new version."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        _refuse_twice("stages", (stage.key for stage in self.stages))
        _refuse_twice("nodes", (node.key for stage in self.stages for node in stage.nodes))
        _refuse_twice("transitions", (transition.key for transition in self.transitions))
        _refuse_twice("moved", (moved.place for moved in self.moved))
        if self.node_field is None and any(stage.nodes for stage in self.stages):
            raise wrong_option("阶段有节点时要有 node_field", "A pipeline whose stages have nodes needs a node_field")
        return self


def _refuse_twice(member: str, keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise wrong_option(f"{member} 中“{key}”重复", f'"{key}" occurs twice in {member}')
        seen.add(key)
