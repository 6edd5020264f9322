"""Augmentation keeps shapes and floor, repeats for an equal generator, and leaves the loud part of a sound loud."""

from __future__ import annotations

import torch

from generation.training.mel_augment import FLOOR_DB, augment


def _pictures() -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    time = torch.linspace(0, 60, 251).view(1, 251, 1)
    return (torch.rand(8, 251, 64, generator=rng) * 20 - 10 - time).clamp(min=FLOOR_DB)


def test_equal_generators_give_equal_pictures() -> None:
    first, second = (augment(_pictures(), torch.Generator().manual_seed(7), 0.016) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    other = augment(_pictures(), torch.Generator().manual_seed(8), 0.016)
    assert not torch.equal(first, other)


def test_pictures_stay_finite_above_the_floor_and_near_their_level() -> None:
    before = _pictures()
    after = augment(before, torch.Generator().manual_seed(1), 0.016)
    assert after.shape == before.shape and bool(torch.isfinite(after).all()) and float(after.min()) >= FLOOR_DB
    change = after.amax(dim=(1, 2)) - before.amax(dim=(1, 2))
    assert float(change.abs().max()) < 25


def test_the_input_is_left_alone() -> None:
    before = _pictures()
    kept = before.clone()
    augment(before, torch.Generator().manual_seed(1), 0.016)
    torch.testing.assert_close(before, kept, rtol=0, atol=0)
