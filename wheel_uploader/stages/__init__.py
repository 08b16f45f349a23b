"""What each stage of a run does; pipeline says in which order, and how far."""
