"""Routes."""

from django.urls import path

from dafeng.web.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("<int:pk>/", views.watch, name="watch"),
    path("<int:pk>/cancel", views.cancel_job, name="cancel"),
    path("<int:pk>/again", views.run_again, name="again"),
]
