"""What an app is: one pydantic model per kind of document, the one source of the published JSON Schema."""
