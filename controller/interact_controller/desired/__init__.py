"""What should be there, as pure functions of what was observed."""
