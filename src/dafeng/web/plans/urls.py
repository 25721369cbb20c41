"""Routes."""

from django.urls import path

from dafeng.web.plans import views

app_name = "plans"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("tasks/", views.tasks_page, name="tasks"),
]
