from django.urls import path

from tokens_ledger.api.views import EntriesViewSet

urlpatterns = [path("tokens/entries", EntriesViewSet.as_view({"get": "list"}))]
