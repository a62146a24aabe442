"""The published response bodies, shortened to one value a field: what counts here is their shape."""

BODIES: dict[tuple[str, str], str] = {
    ("recordings", "flat"): """
        {"status": null, "data": [{"id": null, "user_id": null, "agent_id": null, "call_id": null, "service":
        null, "call_from": null, "call_to": null, "name": null, "audio": null, "storage": null, "duration":
        null, "options": null, "notes": null, "created_at": null, "agent": null, "serial": null, "created":
        null}]}
    """,
    ("recordings", "paged"): """
        {"status": null, "data": {"current_page": null, "data": [{"id": null, "call_from": null, "call_to":
        null, "audio": null, "duration": null, "agent": null, "created_at": null}], "first_page_url": null,
        "from": null, "last_page": null, "last_page_url": null, "next_page_url": null, "path": null,
        "per_page": null, "prev_page_url": null, "to": null, "total": null}}
    """,
    ("recordings", "resource"): """
        {"status": null, "code": null, "message": null, "data": [{"id": null, "call_from": null, "call_to":
        null, "audio": null, "duration": null, "agent": null, "created_at": null}], "links": {"first": null,
        "last": null, "prev": null, "next": null}, "meta": {"current_page": null, "from": null, "last_page":
        null, "links": [{"url": null, "label": null, "active": null}], "path": null, "per_page": null, "to":
        null, "total": null}}
    """,
    ("calls", "flat"): """
        {"status": null, "data": [{"id": null, "call_from": null, "call_to": null, "service": null, "bridge":
        null, "status": null, "duration": null, "billing": null, "pulsing": null, "charges": null, "start_at":
        null, "end_at": null, "hangup_by": null, "dtmf": null, "location": null, "region": null, "provider":
        null, "notes": null, "audio": null, "audio_length": null, "storage": null, "name": null, "serial":
        null}]}
    """,
    ("calls", "paged"): """
        {"status": null, "data": {"current_page": null, "data": [{"id": null, "call_from": null, "call_to":
        null, "service": null, "bridge": null, "status": null, "duration": null, "billing": null, "pulsing":
        null, "charges": null, "start_at": null, "end_at": null, "hangup_by": null, "dtmf": null, "location":
        null, "region": null, "provider": null, "notes": null, "audio": null, "name": null}],
        "first_page_url": null, "from": null, "last_page": null, "last_page_url": null, "next_page_url": null,
        "path": null, "per_page": null, "prev_page_url": null, "to": null, "total": null}}
    """,
    ("calls", "resource"): """
        {"status": null, "code": null, "message": null, "data": [{"id": null, "call_from": null, "call_to":
        null, "service": null, "bridge": null, "status": null, "duration": null, "billing": null, "pulsing":
        null, "charges": null, "start_at": null, "end_at": null, "hangup_by": null, "dtmf": null, "location":
        null, "region": null, "provider": null, "notes": null, "audio": null, "name": null}], "links":
        {"first": null, "last": null, "prev": null, "next": null}, "meta": {"current_page": null, "from":
        null, "last_page": null, "links": [{"url": null, "label": null, "active": null}], "path": null,
        "per_page": null, "to": null, "total": null}}
    """,
}
