"""The morning page: one HTML file that needs nothing but the library around it.

Pictures are inline, sounds are played from the library's own files by relative path, and there is no
script: the page works from a file manager, years later, and after the library folder was moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from catalog.gate import in_cents
from catalog.packs.licence import obstacle
from catalog.pictures import waveform_svg
from catalog.records import SampleRecord
from flows.summary import Morning, as_json, as_text, cell_name, sale_lines, score_line
from generation.audio import read_clip, write_bytes
from generation.errors import AudioError

SHOWN_ACCEPTED = 600
SHOWN_REJECTED = 60
"""A browser stays quick with these many sounds; search shows the others."""

_UP = "../../"  # from LIBRARY/nights/NAME/index.html to LIBRARY

_STYLE = """
:root { color-scheme: light dark; --quiet: color-mix(in srgb, currentColor 55%, transparent); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p, li, td, th { font-variant-numeric: tabular-nums; } .quiet { color: var(--quiet); }
.numbers { display: flex; flex-wrap: wrap; gap: 1.5rem; padding: 0; list-style: none; }
.numbers b { display: block; font-size: 1.6rem; }
.sounds { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
figure { border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: 6px;
         margin: 0; padding: .7rem; }
figure svg { color: #2a8f7b; display: block; height: 48px; width: 100%; } .rejected svg { color: #b4513c; }
audio { display: block; height: 2rem; margin: .4rem 0; width: 100%; }
h1, p, figcaption, li, code, td:first-child { overflow-wrap: anywhere; } summary { cursor: pointer; }
table { border-collapse: collapse; } td, th { padding: .15rem .9rem .15rem 0; text-align: left; }
td.n, th.n { text-align: right; } code { user-select: all; }
"""


def write_morning(morning: Morning) -> Path:
    """Write summary.txt, summary.json and index.html, each whole or not at all; return the page."""
    page = morning.folder / "index.html"
    write_bytes(morning.folder / "summary.txt", (as_text(morning) + "\n").encode())
    write_bytes(morning.folder / "summary.json", (json.dumps(as_json(morning), indent=1) + "\n").encode())
    write_bytes(page, as_html(morning).encode())
    return page


def as_html(morning: Morning) -> str:
    """The whole page as HTML 5."""
    name = escape(morning.night.night.name)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Night {name}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style><h1>Night {name}</h1>",
        f'<p class="quiet">{escape(as_text(morning).splitlines()[0])}</p>',
        _numbers(morning),
        *(f"<p>{escape(line)}</p>" for line in sale_lines(morning)),
        *_of_which_day(morning),
        *_what_doubt_means(morning),
        *_troubles(morning),
        *_accepted(morning),
        *_rejected(morning),
        *_tables(morning),
        "<h2>Where to go on</h2>",
        f'<p><code>nightcrate search "dark plucked bass" --library {escape(str(morning.library))}</code></p>',
        "</html>",
    ]
    return "\n".join(parts)


def _numbers(morning: Morning) -> str:
    counts = ("accepted", "rejected", "failed", "made", "found")
    items = "".join(f"<li><b>{getattr(morning.night, count)}</b>{count}</li>" for count in counts)
    return f'<ul class="numbers">{items}</ul>'


def _of_which_day(morning: Morning) -> Iterable[str]:
    """What the scores beside the sounds are; nothing while none has one."""
    if any(sample.score is not None for sample in morning.sounds):
        yield (
            '<p class="quiet">Scores are ranks among this library\'s accepted sounds of the same family as it was when '
            f"this page was written, {morning.written_at:%Y-%m-%d %H:%M} UTC; they move when it grows.</p>"
        )


def _what_doubt_means(morning: Morning) -> Iterable[str]:
    """How far the judge is to be trusted; nothing while it doubts no sound of this night."""
    heard = [one for one in morning.heard.values() if one.rank is not None]
    doubtful = sum(one.doubtful for one in heard)
    if doubtful:
        yield (
            f'<p class="quiet">"Heard as" marks {doubtful} of {len(heard)} sounds: the family asked for is not among '
            "the three that the judge finds likeliest. It is a hint where to listen first and rejects nothing: of real "
            "recordings the judge names about six in ten rightly, and nine in ten within its three.</p>"
        )


def _troubles(morning: Morning) -> Iterable[str]:
    """What somebody should look into; nothing on a good morning."""
    night = morning.night
    lines = [f"Stopped by the canary: {cell.sentence}" for cell in night.stopped]
    lines += [f"Not used: {model}: {cause}" for model, cause in morning.left_out.items()]
    lines += [f"Failed ({count}): {line}" for line, count in night.failures.items()]
    lines += [
        f"Fewer than {morning.target} accepted: {cell_name(cell)} has {cell.accepted}" for cell in morning.short_cells
    ]
    if morning.copies:
        lines.append(f"Copies of training notes, left out of packs: {morning.copies}")
    if lines:
        yield "<h2>To look into</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _accepted(morning: Morning) -> Iterable[str]:
    sounds = [sample for sample in morning.sounds if sample.status == "accepted"]
    shown = _best_of_each_cell(sounds, SHOWN_ACCEPTED)
    if len(shown) < len(sounds):
        few = f"The best {len(shown)} of {len(sounds)} accepted sounds; search finds them all."
        yield f'<p class="quiet">{few}</p>'
    for family, members in _by_family(shown).items():
        figures = "".join(_figure(morning, sample) for sample in members)
        yield f'<h2>{escape(family)} ({len(members)})</h2><div class="sounds">{figures}</div>'


def _rejected(morning: Morning) -> Iterable[str]:
    sounds = [sample for sample in morning.sounds if sample.status == "rejected"]
    if not sounds:
        return
    shown = sounds[:SHOWN_REJECTED]
    few = f"the first {len(shown)} of {len(sounds)}" if len(shown) < len(sounds) else str(len(sounds))
    figures = "".join(_figure(morning, sample) for sample in shown)
    yield f'<h2>Rejected ({few})</h2><div class="sounds rejected">{figures}</div>'


def _tables(morning: Morning) -> Iterable[str]:
    night = morning.night
    if night.rejection_reasons:
        yield _table("Why sounds were rejected", ("reason", "sounds"), _rows(night.rejection_reasons))
    if morning.scores:
        yield "<h2>Scores of the models, over the whole library</h2>" + _scores(morning, "model")
        yield f"<details><summary>by family and quality</summary>{_scores(morning, 'model_family')}</details>"
    if morning.unscored:
        yield f"<h2>Scores</h2><p>None: {escape(morning.unscored)}</p>"
    cells = [(cell_name(cell), cell.accepted, cell.rejected, cell.failed) for cell in night.cells]
    yield _table("Cells", ("cell", "accepted", "rejected", "failed"), cells)
    seconds = {stage: f"{spent:.1f}" for stage, spent in night.stage_seconds.items()}
    yield _table("Seconds a stage", ("stage", "seconds"), _rows(seconds))


def _scores(morning: Morning, scope: str) -> str:
    lines = "".join(f"<li>{escape(score_line(score))}</li>" for score in morning.scores if score.scope == scope)
    return f"<ul>{lines}</ul>"


def _figure(morning: Morning, sample: SampleRecord) -> str:
    """One sound: its picture, its player, and what is known of it."""
    facts = [f"#{sample.id}", sample.model]
    if sample.note is not None:
        facts.append(f"{sample.note} {in_cents(sample.cents)}")
    if sample.duration_s is not None:
        facts.append(f"{sample.duration_s:.2f} s")
    if sample.score is not None:
        facts.append(f"score {sample.score:.0f}")
    if sample.nearest_note is not None and sample.likeness is not None:
        kin = "copy of" if sample.is_copy else "nearest training note"
        facts.append(f"{kin} {sample.nearest_note}, likeness {sample.likeness:.2f}")
    built = ""
    if len(sample.sources) == 1:
        facts.append(f"built from {sample.sources[0]}")
    elif sample.sources:
        listed = escape(", ".join(sample.sources))
        built = f'<details class="quiet"><summary>built from {len(sample.sources)} notes</summary>{listed}</details>'
    terms = ""
    if sample.commercial != "yes":
        why = escape(obstacle(morning.models[sample.model_id]))
        terms = f'<br><abbr title="{why}">not for sale</abbr>'
    heard, doubt = morning.heard.get(sample.id), ""
    if heard is not None and heard.doubtful:
        doubt = f'<br><abbr title="{escape(heard.sentence)}">heard as {escape(next(iter(heard.likeliest)))}</abbr>'
    told = "".join(f"<br>{escape(str(reason['sentence']))}" for reason in sample.reasons)
    return (
        f"<figure>{_picture(morning, sample)}<figcaption>{escape(sample.prompt)}<br>"
        f'<span class="quiet">{escape(" · ".join(facts))}</span>{terms}{doubt}{told}{built}</figcaption></figure>'
    )


def _picture(morning: Morning, sample: SampleRecord) -> str:
    """Waveform and player, or a line saying that the sound is gone (rejects are kept for some days only)."""
    if sample.file is None:
        return '<p class="quiet">no longer kept</p>'
    player = f'<audio controls preload="none" src="{escape(_UP + sample.file)}"></audio>'
    try:
        return waveform_svg(read_clip(morning.library / sample.file)) + player
    except AudioError:  # a reject may hold NaN; a damaged master is verify's to tell
        return '<p class="quiet">no picture</p>' + player


def _best_of_each_cell(sounds: Sequence[SampleRecord], limit: int) -> list[SampleRecord]:
    """At most `limit` sounds, the best of every cell before the second best of any."""
    if len(sounds) <= limit:
        return list(sounds)
    seen: dict[tuple[str, str | None, str], int] = {}
    ranked: list[tuple[int, SampleRecord]] = []
    for sample in sorted(sounds, key=lambda each: (-(each.score or 0.0), each.id)):
        cell = (sample.model, sample.source, sample.family)
        seen[cell] = seen.get(cell, 0) + 1
        ranked.append((seen[cell], sample))
    ranked.sort(key=lambda pair: (pair[0], pair[1].id))
    return [sample for _, sample in ranked[:limit]]


def _by_family(sounds: Iterable[SampleRecord]) -> dict[str, list[SampleRecord]]:
    families: dict[str, list[SampleRecord]] = {}
    for sample in sounds:
        families.setdefault(sample.family, []).append(sample)
    return dict(sorted(families.items()))


def _rows(counts: Mapping[str, object]) -> list[tuple[object, ...]]:
    return list(counts.items())


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(tag: str, cells: Sequence[object]) -> str:
        first, *numbers = cells
        others = "".join(f'<{tag} class="n">{escape(str(cell))}</{tag}>' for cell in numbers)
        return f"<tr><{tag}>{escape(str(first))}</{tag}>{others}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<h2>{title}</h2><table>{line('th', head)}{body}</table>"
