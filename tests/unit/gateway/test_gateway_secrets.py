"""Secrets: never in what is shown, noted or raised."""

import copy
import pickle

import pytest
from pydantic import ValidationError

from dafeng.base.errors import InputError
from dafeng.gateway import messages as m
from dafeng.gateway.decoding import decode_capture, describe
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.session import GatewaySession, Send
from gateway_builders import COMMON, DIGITS, KEYS, NOW, OTHER_KEYS, PROFILES, account, answer, centre, said

SECRET, KEY = "Sesame-open-9137", b"0123456789abcdeF"
HIDDEN = Keys(KEY, b"FEDCBA9876543210", secret=SECRET)
PARTS = (SECRET, KEY.decode(), KEY.hex(), KEY.hex().upper(), "FEDCBA9876543210", b"FEDCBA9876543210".hex())


def shows_nothing(*things):
    for thing in things:
        for text in (repr(thing), str(thing), f"{thing}"):
            assert not any(part in text for part in PARTS), text


def test_what_holds_keys_shows_none():
    holder = account(keys=HIDDEN)
    session = centre(holder, keys=[HIDDEN])
    steps = session.receive(said(m.LoginRequest(COMMON), keys=HIDDEN), NOW)
    steps += session.receive(said(answer(keys=HIDDEN), keys=HIDDEN), NOW)
    assert session.state == "ready"
    shows_nothing(HIDDEN, holder, [holder], {"keys": HIDDEN}, session, *steps, GatewaySession(holder, PROFILES["N"]))


def test_failed_login_shows_neither_secret_nor_digest():
    session = centre(account(keys=HIDDEN), keys=[HIDDEN])
    session.receive(said(m.LoginRequest(COMMON), keys=HIDDEN), NOW)
    wrong = answer(keys=OTHER_KEYS)
    steps = session.receive(said(wrong, keys=HIDDEN), NOW)
    shows_nothing(*steps)
    right = answer(keys=HIDDEN).md5
    shown = "".join(str(step) for step in steps if not isinstance(step, Send))
    assert right not in shown
    assert wrong.md5 not in shown
    assert DIGITS not in shown


@pytest.mark.parametrize(
    "make",
    [
        lambda: Keys(KEY[:5], secret=SECRET),
        lambda: Keys(KEY, KEY + b"x", secret=SECRET),
        lambda: Keys.parse(KEY.hex()[:-1], secret=SECRET),
        lambda: Keys.parse(KEY.hex()[:-1] + "g", secret=SECRET),
        lambda: Keys.parse(KEY.decode(), "short", secret=SECRET),
        lambda: Keys(KEY, secret=""),
    ],
)
def test_faulty_keys_are_refused_without_showing_them(make):
    with pytest.raises(InputError) as caught:
        make()
    shows_nothing(caught.value)
    assert KEY.hex()[:-1] not in str(caught.value)


def test_faulty_accounts_are_refused_without_showing_keys():
    with pytest.raises(ValidationError) as caught:
        Account(building="1", gateway="1", profile="N", keys={"key": KEY.hex(), "secret": SECRET})
    shows_nothing(caught.value)
    with pytest.raises(ValidationError) as caught:
        Account(building="1", gateway="1", profile="N", keys=HIDDEN, zone="Asia/Nowhere")
    shows_nothing(caught.value)


def test_keys_are_values():
    same = Keys.parse(KEY.decode(), "FEDCBA9876543210", secret=SECRET)
    assert same == HIDDEN
    assert len({same, HIDDEN, KEYS}) == 2
    assert Keys(KEY, secret=SECRET) != HIDDEN
    assert HIDDEN != "Keys(hidden)"
    assert copy.deepcopy(HIDDEN) == pickle.loads(pickle.dumps(HIDDEN)) == HIDDEN
    with pytest.raises(AttributeError):
        HIDDEN.secret = "other"


def test_decoded_capture_shows_neither_keys_nor_the_whole_digest():
    frames = said(m.LoginRequest(COMMON), keys=HIDDEN) + said(answer(keys=HIDDEN), keys=HIDDEN)
    lines = [line for found in decode_capture(frames, PROFILES.values(), [HIDDEN]) for line in describe(found)]
    shows_nothing(*lines)
    assert answer(keys=HIDDEN).md5 not in "".join(lines)
