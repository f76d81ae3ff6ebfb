"""Lists of records that people take out as sheets."""
