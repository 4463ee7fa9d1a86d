"""A connection to a Chroma server, with the timeouts that chromadb's own client lacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from automem_agents._fork import IMPORTS

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
    with IMPORTS:
        import chromadb
        import httpx

    # asked first, as the client asks it again while it is made, before its timeouts can be set
    url = f"{'https' if ssl else 'http'}://{host}:{port}/api/v2/heartbeat"
    httpx.get(url, timeout=_CONNECT).raise_for_status()
    settings = chromadb.Settings(anonymized_telemetry=False)
    client: ClientAPI = chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=settings)
    sessions = _sessions(client)
    for session in sessions:
        session.timeout = httpx.Timeout(_ANSWER, connect=_CONNECT)
    if not sessions:
        log.warning("this version of chromadb keeps its connection elsewhere: requests that hang keep their threads")
    return client


def disconnect(client: ClientAPI) -> None:
    """Close a client of ``connect``, and its connections, which chromadb leaves open; requests that hang end with them."""
    for session in _sessions(client):
        session.close()
    client.close()


def _sessions(client: ClientAPI) -> list[httpx.Client]:
    """Return the sessions of a client, and of the second one that it has made to look at its tenant."""
    import httpx

    both = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(one, "_server", None), "_session", None) for one in both]
    return [session for session in found if isinstance(session, httpx.Client)]
