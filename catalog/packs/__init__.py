"""Packs: chosen sounds with names, licences and credits, as a zip that can be given away."""

from __future__ import annotations

from catalog.packs.build import PackResult, make_pack
from catalog.packs.licence import NotForSale

__all__ = ["NotForSale", "PackResult", "make_pack"]
