"""Routes."""

from django.urls import path

from dafeng.web.overview import views

app_name = "overview"
urlpatterns = [
    path("", views.home, name="home"),
    path("public/", views.public_page, name="public"),
]
