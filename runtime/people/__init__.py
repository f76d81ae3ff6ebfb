"""What happens to records and open work when people come, go, or ask for what is kept of them."""
