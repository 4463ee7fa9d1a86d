"""A connection to a Chroma server, with the timeouts that chromadb's own client lacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

log = logging.getLogger(__name__)
_CONNECT = 2.0  # seconds; chromadb waits for ever
_ANSWER = 5.0


def connect(host: str, port: int, ssl: bool) -> ClientAPI:
    """Return a client whose requests end.

    Raises:
        Exception: what httpx and chromadb raise when the server isn't there.
    """
    import chromadb
    import httpx

    # asked first, as the client asks it again while it is made, before its timeouts can be set
    url = f"{'https' if ssl else 'http'}://{host}:{port}/api/v2/heartbeat"
    httpx.get(url, timeout=_CONNECT).raise_for_status()
    settings = chromadb.Settings(anonymized_telemetry=False)
    client: ClientAPI = chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=settings)
    session = _session(client)
    if session is not None:
        session.timeout = httpx.Timeout(_ANSWER, connect=_CONNECT)
    else:
        log.warning("this version of chromadb keeps its connection elsewhere: requests that hang keep their threads")
    return client


def disconnect(client: ClientAPI) -> None:
    """Close a client of ``connect``, and its connections, which chromadb leaves open; requests that hang end with them."""
    session = _session(client)
    if session is not None:
        session.close()
    client.close()


def _session(client: ClientAPI) -> httpx.Client | None:
    import httpx

    session = getattr(getattr(client, "_server", None), "_session", None)
    return session if isinstance(session, httpx.Client) else None
