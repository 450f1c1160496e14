"""The settings as a Dagster resource, read once per run, so that an edited signals.toml counts from the next run on."""

import dagster as dg

from pipeline.settings import Settings, load_settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The effective settings; ``changes`` (dotted key -> value) win over environment and file."""

    changes: dict[str, str] = {}

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Load them; wrong ones fail the run with the place that is wrong."""
        return load_settings(self.changes)
