"""The terms of published networks that models here are built on, as far as somebody has read them.

Where a licence was only heard of and not read at its source, it is null: undeclared, not invented.
"""

from __future__ import annotations

import re
from pathlib import Path

from generation.cards import LicenceLink
from generation.hub import HUB_ID

OPENAI_CLIP = "openai"
"""OpenAI's ViT-B/32 through open_clip, which no hub repository is named for."""

# Apache-2.0 say the model cards at https://huggingface.co/google/flan-t5-large and https://huggingface.co/t5-base.
_T5 = re.compile(r"google/flan-t5-(small|base|large|xl|xxl)|(google-t5/)?t5-base")

_AUDIOLDM = LicenceLink(
    part="weights",
    name="AudioLDM (audioldm-s-full-v2)",
    licence="CC-BY-NC-SA-4.0",
    commercial="no",
    attribution="AudioLDM by Liu et al. (CC-BY-NC-SA-4.0)",
    url="https://huggingface.co/cvssp/audioldm-s-full-v2",
)
_TANGO = (
    LicenceLink(
        part="weights",
        name="TANGO (declare-lab/tango)",
        licence="CC-BY-NC-SA-4.0",
        commercial="no",
        attribution="TANGO by Ghosal, Majumder, Mehrish and Poria (CC-BY-NC-SA-4.0)",
        url="https://huggingface.co/declare-lab/tango",
    ),
    LicenceLink(
        part="original code (none of it is used here)",
        name="TANGO (declare-lab/tango)",
        licence="CC-BY-NC-ND-4.0",
        commercial="no",
        attribution=None,
        url="https://github.com/declare-lab/tango",
    ),
    _AUDIOLDM.model_copy(
        update={
            "part": "autoencoder and vocoder",
            "name": "AudioLDM (audioldm-s-full, under the terms of its version 2)",
        }
    ),
    LicenceLink(
        part="training data",
        name="AudioCaps, recordings from YouTube, and others for TANGO's later versions",
        licence=None,
        commercial="undeclared",
        attribution=None,
    ),
)
# Its card claims no rights on what it makes and allows commercial use; the use restrictions of the licence go
# with the weights and with everything trained from them. What it was trained on is not disclosed.
_RIFFUSION = LicenceLink(
    part="weights",
    name="Riffusion (riffusion-model-v1; training data undisclosed)",
    licence="CreativeML-OpenRAIL-M",
    commercial="yes",
    attribution="Riffusion by Forsgren and Martiros (CreativeML OpenRAIL-M, with its use restrictions)",
    url="https://huggingface.co/riffusion/riffusion-model-v1",
)


def _clip(name: str) -> LicenceLink:
    return LicenceLink(
        part="weights",
        name=f"OpenAI CLIP {name}",
        licence="MIT",
        commercial="yes",
        attribution="CLIP, Copyright 2021 OpenAI (MIT)",
        url="https://github.com/openai/CLIP",
    )


_PARTS = {
    OPENAI_CLIP: (_clip("ViT-B/32"),),
    "openai/clip-vit-base-patch32": (_clip("ViT-B/32"),),
    "openai/clip-vit-large-patch14": (_clip("ViT-L/14"),),
    "riffusion/riffusion-model-v1": (_RIFFUSION,),
    "declare-lab/tango": _TANGO,
    "cvssp/audioldm-s-full-v2": (_AUDIOLDM,),
}


def is_hub_id(name: str) -> bool:
    """Whether a setting names a published network: a known name, or owner/name where no such path is."""
    is_owned = "/" in name and HUB_ID.fullmatch(name) is not None
    return name in _PARTS or (is_owned and not Path(name).exists())


def published_links(name: str) -> tuple[LicenceLink, ...]:
    """Return the licence chain of a published network; its own weights are the part "weights".

    name: a hub id, or OPENAI_CLIP. One that nobody has read up is a single undeclared link.
    """
    if name in _PARTS:
        return _PARTS[name]
    is_t5 = _T5.fullmatch(name) is not None
    return (
        LicenceLink(
            part="weights",
            name=name,
            licence="Apache-2.0" if is_t5 else None,
            commercial="yes" if is_t5 else "undeclared",
            attribution=None,
        ),
    )
