"""The staff's windows on the jobs, and the doors through which they act: each calls the domain."""

from jobs.admin import jobs, tables, users

__all__ = ["jobs", "tables", "users"]
