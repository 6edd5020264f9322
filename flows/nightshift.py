"""What `nightcrate night` does: decide whether anything is left to make, let Prefect run it, look back.

Prefect costs ten seconds and 300 MB to start, so it is imported only when there is something to make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from catalog.embedders import Embedder, load_embedder
from catalog.errors import CatalogError
from catalog.library import CATALOG_NAME, Library
from catalog.novelty import NoveltyBank
from flows import prefect_home, stages
from flows.bench import Bench
from flows.deadline import Deadline
from flows.judging import read_judging
from flows.novelty import read_banks
from flows.order import check_samplings, choose_models, read_order
from flows.page import write_morning
from flows.place import device_name
from flows.prefect_server import serving
from flows.room import need_room
from flows.settings import NightConfig
from flows.standing import is_complete, latest_night
from flows.summary import Morning, look_back
from generation.errors import GenerationError


def spend_night(
    root: Path,
    config: NightConfig,
    folder: Path,
    stop: Deadline,
    device: str | None = None,
    batch_size: int | None = None,
) -> Morning:
    """Make what the library in `root` still lacks of a night, and leave the morning's pages there.

    folder: where the configuration lies. A library that is there is locked before anything that takes long; one
    that is not is made, but only once all that the night needs was found. What is missing beside sounds (vectors,
    scores, index) is made in any case, after the deadline too. Raises a GenerationError or a CatalogError, one line.
    """
    with ExitStack() as held:
        library = None
        if (root / CATALOG_NAME).exists():
            library = _lock(held, Library.open(root))
        else:
            need_room(root)
        place = device_name(device)
        judging = read_judging(config.gate)
        banks = read_banks(config.novelty, folder)
        check_samplings(choose_models(config, folder))
        order = read_order(config, folder)
        embedder = load_embedder(config.embedder, place)
        if library is None:
            library = _lock(held, Library.open(root, create=True))
        finished = latest_night(library, order)
        if finished is not None and is_complete(library, order, finished):
            stages.catch_up(library, embedder, place, banks)
            night_id, unscored = finished.id, None
        else:
            need_room(root)
            bench = Bench(library, order, judging, stop, place, batch_size)
            with _told_all_the_same(bench):
                night_id, unscored = bench.night_id, _run(bench, embedder, banks)
        morning = look_back(library, night_id, config.target, order.left_out, unscored)
        write_morning(morning)
    return morning


def _lock(held: ExitStack, library: Library) -> Library:
    """The library, locked until `held` is closed."""
    held.enter_context(library)
    library.lock()
    return library


@contextmanager
def _told_all_the_same(bench: Bench) -> Iterator[None]:
    """Where the night breaks off with an error, leave its pages for what was made until then, if that is possible."""
    try:
        yield
    except (GenerationError, CatalogError) as cause:
        with suppress(GenerationError, CatalogError, OSError):  # the same trouble, such as a full disk
            order = bench.order
            write_morning(look_back(bench.library, bench.night_id, order.config.target, order.left_out, str(cause)))
        raise


def _run(bench: Bench, embedder: Embedder, banks: Sequence[NoveltyBank]) -> str | None:
    """Let Prefect run the night; why there are no scores of models, when there are none."""
    home = prefect_home.enter(bench.library.path)
    prefect_home.sweep_servers(home)
    with serving(home):
        prefect_home.sweep_runs()
        from flows.night import Night

        return Night(bench, embedder, banks).run(bench.library.night(bench.night_id).name)
