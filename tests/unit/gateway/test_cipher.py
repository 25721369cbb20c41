"""Padding three ways, and ciphertext that gives nothing."""

import pytest

from dafeng.gateway.cipher import CipherFault, decrypt, encrypt, padding_of, starts_like_xml
from gateway_builders import KEYS, OTHER_KEYS

BODIES = [b"<root>" + b"x" * size + b"</root>" for size in range(40)]


@pytest.mark.parametrize("padding", ["zero", "ascii_zero", "pkcs7"])
def test_every_length_comes_back_and_its_padding_is_found(padding):
    for body in BODIES:
        sealed = encrypt(body, KEYS, padding)
        assert len(sealed) % 16 == 0
        assert decrypt(sealed, KEYS) == body
        full = len(body) % 16 == 0
        assert padding_of(sealed, KEYS) == (None if full and padding != "pkcs7" else padding)


def test_aes_of_the_standard():
    """FIPS 197 appendix B: one block, with the initial vector off."""
    keys = type(KEYS)(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes(16), secret="-")
    plain = bytes.fromhex("3243f6a8885a308d313198a2e0370734")
    assert encrypt(plain, keys, "zero").hex() == "3925841d02dc09fbdc118597196a0b32"


def test_wrong_key_gives_a_fault_that_shows_nothing():
    fault = decrypt(encrypt(b"<root>kilowatts</root>", KEYS, "zero"), OTHER_KEYS)
    assert fault == CipherFault("key", "no end of the root element comes out")


@pytest.mark.parametrize(("size", "name"), [(0, "length"), (15, "length"), (17, "length"), (16, "key")])
def test_lengths(size, name):
    assert decrypt(bytes(size), KEYS).name == name


def test_more_than_padding_after_the_root():
    assert decrypt(encrypt(b"<root></root>" + b"more" * 8, KEYS, "zero"), KEYS).name == "trailing"
    assert decrypt(encrypt(b"<root></root>ab", KEYS, "zero"), KEYS).name == "trailing"
    assert decrypt(encrypt(b"<root></root>\r\n", KEYS, "zero"), KEYS) == b"<root></root>"


@pytest.mark.parametrize(
    "body", [b"<?xml version='1.0'?><root></root>", b"\xef\xbb\xbf<root></root>", b"\n<root></root>"]
)
def test_first_block_tells_the_key(body):
    sealed = encrypt(body, KEYS, "zero")
    assert starts_like_xml(sealed, KEYS)
    assert not starts_like_xml(sealed, OTHER_KEYS)
    assert not starts_like_xml(b"short", KEYS)
