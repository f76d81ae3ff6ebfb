"""Published vulnerabilities of our peers, class by class: of each class one at least is tried here, by a test that bears its id in its name.

The ids are those of the public advisory databases. A class that cannot be tried because what it needs does not exist here stands in
``OTHERWISE`` with the reason.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.support.tree import ROOT

CLASSES: dict[str, str] = {
    "NocoDB: SQL in formulas and groups": "CVE-2026-28399 CVE-2026-47375 CVE-2026-47384",
    "NocoDB: a share leaks or lifts": "CVE-2026-47378 GHSA-xjxh-mq5w-mpq6 CVE-2026-46552",
    "NocoDB: guessing a share's password": "CVE-2026-47379",
    "NocoDB: ids of others": "CVE-2026-47381 CVE-2026-28361",
    "NocoDB: requests into the house": "CVE-2026-24767 CVE-2026-46548 CVE-2026-47382 CVE-2026-53930",
    "NocoDB: paths": "CVE-2026-47385",
    "NocoDB: script in pictures": "CVE-2026-24769",
    "NocoDB: script in formulas": "CVE-2026-28357",
    "NocoDB: script in rich text and comments": "CVE-2026-28401 CVE-2026-47383",
    "NocoDB: script in addresses": "CVE-2026-47387",
    "NocoDB: script in names": "CVE-2026-47376 CVE-2026-46547 CVE-2025-27506 CVE-2023-50717",
    "NocoDB: sessions that live on": "CVE-2026-28396 CVE-2026-53926",
    "NocoDB: cookies": "CVE-2026-46550",
    "NocoDB: timing of a login": "CVE-2026-47380",
    "NocoDB: a race for an account": "CVE-2026-47386",
    "NocoDB: open redirects": "CVE-2026-24768 CVE-2026-47377",
    "NocoDB: requests that cost too much": "CVE-2026-46551 CVE-2026-24766 CVE-2022-3423",
    "NocoDB: formulas in sheets": "CVE-2022-22121",
    "NocoDB: errors that tell": "CVE-2022-2062",
    "Directus: oracle by aggregates": "CVE-2026-35442",
    "Directus: oracle by search": "CVE-2025-64748 CVE-2025-30352",
    "Directus: oracle by aliases": "CVE-2024-34708",
    "Directus: oracle by exports": "CVE-2023-27481",
    "Directus: oracle by history": "CVE-2026-39943",
    "Directus: an empty list": "CVE-2024-39701",
    "Directus: grants of fields that are gone": "CVE-2025-64746",
    "Directus: union of grants": "GHSA-99vm-5v2h-h6r6",
    "Directus: the role of a share": "CVE-2025-24353 GHSA-pqp8-63c5-fm34",
    "Directus: answers of others from a cache": "CVE-2026-61836",
    "Directus: existence": "CVE-2025-64749",
    "Directus: requests into the house": "CVE-2023-26492 CVE-2026-35409 CVE-2026-61835",
    "Directus: files of others": "CVE-2026-39942 CVE-2026-35412 GHSA-xjxq-pj7h-g676 CVE-2022-36031",
    "Directus: script in files": "CVE-2025-64747 CVE-2023-27474",
    "Directus: sessions": "GHSA-56p6-qw3c-fq2g CVE-2024-34709",
    "Directus: look-alike addresses": "CVE-2024-27295",
    "Directus: who has an account": "CVE-2024-39896",
    "Directus: secrets in logs": "CVE-2024-47822 CVE-2025-53886 CVE-2025-30353",
    "Directus: streams": "CVE-2023-38503 CVE-2024-54151 CVE-2023-45820",
    "Directus: requests that cost too much": "CVE-2024-36128 CVE-2024-39895 CVE-2025-30225 CVE-2026-35441",
    "Directus: open redirects": "CVE-2024-28239 CVE-2026-22032 CVE-2026-35411",
    "Directus: release and layout": "CVE-2025-53887 CVE-2026-35413",
    "Budibase: rights that lift themselves": "GHSA-6xp4-cf37-ppjh CVE-2026-45716 CVE-2026-25045",
    "Budibase: stale roles": "CVE-2026-46424 CVE-2026-46425",
    "Budibase: routes by pattern": "CVE-2026-41428 CVE-2026-48147",
    "Budibase: hooks": "CVE-2026-48151",
    "Budibase: rows": "CVE-2026-45718",
    "Budibase: across apps": "CVE-2026-82242",
    "Budibase: an empty list allows all": "CVE-2026-31818",
    "Budibase: rebinding": "CVE-2026-73410",
    "Budibase: redirects into the house": "CVE-2026-67311",
    "Budibase: credentials that follow": "CVE-2026-48152 CVE-2026-82243",
    "Budibase: archives": "CVE-2026-54352 GHSA-2wfh-rcwf-wh23",
    "Budibase: code in filters": "CVE-2026-27702 CVE-2026-45719 CVE-2026-82244 CVE-2026-25044 CVE-2026-35216",
    "Budibase: SQL": "CVE-2026-72851",
    "Budibase: uploads": "CVE-2026-46426",
    "Budibase: cookies": "CVE-2026-42239",
    "Budibase: a flood of resets": "CVE-2026-25043",
    "Budibase: consent": "CVE-2026-50132",
    "Baserow: SQL by arguments": "CVE-2026-19754",
    "Baserow: an answer nobody looked at": "CVE-2026-81335",
    "Frappe: SQL": "CVE-2024-24813 CVE-2025-30212 CVE-2025-52048 CVE-2026-31877",
    "Frappe: reports": "CVE-2025-10655 CVE-2025-11461 CVE-2026-72909",
    "Frappe: templates": "CVE-2025-68929 CVE-2026-55242 CVE-2023-54345",
    "Frappe: archives": "CVE-2026-55852 CVE-2026-42219 CVE-2025-66206 CVE-2025-68953",
    "Frappe: requests into the house": "CVE-2026-31878 CVE-2026-44441",
    "Frappe: dotted links": "CVE-2026-66003",
    "Frappe: mass assignment": "CVE-2026-62315",
    "Frappe: reset by host": "CVE-2026-47194 CVE-2025-52898 CVE-2025-30214",
    "NocoBase: sandbox": "CVE-2026-34156",
    "NocoBase: SQL": "CVE-2026-34825 CVE-2026-41640 CVE-2026-41641 CVE-2026-52888",
    "NocoBase: commands": "CVE-2026-55410",
    "NocoBase: files": "GHSA-ghvf-qf6h-g8x5",
    "NocoBase: requests into the house": "CVE-2026-40346",
    "Appsmith: reset by host": "CVE-2026-22794 GHSA-j9gf-vw2f-9hrw",
    "Appsmith: a race for the first admin": "GHSA-9wcp-79g5-5c3c",
    "Appsmith: SQL": "GHSA-h8cj-hpmg-636v",
    "Appsmith: ids of others": "GHSA-g2hc-wmw2-32jr",
    "Appsmith: who only looks runs things": "CVE-2024-55604",
    "Appsmith: requests into the house": "CVE-2026-49979",
    "Appsmith: settings": "CVE-2026-34411",
    "PocketBase: an account that waits": "CVE-2024-38351 CVE-2026-44166",
    "n8n: sandbox": "CVE-2025-68613 CVE-2025-68668 CVE-2026-1470",
    "n8n: bodies that are something else": "CVE-2026-21858",
    "n8n: between look and use": "CVE-2026-25052",
    "n8n: credentials": "CVE-2026-42226 CVE-2026-54304 CVE-2026-45732",
    "n8n: scopes of tokens": "CVE-2026-65595",
    "n8n: SQL": "CVE-2026-59257 CVE-2026-33660",
    "n8n: pollution": "CVE-2026-33696",
    "n8n: redirects": "CVE-2025-49592",
    "Odoo: sandbox": "CVE-2020-29396 CVE-2021-44476 CVE-2021-23186",
    "Odoo: somebody who was switched off": "CVE-2021-44460",
    "Odoo: what somebody else was given": "CVE-2021-23178",
    "Strapi: filters as an oracle": "CVE-2023-37263 GHSA-jjqf-j4w7-92w8",
    "our stack: asteval": "CVE-2025-24359 CVE-2026-55244",
    "our stack: Starlette": "CVE-2024-47874 CVE-2025-54121 CVE-2025-62727",
    "our stack: multipart": "CVE-2024-53981 CVE-2026-24486",
    "our stack: XML in sheets": "CVE-2017-5992",
    "our stack: SQLAlchemy's order": "CVE-2019-7164",
}
OTHERWISE = {
    "PocketBase: a worker that panics": "no id; workbooks are read by a program of their own (tests/security/test_sheets.py)",
    "jsonschema: remote references": "no id; test_an_unsafe_or_wrong_schema_is_refused_remote_ref",
    "Datasette": "a console of tables and a query language of its own are not served",
    "Twenty": "the same classes as above: requests into the house, oracles by filters",
}


@cache
def _names() -> str:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return " ".join(name.upper() for text in texts for name in re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.M))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_of_advisories_is_tried_by_a_test_of_its_name(kind: str) -> None:
    tried = [
        known for known in CLASSES[kind].split() if re.search(known.upper().replace("-", "_") + r"(?!\d)", _names())
    ]
    assert tried, f"no test is named by one of {CLASSES[kind]}"


def test_ids_in_names_are_written_in_one_way() -> None:
    """So that one is found by looking for it."""
    odd = [
        n for n in re.findall(r"\w*(?:CVE|GHSA)\w*", _names()) if not re.search(r"CVE_\d{4}_\d{4,}|GHSA(_\w{4}){3}", n)
    ]
    assert odd == []


def test_what_is_not_tried_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in OTHERWISE.values())
