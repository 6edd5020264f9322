"""The words of a sound and the search in them: prompt, tags, and what people say for the tags.

The words are rows (sample_text); the index over them is SQLite's FTS5, kept in step by triggers. Another
database gets its own index behind the same two functions.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import DatabaseError

from catalog.store import Store
from catalog.tables import job, model, sample, sample_text
from generation.prompts.vocabulary import synonyms, understand

PROMPT_WEIGHT, TAGS_WEIGHT, SYNONYMS_WEIGHT = 4.0, 3.0, 1.0
"""Of the columns in BM25: what was asked for counts most, what else one could call it least."""
_BREAK = " \ue000 "
"""Between two terms: a word that nobody types, so that no phrase is found across them."""


def index_words(connection: Connection, sample_ids: Iterable[int]) -> None:
    """Write the words of these new sounds."""
    wanted = list(sample_ids)
    query = (
        select(sample.c.id, job.c.prompt, job.c.source, job.c.family, job.c.qualities, model.c.name)
        .join(job, job.c.id == sample.c.job_id)
        .join(model, model.c.id == job.c.model_id)
        .where(sample.c.id.in_(wanted))
    )
    rows = []
    for sample_id, prompt, source, family, qualities, model_name in connection.execute(query):
        terms = [term for term in (source, family, *qualities) if term]
        named = (*terms, *understand(prompt).instruments)
        said = dict.fromkeys(word for term in named for word in synonyms(term))
        rows.append(
            {
                "sample_id": sample_id,
                "prompt": prompt,
                "tags": _BREAK.join([*terms, model_name]),
                "synonyms": _BREAK.join(said),
            }
        )
    if rows:
        connection.execute(insert(sample_text), rows)


def rebuild(store: Store) -> int:
    """Write the words of every sound again (the thesaurus may have grown), and the index; how many sounds."""
    with store.write() as connection:
        # First, since a row can only be taken out of an index that holds it.
        connection.exec_driver_sql("INSERT INTO sample_fts(sample_fts) VALUES ('rebuild')")
        connection.execute(delete(sample_text))
        ids = list(connection.scalars(select(sample.c.id)))
        for start in range(0, len(ids), 1_000):
            index_words(connection, ids[start : start + 1_000])
        return len(ids)


def search(connection: Connection, terms: Iterable[str], limit: int | None) -> list[tuple[int, float]]:
    """(sample id, BM25) of accepted sounds that hold at least one of the terms, best first."""
    quoted = [quote(term) for term in terms if any(character.isalnum() for character in term)]
    if not quoted:
        return []
    rows = connection.exec_driver_sql(
        "SELECT sample_fts.rowid, -bm25(sample_fts, ?, ?, ?) AS rank FROM sample_fts "
        "JOIN sample ON sample.id = sample_fts.rowid AND sample.status = 'accepted' "
        "WHERE sample_fts MATCH ? ORDER BY rank DESC, sample_fts.rowid LIMIT ?",
        (
            PROMPT_WEIGHT,
            TAGS_WEIGHT,
            SYNONYMS_WEIGHT,
            " OR ".join(quoted),
            -1 if limit is None else limit,
        ),
    )
    return [(int(sample_id), float(rank)) for sample_id, rank in rows]


def quote(term: str) -> str:
    """A term as an FTS5 string, in which nothing is an operator: `it"s` becomes `"it""s"`."""
    return '"' + term.replace("\0", " ").replace('"', '""') + '"'


def index_is_whole(connection: Connection) -> bool:
    """Whether the index holds exactly the words of the rows; asking needs a connection that may write."""
    try:
        connection.exec_driver_sql("INSERT INTO sample_fts(sample_fts, rank) VALUES ('integrity-check', 1)")
    except DatabaseError:
        return False
    return True
