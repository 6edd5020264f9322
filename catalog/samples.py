"""Sounds as records: find them by facts, by id, by the beginning of a job key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, String, cast, false, func, select, type_coerce

from catalog.errors import LibraryError
from catalog.records import ReviewRecord, SampleDetails, SampleFilter, SampleRecord
from catalog.scores.heard_as import LIKELIEST, NAME
from catalog.store import chunks
from catalog.tables import job, model, night_job, novelty, review, sample, score

SHORTEST_PREFIX = 4

current_review = (
    select(review.c.verdict)
    .where(review.c.sample_id == sample.c.id, review.c.undone_at.is_(None))
    .order_by(review.c.id.desc())
    .limit(1)
    .correlate(sample)
    .scalar_subquery()
)
"""The verdict in force: the newest one that was not undone."""

_heard_otherwise = select(cast(score.c.subject, Integer)).where(
    score.c.scope == "sample",
    score.c.name.startswith(f"{NAME} [", autoescape=True),
    score.c.settings["rank"].as_integer() > LIKELIEST,
)
"""Ids of the sounds whose family is not among those that the judge finds likeliest.

There is one judge: a league's word on a sound takes the place of every other judge's (scorebook.replace).
"""


def find(connection: Connection, where: SampleFilter) -> list[SampleRecord]:
    """All sounds that pass the filter, by id."""
    rows = (row for query in _queries(_select(), where) for row in connection.execute(query))
    return sorted((_record(row) for row in rows), key=lambda record: record.id)


def find_ids(connection: Connection, where: SampleFilter) -> list[int]:
    """Ids of all sounds that pass the filter, ascending."""
    query = select(sample.c.id).select_from(_joined())
    return sorted(id for part in _queries(query, where) for id in connection.scalars(part))


def count(connection: Connection, where: SampleFilter) -> int:
    """How many sounds pass the filter."""
    query = select(func.count(sample.c.id)).select_from(_joined())
    return sum(connection.scalar(part) or 0 for part in _queries(query, where))


def get(connection: Connection, wanted: int | str) -> SampleRecord:
    """One sound by its id, or, given as text, by the beginning of its job key when only one begins so.

    Raises LibraryError when there is none, or more than one.
    """
    text = str(wanted).strip().lower()
    if text.isdecimal() and len(text) < 19:
        found = connection.execute(_select().where(sample.c.id == int(text))).first()
        if found is not None:
            return _record(found)
    matching: list[Row[Any]] = []
    if isinstance(wanted, str) and len(text) >= SHORTEST_PREFIX:
        query = _select().where(job.c.key.startswith(text, autoescape=True)).order_by(sample.c.id).limit(2)
        matching = list(connection.execute(query))
    if len(matching) == 1:
        return _record(matching[0])
    if matching:
        raise LibraryError(f"more than one sound has a key that begins with {wanted}; give more of it")
    raise LibraryError(
        f"there is no sound {wanted} in this library; an id, or {SHORTEST_PREFIX} or more characters of a "
        "key, is needed"
    )


def details(connection: Connection, record: SampleRecord) -> SampleDetails:
    """Everything about one sound: settings, all facts, where it was made, its reviews in order."""
    row = connection.execute(
        select(job, sample.c.raw_facts, sample.c.sound_facts)
        .join(sample, sample.c.job_id == job.c.id)
        .where(sample.c.id == record.id)
    ).one()
    said = connection.execute(select(review).where(review.c.sample_id == record.id).order_by(review.c.id))
    return SampleDetails(
        sample=record,
        settings=row.settings,
        raw_facts=row.raw_facts,
        sound_facts=row.sound_facts,
        seconds=row.seconds,
        device=row.device,
        versions=row.versions,
        reviews=tuple(
            ReviewRecord(one.sample_id, one.verdict, one.why, one.who, one.at, one.undone_at) for one in said
        ),
    )


def _joined() -> Any:
    made = sample.join(job, job.c.id == sample.c.job_id).join(model, model.c.id == job.c.model_id)
    return made.outerjoin(novelty, novelty.c.sample_id == sample.c.id)


def _select() -> Select[Any]:
    asked = (
        job.c.prompt,
        job.c.source,
        job.c.family,
        job.c.qualities,
        job.c.seed,
        job.c.note.label("note_asked"),
    )
    maker = (model.c.name.label("model"), model.c.id.label("model_id"), model.c.commercial)
    kin = (
        novelty.c.note.label("nearest_note"),
        novelty.c.likeness,
        novelty.c.clap_note,
        novelty.c.cosine.label("clap_cosine"),
        novelty.c.is_copy,
    )
    return select(
        *(column for column in sample.c if column.name not in ("job_id", "raw_facts", "sound_facts")),
        job.c.key.label("job_key"),
        *asked,
        *maker,
        *kin,
        current_review.label("review"),
    ).select_from(_joined())


def _queries(query: Select[Any], where: SampleFilter) -> list[Select[Any]]:
    """The query with its conditions, in as many pieces as a long list of ids needs."""
    for column, allowed in (
        (job.c.family, where.families),
        (job.c.source, where.sources),
        (model.c.name, where.models),
        (model.c.commercial, where.commercial),
        (sample.c.status, where.statuses),
        (sample.c.midi_note, where.midi_notes),
    ):
        if allowed:
            query = query.where(column.in_(allowed))
    for quality in where.qualities:
        query = query.where(type_coerce(job.c.qualities, String).contains(f" {quality} ", autoescape=True))
    if where.min_score is not None:
        query = query.where(sample.c.score >= where.min_score)
    if where.max_duration_s is not None:
        query = query.where(sample.c.duration_s <= where.max_duration_s)
    if where.reviews:
        # COALESCE, since NULL (not reviewed) is equal to nothing.
        query = query.where(func.coalesce(current_review, "").in_([verdict or "" for verdict in where.reviews]))
    if where.copies is not None:
        query = query.where(func.coalesce(novelty.c.is_copy, false()) == where.copies)
    if where.heard_as_asked:
        query = query.where(sample.c.id.not_in(_heard_otherwise))
    if where.night_id is not None:
        members = select(night_job.c.job_id).where(night_job.c.night_id == where.night_id)
        query = query.where(sample.c.job_id.in_(members))
    if where.ids is None:
        return [query]
    return [query.where(sample.c.id.in_(part)) for part in chunks(sorted(set(where.ids)))]


def _record(row: Row[Any]) -> SampleRecord:
    values = dict(row._mapping)
    values["reasons"] = tuple(values["reasons"])
    values["sources"] = tuple(values["sources"])
    return SampleRecord(**values)
