"""Packs in rows: which sound went out under which name, so that one can say later where it is used."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from catalog.errors import LibraryError
from catalog.records import PackItem, PackRecord
from catalog.store import Store, utc_now
from catalog.tables import pack, pack_item


def add(store: Store, name: str, sha256: str, items: Sequence[PackItem]) -> int:
    """Keep a pack and its items; its id. Raises LibraryError for a pack without sounds; then none is kept."""
    if not items:
        raise LibraryError(f"pack {name} holds no sound; nothing was kept")
    with store.write() as connection:
        made = connection.execute(insert(pack).values(name=name, sha256=sha256, made_at=utc_now()))
        pack_id = int(made.inserted_primary_key[0])  # type: ignore[index]
        connection.execute(
            insert(pack_item),
            [
                {"pack_id": pack_id, "name": item.name, "sample_id": item.sample_id, "sha256": item.sha256}
                for item in items
            ],
        )
        return pack_id


def find(connection: Connection) -> list[PackRecord]:
    """Every pack with its items by name, oldest first."""
    items: dict[int, list[PackItem]] = {}
    for row in connection.execute(select(pack_item).order_by(pack_item.c.pack_id, pack_item.c.name)):
        items.setdefault(row.pack_id, []).append(PackItem(row.sample_id, row.name, row.sha256))
    return [
        PackRecord(row.id, row.name, row.sha256, row.made_at, tuple(items[row.id]))
        for row in connection.execute(select(pack).order_by(pack.c.id))
    ]
