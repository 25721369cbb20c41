"""Organisations and people for tests of the platform: small, made when asked for, the same names everywhere.

    city housing bureau (demo-city, the workspace's own place)      scope "above"
    ├── Dongwan district bureau (demo-city-dongwan)                 scope "own"
    │   a department of the same district                           scope "neighbour"
    └── Xipo district bureau (demo-city-xipo)                       scope "foreign"

"Own" is what belongs to the Dongwan bureau, and people "of the district" work there. A factory of subjects takes its place and
organisation from the world by the scope that it is given, so that it serves all four::

    def make_return(world: World, scope: str) -> dict[str, Any]:
        row = Return.objects.create(organisation=world.organisation(scope), place=world.place(scope), …)
        return {"pk": row.pk}

    SUBJECTS = {"return": make_return}        # in factories_<app>.py; the kind is that of `@needs(action, kind)`

Kinds that belong to a person and not to a place are named in ``PERSONAL`` of that module: for "own" they are made for
``world.asking``, the user who will ask for them, otherwise for ``world.somebody_else()``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.test import Client

from dafeng.web.access.actions import Role
from dafeng.web.people.models import Grant, Organisation, OrganisationKind, User

SCOPES: Final = ("own", "neighbour", "foreign", "above")
PLACES: Final = {
    "own": "demo-city-dongwan",
    "neighbour": "demo-city-dongwan",
    "foreign": "demo-city-xipo",
    "above": "demo-city",
}
_ORGANISATIONS: Final = {
    "own": ("dongwan-housing", "东湾区住建局", OrganisationKind.BUREAU),
    "neighbour": ("dongwan-energy", "东湾区发展改革局", OrganisationKind.DEPARTMENT),
    "foreign": ("xipo-housing", "西坡区住建局", OrganisationKind.BUREAU),
    "above": ("city-housing", "示范市住建局", OrganisationKind.BUREAU),
}
DISTRICT, CITY, OTHER = "own", "above", "foreign"
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
PASSWORD: Final = "Correct-Horse-9"


@dataclass
class World:
    """Organisations and people, made at first use and kept.

    Attributes
    ----------
    asking : User or None
        For whom subjects that belong to a person are made when the scope is "own".
    nobody : Client
        A browser in which nobody is signed in.
    """

    asking: User | None = None
    nobody: Client = field(default_factory=Client)
    _organisations: dict[str, Organisation] = field(default_factory=dict)
    _users: dict[tuple[str, str], User] = field(default_factory=dict)
    _clients: dict[int, Client] = field(default_factory=dict)

    def place(self, scope: str = "own") -> str:
        """Return the id of the place of a scope."""
        return PLACES[scope]

    def organisation(self, scope: str = "own") -> Organisation:
        """Return the organisation of a scope: own, neighbour, foreign, above."""
        if scope not in self._organisations:
            code, name, kind = _ORGANISATIONS[scope]
            parent = None if scope == "above" else self.organisation("above")
            self._organisations[scope] = Organisation.objects.create(
                code=code, name=name, kind=kind, place=PLACES[scope], parent=parent
            )
        return self._organisations[scope]

    def user(self, role: Role | str | None, scope: str = "own", *, number: int = 1, password: bool = False) -> User:
        """Return a person of a role at the organisation of a scope; `None` for one without any grant.

        Parameters
        ----------
        role : Role or None
        scope : str
            Where the person works: `"own"` in the district, `"above"` in the city, `"foreign"` in the other district.
        number : int
            2, 3 … for further people of the same role at the same place.
        password : bool
            Whether a real password is set (`PASSWORD`); slower, only for tests of the sign-in.
        """
        key = (f"{role or 'nobody'}{number if number > 1 else ''}", scope)
        if key not in self._users:
            organisation = self.organisation(scope)
            user = User.objects.create_user(
                f"{organisation.code}-{key[0]}",
                f"{organisation.name}{key[0]}",
                PASSWORD if password else None,
                organisation=organisation,
            )
            if role is not None:
                self.grant(user, Role(role), scope)
            self._users[key] = user
        user = self._users[key]
        if password and not user.has_usable_password():
            user.set_password(PASSWORD)
            user.save()
        return user

    def grant(self, user: User, role: Role, scope: str = "own", **fields: Any) -> Grant:
        """Give a role at the organisation and place of a scope, from the beginning of 2026."""
        organisation = self.organisation(scope)
        said = {"place": organisation.place, "starts_on": date(2026, 1, 1)} | fields
        return Grant.objects.create(user=user, organisation=organisation, role=role, **said)

    def somebody_else(self) -> User:
        """Return a person who is never the one who asks."""
        return self.user(Role.REPORTER, "foreign", number=9)

    def client(self, user: User | None = None) -> Client:
        """Return a browser in which a user is signed in, kept for the user; an anonymous new one without."""
        if user is None:
            return Client()
        if user.pk not in self._clients:
            client = Client()
            client.force_login(user, backend=BACKEND)
            client.get("/people/account/")  # notes once that the session is used
            self._clients[user.pk] = client
        return self._clients[user.pk]

    def of(self, role: Role | str | None, scope: str = "own") -> Client:
        """Return a browser in which a person of a role at a scope is signed in."""
        return self.client(self.user(role, scope))
