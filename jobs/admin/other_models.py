"""The other tables, read-only, and the view of an input image."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path

from jobs.models import (
    IdempotencyKey,
    JobEvent,
    JobImage,
    SubmissionGate,
    Tally,
    Tick,
    VideoRemoval,
)
from videostudio.core.admin import ReadOnlyAdmin


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "job_id", "level", "message", "actor", "internal")
    list_filter = ("level", "internal")
    list_select_related = ("actor",)
    sortable_by = ()  # no sorting: among a million rows, only the id has an index
    raw_id_fields = ("job",)


@admin.register(JobImage)
class JobImageAdmin(ReadOnlyAdmin):
    list_display = ("job_id", "role", "position", "width", "height")
    exclude = ("content",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[URLPattern]:
        picture = path(
            "<int:pk>/picture/",
            self.admin_site.admin_view(self.picture),
            name="jobs_jobimage_picture",
        )
        return [picture, *super().get_urls()]

    def picture(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The re-encoded image, for staff only."""
        if not request.user.has_perm("jobs.view_jobimage"):
            raise PermissionDenied
        image = get_object_or_404(JobImage, pk=pk)
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        return HttpResponse(bytes(image.content), content_type=image.mime_type, headers=headers)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("user", "job_id", "created_at")
    list_select_related = ("user",)


@admin.register(VideoRemoval)
class VideoRemovalAdmin(ReadOnlyAdmin):
    """Videos that must be deleted from the storage; `last_error` says why it failed."""

    list_display = ("created_at", "job_id", "cause", "attempts", "last_error", "next_try_at")
    ordering = ("id",)
    sortable_by = ()


admin.site.register((Tick, SubmissionGate, Tally), ReadOnlyAdmin)
