"""Write the catalogue that this version makes as NUMBER.sqlite.gz: once for each schema, not after release.

python -m tests.catalog.stored_catalogues.write_one
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np

from catalog.library import CATALOG_NAME, Library
from catalog.listening.records import Candidate, ChosenSound
from catalog.migrations import REVISIONS
from catalog.records import Kinship, ScoreRecord
from tests.catalog.toy_library import accepted, make, rejected, toy_clip, toy_job


def main() -> None:
    """Make a library with something in every table, and keep its catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        with Library.open(folder, create=True) as library:
            jobs = [toy_job(seed) for seed in range(3)]
            rejects = {jobs[1].key}
            night = make(library, jobs, lambda key: (rejected if key in rejects else accepted)(key))
            ids = library.sample_ids()
            library.review(ids[0], "keep", "warm", "ana")
            library.review(ids[1], "drop", None, "ana")
            library.undo_review(ids[1])
            library.add_embeddings("toy@1", ids, np.eye(2, dtype=np.float32))
            library.add_scores([ScoreRecord("model", "toy", "FAD", 1.5, None, "toy@1", "held-out", 2)])
            library.add_kinships("toy notes@1", {ids[0]: Kinship("bass_acoustic_000-033-100", 0.5, None, None, False)})
            heard = Candidate(jobs[0].key, ids[0], "toy", "bass", jobs[0].prompt)
            test = library.listening.add("toy", 1, [ChosenSound(heard, toy_clip(jobs[0].key))])
            who = library.listening.start(test, "ana", rehearsal=False)
            library.listening.keep(test, who, test.sounds[0].token, cag=70, rel=80, plays=2)
            library.stop_cell(night, "toy", "reed", "19 of 20 were silent")
            library.add_stage_time(night, "generate", 1.5)
            library.end_night(night, "finished")
        data = (Path(folder) / CATALOG_NAME).read_bytes()
    packed = gzip.compress(data, mtime=0)
    Path(__file__).with_name(f"{REVISIONS[-1]}.sqlite.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
