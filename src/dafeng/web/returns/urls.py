"""Routes."""

from django.urls import path

from dafeng.web.returns import views

app_name = "returns"
urlpatterns = [
    path("", views.list_page, name="list"),
]
