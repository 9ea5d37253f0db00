"""Small things that hold for every request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def trailing_slash_is_optional(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """API paths have no trailing slash; one that is sent is taken off before the look-up."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            request.path_info = request.path_info.removesuffix("/")
        return get_response(request)

    return middleware
