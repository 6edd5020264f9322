"""What goes into a Library and comes out of it: plain frozen records, no database.

Every time is an aware UTC datetime. A field that nobody measured is None, never a made-up number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from generation.audio import Clip
from generation.prompts.vocabulary import note_name

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"
KEEP, DROP = "keep", "drop"


@dataclass(frozen=True)
class ModelRecord:
    """One model as it was on one night: name, weights fingerprint and the licences it carries."""

    name: str
    technique: str
    fingerprint: str
    technique_version: str
    sample_rate_hz: int
    commercial: str  # yes | no | undeclared: the strictest link of the chain
    licence_chain: list[dict[str, Any]]
    card: dict[str, Any]


@dataclass(frozen=True)
class JobRecord:
    """One sound that is wanted: a prompt, a model, a seed.

    `settings` holds at least `fingerprint` and `technique_version`, so that the job finds its model.
    `round` is 0 for the first try of a prompt and counts the re-rolls after it.
    """

    key: str
    model: str
    prompt: str
    family: str
    source: str | None
    qualities: tuple[str, ...]
    note: int | None
    seed: int
    settings: dict[str, Any]
    round: int = 0


@dataclass(frozen=True)
class BatchRecord:
    """Jobs that are made together, in this order, by one model; fixed when planned.

    `status` is pending, claimed, finished or skipped (its cell was stopped by the canary);
    `attempts` counts the claims, so 2 means that one was interrupted.
    """

    id: int
    night_id: int
    model: str
    ordinal: int
    job_keys: tuple[str, ...]
    status: str
    round: int = 0
    attempts: int = 0


@dataclass(frozen=True)
class ResultRecord:
    """What became of one job.

    `clip` is the finished sound of an accepted job, `raw` the untouched model output of a rejected one
    (kept for some days); `reasons` are objects with code, sentence, measured, limit. `error` is set when
    nothing could be made or measured; such a job has no sound.
    """

    job_key: str
    clip: Clip | None
    raw: Clip | None
    raw_facts: dict[str, Any]
    sound_facts: dict[str, Any] | None
    accepted: bool
    reasons: list[dict[str, Any]]
    seconds: float
    device: str
    versions: dict[str, str]
    error: str | None = None


@dataclass(frozen=True)
class SampleRecord:
    """One sound of the library with its measured facts.

    `file` is relative to the library: the FLAC master of an accepted sound, or the raw WAV of a rejected
    one while it is kept (None afterwards). `score` is a percentile within the family, 0..100.
    `sources` names the recordings that the sound is built from, for attribution. `nearest_note` is the training
    note that is most alike by fingerprint, `likeness` how much, 0..1; `clap_note` and `clap_cosine` the same in
    CLAP space; all None, like `is_copy`, while nobody compared the sound with a training corpus.
    """

    id: int
    job_key: str
    file: str | None
    sha256: str | None
    model: str
    model_id: int
    commercial: str
    prompt: str
    source: str | None
    family: str
    qualities: tuple[str, ...]
    note_asked: int | None
    midi_note: int | None
    cents: float | None
    pitch_confidence: float | None
    lufs: float | None
    peak_dbfs: float | None
    attack_s: float | None
    decay_s: float | None
    bandwidth_hz: float | None
    centroid_hz: float | None
    duration_s: float | None
    sample_rate_hz: int
    seed: int
    status: str  # accepted | rejected
    reasons: tuple[dict[str, Any], ...]
    sources: tuple[str, ...]
    score: float | None
    review: str | None  # keep | drop | None
    created_at: datetime
    nearest_note: str | None = None
    likeness: float | None = None
    clap_note: str | None = None
    clap_cosine: float | None = None
    is_copy: bool | None = None

    @property
    def note(self) -> str | None:
        """Name of the measured pitch, e.g. `A1` (C4 is MIDI 60); None for a sound without one."""
        return None if self.midi_note is None else note_name(self.midi_note)


@dataclass(frozen=True)
class SampleDetails:
    """All that the library knows about one sound beside its record, for `nightcrate show`."""

    sample: SampleRecord
    settings: dict[str, Any]
    raw_facts: dict[str, Any]
    sound_facts: dict[str, Any] | None
    seconds: float
    device: str
    versions: dict[str, str]
    reviews: tuple[ReviewRecord, ...]


@dataclass(frozen=True)
class SampleFilter:
    """Which sounds to look at; an empty tuple or None asks nothing of that field.

    Tuples mean "one of these", except `qualities`: a sound must have all of them.
    `midi_notes` compares the measured pitch; `reviews` may hold keep, drop and None (not reviewed);
    `commercial` may hold yes, no, undeclared. `copies` True asks for copies of training notes alone, False for
    all but them; sounds that were never compared are no copies. `heard_as_asked` leaves out sounds whose family is
    not among those that the judge finds likeliest (scores/heard_as.py); sounds never heard stay in.
    """

    families: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    midi_notes: tuple[int, ...] = ()
    min_score: float | None = None
    max_duration_s: float | None = None
    statuses: tuple[str, ...] = (ACCEPTED,)
    reviews: tuple[str | None, ...] = ()
    commercial: tuple[str, ...] = ()
    ids: tuple[int, ...] | None = None
    night_id: int | None = None
    copies: bool | None = None
    heard_as_asked: bool = False


@dataclass(frozen=True)
class ScoreRecord:
    """A figure about a sound or a set of sounds, or the reason why there is none.

    `subject` is a sample id, a model name, or `MODEL/FAMILY`, as `scope` says; `MODEL/QUALITY` where the settings
    name a quality. Settings hold the interval, low and high, where one is known. Exactly one of `value` and `reason`
    is set. `embedder` and `reference` say what it was measured with and against, `n` on how many.
    """

    scope: str  # sample | model | model_family
    subject: str
    name: str
    value: float | None
    reason: str | None
    embedder: str = ""
    reference: str = ""
    n: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kinship:
    """How a sound stands to the training notes.

    note, likeness: the most alike by fingerprint, 0 to 1. clap_note, cosine: the nearest in CLAP space, None where
    the bank was heard by another embedder. is_copy: whether the likeness reaches the threshold of its bank.
    """

    note: str
    likeness: float
    clap_note: str | None
    cosine: float | None
    is_copy: bool


@dataclass(frozen=True)
class ReviewRecord:
    """One verdict of a person on a sound; an undone one stays in the history with its time of undoing."""

    sample_id: int
    verdict: str  # keep | drop
    why: str | None
    who: str
    at: datetime
    undone_at: datetime | None = None


@dataclass(frozen=True)
class PackItem:
    """One sound in a pack: the name of its file there, and the sha256 of that file."""

    sample_id: int
    name: str
    sha256: str


@dataclass(frozen=True)
class PackRecord:
    """One pack that was made: the name and sha256 of its zip file, and what lies in it, by name."""

    id: int
    name: str
    sha256: str
    made_at: datetime
    items: tuple[PackItem, ...]


@dataclass(frozen=True)
class NightRecord:
    """One run of one configuration; `status` is running, finished or deadline."""

    id: int
    name: str
    config: dict[str, Any]
    status: str
    started_at: datetime
    ended_at: datetime | None
    last_round: int  # -1 when nothing is planned yet


@dataclass(frozen=True)
class StoppedCell:
    """A model x family cell that the canary stopped, with the sentence that says why."""

    model: str
    family: str
    sentence: str


@dataclass(frozen=True)
class CellCount:
    """How one cell fared in one night; `found` jobs already had a result when the night was planned."""

    model: str
    source: str | None
    family: str
    planned: int
    found: int
    accepted: int
    rejected: int
    failed: int
    pending: int
    skipped: int


@dataclass(frozen=True)
class NightSummary:
    """The facts of the morning page, counted over all jobs that this night wanted.

    `found` had a result before the night planned them, `made` were made by it; pending and skipped ones
    (stopped by the canary) have none yet. accepted, rejected and failed count found and made jobs together.
    """

    night: NightRecord
    planned: int
    found: int
    made: int
    accepted: int
    rejected: int
    failed: int
    pending: int
    skipped: int
    cells: tuple[CellCount, ...]
    rejection_reasons: Mapping[str, int]  # code -> rejected sounds with it, most frequent first
    failures: Mapping[str, int]  # error line -> jobs
    stopped: tuple[StoppedCell, ...]
    stage_seconds: Mapping[str, float]


@dataclass(frozen=True)
class EmbeddingState:
    """What an index was built from: it is stale as soon as the state of its embedder differs."""

    embedder: str
    dim: int
    count: int
    newest: int  # grows with every vector written, also with a replaced one


@dataclass(frozen=True)
class Problem:
    """One thing that verify found.

    `kind` is missing_file, wrong_sha256, unreadable_audio, orphan_file, temporary_file,
    row_without_result, fulltext or database; `subject` is a path relative to the library or a job key;
    `sentence` says what is wrong and what to do.
    """

    kind: str
    subject: str
    sentence: str


@dataclass(frozen=True)
class Swept:
    """What sweep removed, as paths relative to the library."""

    temporary_files: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    expired_rejects: tuple[str, ...] = ()
