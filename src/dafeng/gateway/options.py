"""``gateway.toml`` of a workspace: where the server listens, and its limits. Keys and passwords never stand in it."""

from __future__ import annotations

import ssl
import tomllib
from pathlib import Path
from typing import Final, Self

from pydantic import Field, ValidationError, model_validator

from dafeng.base.errors import ContentError, InputError
from dafeng.base.record import Record
from dafeng.gateway.delivery import DeliveryLimits
from dafeng.gateway.limits import GatewayLimits, SpoolLimits

__all__ = ["OPTIONS_FILE", "ServerOptions", "read_options", "tls_context"]

OPTIONS_FILE: Final = "gateway.toml"


class ServerOptions(Record):
    """How a server is set up.

    Examples
    --------
    >>> options = ServerOptions(port=0, limits=GatewayLimits(connections=100))
    >>> options.host, options.limits.connections, options.delivery.seconds
    ('0.0.0.0', 100, 60.0)
    """

    host: str = "0.0.0.0"
    """Address to listen on; of the plain port."""
    port: int | None = Field(default=9600, ge=0, le=65535)
    """Plain port; 0 lets the system choose, None listens on the TLS port only. No port is prescribed."""
    tls_host: str = "0.0.0.0"
    """Address to listen on; of the TLS port."""
    tls_port: int | None = Field(default=None, ge=0, le=65535)
    """TLS port; None listens on the plain port only."""
    tls_certificate: Path | None = None
    """Certificate chain, PEM."""
    tls_key: Path | None = None
    """Its private key, PEM, without a password."""
    tls_clients: Path | None = None
    """Authorities, PEM, one of which must have signed the certificate of a gateway; without, none is asked for."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of 127.0.0.1 on which /metrics and /health are answered over HTTP; None for none."""
    upper_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for lower centres that upload documents; over TLS where there is a certificate, None for none."""
    mqtt: Path | None = None
    """File of an MQTT broker whose readings are taken too, relative to the workspace; None for none."""
    modbus: Path | None = None
    """File of Modbus devices that are polled too, relative to the workspace; None for none."""
    flush_seconds: float = Field(default=5.0, gt=0)
    """How often live states and numbers are written."""
    deliver: bool = True
    """Whether this process empties the spool into the lake."""
    limits: GatewayLimits = GatewayLimits()
    """Limits of senders."""
    spool: SpoolLimits = SpoolLimits()
    """Limits of the spool."""
    delivery: DeliveryLimits = DeliveryLimits()
    """How packets go into the lake."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if {self.port, self.tls_port, self.mqtt, self.modbus} == {None}:
            raise ValueError("there is a plain port, a TLS port, or another way in")
        if (self.tls_port is not None) != (self.tls_certificate is not None and self.tls_key is not None):
            raise ValueError("a TLS port has a certificate and a key")
        return self


def read_options(path: Path) -> ServerOptions:
    """Return the options of a file; the defaults where there is none. Files that it names lie beside it unless they say where.

    Raises
    ------
    ContentError
        The file is no TOML, or says what is no option.
    """
    if not path.is_file():
        return ServerOptions()
    try:
        options = ServerOptions.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        faults = str(error)
        if isinstance(error, ValidationError):
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ContentError(
            f"{path.name} 有错 / is faulty：{faults}",
            doing="read the options of the gateway server",
            expected="ServerOptions 的字段，[limits]、[spool]、[delivery] 三节 / fields of ServerOptions",
            next_step=f"改正 {path} / mend it",
        ) from error
    files = {name: getattr(options, name) for name in ("tls_certificate", "tls_key", "tls_clients")}
    return options.model_copy(update={name: path.parent / file for name, file in files.items() if file is not None})


def tls_context(options: ServerOptions) -> ssl.SSLContext | None:
    """Return the context of the TLS port, None where there is none. TLS 1.2 is the oldest version spoken.

    Raises
    ------
    InputError
        A certificate or key cannot be read.
    """
    if options.tls_port is None or options.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
        if options.tls_clients is not None:
            context.load_verify_locations(options.tls_clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"证书或私钥读不了 / cannot be read：{error}",
            doing="set up TLS",
            expected=f"PEM 文件 {options.tls_certificate}、{options.tls_key}",
            next_step="检查路径、权限，证书与私钥是否成对 / check paths, permissions, and that they belong together",
        ) from error
    return context
