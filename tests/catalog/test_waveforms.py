"""Waveforms for the judges of the literature: what counts as one, however it is held, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from catalog.embedders.waveforms import checked_waveforms, one_waveform, prepare_as_vendored_tango
from catalog.errors import EmbedderError

WAVE = np.random.default_rng(0).uniform(-1, 1, 500).astype(np.float32)


@pytest.mark.parametrize(
    "held", [WAVE.tolist(), torch.from_numpy(WAVE), torch.tensor(WAVE, requires_grad=True), WAVE[::-1].copy()[::-1]]
)
def test_a_waveform_may_be_a_list_a_view_or_a_tensor(held: Any) -> None:
    np.testing.assert_array_equal(checked_waveforms(one_waveform(held), 1, "it")[0], WAVE)
    np.testing.assert_array_equal(prepare_as_vendored_tango(held), prepare_as_vendored_tango(WAVE))


def test_half_precision_counts_as_what_it_holds() -> None:
    coarse = torch.from_numpy(WAVE).bfloat16()
    np.testing.assert_array_equal(prepare_as_vendored_tango(coarse), prepare_as_vendored_tango(coarse.float().numpy()))


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (WAVE * 32_768, r"a peak of 3\.\d+e\+04 came; .* divide 16-bit samples by 32768"),
        (np.full(500, 1e300), r"a peak of 1e\+300 came"),
        ([[0.0, 1.0], [0.0]], "no table of numbers"),
        (WAVE + 1j, "complex64 values"),
        ("silence", "real numbers are needed"),
        (None, "object values"),
        (torch.zeros(500, dtype=torch.int16), "int16 samples came"),
    ],
)
def test_what_is_no_waveform_is_refused_in_words(wave: Any, words: str) -> None:
    with pytest.raises(EmbedderError, match=words) as caught:
        prepare_as_vendored_tango(wave)
    assert "\n" not in str(caught.value)
