"""Pages about documents on their way: handing in, reviewing what was read, publishing."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from dafeng.catalog.decision_schemas import DecisionSubject
from dafeng.plans.review_words import FIELD_HEADS, NOTHING
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import need, needs, reach_of_request, the
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.plans import services
from dafeng.web.plans.evidence import safe_name
from dafeng.web.plans.forms import HandInForm, described
from dafeng.web.plans.models import Reading, ReadingState
from dafeng.web.plans.review import (
    FILTERS,
    KINDS,
    Filter,
    ItemView,
    additions_of,
    choices_of,
    fates_of,
    filtered,
    laid_over,
    passages_of,
    read_of,
    views_of,
)
from dafeng.web.plans.services import NotTakenError, OvertakenError
from dafeng.web.plans.uploads import attachment, received

PAGE: Final = 30
_VERDICTS: Final = {"accept": "采纳", "correct": "修改", "reject": "驳回", "add": "补录"}
_KEPT: Final = ("kind", "which", "below", "page")


def the_reading(request: HttpRequest, pk: int, action: str) -> Reading:
    """Return a reading on which an action is allowed."""
    rows = Reading.objects.select_related("job", "created_by")
    return the(request, rows, action, organisation=None, pk=pk)


@needs("plans.load")
def hand_in(request: HttpRequest) -> HttpResponse:
    """Take a plan document."""
    places = reach_of_request(request).places("plans.load")
    form = HandInForm(request.POST or None, request.FILES or None, places=places)
    if request.method == "POST" and form.is_valid():
        upload, place = form.cleaned_data["file"], form.cleaned_data["place"]
        need(request, "plans.load", place=place)
        name = safe_name(upload.name or "")
        if not name.lower().endswith(services.DOCUMENT_ENDINGS):
            form.add_error("file", _("只读取 .docx、.pdf、.html、.txt、.doc 文件。"))
        else:
            try:
                with received(upload) as path:
                    reading = services.hand_in(
                        source=path,
                        name=name,
                        place=place,
                        plan=form.cleaned_data["plan"],
                        by=actor_of(request, "plans.load"),
                    )
                return redirect("plans:reading", pk=reading.pk)
            except RefusedError as error:
                form.add_error("plan" if error.code.startswith(("plan.", "reading.")) else "file", error.says)
    status = 400 if request.method == "POST" else 200
    return render(request, "plans/hand_in.html", {"form": described(form)}, status=status)


def _filter(said: QueryDict) -> Filter:
    try:
        below = float(said.get("below", "")) / 100
    except ValueError:
        below = None
    kind, which = said.get("kind", ""), said.get("which", "")
    return Filter(
        kind if kind in KINDS else "",
        which if which in FILTERS else "",
        below if below is not None and 0 < below <= 1 else None,
    )


def _back(reading: Reading, said: QueryDict, handle: str = "") -> str:
    kept = {name: said[name] for name in _KEPT if said.get(name)}
    tail = f"?{urlencode(kept)}" if kept else ""
    return reverse("plans:reading", kwargs={"pk": reading.pk}) + tail + (f"#i-{handle}" if handle else "")


def _progress(reading: Reading, views: list[ItemView]) -> dict[str, Any]:
    deciders = {row.by_id for row in reading.decisions.filter(current=True)}
    return {
        "reading": reading,
        "items": len(views),
        "decided": sum(view.decided for view in views),
        "again": sum(view.carried and view.decision is None for view in views),
        "deciders": deciders,
    }


@needs("plans.review", "reading")
def reading_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what was read beside the text, to be decided upon."""
    reading = the_reading(request, pk, "plans.review")
    context: dict[str, Any] = {"reading": reading, "place_name": house().catalog.place_name(reading.place)}
    if reading.state in (ReadingState.WAITING, ReadingState.FAILED):
        reach = reach_of_request(request)
        context["may_load"] = reach.can("plans.load", place=reading.place)
        template = "plans/_reading_state.html" if request.headers.get("HX-Request") else "plans/reading_state.html"
        answer = render(request, template, context)
        return answer
    if request.headers.get("HX-Request") and request.GET.get("watch"):
        answer = HttpResponse(status=204)  # it was read meanwhile: the page as a whole
        answer.headers["HX-Refresh"] = "true"
        return answer
    return render(request, "plans/reading.html", context | _review(request, reading))


def _review(request: HttpRequest, reading: Reading) -> dict[str, Any]:
    reach = reach_of_request(request)
    views = views_of(reading)
    by = _filter(request.GET)
    shown = Paginator(filtered(views, by), PAGE).get_page(request.GET.get("page"))
    plan = laid_over(reading).assembled
    read = read_of(reading)
    progress = _progress(reading, views)
    kept = {name: request.GET[name] for name in _KEPT[:3] if request.GET.get(name)}
    catalog = house().catalog
    return progress | {
        "views": shown,
        "by": by,
        "below": request.GET.get("below", ""),
        "kinds": KINDS,
        "filters": FILTERS,
        "kept": kept,
        "kept_query": urlencode(kept),
        "paragraphs": passages_of(reading, list(shown)),
        "additions": additions_of(reading),
        "head": plan.plan,
        "bodies": plan.draft_bodies,
        "indicators": plan.draft_indicators,
        "unclaimed": fates_of(reading),
        "findings": [one for one in (*read.document.findings, *plan.findings) if one.name != "plans.indicator.open"],
        "other_place": reading.counts.get("place") not in ("", reading.place)
        and catalog.place_name(reading.counts.get("place", "")),
        "indicator_names": [one.zh for one in catalog.indicators.values()],
        "addable": [
            (name, title, choices_of(name, catalog)) for name, title in FIELD_HEADS[DecisionSubject.TARGET].items()
        ],
        "writable": reading.state == ReadingState.READY,
        "may_publish": reach.can("plans.publish", place=reading.place),
        "may_load": reach.can("plans.load", place=reading.place),
        "took_part": request.user.pk in progress["deciders"],
    }


