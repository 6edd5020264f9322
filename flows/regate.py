"""The gate again over a whole library: fitted to reviewers, and applied without making a sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from catalog.gate_fit import MAX_P, GatedSound, Proposal
from catalog.library import Library
from catalog.rejudging import NewVerdict
from catalog.results import REJECTS
from flows.judging import Judging
from generation.audio import read_clip, write_bytes
from generation.errors import AudioError
from generation.strict_yaml import dump_yaml
from generation.tuning import finish_in_tune

NO_RAW_CLIP = "its raw clip is not kept any more"


@dataclass(frozen=True)
class Regated:
    """What a gate changed: ids, and of those it would accept but cannot, why."""

    accepted: tuple[int, ...]
    rejected: tuple[int, ...]
    stay_rejected: dict[int, str]


def regate(library: Library, judging: Judging) -> Regated:
    """Judge every sound again by its stored facts; newly accepted ones are finished from their raw clips.

    Raises LibraryError when another night is at work, or facts are not those of this version.
    """
    library.lock()
    changes: list[NewVerdict] = []
    stay: dict[int, str] = {}
    for sound in library.gated_sounds():
        verdict = sound.verdict(judging.gate)
        if verdict.accepted and not sound.accepted:
            change = _accepted(library, sound, judging)
            if isinstance(change, str):
                stay[sound.id] = change
            else:
                changes.append(change)
        elif not verdict.accepted and sound.accepted:
            changes.append(NewVerdict(sound.id, tuple(asdict(reason) for reason in verdict.reasons)))
    library.rejudge(changes)
    return Regated(
        accepted=tuple(change.sample_id for change in changes if not change.reasons),
        rejected=tuple(change.sample_id for change in changes if change.reasons),
        stay_rejected=stay,
    )


def _accepted(library: Library, sound: GatedSound, judging: Judging) -> NewVerdict | str:
    """The verdict on a sound that may be accepted now; a sentence when it cannot be."""
    sample = library.sample(sound.id)
    if sample.file is None:
        return NO_RAW_CLIP
    if not sample.file.startswith(f"{REJECTS}/"):
        return NewVerdict(sound.id, ())  # rejected by an earlier gate of the same library: its master is there
    try:
        clip, facts = finish_in_tune(read_clip(library.audio_path(sample)), judging.finish, sample.note_asked)
    except AudioError as error:
        return f"its raw clip cannot be finished ({error})"
    return NewVerdict(sound.id, (), clip, asdict(facts))


def write_gate(path: Path, judging: Judging, proposal: Proposal) -> None:
    """Write a gate configuration with the proposed thresholds; everything else stays as it was."""
    content = judging.model_copy(update={"gate": proposal.settings}).model_dump(mode="json")
    moved = ", ".join(f"{move.threshold} from {move.before:g}" for move in proposal.moves)
    head = f"# Fitted to {proposal.reviews} reviews by `nightcrate gate fit`; moved: {moved}.\n"
    write_bytes(path, (head + dump_yaml(content)).encode())


def sentences(proposal: Proposal, sounds: Sequence[GatedSound]) -> list[str]:
    """A proposal in words, the most wanted first."""
    before, after = 100 * proposal.agreement_before, 100 * proposal.agreement_after
    reviews = f"{proposal.reviews} reviews ({proposal.keeps} keeps, {proposal.reviews - proposal.keeps} drops)"
    tested = f"{proposal.better} better and {proposal.worse} worse"
    if not proposal.moves:
        return [
            f"no proposal: {reviews} do not disagree with the gate surely enough; of those held out, fitted thresholds "
            f"judge {tested} than the gate does (sign test: p = {proposal.p:.2g}, below {MAX_P:g} is needed)"
        ]
    lines = [f"{move.threshold}: {move.before:g} -> {move.after:g}, {move.gain:+g} agree" for move in proposal.moves]
    lines.append(
        f"agreement with {reviews}: {before:.0f} % now, {after:.0f} % of those held out, {tested} than now "
        f"(sign test: p = {proposal.p:.2g})"
    )
    rejected, accepted, share = proposal.newly_rejected, proposal.newly_accepted, 100 * proposal.newly_rejected_share
    lines.append(f"would reject {len(rejected)} of {proposal.accepted} accepted ({share:.0f} %){_listed(rejected)}")
    lines.append(f"would accept {len(accepted)} of {len(sounds) - proposal.accepted} rejected{_listed(accepted)}")
    return lines


def _listed(ids: Sequence[int]) -> str:
    """The first ids, for the end of a sentence."""
    return (": " if ids else "") + ", ".join(f"#{id}" for id in ids[:20]) + (", ..." if len(ids) > 20 else "")
