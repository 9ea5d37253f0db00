from django.urls import path

from jobs.monitor.views import monitor

urlpatterns = [
    path("video-monitor", monitor, name="monitor"),
    path("AIStudio/video-monitor", monitor),
]
