"""Windows on the jobs: to look at, not to change."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from jobs.models import IdempotencyKey, JobEvent, JobImage, SubmissionGate, Tick, VideoJob


@admin.register(VideoJob)
class VideoJobAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "status", "progress_percentage", "error_code", "created_at")
    list_filter = ("status", "mock_mode", "error_code")
    list_select_related = ("user",)
    search_fields = ("id", "prompt", "user__username", "user__email")
    date_hierarchy = "created_at"


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "job_id", "level", "message", "internal")
    list_filter = ("level", "internal")
    raw_id_fields = ("job",)


@admin.register(JobImage)
class JobImageAdmin(ReadOnlyAdmin):
    list_display = ("job_id", "role", "position", "width", "height")
    exclude = ("content",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("user", "job_id", "created_at")
    list_select_related = ("user",)


admin.site.register((Tick, SubmissionGate), ReadOnlyAdmin)
