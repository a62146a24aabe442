"""What botocore is told of its services: the same as its own loader tells it."""

from __future__ import annotations

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from archiver.store.s3_models import Models

DOCUMENTS = [
    *(("s3", document) for document in ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")),
    *(("sts", document) for document in ("service-2", "endpoint-rule-set-1")),  # for the credentials of a role
]


@pytest.mark.parametrize(("service", "document"), DOCUMENTS)
def test_it_reads_what_botocore_reads(service: str, document: str) -> None:
    read = Models().load_service_model(service, document)
    assert read == Loader().load_service_model(service, document)
    assert list(read) == list(Loader().load_service_model(service, document))


def test_it_knows_every_service_and_no_other() -> None:
    assert set(Models().list_available_services("service-2")) >= set(Loader().list_available_services("service-2"))
    with pytest.raises(UnknownServiceError):
        Models().load_service_model("no-such-service", "service-2")
