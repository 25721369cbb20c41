"""Pages of operation: how the platform fares, the self-check, what waits to be published; for machines health and metrics."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dafeng.web.access.routing import needs, public
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.jobs.models import WorkerBeat
from dafeng.web.operation.controls import check_controls
from dafeng.web.operation.health import is_up, metrics_text, read_health
from dafeng.web.operation.last_backup import last_backup
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import retry


@needs("operation.manage")
def home_page(request: HttpRequest) -> HttpResponse:
    """Show how the platform fares."""
    now, fares = house().now(), read_health()
    waiting = OutboxItem.objects.filter(delivered_at__isnull=True)[:50]
    shown = {
        "fares": fares,
        "faults": fares.faults(now),
        "free": round(fares.free / (1 << 30), 1),
        "waiting": waiting,
        "workers": WorkerBeat.objects.all()[:10],
        "backup": last_backup(house().root),
    }
    return render(request, "operation/home.html", shown)


@needs("operation.manage")
def check_page(request: HttpRequest) -> HttpResponse:
    """Show the self-check."""
    controls = [asdict(one) for one in check_controls(house().now())]
    failing = sum(one["result"] == "fail" for one in controls)
    return render(request, "operation/check.html", {"controls": controls, "failing": failing})


@needs("operation.manage", "outbox")
@require_POST
def retry_item(request: HttpRequest, pk: int) -> HttpResponse:
    """Have an item of the outbox tried again at once."""
    retry(get_object_or_404(OutboxItem, pk=pk), by=actor_of(request, "operation.manage"))
    messages.success(request, _("已安排立即重试。"))
    return redirect("operation:home")


@public
def health(request: HttpRequest) -> HttpResponse:
    """Say whether the platform answers; nothing more."""
    up = is_up()
    return JsonResponse({"status": "ok" if up else "degraded"}, status=200 if up else 503)


@public
def metrics(request: HttpRequest) -> HttpResponse:
    """Give numbers for Prometheus, to this machine alone: whoever comes through a proxy or from elsewhere finds nothing."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    if not local or any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")):
        raise Http404
    return HttpResponse(metrics_text(house().now()), content_type="text/plain; version=0.0.4; charset=utf-8")
