"""What learners and their reports are called, whatever the names of their files: safe, and never two the same."""

import hashlib
import re
import unicodedata

PLAIN = re.compile(r"[\w@][\w.@ +-]*(?<![. ])")  # letters and digits of any script
RESERVED = {"index"}  # the class page
LONGEST = 120  # bytes, well below what any file system allows


def page_name(learner: str, apart: bool = False) -> str:
    """What a learner's report files are called: their name if it is plain, else part of it and a digest of it all.

    `apart` adds the digest in any case, for names that some file system would take for the same.
    """
    plain = (
        PLAIN.fullmatch(learner)
        and len(learner.encode(errors="replace")) <= LONGEST
        and unicodedata.is_normalized("NFC", learner)
        and learner.casefold() not in RESERVED
    )
    if plain and not apart:
        return learner
    safe = re.sub(r"[^\w.@ +-]", "_", learner.encode(errors="replace").decode())[: LONGEST // 4]
    return f"{safe.strip('. -') or 'learner'}-{_digest(learner)}"


def shown_name(learner: str, cleaned: str) -> str:
    """What a learner is called in reports and gradebook: two whose names only look alike are still two."""
    return cleaned if cleaned == learner else f"{cleaned} ({_digest(learner)})"


def same_to_some(learner: str) -> str:
    """Two names that give the same here are one file on some system."""
    return unicodedata.normalize("NFC", learner).casefold()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
