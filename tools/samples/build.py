"""All sample files: template -> name of the file -> CSV text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tools.samples.lead_customers import area_records, draw_customers
from tools.samples.lead_leads import draw_leads
from tools.samples.lead_talks import draw_talks
from tools.samples.names import UniqueNames
from tools.samples.people import people_files
from tools.samples.table import write_table

Files = Mapping[str, str]


def build_lead() -> Files:
    """Write the sample records of the template ``lead``."""
    names = UniqueNames()
    customers = draw_customers(names)
    leads = draw_leads(customers, names)
    talks = draw_talks(leads)  # fills in when customers and contacts were last reached
    return {
        "sales_area": write_table(area_records()),
        "customer": write_table(customer.record for customer in customers),
        "contact": write_table(contact.record for customer in customers for contact in customer.contacts),
        "lead": write_table(lead.record for lead in leads),
        "communication": write_table(talks),
    }


BUILDERS: Mapping[str, Callable[[], Files]] = {"lead": build_lead}


def build(template: str) -> dict[str, str]:
    """Return all sample files of a template, people included."""
    return {**people_files(), **BUILDERS[template]()}
