"""Pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dafeng.web.access.routing import needs


@needs("returns.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "web/fault.html", {"title": "returns"})
