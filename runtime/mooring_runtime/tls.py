"""HTTPS on the REST port: certificate and key from files, read again when they change.

A certificate that cert-manager or a Secret renews is taken up without a restart; one that cannot be read leaves the one
in use. gRPC is not covered, as with KServe's flags of the same name.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from mooring_runtime.errors import StartupError
from mooring_runtime.logging import logger


@dataclass(frozen=True)
class TlsFiles:
    """A certificate chain and its private key, as PEM files."""

    certificate: Path
    key: Path

    def apply(self, config: uvicorn.Config) -> None:
        """Make `config` serve by TLS.

        Raises:
            StartupError: the files cannot be read, or do not fit together.
        """
        config.ssl_certfile, config.ssl_keyfile = str(self.certificate), str(self.key)
        try:
            config.load()
        except (OSError, ssl.SSLError) as exc:  # the latter is also an OSError, without a file's name
            raise StartupError(
                f"Cannot serve by TLS with {self.certificate} and {self.key}: {exc}. "
                "Correct --ssl_certfile and --ssl_keyfile."
            ) from exc


@asynccontextmanager
async def following(files: TlsFiles | None, config: uvicorn.Config, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """For the block, new connections get what the files hold now."""
    if files is None:
        yield
        return
    task = tasks.create_task(_follow(files, config))
    try:
        yield
    finally:
        task.cancel()


async def _follow(files: TlsFiles, config: uvicorn.Config) -> None:
    from watchfiles import awatch

    # The folders: a Secret's files are links that are swapped as a whole.
    async for _ in awatch(*{files.certificate.parent, files.key.parent}, recursive=False):
        if config.ssl is None:
            continue
        try:
            config.ssl.load_cert_chain(files.certificate, files.key)
        except (OSError, ssl.SSLError) as exc:
            logger.warning("TLS: %s cannot be used (%s): the certificate before it stays", files.certificate, exc)
        else:
            logger.info("TLS: serving with %s as it is now", files.certificate)
