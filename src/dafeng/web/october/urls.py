"""Routes."""

from django.urls import path

from dafeng.web.october import views

app_name = "october"
urlpatterns = [
    path("", views.list_page, name="list"),
]
