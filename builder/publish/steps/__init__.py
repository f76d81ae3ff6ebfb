"""The kinds of steps a plan is made of: one file for each thing that changes."""
