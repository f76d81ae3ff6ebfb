"""The compiled app: what the runtime interprets. An immutable value, made once per published version."""
