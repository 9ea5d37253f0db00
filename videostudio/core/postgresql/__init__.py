"""A database backend (ENGINE)."""
