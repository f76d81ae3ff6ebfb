"""HTTP: the only room that knows status codes, headers and routes."""
