"""Run every check over a definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from builder.checks.actions import check_actions, check_triggers
from builder.checks.audiences import check_audiences
from builder.checks.creations import check_creations
from builder.checks.fields import check_defaults, check_field_sets, check_search, check_title
from builder.checks.finding import Finding
from builder.checks.forms import check_forms
from builder.checks.formulas import check_formulas, check_marked_formulas
from builder.checks.guards import check_guards
from builder.checks.loops import check_loops
from builder.checks.names import check_keys, check_labels, check_size
from builder.checks.pipelines import check_pipelines
from builder.checks.references import check_children, check_links, check_references
from builder.checks.reminders import check_reminders
from builder.checks.renames import check_renames
from builder.checks.roles import check_locks, check_roles
from builder.checks.rules import check_rules
from builder.checks.scenarios import check_scenarios
from builder.definition.kinds import Definition

ALL: tuple[Callable[[Definition], Iterator[Finding]], ...] = (
    check_size,
    check_keys,
    check_labels,
    check_references,
    check_children,
    check_links,
    check_defaults,
    check_field_sets,
    check_title,
    check_search,
    check_formulas,
    check_marked_formulas,
    check_rules,
    check_pipelines,
    check_guards,
    check_reminders,
    check_scenarios,
    check_roles,
    check_locks,
    check_forms,
    check_actions,
    check_triggers,
    check_audiences,
    check_loops,
    check_creations,
)


def run_checks(definition: Definition, published: Definition | None = None) -> list[Finding]:
    """Return all findings, errors first, then by document and place.

    Args:
        published: what the definition would follow; marks of renames are about it.
    """
    found = [finding for check in ALL for finding in check(definition)]
    found += check_renames(definition, published)
    return sorted(
        found, key=lambda finding: (finding.severity != "error", finding.document, finding.pointer, finding.code)
    )
