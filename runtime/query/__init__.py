"""Questions about records: from names and a filter to one statement whose answer is JSON made by the database."""
