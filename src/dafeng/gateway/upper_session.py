"""Both ends of an upload to the upper centre: the sessions of gateways, which after the login also carry documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dafeng.gateway.cipher import CipherFault, decrypt, encrypt
from dafeng.gateway.framing import Frame, encode_frame
from dafeng.gateway.message_xml import BodyFault
from dafeng.gateway.messages import Common
from dafeng.gateway.profile import Keys, Profile
from dafeng.gateway.session import CentreSession, CentreState, GatewaySession, GatewayState, Noted, Step
from dafeng.gateway.upper_messages import Upload, is_upload, read_upload, write_upload

__all__ = ["CityEnd", "ProvinceEnd", "Uploaded"]


@dataclass(frozen=True, slots=True)
class Uploaded(Noted):
    """The other end said something of a document.

    Parameters
    ----------
    upload : Upload, optional
    """

    upload: Upload | None = None


def _sound(body: bytes, steps: list[Step]) -> bool:
    """Take a body that speaks of documents; return whether it is sound."""
    said = read_upload(body)
    if isinstance(said, BodyFault):
        steps.append(Noted(f"upload-{said.name}", said.detail))
        return False
    steps.append(Uploaded("upload", said.operation, None, said))
    return True


def _framed(upload: Upload, common: Common, profile: Profile, keys: Keys, word: int) -> bytes:
    payload = encrypt(write_upload(upload, common), keys, profile.padding)
    return encode_frame(profile, word, payload, kind=profile.kinds.get("data"))


class ProvinceEnd(CentreSession):
    """The upper centre's end: login and heart beats as with gateways, documents as `Uploaded` steps, reports of meters refused."""

    def say(self, upload: Upload) -> bytes:
        """Return the frame of an answer; blank where the session is over."""
        if self.state is not CentreState.READY or self.profile is None or self.account is None:
            return b""
        self._word = self._word % 0xFFFFFFFF + 1
        return _framed(upload, self._claimed, self.profile, self.account.keys, self._word)

    def _frame(self, frame: Frame, at: datetime, steps: list[Step]) -> None:
        if self.state is CentreState.READY and self.account is not None:
            body = decrypt(frame.payload, self.account.keys)
            if not isinstance(body, CipherFault) and is_upload(body):
                if _sound(body, steps):
                    self._alive(at)
                else:
                    self._fault(steps, "upload-unsound", "")
                return
        super()._frame(frame, at, steps)


class CityEnd(GatewaySession):
    """The city's end."""

    def say(self, upload: Upload) -> bytes:
        """Return the frame of a message; blank before the login has passed."""
        if self.state is not GatewayState.READY:
            return b""
        self._word = self._word % 0xFFFFFFFF + 1
        return _framed(upload, self._common, self._profile, self._account.keys, self._word)

    def _frame(self, frame: Frame, at: datetime, steps: list[Step]) -> None:
        if self.state is GatewayState.READY:
            body = decrypt(frame.payload, self._account.keys)
            if not isinstance(body, CipherFault) and is_upload(body):
                _sound(body, steps)
                return
        super()._frame(frame, at, steps)
