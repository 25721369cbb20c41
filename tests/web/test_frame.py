"""The frame of the platform."""

import pytest
from django.test import Client

from dafeng.web.access.actions import Role
from dafeng.web.house import House
from dafeng.web.people.models import Organisation, OrganisationKind

pytestmark = [pytest.mark.django_db, pytest.mark.embedded]


def test_somebody_unknown_is_sent_to_the_sign_in_page(reading_house: House) -> None:
    answer = Client().get("/plans/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/people/sign-in/?next=/plans/"


def test_a_reviewer_sees_the_frame(reading_house: House, make_user) -> None:
    bureau = Organisation.objects.create(
        code="housing", name="示范市住建局", kind=OrganisationKind.BUREAU, place="demo-city"
    )
    client = Client()
    client.force_login(make_user("王审核", Role.REVIEWER, bureau), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/plans/")
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert client.get("/operation/").status_code == 403
