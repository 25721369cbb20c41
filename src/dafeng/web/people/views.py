"""Pages."""

from typing import Any

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from dafeng.web.access.routing import needs, public


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer somebody who failed too often."""
    return render(request, "web/fault.html", {"title": "登录已锁定"}, status=429)


locked_out.access = None  # type: ignore[attr-defined]


@public
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in."""
    if request.method == "POST":
        user = authenticate(request, username=request.POST.get("username"), password=request.POST.get("password"))
        if user is not None:
            login(request, user)
            return redirect("overview:home")
    return render(request, "people/sign_in.html")


@needs("account.use", without_second_factor=True)
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    logout(request)
    return redirect("people:sign-in")


@needs("account.use", without_second_factor=True)
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor."""
    return render(request, "web/fault.html", {"title": "动态口令"})


@needs("account.use", without_second_factor=True)
def password(request: HttpRequest) -> HttpResponse:
    """Change the password."""
    return render(request, "web/fault.html", {"title": "密码"})


@needs("account.use")
def account(request: HttpRequest) -> HttpResponse:
    """Show one's own account."""
    return render(request, "web/fault.html", {"title": "账号"})


@public
def language(request: HttpRequest) -> HttpResponse:
    """Switch the language."""
    return redirect("overview:home")


@needs("people.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """List people."""
    return render(request, "web/fault.html", {"title": "人员"})
