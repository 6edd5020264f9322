"""Where a corpus comes from and under which licence: the file corpus.json beside (or above) its notes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from generation.errors import CorpusError

INFO_FILE = "corpus.json"


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """What corpus.json says of origin and licence; None where nobody said it, as for NSynth's own folders."""

    name: str
    licence: str | None = None
    attribution: str | None = None
    url: str | None = None


def info_path(folder: Path) -> Path | None:
    """The corpus.json of a corpus folder or of the folder above it; None for one that nightcrate did not make."""
    return next((place / INFO_FILE for place in (folder, folder.parent) if (place / INFO_FILE).is_file()), None)


def read_info(folder: Path) -> CorpusInfo:
    """Read corpus.json of a corpus folder or of the folder above it; without one, only the folder's name.

    Raises CorpusError when the file is no JSON object or its name, licence, attribution or url is no text.
    """
    path = info_path(folder)
    if path is None:
        return CorpusInfo(folder.resolve().name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise CorpusError(f"{path}: is not readable JSON ({error}); make the corpus again") from error
    if not isinstance(content, dict):
        raise CorpusError(f"{path}: holds {type(content).__name__}; an object with name and licence is needed")
    texts = {key: content.get(key) for key in ("name", "licence", "attribution", "url")}
    for key, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise CorpusError(f"{path}: {key} is {text!r}; a text is needed")
    return CorpusInfo(texts["name"] or folder.resolve().name, texts["licence"], texts["attribution"], texts["url"])
