"""Routes of the first page, targets, facts and the public page."""

from django.urls import path

from dafeng.web.overview import views

app_name = "overview"
urlpatterns = [
    path("", views.home, name="home"),
    path("targets/<slug:plan>/", views.target_list, name="targets"),
    path("targets/<slug:plan>/<slug:target>/", views.target_page, name="target"),
    path("facts/<slug:indicator>/<slug:place>/", views.facts_page, name="facts"),
    path("public/", views.public_list, name="public"),
    path("public/<int:number>/", views.public_page, name="public-page"),
    path("disclose/<slug:plan>/", views.disclose_page, name="disclose"),
    path("disclose/withdraw/<int:number>/", views.withdraw_page, name="withdraw"),
]
