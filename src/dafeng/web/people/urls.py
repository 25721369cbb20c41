"""Routes of the entrance, one's own account, people and organisations."""

from django.urls import path

from dafeng.web.people.views import account, entrance, members, organisations

app_name = "people"
urlpatterns = [
    path("sign-in/", entrance.sign_in, name="sign-in"),
    path("sign-out/", entrance.sign_out, name="sign-out"),
    path("enter/", entrance.enter, name="enter"),
    path("second-factor/", entrance.second_factor, name="second-factor"),
    path("second-factor/set-up/", entrance.second_factor_set_up, name="second-factor-set-up"),
    path("language/", entrance.language, name="language"),
    path("account/", account.account, name="account"),
    path("account/password/", account.password, name="password"),
    path("account/codes/", account.codes, name="codes"),
    path("account/sessions/", account.end_sessions, name="end-sessions"),
    path("account/deputies/", account.deputies, name="deputies"),
    path("account/deputies/<int:pk>/revoke/", account.deputy_revoke, name="deputy-revoke"),
    path("account/tokens/", account.token_list, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", account.token_revoke, name="token-revoke"),
    path("", members.person_list, name="list"),
    path("add/", members.person_add, name="add"),
    path("who/", members.who, name="who"),
    path("<int:pk>/", members.person_page, name="person"),
    path("<int:pk>/edit/", members.person_edit, name="edit"),
    path("<int:pk>/invite/", members.invite, name="invite"),
    path("<int:pk>/switch/", members.switch, name="switch"),
    path("<int:pk>/second-factor/reset/", members.second_factor_reset, name="second-factor-reset"),
    path("<int:pk>/grant/", members.grant_add, name="grant-add"),
    path("grants/<int:pk>/revoke/", members.grant_revoke, name="grant-revoke"),
    path("organisations/", organisations.organisation_list, name="organisations"),
    path("organisations/add/", organisations.add, name="organisation-add"),
    path("organisations/from-bodies/", organisations.from_bodies, name="from-bodies"),
    path("organisations/<int:pk>/", organisations.organisation_page, name="organisation"),
    path("organisations/<int:pk>/edit/", organisations.edit, name="organisation-edit"),
    path("organisations/<int:pk>/switch/", organisations.switch, name="organisation-switch"),
    path("exchange/", organisations.exchange, name="exchange"),
    path("exchange/apply/", organisations.exchange_apply, name="exchange-apply"),
    path("download/", organisations.download, name="download"),
]
