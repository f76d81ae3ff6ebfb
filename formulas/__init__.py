"""The formula language: one typed tree, a back end per record and a back end per set.

Pure: no database connection, no HTTP and no clock; the current instant, day and user arrive as values of a `Context`.
"""
