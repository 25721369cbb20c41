"""Pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dafeng.web.access.routing import needs, public


@needs("status.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "web/fault.html", {"title": "总览"})


@public
def public_page(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "web/fault.html", {"title": "公开"})
