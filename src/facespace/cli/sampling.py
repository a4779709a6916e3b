"""What `facespace sample` draws with: what was asked for, else what the space's card says, else the prior as
it is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from facespace.core.console import note
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace


HOT = 2.0  # temperature above which a prior draws hardly any faces


class Draw(NamedTuple):
    """The settings of a draw, and the words on those that come from the card."""

    temperature: float
    guidance: float
    text: str


class Asked(NamedTuple):
    """The settings on the command line; None where one was not given."""

    temperature: float | None
    guidance: float | None
    keep: float | None
    plain: bool

    def check(self, conditions: Mapping[str, float]) -> None:
        """Raises UsageError for settings beside --plain, and for a guidance with nothing to strengthen."""
        given = {"--temperature": self.temperature, "--guidance": self.guidance, "--keep": self.keep}
        beside = [name for name, value in given.items() if value is not None]
        if self.plain and beside:
            raise UsageError(
                "--plain draws from the prior as it is, with temperature 1 and guidance 1; got "
                f"{beside[0]} too. Leave one out."
            )
        if self.guidance is not None and not conditions:
            raise UsageError(
                "--guidance strengthens a condition; name one too, for example --condition Smiling=yes."
            )

    def settings(self, space: "FaceSpace", prior: str | None, conditions: Mapping[str, float]) -> Draw:
        """The settings of a draw from a prior of a space."""
        if self.plain:
            return Draw(1.0, 1.0, "")
        own, words = space.sampling_settings(prior), []
        temperature, guidance = self.temperature, self.guidance
        if temperature is None:
            temperature = own["temperature"]
            words += [f"temperature {temperature:g}"] if temperature != 1 else []
        if guidance is None:
            guidance = own["guidance"] if conditions else 1.0
            words += [f"guidance {guidance:g}"] if guidance != 1 else []
        text = f", at {' and '.join(words)} (from its card; --plain: the prior as it is)" if words else ""
        if temperature > HOT:
            note(f"Temperature {temperature:g} is far from the prior's own, 1: these need not be faces.")
        return Draw(temperature, guidance, text)
