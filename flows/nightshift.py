"""What `nightcrate night` does: decide whether anything is left to make, let Prefect run it, look back.

Prefect costs ten seconds and 300 MB to start, so it is imported only when there is something to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from catalog.embedders import Embedder, load_embedder
from catalog.library import Library
from catalog.novelty import NoveltyBank
from flows import prefect_home, stages
from flows.bench import Bench
from flows.deadline import Deadline
from flows.judging import read_judging
from flows.novelty import read_banks
from flows.order import check_samplings, choose_models, read_order
from flows.page import write_morning
from flows.settings import NightConfig, device_name
from flows.standing import is_complete, latest_night
from flows.summary import Morning, look_back


def spend_night(
    root: Path,
    config: NightConfig,
    folder: Path,
    stop: Deadline,
    device: str | None = None,
    batch_size: int | None = None,
) -> Morning:
    """Make what the library in `root` still lacks of a night, and leave the morning's pages there.

    folder: where the configuration lies. The library is made when there is none, but only once all that the
    night needs was found. What is missing beside sounds (vectors, scores, index) is made in any case, after
    the deadline too. Raises a GenerationError or a CatalogError, one line.
    """
    place = device_name(device)
    judging = read_judging(config.gate)
    banks = read_banks(config.novelty, folder)
    check_samplings(choose_models(config, folder))
    order = read_order(config, folder)
    embedder = load_embedder(config.embedder, place)
    with Library.open(root, create=True) as library:
        library.lock()
        finished = latest_night(library, order)
        if finished is not None and is_complete(library, order, finished):
            stages.catch_up(library, embedder, place, banks)
            night_id, unscored = finished.id, None
        else:
            bench = Bench(library, order, judging, stop, place, batch_size)
            night_id, unscored = bench.night_id, _run(bench, embedder, banks)
        morning = look_back(library, night_id, config.target, order.left_out, unscored)
        write_morning(morning)
    return morning


def _run(bench: Bench, embedder: Embedder, banks: Sequence[NoveltyBank]) -> str | None:
    """Let Prefect run the night; why there are no scores of models, when there are none."""
    home = prefect_home.enter(bench.library.path)
    prefect_home.sweep_servers(home)
    prefect_home.sweep_runs()
    from flows.night import Night

    return Night(bench, embedder, banks).run(bench.library.night(bench.night_id).name)
