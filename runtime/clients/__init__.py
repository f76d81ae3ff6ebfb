"""Typed clients of one app, written from its OpenAPI document: TypeScript and Python. Text in, text out."""
