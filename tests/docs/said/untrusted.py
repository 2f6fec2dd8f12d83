"""A server whose certificate nobody has signed."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

from tests.certificates import context_of_a_server


class UntrustedServer:
    """Shakes hands on a port of 127.0.0.1, with a certificate that it signed itself; gives the port."""

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with tempfile.TemporaryDirectory() as folder:
            context, _ = context_of_a_server(Path(folder))
        try:
            context.wrap_socket(client, server_side=True).close()
        except OSError:  # the client has turned away
            client.close()
