"""What an actor may do: the one gate."""
