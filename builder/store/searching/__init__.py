"""Indexes behind ``search=``: pairs of neighbouring characters, looked up before the texts are read. See docs/decisions/0007."""
