"""Packs: chosen sounds with names, licences and credits, as a zip that can be given away."""

from __future__ import annotations

from catalog.packs.build import PackResult, make_pack

__all__ = ["PackResult", "make_pack"]
