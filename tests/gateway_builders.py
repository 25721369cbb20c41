"""Sessions, accounts and messages that tests of the gateway share."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from dafeng.catalog import load_catalog
from dafeng.gateway import messages as m
from dafeng.gateway.profile import Account, Keys, Profile
from dafeng.gateway.session import (
    CentreSession,
    GatewaySession,
    Noted,
    Send,
    SessionLimits,
    Step,
    Store,
    digest_answer,
    encode_message,
)

PROFILES = load_catalog().gateway_profiles
KEYS = Keys(bytes(range(1, 17)), secret="IJKLMNOPQRSTUVWX")
OTHER_KEYS = Keys(b"another key 0123", secret="other secret")
NOW = datetime(2024, 1, 1, 4, 0, tzinfo=UTC)
LOCAL = datetime(2024, 1, 1, 12, 0)
COMMON = m.Common("330302D110", "01")
DIGITS = "25247777"


def account(profile: str = "N", *, building: str = "330302D110", gateway: str = "01", keys: Keys = KEYS) -> Account:
    """Return an account."""
    return Account(building=building, gateway=gateway, profile=profile, keys=keys)


def centre(
    *known: Account,
    limits: SessionLimits | None = None,
    challenge: Callable[[], str] = lambda: DIGITS,
    keys: Iterable[Keys] = (KEYS, OTHER_KEYS),
) -> CentreSession:
    """Return a session of a centre that knows these accounts; one, where none is named."""
    accounts = {(one.building, one.gateway): one for one in known or (account(),)}
    return CentreSession(
        lambda building, gateway: accounts.get((building, gateway)),
        challenge=challenge,
        profiles=PROFILES.values(),
        limits=limits or SessionLimits(),
        keys=lambda: keys,
    )


def said(message: m.Message, profile: Profile | None = None, *, word: int = 1, keys: Keys = KEYS) -> bytes:
    """Return the frame of a message."""
    return encode_message(message, profile or PROFILES["N"], keys, word=word)


def answer(order: str = "sequence_secret", *, digits: str = DIGITS, keys: Keys = KEYS) -> m.Answer:
    """Return the right answer to a challenge."""
    return m.Answer(COMMON, digest_answer(digits, keys.secret, order))


def logged_in(session: CentreSession, profile: Profile | None = None, at: datetime = NOW) -> CentreSession:
    """Return the session after a login."""
    session.receive(said(m.LoginRequest(COMMON), profile), at)
    session.receive(said(answer(), profile), at)
    assert session.state == "ready"
    return session


def report(sequence: str = "1", *, operation: str = "report", at: datetime = LOCAL, **more: object) -> m.Report:
    """Return a report of two meters."""
    readings = (
        m.FunctionReading("01001", "1", "330302D11001A00", "", "123.45"),
        m.FunctionReading("01002", "1", "330302D11001B00", "192", ""),
    )
    return m.Report(COMMON, operation, sequence, at, readings, True, **more)


def names(steps: Iterable[Step]) -> list[str]:
    """Return what steps are, notes by their event and endings by their reason."""
    return [
        step.event if isinstance(step, Noted) else getattr(step, "reason", type(step).__name__.lower())
        for step in steps
    ]


class Line:
    """A centre and a gateway joined byte by byte, with a disk that is always ready."""

    def __init__(self, centre_side: CentreSession, gateway_side: GatewaySession, at: datetime = NOW) -> None:
        self.centre, self.gateway, self.at = centre_side, gateway_side, at
        self.stored: list[object] = []
        self.seen: list[str] = []

    def carry(self, steps: Iterable[Step]) -> None:
        """Hand on what a gateway says until neither has anything to say."""
        up = list(steps)
        while up:
            down = []
            for step in up:
                if isinstance(step, Send):
                    for back in self.centre.receive(step.data, self.at):
                        if isinstance(back, Store):
                            self.stored.append(back.packet)
                            down.append(self.centre.acknowledge(back.packet, self.at))
                        elif isinstance(back, Send):
                            down.append(back.data)
                        else:
                            self.seen += names([back])
                else:
                    self.seen += names([step])
            self.at += timedelta(seconds=1)
            up = [back for data in down if data for back in self.gateway.receive(data, self.at)]
