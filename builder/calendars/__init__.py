"""Working calendars: which days are worked and at what hours. Pure: no database, no clock of its own."""
