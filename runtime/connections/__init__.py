"""Connections: which mail server, which robot, which system, with which secrets."""
