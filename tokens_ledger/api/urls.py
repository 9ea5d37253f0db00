from django.urls import path

from tokens_ledger.api.views import TokensViewSet

urlpatterns = [
    path("tokens", TokensViewSet.as_view({"get": "retrieve"})),
    path("tokens/entries", TokensViewSet.as_view({"get": "entries"})),
]
