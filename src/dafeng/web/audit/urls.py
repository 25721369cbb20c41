"""Routes."""

from django.urls import path

from dafeng.web.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("verify/", views.verify, name="verify"),
    path("export/", views.export, name="export"),
    path("<int:number>/", views.entry_page, name="entry"),
]
