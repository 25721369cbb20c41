"""Routes."""

from django.urls import path

from dafeng.web.operation import views

app_name = "operation"
urlpatterns = [
    path("", views.home_page, name="home"),
]
