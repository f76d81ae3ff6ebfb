"""The runtime: identity, access, records and HTTP; interprets compiled apps."""
