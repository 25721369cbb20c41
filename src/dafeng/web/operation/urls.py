"""Routes."""

from django.urls import path

from dafeng.web.operation import views

app_name = "operation"
urlpatterns = [
    path("", views.home_page, name="home"),
    path("check/", views.check_page, name="check"),
    path("outbox/<int:pk>/retry", views.retry_item, name="retry"),
    path("health", views.health, name="health"),
    path("metrics", views.metrics, name="metrics"),
]
