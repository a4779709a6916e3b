"""Collects results in their order and leaves out copies, by the rules: the first of several stays."""

from collections.abc import Iterator, Sequence

from facespace.data.copies import EXACT, NEAR, CopyIndex, CopyRules
from facespace.data.processing import PreparedFace
from facespace.data.results import Result, Results


class CopyFilter:
    """Adds results to `results`. A copy that is left out becomes a failure with that reason; of which picture
    it is one is kept in `results.copies`, as for near copies that stay."""

    def __init__(self, rules: CopyRules, results: Results) -> None:
        self.rules, self.results = rules, results
        self._index = CopyIndex(rules.near != "ignore")

    def add(
        self, new: Sequence[Result], pixels: bytes
    ) -> tuple[Sequence[Result], bytes, list[tuple[int, int]]]:
        """Adds results whose `pixels` follow one another. Returns them without the copies that are left out,
        the pixels of the others, and (place, place of the original) of the copies."""
        if not self.rules.looks:
            for result in new:
                self.results.append(result)
            return new, pixels, []
        kept, parts, found = [], [], []
        for result, part in _with_pixels(new, pixels):
            place, original, dropped = len(self.results), None, False
            if result.face.good:
                original, dropped = self._original(result.face)
            if dropped:
                reason = EXACT if self._is_exact(result.face, original) else NEAR
                result = Result(result.face._replace(good=False, detail=reason, code=None), result.number)
            elif result.face.good:
                parts.append(part)
            if original is not None:
                found.append((place, original))
            kept.append(result)
            self._append(result)
        self.results.copies.update(found)
        return kept, b"".join(parts), found

    def restore(self, results: Sequence[Result], copies: Sequence[Sequence[int]]) -> None:
        """Adds results of an interrupted run, and the copies among them."""
        for result in results:
            self._append(result)
        self.results.copies.update((place, original) for place, original in copies)

    def _append(self, result: Result) -> None:
        face, place = result.face, len(self.results)
        self.results.append(result)
        if face.good and self.rules.looks:
            self._index.add(
                place, bytes.fromhex(face.detail), bytes.fromhex(face.code) if face.code else None
            )

    def _original(self, face: PreparedFace) -> tuple[int | None, bool]:
        """The place of the picture that a face is a copy of, and whether the face is left out."""
        exact = self._index.find_exact(bytes.fromhex(face.detail), self.results.digest)
        if exact is not None:
            return exact, self.rules.drop_exact
        if not face.code:
            return None, False
        near = self._index.find_near(bytes.fromhex(face.code))
        return near, near is not None and self.rules.near == "drop"

    def _is_exact(self, face: PreparedFace, original: int | None) -> bool:
        return original is not None and self.results.digest(original).hex() == face.detail


def _with_pixels(results: Sequence[Result], pixels: bytes) -> Iterator[tuple[Result, bytes]]:
    """Each result with its pixels, none for a face that failed."""
    good = sum(result.face.good for result in results)
    size, start = len(pixels) // max(good, 1), 0
    for result in results:
        end = start + size * result.face.good
        yield result, pixels[start:end]
        start = end
