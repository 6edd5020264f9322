"""The night as Prefect runs it: one flow for the night, one for each model, one task for each batch.

Nothing is cached or resumed by Prefect: what is left to do is asked of the catalogue. One process writes,
so the tasks run one after the other in it; the workbench stays with it, and Prefect sees names and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from catalog.embedders import Embedder
from catalog.novelty import NoveltyBank
from catalog.records import BatchRecord
from flows import making, stages
from flows.bench import Bench
from flows.novelty import flag_copies
from generation.registry import LoadedModel


class Night:
    """A night at its workbench; `run` makes what is left and everything that makes it usable."""

    def __init__(self, bench: Bench, embedder: Embedder, banks: Sequence[NoveltyBank] = ()) -> None:
        self.bench = bench
        self.embedder = embedder
        self.banks = banks

    @flow(name="night", flow_run_name="{name}", validate_parameters=False)
    def run(self, name: str) -> str | None:
        """The whole night; why there are no scores of models, when there are none."""
        for model in self.bench.order.models:
            self.make_sounds(model)
        self.embed()
        self.flag_copies()
        self.score_sounds()
        self.build_index()
        unscored = self.score_models()
        self.bench.end()
        return unscored

    @flow(name="model", flow_run_name="{model}", validate_parameters=False)
    def make_sounds(self, model: str) -> None:
        """Everything that one model has to make, the model loaded once."""
        making.make_sounds(self.bench, model, self.make_batch)

    @task(name="batch", task_run_name="batch {batch.ordinal}", cache_policy=NO_CACHE)
    def make_batch(self, loaded: LoadedModel, batch: BatchRecord) -> str | None:
        """One batch of one model: generate, judge, keep; the error when none of it could be made."""
        return making.make_batch(self.bench, loaded, batch)

    @task(name="embed", cache_policy=NO_CACHE)
    def embed(self) -> int:
        """Vectors for the sounds that lack one."""
        with self.bench.timed("embed"):
            return stages.embed_missing(self.bench.library, self.embedder)

    @task(name="compare", cache_policy=NO_CACHE)
    def flag_copies(self) -> int:
        """The nearest training note of each sound, and whether it is a copy."""
        with self.bench.timed("compare"):
            return flag_copies(self.bench.library, self.embedder, self.banks)

    @task(name="score sounds", cache_policy=NO_CACHE)
    def score_sounds(self) -> int:
        """How well each sound fits its prompt, within its family."""
        with self.bench.timed("score sounds"):
            return stages.score_sounds(self.bench.library, self.embedder)

    @task(name="index", cache_policy=NO_CACHE)
    def build_index(self) -> int:
        """The vector index over all accepted sounds."""
        with self.bench.timed("index"):
            return stages.build_index(self.bench.library, self.embedder)

    @task(name="score models", cache_policy=NO_CACHE)
    def score_models(self) -> str | None:
        """The league of models; the reason when there is none."""
        with self.bench.timed("score models"):
            return stages.score_models(self.bench.library, self.bench.device)
