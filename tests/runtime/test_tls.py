import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mooring_runtime.errors import StartupError
from mooring_runtime.flags import parse
from mooring_runtime.sdk.source import RegisteredModels
from mooring_runtime.server import Models, running
from mooring_runtime.settings import Settings
from mooring_runtime.tls import TlsFiles

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def write_certificate(folder: Path, name: str) -> TlsFiles:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(folder / "tls.crt", folder / "tls.key")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return files


@asynccontextmanager
async def serving(files: TlsFiles) -> AsyncIterator[int]:
    settings = Settings(host="127.0.0.1", http_port=0, enable_grpc=False, lame_duck_s=0, tls=files)

    def nothing(threads: object, metrics: object) -> Models:
        return Models(RegisteredModels([], 1, metrics), [], must_load=False)  # type: ignore[arg-type]

    async with running(settings, nothing) as server:
        yield server.address.http_port


async def trusts(certificate: str, port: int) -> bool:
    """Whether a new connection that trusts just this certificate is served."""
    trust = ssl.create_default_context(cadata=certificate)
    async with httpx.AsyncClient(verify=trust) as http:
        try:
            return (await http.get(f"https://127.0.0.1:{port}/v2/health/live")).status_code == 200
        except httpx.ConnectError:
            return False


async def test_rest_is_served_by_tls_and_a_renewed_certificate_is_taken_up(tmp_path: Path, until: Until) -> None:
    files = write_certificate(tmp_path, "first")
    first = files.certificate.read_text()
    async with serving(files) as port:
        await until(lambda: trusts(first, port))
        write_certificate(tmp_path, "second")
        second = files.certificate.read_text()
        await until(lambda: trusts(second, port))
        assert not await trusts(first, port)
        files.certificate.write_text("no certificate")
        assert await trusts(second, port)


@pytest.mark.parametrize("broken", ["absent", "junk", "another key"])
async def test_files_that_cannot_serve_end_the_start_with_their_names(tmp_path: Path, broken: str) -> None:
    files = write_certificate(tmp_path, "one")
    if broken == "absent":
        files = replace(files, certificate=tmp_path / "absent.crt")
    elif broken == "junk":
        files.certificate.write_text("junk")
    else:
        (tmp_path / "other").mkdir()
        files = replace(files, key=write_certificate(tmp_path / "other", "two").key)
    with pytest.RaisesGroup(pytest.RaisesExc(StartupError, match=f"{files.certificate}.*--ssl_certfile")):
        async with serving(files):
            pass


def test_tls_moves_the_port_unless_one_is_given() -> None:
    tls = ["--ssl_certfile", "c", "--ssl_keyfile", "k"]
    assert parse(tls)[0].http_port == 8443
    assert parse(tls, environ={"PORT": "9000"})[0].http_port == 9000
    assert parse([*tls, "--http_port", "1"])[0].http_port == 1
    settings, _ = parse([], environ={"KSERVE_TLS_CERT_FILE": "c", "KSERVE_TLS_KEY_FILE": "k"})
    assert (settings.tls, settings.http_port) == (TlsFiles(Path("c"), Path("k")), 8443)


@pytest.mark.parametrize("argv", [["--ssl_certfile", "c"], ["--ssl_keyfile", "k"]])
def test_a_certificate_without_its_key_is_refused(argv: list[str]) -> None:
    with pytest.raises(StartupError, match="give both"):
        parse(argv)
