"""Routes."""

from django.urls import path

from dafeng.web.people import views

app_name = "people"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("second-factor/", views.second_factor, name="second-factor"),
    path("password/", views.password, name="password"),
    path("account/", views.account, name="account"),
    path("language/", views.language, name="language"),
    path("", views.list_page, name="list"),
]
