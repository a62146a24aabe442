"""What every section of the configuration is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Flag = Annotated[bool, Field(strict=True)]
Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Section(BaseModel):
    """Frozen; unknown keys are errors; no message repeats a value."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        defer_build=True,  # sections are checked within the whole: a validator of its own for each costs every start
    )
