"""Creates a certificate that is valid for the emulator alone, so that clients on other machines can trust it."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FILE: Final = "blux-emulator.pem"


def certify(folder: Path, names: Iterable[str]) -> tuple[ssl.SSLContext, Path]:
    """Create a certificate for ``names`` and loopback; return the server's TLS context and the certificate's file.

    Clients need the file to trust the server. It is not secret, because it does not hold the private key: that key is
    in this process only, and for a moment in a temporary file of this user. The certificate cannot sign other
    certificates, so a client that trusts it trusts only this server.

    :raises OSError: the file cannot be written.
    :raises ValueError: a name is not valid.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    public = _signed(key, dict.fromkeys([*names, "localhost", "127.0.0.1"])).public_bytes(pem)
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:  # an SSLContext takes a file only
        both.write(secret + public)
        both.flush()
        context.load_cert_chain(both.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{FILE}"
        new.write_bytes(public)
        os.replace(new, folder / FILE)  # a reader gets the old file or the new one
    except OSError as error:
        raise OSError(f"The certificate cannot be written to {folder}: {error.strerror}.") from error
    return context, folder.resolve() / FILE


def _signed(key: ec.EllipticCurvePrivateKey, names: Iterable[str]) -> x509.Certificate:
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Blux emulator")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # the clocks of other machines may be slow
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
