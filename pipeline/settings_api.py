"""The section ``[api]``: where the REST API answers, who may reach it by which names, how often, and how slowly."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from pipeline.settings_sections import Names, Real, Section, Whole

HOST_PATTERN = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:]*"  # a name, an address of either kind; no port


class ApiSettings(Section):
    """What a server of the REST API is told at its start. A rate of 0 is no limit."""

    port: Annotated[Whole, Field(ge=1, le=65535)] = 3001  # the next free one where `signals up` finds it taken
    require_keys: bool = False  # on a loopback address too
    public_hosts: Names = ()  # names by which a proxy, or other machines, call it; they make keys a must
    read_per_minute: Annotated[Whole, Field(ge=0, le=1_000_000)] = 6000  # of each key, or address without one
    generate_per_minute: Annotated[Whole, Field(ge=0, le=1_000_000)] = 60
    execute_per_minute: Annotated[Whole, Field(ge=0, le=1_000_000)] = 600
    burst_seconds: Annotated[Real, Field(ge=1, le=60)] = 10.0  # so many seconds' worth may come at once
    request_seconds: Annotated[Real, Field(ge=0.1, le=600)] = 15.0  # in which a request must have come, whole

    @field_validator("public_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(name.lower() for name in value)
        for name in lowered:
            if not re.fullmatch(HOST_PATTERN, name):
                raise ValueError(f"must be names like signals.example.com, without a scheme or a port, had {name!r}")
        return lowered
