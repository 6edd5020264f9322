"""A converted folder appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generation.audio import TEMPORARY_SUFFIX, settle_folder
from generation.convert import ConversionError


def refuse_existing(out: Path) -> None:
    """Raise ConversionError when the folder to make is there already."""
    if out.exists():
        raise ConversionError(f"{out}: already exists; choose a new folder or remove it")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to fill; it is renamed at the end, and removed when anything goes wrong.

    Raises ConversionError, one line, for whatever is met while it is filled.
    """
    building = out.with_name(f".{out.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        building.mkdir(parents=True)
        yield building
        settle_folder(building)
        os.rename(building, out)
    except ConversionError:
        raise
    except Exception as error:  # tokenizers tell of a full disk by a bare Exception, safetensors by one of their own
        reason = getattr(error, "strerror", None) or error
        raise ConversionError(f"{out}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
