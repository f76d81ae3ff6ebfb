"""What people bring in files: sheets of records, people, departments."""
