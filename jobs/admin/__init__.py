"""The admin of the jobs: lists, pages and staff actions. Each action is one domain call."""

from jobs.admin import job_admin, other_models, user_panel
