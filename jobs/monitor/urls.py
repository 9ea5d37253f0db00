from django.urls import path

from jobs.monitor.views import board, nothing, single

urlpatterns = [
    path("video-monitor", board, name="monitor"),
    path("video-monitor/", board),
    path("video-monitor/<uuid:id>", single, name="monitor-job"),
    path("video-monitor/<path:rest>", nothing),
    path("AIStudio/video-monitor", board),
    path("AIStudio/video-monitor/", board),
]
