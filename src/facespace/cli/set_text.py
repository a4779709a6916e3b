"""The card of a prepared set in a few lines, for the terminal and below a contact sheet."""

from facespace.core.cards import Card
from facespace.core.console import counted


def describe_set(card: Card) -> str:
    """What a set holds and what was left out of it."""
    height, width = card["size"]
    splits = ", ".join(f"{name} {count:,}" for name, count in card["splits"].items() if count)
    colour = "gray" if card["channels"] == 1 else "colour"
    kind = f"{height}×{width} {colour}, crop {card['crop']} ({splits})"
    lines = [f"{counted(card['faces'], 'face')} from {card['source']}, {kind}"]
    lines += _skipped(card["skipped"])
    if card.get("other_files"):
        lines.append(f"{counted(card['other_files'], 'other file')} beside the photographs")
    if "masked_share" in card and card["background"] != "keep":
        lines.append(f"Background replaced ({card['background']}): {card['masked_share']:.1%} of the pixels")
    if "alignment" in card:
        lines.append(_alignment(card["alignment"]))
    for part in card.get("parts", ()):
        lines.append(f"{part['faces']:,} of them from {part['set']} ({part['source']})")
    for note in card["notes"]:
        lines.append(f"{note[0].upper()}{note[1:]}")
    return "\n".join([*lines, f"Terms: {card['terms']}"])


def _skipped(skipped: Card) -> list[str]:
    if not skipped["total"]:
        return []
    reasons = ", ".join(f"{count:,} × {reason}" for reason, count in skipped["reasons"].items())
    return [f"{skipped['total']:,} skipped: {reasons} (each one in skipped.csv)"]


def _alignment(facts: Card) -> str:
    found, photos = facts["photos_with_a_face"], facts["photos"]
    text = f"Aligned by {facts['detector']}: {found:,} of {photos:,} photographs gave a face"
    turned = facts.get("turned", 0)  # sets of older versions do not say
    return f"{text}; {turned:,} lay on a side or upside down and were turned" if turned else text
