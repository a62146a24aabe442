"""A certificate of disposal as one page for people: no script, no outside file, readable on a telephone, on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:#8886;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{font-weight:600}dd{margin:0}
code,dd,td{overflow-wrap:anywhere}code{font-size:.85em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .5rem}
tr{border-bottom:1px solid var(--line)}thead th{background:var(--soft)}
.big{font-size:2rem;font-weight:700}.none{opacity:.7}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}thead{display:none}
table,tbody,tr,td{display:block;width:auto}tr{padding:.5rem 0}td{padding:.1rem 0}
td::before{content:attr(data-name);display:block;font-size:.75rem;opacity:.7}}
"""


def page(certificate: Mapping[str, Any]) -> str:
    """The HTML document."""
    disposed, kept = certificate["disposed"], certificate["kept"]
    objects = sum(len(each["objects"]) for each in disposed)
    head = {
        "Destination": certificate["destination"],
        "Plan, as it was approved": certificate["plan"],
        "Plan made": _moment(certificate["plan_made_at"]),
        "Carried out until": _moment(certificate["ended_at"]),
        "Software": certificate["software"],
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(str(said))}</code></dd>" for name, said in head.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Certificate of disposal</title><style>{_STYLE}</style></head><body>"
        "<h1>Certificate of disposal</h1>"
        f'<p><span class="big">{len(disposed)}</span> deleted for good, in all versions: {objects} objects.'
        f" {len(kept)} kept of what the plan names.</p>"
        f"<dl>{rows}</dl>"
        f"<h2>Deleted</h2>{_disposed(disposed)}<h2>Kept</h2>{_kept(kept)}"
        f"{_copies(certificate['second_destination'])}"
        "<p>Of each deleted recording a tombstone stays in the destination, with the SHA-256 of what was deleted and"
        " no personal data.</p></body></html>\n"
    )


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _copies(second: Mapping[str, Any] | None) -> str:
    if second is None:
        return ""
    return (
        f"<h2>Second destination</h2><p><code>{escape(second['destination'])}</code>: copies of"
        f" {len(second['deleted'])} deleted, of {len(second['stayed'])} not.</p>{_kept(second['stayed'])}"
    )


def _disposed(disposed: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"<code>{escape(each['recording_id'])}</code>",
            escape(each["class"]),
            _moment(each["retain_until"]),
            _moment(each["disposed_at"]),
            "<br>".join(f"<code>{escape(str(piece['sha256'] or piece['key']))}</code>" for piece in each["objects"]),
        )
        for each in disposed
    ]
    return _table(("Recording", "Class", "Retained until", "Deleted", "SHA-256 of its objects"), rows)


def _kept(kept: Sequence[Mapping[str, Any]]) -> str:
    rows = [(f"<code>{escape(each['recording_id'])}</code>", escape(each["reason"])) for each in kept]
    return _table(("Recording", "Why"), rows)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return '<p class="none">None.</p>'
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in zip(names, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
