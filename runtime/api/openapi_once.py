"""What OpenAPI says of every write: it is carried out once for its key, or only tried."""

from __future__ import annotations

from typing import Any

from builder.kernel import limits

Schema = dict[str, Any]

IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": f"The write is carried out once for this key and person; the answer is kept for {limits.IDEMPOTENCY_HOURS} hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_LENGTH, "pattern": "^[!-~]+$"},
}
DRY_RUN: Schema = {"name": "dry_run", "in": "query", "schema": {"type": "boolean", "default": False}}
ONCE = (IDEMPOTENCY_KEY, DRY_RUN)
TRIED: Schema = {
    "description": "dry_run=true: what would be, undone again.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["meta"],
                "properties": {
                    "data": {"type": "object"},
                    "meta": {
                        "type": "object",
                        "properties": {
                            "dry_run": {"const": True},
                            "status": {"type": "integer"},
                            "effects": {"type": "array", "items": {"$ref": "#/components/schemas/Effect"}},
                            "automations": {"type": "array", "items": {"$ref": "#/components/schemas/Started"}},
                        },
                    },
                },
            }
        }
    },
}
