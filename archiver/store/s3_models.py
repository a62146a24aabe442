"""What botocore knows of S3, read in less time: its own way of looking that up is a good part of a start."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


class _Files(JSONFileLoader):
    """Reads into plain dicts, which keep their order as well: botocore makes an OrderedDict of each."""

    def load_file(self, file_path: str) -> Any:
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            path = f"{file_path}{suffix}"
            if Path(path).is_file():
                with opened(path, "rb") as stream:
                    return json.load(stream)
        return None


class Models(Loader):
    """Takes each directory for a service. Botocore looks into all of them, which are hundreds, and needs one."""

    def __init__(self) -> None:
        super().__init__(file_loader=_Files())

    def list_available_services(self, type_name: str) -> list[str]:
        return [service.name for path in map(Path, self.search_paths) if path.is_dir() for service in path.iterdir()]
