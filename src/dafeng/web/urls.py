"""Routes of the platform; every one carries a rule (`dafeng.web.access.routing`)."""

from django.urls import include, path

urlpatterns = [
    path("", include("dafeng.web.overview.urls")),
    path("people/", include("dafeng.web.people.urls")),
    path("plans/", include("dafeng.web.plans.urls")),
    path("returns/", include("dafeng.web.returns.urls")),
    path("october/", include("dafeng.web.october.urls")),
    path("jobs/", include("dafeng.web.jobs.urls")),
    path("audit/", include("dafeng.web.audit.urls")),
    path("operation/", include("dafeng.web.operation.urls")),
    path("api/", include("dafeng.web.api.urls")),
]
handler400 = "dafeng.web.access.pages.bad_request"
handler403 = "dafeng.web.access.pages.forbidden"
handler404 = "dafeng.web.access.pages.not_found"
handler500 = "dafeng.web.access.pages.server_error"
