"""What the thesis printed in its tables 6.1 to 6.3, digit by digit, errors included.

FD by a PANN, KL of its classes, FAD by VGGish, of the full-size models; CAG and REL are listeners' ratings of quality
and relevance, 0 to 100. How many clips were scored is not said. The three tables disagree about one setting, 200 steps
at guidance 3, so nothing here is a target; text, not numbers, so that nobody computes with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One line of a table of the thesis; None where it has no such figure."""

    fd: str | None = None
    kl: str | None = None
    fad: str | None = None
    cag: str | None = None
    rel: str | None = None


Key = tuple[str, int, float]
"""(row, steps, guidance)"""

ORIGINALS = Published(cag="79.15", rel="85.47")
"""Listeners' ratings of the original recordings, in table 6.1."""

_TABLE_6_1 = {
    "ChopAN": Published("55.99", "1.19", "7.66", "41.87", "28.59"),
    "Audio Diffusion": Published("139.10", "1.64", "25.88", "58.43", "49.29"),
    "Audio Latent Diffusion": Published("211.05", "1.36", "19.09", "59.38", "34.84"),
    "Riffusion": Published("126.03", "1.84", "24.26", "40.93", "38.35"),
    "Riffusion-FT": Published("84.54", "1.34", "14.60", "52.5", "19.06"),
    "TANGO": Published("225.28", "2.93", "27.21", "46.25", "20.62"),
    "TANGO-FT": Published("148.26", "0.82", "13.396", "60", "69"),
}

_STEPS = (10, 20, 50, 100, 200, 400)
# The thesis names no guidance for the last two.
_TABLE_6_2 = {
    "TANGO-FT": "249.71/3.13/20.61 257.16/2.12/21.46 267.032/3.25/21.48 263.62/3.22/21.55 225.28/0.82/13.4 "
    "147.87/0.24/14.68",
    "Riffusion-FT": "280.01/1.34/24.59 246.61/0.72/246.61 227.79/1.12/16.68 252.45/1.18/14.23 233.12/0.85/20.33 "
    "229.55/0.88/17.5",
    "Audio Diffusion": "227.34/2.55/18.31 172.25/1.07/28.16 215.57/1.96/19.39 157.61/0.67/19.78 221.67/1.58/25.54 "
    "209.7/1.67/39.56",
    "Audio Latent Diffusion": "149.21/0.79/51.88 176.05/0.61/23.95 205.3/1.53/31.36 169.99/0.88/17.31 "
    "246.25/2.84/22.95 217.36/0.81/20.56",
}

_GUIDANCE = (2.5, 3.0, 5.0, 10.0)
_TABLE_6_3 = {
    "TANGO-FT": "238.4/1.69/20.09 161.46/0.2/14.78 258.13/2.76/21.03 271.45/3.76/19.21",
    "Riffusion-FT": "209.84/0.5282/13.21 231.67/1.1085/15.71 251.03/1.29/18.86 250.81/1.17/19.59",
}

PUBLISHED: dict[str, dict[Key, Published]] = {
    "table-6.1": {(row, 200, 3.0): told for row, told in _TABLE_6_1.items()},
    "table-6.2": {
        (row, steps, 3.0): Published(*triple.split("/"))
        for row, triples in _TABLE_6_2.items()
        for steps, triple in zip(_STEPS, triples.split(), strict=True)
    },
    "table-6.3": {
        (row, 200, scale): Published(*triple.split("/"))
        for row, triples in _TABLE_6_3.items()
        for scale, triple in zip(_GUIDANCE, triples.split(), strict=True)
    },
}
"""Experiment -> (row, steps, guidance) -> what the thesis printed there."""

REMARKS = (
    "The thesis' columns are its own printed figures of full-size models: FD by a PANN, KL of PANN classes, FAD by "
    "VGGish. They cannot be compared with ours, which other judges gave to small models.",
    "The thesis' tables disagree with each other at 200 steps, guidance 3 (three different figures for one setting), "
    "its FD 225.28 of TANGO-FT in table 6.2 repeats TANGO's of table 6.1, its FAD 246.61 repeats the FD beside it, and "
    "it does not say how many clips were scored: no target.",
)
"""What has to stand under every table that shows them."""
