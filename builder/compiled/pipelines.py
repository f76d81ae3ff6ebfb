"""Pipelines, ready to use: where a record stands, which ways lead on, and what each way asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from builder.definition.guards import AnyGuard
from builder.definition.pipeline import Node, Pipeline, Stage, Transition


class Place(NamedTuple):
    """Where a record stands."""

    stage: str
    """Empty: nowhere, as a record whose field was blank before there was a pipeline."""
    node: str | None = None

    @property
    def name(self) -> str:
        """``stage`` or ``stage.node``."""
        return self.stage if self.node is None else f"{self.stage}.{self.node}"


def place_named(name: str) -> Place:
    """Read ``stage`` or ``stage.node``."""
    stage, _, node = name.partition(".")
    return Place(stage, node or None)


@dataclass(frozen=True)
class CompiledPipeline:
    """One pipeline of one entity."""

    definition: Pipeline

    @property
    def key(self) -> str:
        """Its key."""
        return self.definition.key

    @cached_property
    def stages(self) -> Mapping[str, Stage]:
        """Its stages by key, in order."""
        return {stage.key: stage for stage in self.definition.stages}

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each stage stands in the order."""
        return {key: place for place, key in enumerate(self.stages)}

    @cached_property
    def nodes(self) -> Mapping[Place, Node]:
        """Its nodes by their place, in order."""
        return {Place(stage.key, node.key): node for stage in self.stages.values() for node in stage.nodes}

    @cached_property
    def transitions(self) -> Mapping[str, Transition]:
        """Its transitions by key."""
        return {transition.key: transition for transition in self.definition.transitions}

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The fields that only moves change."""
        definition = self.definition
        return tuple(key for key in (definition.field, definition.node_field, definition.since_field) if key)

    @cached_property
    def initial(self) -> tuple[str, ...]:
        """Stages in which records may begin; the first of them is where they do if nothing is said."""
        named = tuple(key for key, stage in self.stages.items() if stage.initial)
        return named or (next(iter(self.stages)),)

    def place_of(self, values: Mapping[str, Any]) -> Place:
        """Return where a record with these values stands."""
        node_field = self.definition.node_field
        return Place(values.get(self.definition.field) or "", values.get(node_field) if node_field else None)

    def is_place(self, place: Place) -> bool:
        """Whether there is such a place; a stage with nodes is one only together with one of them."""
        stage = self.stages.get(place.stage)
        if stage is None:
            return False
        return place in self.nodes if stage.nodes else place.node is None

    def entrance(self, stage: str) -> Place:
        """Return where one stands who enters a stage."""
        nodes = self.stages[stage].nodes
        return Place(stage, nodes[0].key if nodes else None)

    def places(self) -> Iterator[Place]:
        """Yield every place, in order."""
        for stage in self.stages.values():
            if not stage.nodes:
                yield Place(stage.key)
            for node in stage.nodes:
                yield Place(stage.key, node.key)

    def leads_from(self, transition: Transition, place: Place) -> bool:
        """Whether a transition can be taken where a record stands."""
        if place.stage not in self.stages:
            return False  # it stands nowhere: only a plan or an override brings it back
        if transition.leaves:
            return place.stage in transition.leaves or place.name in transition.leaves
        return not self.stages[place.stage].is_end and place.stage != place_named(transition.enters).stage

    def leaving(self, place: Place) -> list[Transition]:
        """Return the transitions that lead on from a place."""
        return [transition for transition in self.transitions.values() if self.leads_from(transition, place)]

    def needs_reason(self, transition: Transition, source: Place, target: Place) -> bool:
        """Whether a move has to say why."""
        if transition.reason is not None:
            return transition.reason == "required"
        if source.stage not in self.stages or target.stage == source.stage:
            return False
        goes_back = self.position[target.stage] < self.position[source.stage]
        return self.stages[source.stage].is_end or (goes_back and not self.stages[target.stage].is_end)

    @cached_property
    def _asked(self) -> dict[tuple[str, Place, Place], tuple[AnyGuard, ...]]:
        return {}  # filled as moves come: there are few that are ever made

    def guards(self, transition: Transition, source: Place, target: Place) -> tuple[AnyGuard, ...]:
        """Return what a move is asked, in order."""
        key = (transition.key, source, target)
        if key not in self._asked:
            self._asked[key] = self._gather(transition, source, target)
        return self._asked[key]

    def foreseen(self, transition: Transition, target: Place) -> tuple[AnyGuard, ...] | None:
        """Return what a move is asked from wherever it may begin; None if that depends on the place."""
        key = (transition.key, target)
        if key not in self._foreseen:
            sources = [place for place in self.places() if self.leads_from(transition, place)]
            first, *others = [self.guards(transition, source, target) for source in sources] or [()]
            self._foreseen[key] = first if all(asked == first for asked in others) else None
        return self._foreseen[key]

    @cached_property
    def _foreseen(self) -> dict[tuple[str, Place], tuple[AnyGuard, ...] | None]:
        return {}

    def _gather(self, transition: Transition, source: Place, target: Place) -> tuple[AnyGuard, ...]:
        asked: list[AnyGuard] = []
        if source in self.nodes and source != target:
            asked += self.nodes[source].exit
        if source.stage in self.stages and source.stage != target.stage:
            asked += self.stages[source.stage].exit
        asked += transition.guards
        if target.stage != source.stage:
            asked += self.stages[target.stage].entry
        if target in self.nodes and source != target:
            asked += self.nodes[target].entry
        return _once((*asked, *self.holds(target)))

    def beginning(self, place: Place) -> tuple[AnyGuard, ...]:
        """Return what a record is asked that begins in a place."""
        asked = [*self.stages[place.stage].entry]
        if place in self.nodes:
            asked += self.nodes[place].entry
        return _once((*asked, *self.holds(place)))

    def holds(self, place: Place) -> tuple[AnyGuard, ...]:
        """Return what is asked of a record as long as it stands in a place."""
        stage = self.stages.get(place.stage)
        node = self.nodes.get(place)
        return (*(stage.holds if stage else ()), *(node.holds if node else ()))


def _once(guards: tuple[AnyGuard, ...]) -> tuple[AnyGuard, ...]:
    return tuple(guard for place, guard in enumerate(guards) if guard not in guards[:place])


def compile_pipelines(pipelines: tuple[Pipeline, ...]) -> Mapping[str, tuple[CompiledPipeline, ...]]:
    """Return the pipelines of each entity."""
    found: dict[str, tuple[CompiledPipeline, ...]] = {}
    for pipeline in pipelines:
        found[pipeline.entity] = (*found.get(pipeline.entity, ()), CompiledPipeline(pipeline))
    return found
