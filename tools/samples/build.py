"""All sample files: template -> name of the file -> CSV text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tools.samples.lead_customers import area_records, draw_customers
from tools.samples.lead_leads import draw_leads
from tools.samples.lead_talks import draw_talks
from tools.samples.names import UniqueNames
from tools.samples.people import people_files
from tools.samples.receivables_contracts import draw_contracts, draw_invoices
from tools.samples.receivables_payments import (
    customer_records,
    draw_payments,
    finish_contracts,
    finish_invoices,
    payment_records,
    statement_records,
)
from tools.samples.store_places import draw_dealers, draw_stores, product_records, stock_records
from tools.samples.store_work import material_records, order_records, visit_records
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


def build_receivables() -> Files:
    """Write the sample records of ``receivables``: the active customers of ``lead``, their contracts, invoices and payments."""
    customers = [customer for customer in draw_customers(UniqueNames()) if customer.record["status"] == "active"]
    contracts = draw_contracts(customers)
    invoices, invoice_lines = draw_invoices(contracts)
    payments = draw_payments(invoices)
    finish_invoices(invoices)
    finish_contracts(contracts)
    records, allocations = payment_records(payments)
    return {
        "customer": write_table(customer_records(customers, invoices, payments)),
        "contract": write_table(contract.record for contract in contracts),
        "contract_line": write_table(line for contract in contracts for line in contract.lines),
        "payment_plan": write_table(part for contract in contracts for part in contract.plan),
        "invoice": write_table(invoice.record for invoice in invoices),
        "invoice_line": write_table(invoice_lines),
        "payment": write_table(records),
        "allocation": write_table(allocations),
        "statement": write_table(statement_records(customers, invoices, payments)),
    }


def build_store_sales() -> Files:
    """Write the sample records of the template ``store_sales``."""
    names = UniqueNames()
    dealers = draw_dealers(names)
    stores = draw_stores(names, dealers)
    products = product_records()
    visits = visit_records(stores)  # notes the last visit on each store
    orders, lines = order_records(stores, products)
    materials, uses = material_records(products, stores)
    return {
        "dealer": write_table(dealer.record for dealer in dealers),
        "store": write_table(store.record for store in stores),
        "product": write_table(products),
        "visit": write_table(visits),
        "order": write_table(orders),
        "order_line": write_table(lines),
        "stock_report": write_table(stock_records(dealers)),
        "material": write_table(materials),
        "material_use": write_table(uses),
    }


BUILDERS: Mapping[str, Callable[[], Files]] = {
    "lead": build_lead,
    "receivables": build_receivables,
    "store_sales": build_store_sales,
}


def build(template: str) -> dict[str, str]:
    """Return all sample files of a template, people included."""
    return {**people_files(), **BUILDERS[template]()}