def _texts(said: QueryDict, view: ItemView | None) -> dict[str, str]:
    """Return what a form says, by the columns of the review workbook: only the fields that differ from what was read."""
    verdict = said.get("verdict", "")
    texts = {"verdict": _VERDICTS.get(verdict, verdict[:20]), "reason": said.get("reason", "").strip()[:1000]}
    if verdict == "correct" and view is not None:
        for field in view.fields():
            written = said.get(f"new_{field.name}", field.read).strip()[:1000]
            if written != field.read:
                texts[f"new_{field.name}"] = written or NOTHING
    if verdict == "add":
        texts |= {
            name: str(text).strip()[:1000]
            for name, text in said.items()
            if name.startswith("new_") or name in ("quote", "clause", "page_of", "subject")
        }
        if "page_of" in texts:
            texts["page"] = texts.pop("page_of")
    return {name: text for name, text in texts.items() if text}


@needs("plans.review", "reading")
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Decide about one item."""
    reading = the_reading(request, pk, "plans.review")
    said = request.POST
    handle = said.get("item", "")
    if said.get("verdict", "") not in _VERDICTS:
        return _decided(request, reading, handle, _("请选择采纳、修改或驳回。"))
    try:
        seen = int(said.get("seen", "0"))
        view = next((one for one in views_of(reading) if one.handle == handle), None) if handle else None
        made = services.decide(
            reading=reading,
            handle=handle,
            seen=seen,
            texts=_texts(said, view),
            by=actor_of(request, "plans.review"),
        )
        return _decided(request, reading, made.item, "")
    except OvertakenError as error:
        return _decided(request, reading, handle, error.says, status=409)
    except NotTakenError as error:
        says = [f"{one.sentence}" + (f"（应为：{one.expected}）" if one.expected else "") for one in error.findings]
        return _decided(request, reading, handle, "；".join(says), status=422)
    except (RefusedError, ValueError) as error:
        return _decided(request, reading, handle, str(error), status=422)


def _decided(request: HttpRequest, reading: Reading, handle: str, fault: str, *, status: int = 200) -> HttpResponse:
    """Answer a decision: the item anew where the page asked for it alone, else the page."""
    if not request.headers.get("HX-Request"):
        if fault:
            messages.error(request, fault)
        elif request.POST.get("verdict") == "add":
            messages.success(request, _("已补录。"))
        return redirect(_back(reading, request.POST, handle))
    reading.refresh_from_db()
    if reading.state == ReadingState.READY:
        views = views_of(reading)
        view = next((one for one in views if one.handle == handle), None)
        if view is not None:
            context = _progress(reading, views) | {
                "view": view,
                "fault": fault,
                "writable": True,
                "fragment": True,
                "may_publish": reach_of_request(request).can("plans.publish", place=reading.place),
                "kept": {name: request.POST[name] for name in _KEPT if request.POST.get(name)},
            }
            # htmx swaps 2xx answers only; what was refused is said inside the item
            return render(request, "plans/_item.html", context, status=200)
    if fault:
        messages.error(request, fault)
    answer = HttpResponse(status=204)
    answer.headers["HX-Refresh"] = "true"
    return answer


@needs("plans.review", "reading")
@require_POST
def decide_many(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept in bulk: what is sure enough, or what was chosen."""
    reading = the_reading(request, pk, "plans.review")
    by = actor_of(request, "plans.review")
    try:
        if request.POST.get("how") == "above":
            above = float(request.POST.get("above", "")) / 100
            number = services.accept_above(reading=reading, above=above, by=by)
        else:
            number = services.accept_chosen(reading=reading, handles=request.POST.getlist("item"), by=by)
        said = ngettext("采纳了 %(number)d 条。", "采纳了 %(number)d 条。", number) % {"number": number}
        messages.success(request, said)
    except ValueError:
        messages.error(request, _("把握请填 0 至 100 的数。"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect(_back(reading, request.POST))


@needs("plans.publish", "reading")
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish what was reviewed."""
    reading = the_reading(request, pk, "plans.publish")
    try:
        revision = int(request.POST.get("revision", "-1"))
        services.publish(reading=reading, revision=revision, by=actor_of(request, "plans.publish"))
        messages.success(request, _("已提交发布，稍后写入方案库。"))
    except ValueError:
        messages.error(request, _("请从复核页提交发布。"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("plans:reading", pk=reading.pk)


@needs("plans.load", "reading")
@require_POST
def read_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a document read once more."""
    reading = the_reading(request, pk, "plans.load")
    try:
        services.read_again(reading=reading, by=actor_of(request, "plans.load"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("plans:reading", pk=reading.pk)


@needs("plans.load", "reading")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a reading up."""
    reading = the_reading(request, pk, "plans.load")
    try:
        services.withdraw(
            reading=reading, reason=request.POST.get("reason", "")[:1000], by=actor_of(request, "plans.load")
        )
        messages.success(request, _("已撤销。"))
        return redirect("plans:list")
    except RefusedError as error:
        messages.error(request, error.says)
        return redirect("plans:reading", pk=reading.pk)


@needs("plans.review", "reading")
def reading_original(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer the document as it was handed in."""
    reading = the_reading(request, pk, "plans.review")
    return attachment(reading.document, reading.file_name)
