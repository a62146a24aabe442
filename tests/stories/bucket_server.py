"""A real S3 endpoint on loopback (moto), which remembers the requests that it was sent."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


@dataclass
class BucketServer:
    """``with BucketServer() as server``: ``server.url`` takes requests until the block ends."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path, in order of arrival."""
    held: str = ""
    """Requests of which "METHOD path?query" matches this pattern get no answer until it is empty again."""
    holding: list[str] = field(default_factory=list)
    """Requests that were held, in order of arrival."""

    def __enter__(self) -> BucketServer:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, self._remembering(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def puts(self) -> list[str]:
        """Paths of all object puts so far."""
        return [path for method, path in self.requests if method in ("PUT", "POST") and path.count("/") > 1]

    def _remembering(self) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
        app = DomainDispatcherApplication(create_backend_app)

        def remembering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.requests.append((method, path))
            asked = f"{method} {path}?{environ['QUERY_STRING']}"
            if self.held and re.fullmatch(self.held, asked):
                self.holding.append(asked)
                while self.held:
                    time.sleep(0.01)
            answer: Iterable[bytes] = app(environ, start_response)
            return answer

        return remembering
