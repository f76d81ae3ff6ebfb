"""The schema registry as a service: apps, drafts, versions, publishing. Everything here is synchronous; run it in threads."""
