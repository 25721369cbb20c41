"""Routes."""

from django.urls import path

from dafeng.web.october import views

app_name = "october"
urlpatterns = [
    path("", views.list_page, name="list"),
    path("begin/", views.begin, name="begin"),
    path("<int:pk>/", views.report_page, name="report"),
    path("<int:pk>/settle/", views.settle, name="settle"),
    path("<int:pk>/ask/", views.ask_contributions, name="ask"),
    path("<int:pk>/build/", views.build, name="build"),
    path("<int:pk>/parts/<str:key>/", views.section_page, name="section"),
    path("contributions/", views.contributions_page, name="contributions"),
    path("contributions/<int:pk>/", views.contribution_page, name="contribution"),
    path("contributions/<int:pk>/judge/", views.judge, name="judge"),
    path("builds/<int:pk>/", views.preview_page, name="preview"),
    path("builds/<int:pk>/page/", views.preview_frame, name="preview-frame"),
    path("builds/<int:pk>/<slug:ending>/", views.build_file, name="build-file"),
    path("builds/<int:pk>/freeze", views.freeze, name="freeze"),
    path("frozen/<int:pk>/", views.frozen_page, name="frozen"),
    path("frozen/<int:pk>/rebuild", views.rebuild, name="rebuild"),
    path("frozen/<int:pk>/<slug:ending>/", views.frozen_file, name="frozen-file"),
]
