"""The outbox: what leaves the house, put down in the transaction of its cause. See docs/decisions/0011."""
