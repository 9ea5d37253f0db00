from django.urls import path

from jobs.monitor.views import board, feed, home, not_found, single

urlpatterns = [
    path("", home, name="home"),
    path("video-monitor", board, name="monitor"),
    path("video-monitor/", board),
    path("video-monitor/feed.atom", feed, name="monitor-feed"),
    path("video-monitor/<uuid:id>", single, name="monitor-job"),
    path("video-monitor/<path:rest>", not_found),
    path("AIStudio/video-monitor", board),
    path("AIStudio/video-monitor/", board),
]
