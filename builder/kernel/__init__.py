"""What every room stands on: clock, ids, bilingual text, problems, canonical JSON, limits, crash points."""
