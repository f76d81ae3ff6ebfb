"""Who is asking: users, departments, sessions, tokens, and the actor made of them."""
