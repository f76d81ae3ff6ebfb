"""Reminders at work: timers are armed where records are written, fired by the tick, and can be asked why. See docs/decisions/0016."""
